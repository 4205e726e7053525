"""`Gamm`: the sex-moderated GAMM as an estimator, thin over `fit_gamm` and the R functions behind it."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import pandas as pd

from voicerisk.errors import ModelError
from voicerisk.files import PRIVATE, replacing
from voicerisk.models.gamm import tables as gamm_tables
from voicerisk.models.gamm.fit import WITH, WITHOUT, GammFit, fit_gamm
from voicerisk.models.gamm.levels import split_levels
from voicerisk.models.gamm.settings import GammModel
from voicerisk.rbridge import Worker

_SEXES = {"female": "female", "f": "female", "male": "male", "m": "male"}


class Gamm:
    """Sex-moderated generalised additive mixed model of a 0/1 outcome, by R's mgcv.

    ``logit P(y = 1) = sex + sum of s(marker, by = sex) + covariates + random intercepts``

    Parameters
    ----------
    markers : sequence of str
        Columns that enter as one smooth for each sex.
    engine : {'bam', 'gam', 'gamm'}
        Function of mgcv. 'gam' and 'gamm' refuse more than 10,000 rows; 'bam' takes 470,000 frames.
    level : {'segment', 'frame'}
        What a row is.
    k : int
        Basis dimension of each smooth, at least 3; lowered, and said, where rows cannot carry it.
    random : sequence of str
        Random intercepts, any of 'caller', 'call' (within caller) and 'segment' (within call); () for none.
    two_levels : bool
        Whether each marker enters as its segment's mean and the frame's deviation from it (needs 'frame').
    covariates : sequence of str
        Further columns, for example age: numeric ones enter as one smooth for both sexes, text as terms.
    linear : sequence of str
        Markers and covariates that enter linearly.
    method : str, optional
        Smoothing selection of mgcv; default 'fREML' (bam) or 'REML' (gam, gamm).
    discrete : bool, optional
        Whether bam rounds covariates to 1,000 values; see `fit_gamm` for the default.
    weights : str, optional
        Column of prior weights > 0.
    random_sd : float, optional
        Fixed standard deviation (log-odds) of the random intercepts instead of an estimated one.
    drop : bool
        Whether `kept_` leaves out markers with p > 0.05 in every sex.
    y, sex, caller, call, segment : str
        Names of the columns. Sex is female/male/F/M in any case.
    selected_on_same_labels : bool
        Whether the markers were chosen with the outcomes of these rows; stands in the table of smooths.
    confidence : float
        Level of all intervals, in (0, 1).
    points, draws : int
        Grid points a curve; draws behind the simultaneous intervals.
    seed : int
        Seed of R's generator.
    time_limit : float, optional
        Seconds for each fit.
    worker : Worker, optional
        A child with R to use; by default each call of R starts one (about a second) and closes it.

    Attributes
    ----------
    fit_ : GammFit
        The fit, with everything `fit_gamm` gives.
    markers_ : tuple of str
        Columns that entered: `markers`, or their two levels.
    kept_ : tuple of str
        Markers that stay.
    sexes_ : tuple of str
        Sexes among the complete rows.

    Notes
    -----
    Where every caller has one outcome, an intercept per caller separates the data. Then there are two fits:
    the one asked for, and one without random intercepts whose tests and intervals take the caller as the
    unit. The argument `model` of the methods says which is meant: by default the one whose curves can be
    read (`fit_.readable`), else 'with_random_intercepts' or 'without_random_intercepts'.

    Examples
    --------
    >>> from voicerisk.models import Gamm
    >>> gamm = Gamm(["dom", "loudness"], k=5).fit(segments)  # doctest: +SKIP
    >>> gamm.smooths()[["marker", "sex", "edf", "p_value"]]  # doctest: +SKIP
    >>> gamm.predict(new_segments)["probability"]  # doctest: +SKIP
    """

    fit_: GammFit
    markers_: tuple[str, ...]
    kept_: tuple[str, ...]
    sexes_: tuple[str, ...]

    def __init__(
        self,
        markers: Sequence[str],
        *,
        engine: str = "bam",
        level: str = "segment",
        k: int = 10,
        random: Sequence[str] = ("caller",),
        two_levels: bool = False,
        covariates: Sequence[str] = (),
        linear: Sequence[str] = (),
        method: str | None = None,
        discrete: bool | None = None,
        weights: str | None = None,
        random_sd: float | None = None,
        drop: bool = False,
        y: str = "outcome",
        sex: str = "sex",
        caller: str = "caller_id",
        call: str = "call_id",
        segment: str = "segment",
        selected_on_same_labels: bool = True,
        confidence: float = 0.95,
        points: int = 100,
        draws: int = 10_000,
        seed: int = 1,
        time_limit: float | None = 1800.0,
        worker: Worker | None = None,
    ) -> None:
        if isinstance(markers, str):
            raise ModelError(f"markers is the text {markers!r}; give a list of columns.")
        if two_levels and level != "frame":
            raise ModelError(
                "two_levels = True needs level = 'frame': a segment has no deviation from itself."
            )
        if two_levels and set(linear) & set(markers):
            raise ModelError("With two_levels, name in `linear` the columns <marker>_segment or _deviation.")
        self.model = GammModel(
            engine=engine,
            level=level,
            k=k,
            random=tuple(random),
            drop=drop,
            linear=tuple(linear),
            y=y,
            sex=sex,
            caller=caller,
            call=call,
            segment=segment,
            covariates=tuple(covariates),
            method=method,
            discrete=discrete,
            weights=weights,
            random_sd=random_sd,
            confidence=confidence,
            curve_points=points,
            draws=draws,
            selected_on_same_labels=selected_on_same_labels,
            seed=seed,
            time_limit=time_limit,
        )
        self.markers = tuple(markers)
        self.two_levels = two_levels
        self.worker = worker

    def fit(self, table: pd.DataFrame, rds_path: Path | str | None = None) -> Self:
        """Fit the model to a table with one row a segment or frame.

        Parameters
        ----------
        table : DataFrame
            Outcome (0/1), sex, ids, markers (float, NaN = missing) and covariates. Rows with a missing value
            are left out and counted.
        rds_path : Path or str, optional
            Where R saves the model; by default a temporary file that ends with this object.

        Raises
        ------
        ModelError
            The table cannot be used, or `drop` leaves no marker.
        RBridgeError
            R is unusable, refused the model, failed, or ran out of time.
        """
        rows, names = self._rows(table)
        home = None
        if rds_path is None:
            home = tempfile.TemporaryDirectory(prefix="voicerisk-gamm-")
            path = Path(home.name) / "model.rds"
        else:
            path = Path(rds_path)
        fit = fit_gamm(rows, names, self.model, path, self.worker)
        used = [*names, *self.model.covariates, self.model.sex]
        self.fit_, self.markers_, self.kept_, self._home = fit, names, fit.kept, home
        self.sexes_ = tuple(sorted(rows.dropna(subset=used)[self.model.sex].unique()))
        self._checks: dict[str, dict[str, pd.DataFrame]] = {}
        return self

    def predict(
        self,
        table: pd.DataFrame,
        kind: Literal["fixed", "marginal"] = "fixed",
        model: str | None = None,
    ) -> pd.DataFrame:
        """Predict for rows whose callers the model need not know.

        Parameters
        ----------
        table : DataFrame
            Sex, markers and covariates; with `two_levels` also caller, call and segment, and all frames of a
            segment, whose mean is taken. A missing value gives a missing prediction.
        kind : {'fixed', 'marginal'}
            'fixed': every random intercept 0, the prediction for a caller in the middle of the callers, not
            an average over them. 'marginal': the probability averaged over the random intercepts.
        model : str, optional
            Which fit; default the readable one.

        Returns
        -------
        DataFrame
            link (log-odds of the fixed part), se, probability, lower, upper, with the index of `table`.

        Raises
        ------
        ModelError
            For a column that is absent, or a sex that the model has not seen; R is not started.
        RBridgeError
            For a level of a covariate that the model has not seen.
        """
        fit = self._fit(model)
        rows, names = self._rows(table)
        sex = self.model.sex
        needed = [*names, *self.model.covariates, *([sex] if len(self.sexes_) > 1 else [])]
        for name in needed:
            if name not in rows.columns:
                raise ModelError(
                    f"The new rows have no column {name!r}; the model needs {', '.join(needed)}."
                )
        if sex in rows.columns:
            unseen = sorted(set(rows[sex].dropna().astype(str)) - set(self.sexes_))
            if unseen:
                raise ModelError(
                    f"The new rows have {sex} = {unseen[0]!r}; the model knows {' and '.join(self.sexes_)}."
                )
        kept = [name for name in [*needed, sex] if name in rows.columns]
        found = gamm_tables.predict_gamm(
            self._path(fit),
            rows[list(dict.fromkeys(kept))],
            kind,
            self.model.confidence,
            sex=sex,
            worker=self.worker,
        )
        return found.set_index(table.index)

    def smooths(self, model: str | None = None) -> pd.DataFrame:
        """Return EDF, statistic and p of each smooth, Holm and Benjamini-Hochberg columns beside."""
        return self._fit(model).smooths

    def terms(self, model: str | None = None) -> pd.DataFrame:
        """Return the parametric terms with Wald intervals, in log-odds."""
        return self._fit(model).terms

    def variance(self, model: str | None = None) -> pd.DataFrame:
        """Return the standard deviation of each random intercept, in log-odds."""
        return self._fit(model).variance

    def statistics(self, model: str | None = None) -> pd.DataFrame:
        """Return the row of the fit: counts, adjusted R-squared, deviance explained, with and `_fixed`."""
        return self._fit(model).fit

    def curves(self, model: str | None = None) -> pd.DataFrame:
        """Return the curves by sex with pointwise and simultaneous intervals, in log-odds."""
        return self._fit(model).curves

    def differences(self, level_too: bool = False, model: str | None = None) -> pd.DataFrame:
        """Return male minus female curves; `level_too` adds the main effect of sex."""
        return gamm_tables.differences(
            self._path(self._fit(model)),
            self.model.curve_points,
            self.model.confidence,
            self.model.draws,
            level_too,
            seed=self.model.seed,
            worker=self.worker,
        )

    def derivatives(self, model: str | None = None) -> pd.DataFrame:
        """Return the slope of each curve (log-odds per unit) and where it rises or falls for certain."""
        path = self._path(self._fit(model))
        return gamm_tables.derivatives(
            path,
            self.model.curve_points,
            self.model.confidence,
            self.model.draws,
            seed=self.model.seed,
            worker=self.worker,
        )

    def partial_residuals(self, model: str | None = None) -> pd.DataFrame:
        """Return each row's smooth, working residual and their sum, by marker and sex, in log-odds."""
        return gamm_tables.partial_residuals(self._path(self._fit(model)), worker=self.worker)

    def concurvity(self, model: str | None = None) -> pd.DataFrame:
        """Return worst, observed and estimated concurvity of each smooth; near 1 = the others can make it."""
        return self._check(model)["concurvity"]

    def k_check(self, model: str | None = None) -> pd.DataFrame:
        """Return basis dimension, EDF, k-index and p of each smooth; low p with EDF near k: raise k."""
        return self._check(model)["k"]

    def residual_checks(self, model: str | None = None) -> pd.DataFrame:
        """Return rows, mean fitted and observed share, and z, by bin of fitted probability."""
        return self._check(model)["residuals"]

    def convergence(self, model: str | None = None) -> pd.DataFrame:
        """Return whether mgcv converged, in how many iterations, and the largest gradient."""
        return self._check(model)["convergence"]

    def table1(self, paper_interval: bool = False, model: str | None = None) -> pd.DataFrame:
        """Return the published table of smooths; `paper_interval` adds the paper's own formula."""
        path = self._path(self._fit(model))
        return gamm_tables.table1(path, paper_interval, self.model.confidence, worker=self.worker)

    def boot_curves(
        self, resamples: int = 200, smoothing: Literal["fixed", "again"] = "fixed", model: str | None = None
    ) -> pd.DataFrame:
        """Return the curves with caller-bootstrap intervals, for a fit without random intercepts."""
        return gamm_tables.boot_curves(
            self._path(self._fit(model)),
            resamples,
            self.model.curve_points,
            self.model.confidence,
            smoothing,
            seed=self.model.seed,
            worker=self.worker,
        )

    def save(self, path: Path | str, model: str | None = None) -> None:
        """Write the fitted model as RDS: a list of class `vr_gamm` whose `model` is the mgcv object."""
        source = self._path(self._fit(model))
        with replacing(Path(path), PRIVATE) as place:
            shutil.copyfile(source, place)

    def _fit(self, model: str | None) -> GammFit:
        if not hasattr(self, "fit_"):
            raise ModelError("This Gamm is not fitted yet; call fit first.")
        if model is None:
            return self.fit_.readable
        for fit in (self.fit_, self.fit_.beside):
            if fit is not None and fit.model == model:
                return fit
        known = [fit.model for fit in (self.fit_, self.fit_.beside) if fit is not None]
        if model not in (WITH, WITHOUT):
            raise ModelError(f"model is {model!r}; it must be {' or '.join(map(repr, known))}.")
        raise ModelError(f"There is no fit {model!r} here; there is {' and '.join(known)}.")

    @staticmethod
    def _path(fit: GammFit) -> Path:
        if fit.rds_path is None:
            raise ModelError("The fit was not saved, so R has nothing to compute from; fit again.")
        return fit.rds_path

    def _check(self, model: str | None) -> dict[str, pd.DataFrame]:
        fit = self._fit(model)
        if fit.model not in self._checks:
            path = self._path(fit)
            self._checks[fit.model] = gamm_tables.checks(path, seed=self.model.seed, worker=self.worker)
        return self._checks[fit.model]

    def _rows(self, table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Return the table with sex spelt out and, where asked for, markers on two levels."""
        sex = self.model.sex
        if sex in table.columns:
            text = table[sex].astype("object")
            spelt = text.map(lambda value: _SEXES.get(str(value).strip().lower(), value), na_action="ignore")
            table = table.assign(**{sex: spelt})
        if not self.two_levels:
            return table, self.markers
        keys = [self.model.columns[name] for name in ("caller", "call", "segment")]
        return split_levels(table, self.markers, *keys)
