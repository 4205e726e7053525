"""Sex-moderated generalised additive mixed models, fitted by R's mgcv through the bridge.

The model is ``logit P(y = 1) = sex + sum of s(marker, by = sex) + random intercepts``. Everything numerical
happens in the functions of the R package (`vr_gamm`, `vr_tables`, `vr_curves`, `vr_robust`); this module
checks the table, arranges the calls in one child process, and says what the numbers can and cannot mean.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import ModelError, RBridgeError
from voicerisk.files import PRIVATE, replacing
from voicerisk.models.gamm.p_values import benjamini_hochberg, holm
from voicerisk.models.gamm.settings import (
    MOST_CURVED,
    MOST_SEPARATED,
    MOSTLY_CONSTANT,
    READ,
    GammModel,
    GammSettings,
    check_table,
    separation_text,
)
from voicerisk.rbridge import Kept, Worker

__all__ = ["CURVES", "SMOOTHS", "WITH", "WITHOUT", "GammFit", "GammModel", "GammSettings", "fit_gamm"]


_LOSSLESS_ROWS = 1000
# Rows times squared coefficients up to which bam fits without rounding.
_EXACT_WORK = 2e7

WITH = "with_random_intercepts"
WITHOUT = "without_random_intercepts"

SMOOTHS = (
    "marker", "sex", "edf", "edf_clustered", "ref_df", "residual_df", "statistic", "statistic_name",
    "p_value", "p_holm", "p_bh", "selected_on_same_labels", "model",
)  # fmt: skip
"""Columns of the table of smooths. Holm and Benjamini-Hochberg run over all markers' smooths of a model."""


CURVES = (
    "marker", "sex", "x", "estimate", "se", "lower", "upper", "lower_simultaneous", "upper_simultaneous",
    "level", "scale",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GammFit:
    """A fitted GAMM as tables.

    Attributes
    ----------
    model : str
        'with_random_intercepts' or 'without_random_intercepts'; also the last column of every table.
    smooths : DataFrame
        marker, sex, edf, edf_clustered, ref_df, residual_df (of an F statistic, else NaN), statistic,
        statistic_name ('Chi.sq', or 'F' where the scale or the callers limit the degrees of freedom),
        p_value, p_holm, p_bh, selected_on_same_labels, model. There is no P where intercepts or markers
        separate the outcomes. EDF are those of mgcv, which takes the rows of a caller as independent when it
        chooses smoothness: under clustering they overstate curvature. edf_clustered is of a second fit whose
        smoothness is chosen as if each caller gave one row (mgcv's `gamma` = rows / callers): how bent a
        curve is. It is given without random intercepts (covariance 'caller_jackknife', engines bam and gam),
        else missing.
    terms : DataFrame
        term, estimate, se, lower, upper (Wald: estimate -+ quantile x SE), statistic, statistic_name,
        p_value, model. Log-odds.
    curves : DataFrame
        marker, sex, x, estimate, se, lower, upper, lower_simultaneous, upper_simultaneous, level, scale
        ('log-odds'), model. Centred smooths over the range observed for that sex.
    variance : DataFrame
        group, sd (log-odds), groups, model: one row a random intercept.
    fit : DataFrame
        One row: engine, method, rows, rows_missing, callers, events, k, edf, edf_random, r2_adjusted and
        deviance_explained with the random intercepts, the same `_fixed` without, covariance, converged,
        seconds, formula, model.
    missing : DataFrame
        variable, missing: how many rows lack it.
    separation : DataFrame
        group, groups, constant, share: in how many groups the outcome never changes.
    notes, warnings : tuple of str
        What a reader must know in plain words, and R's own warnings word for word.
    separated : bool
        Whether a random intercept can explain the outcome completely (constant within every group). Where
        that fit would have more than `MOST_SEPARATED` coefficients (bam), it is not made: this fit is then
        the one without random intercepts, and `beside` is None.
    kept : tuple of str
        Markers that stay: all, or with `drop` those with p <= 0.05 for some sex.
    rds_path : Path or None
        The fitted model as saved by R, a list of class `vr_gamm` whose `model` is the mgcv object.
    specification : str
        SHA-256 of what defines the fit: formula, settings, seed, counts of rows, versions.
    versions : dict
        Versions of 'r' and 'mgcv' that made the fit.
    beside : GammFit or None
        Where `separated`: the same markers without random intercepts, with caller-clustered intervals.
    """

    model: str
    smooths: pd.DataFrame
    terms: pd.DataFrame
    curves: pd.DataFrame
    variance: pd.DataFrame
    fit: pd.DataFrame
    missing: pd.DataFrame
    separation: pd.DataFrame
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    separated: bool
    kept: tuple[str, ...]
    rds_path: Path | None
    specification: str
    versions: dict[str, str]
    beside: "GammFit | None" = None

    @property
    def readable(self) -> "GammFit":
        """The fit whose curves mean something: `beside` where there is one, else this one."""
        return self.beside if self.beside is not None else self

    def table(self, name: str) -> pd.DataFrame:
        """Return the table of this name (`smooths`, `terms`, `curves`, ...) stacked with that of `beside`."""
        own: pd.DataFrame = getattr(self, name)
        if self.beside is None:
            return own
        return pd.concat([own, self.beside.table(name)], ignore_index=True)


def fit_gamm(
    table: pd.DataFrame,
    markers: Sequence[str],
    settings: GammSettings | None = None,
    rds_path: Path | None = None,
    worker: Worker | None = None,
) -> GammFit:
    """Fit the GAMM of a study and return its tables.

    Where the outcome never changes within a caller (every caller has one label), an intercept per caller
    separates the data: its fit is returned as asked, with a note that says why its curves shrink to nothing,
    and `GammFit.beside` holds the same smooths without that intercept, whose tests and intervals take the
    caller as the unit (one-step leave-one-caller-out jackknife). Where intercepts and curves together have
    more than 500 coefficients (bam), the separating fit would take minutes; it is left out with a note, and
    the fit without the intercept is returned.

    Parameters
    ----------
    table : DataFrame
        One row a segment or a frame: the outcome (0/1), sex, ids, and the markers (float, NaN = missing).
        Rows with a missing value are left out and counted.
    markers : sequence of str
        Columns that enter as smooths, or linearly where `linear` names them: with one slope for each sex.
    settings : GammSettings or GammModel, optional
        Engine, level, k, random intercepts, drop; a `GammModel` also names columns, covariates, weights and
        what the intervals are. A fixed `random_sd` holds for the fit asked for, not for `beside`.
    rds_path : Path, optional
        Where R saves the model; `beside` goes to the same name with `_without_random_intercepts` appended.
    worker : Worker, optional
        A child with R to use; by default one is started and closed.

    Raises
    ------
    ModelError
        The table cannot be used, or `drop` leaves no marker.
    RBridgeError
        R is unusable, refused the model, failed, or ran out of time.

    References
    ----------
    mgcv (Wood 2017, Generalized Additive Models, 2nd ed.): `bam`, `gam`, `gamm`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from voicerisk.models.gamm.fit import GammSettings, fit_gamm
    >>> rng = np.random.default_rng(1)
    >>> caller = np.repeat(np.arange(40), 8)
    >>> rows = pd.DataFrame({"caller_id": caller.astype(str), "call_id": caller.astype(str),
    ...     "segment": np.tile(np.arange(8), 40), "sex": np.where(caller % 2, "male", "female"),
    ...     "outcome": (caller // 2) % 2, "dom": rng.normal(size=320) + (caller // 2) % 2})
    >>> fit = fit_gamm(rows, ["dom"], GammSettings(k=5))  # doctest: +SKIP
    >>> fit.separated, fit.readable.model  # doctest: +SKIP
    (True, 'without_random_intercepts')
    """
    asked = settings if isinstance(settings, GammModel) else GammModel.of(settings)
    check_table(table, markers, asked)
    weights = [asked.weights] if asked.weights else []
    needed = [*dict.fromkeys([*asked.columns.values(), *asked.covariates, *markers, *weights])]
    data = table[[name for name in needed if name in table.columns]]
    with nullcontext(worker) if worker is not None else Worker() as r:
        r.keep("gamm_data", data)
        groups: dict[str, Any] = {name: asked.columns[name] for name in ("y", "caller", "call", "segment")}
        separation = r.call(
            "vr_separation", data=Kept("gamm_data"), random=list(asked.random), **groups
        ).value
        job = _Job(r, data, tuple(markers), asked, separation)
        if job.hopeless:
            alone = job.fit(WITHOUT, rds_path)
            notes = (separation_text(separation, left_out=True), *alone.notes)
            return replace(alone, notes=notes, separated=True, kept=_kept(alone, markers, asked))
        try:
            main = job.fit(WITH if asked.random else WITHOUT, rds_path)
        except RBridgeError as failure:
            if not job.separated:
                raise
            raise RBridgeError(f"{failure}\n{separation_text(separation)} Fit with random = [].") from failure
        if job.separated:
            beside = job.fit(WITHOUT, _beside_path(rds_path))
            main = replace(main, notes=(f"{separation_text(separation)} {READ}", *main.notes), beside=beside)
    return replace(main, kept=_kept(main, markers, asked))


@dataclass(frozen=True, slots=True)
class _Job:
    """One table in R, on which a model is fitted with its random intercepts and without."""

    r: Worker
    data: pd.DataFrame
    markers: tuple[str, ...]
    asked: GammModel
    separation: pd.DataFrame

    @property
    def separated(self) -> bool:
        """Whether a random intercept explains the outcome of most groups by itself."""
        return bool((self.separation["share"] >= MOSTLY_CONSTANT).any())

    @property
    def hopeless(self) -> bool:
        """Whether intercepts separate with so many coefficients that a fit takes minutes and says nothing."""
        groups = int(self.separation["groups"].sum())
        return (
            self.separated
            and self.asked.engine == "bam"
            and self.asked.random_sd is None
            and min(MOST_CURVED, self._coefficients()) + groups > MOST_SEPARATED
        )

    def fit(self, model: str, path: Path | None) -> GammFit:
        """Fit with or without the random intercepts that were asked for."""
        arguments = self._arguments(model)
        asked = self.asked
        options = {"points": asked.curve_points, "level": asked.confidence, "draws": asked.draws}
        with replacing(path, PRIVATE) if path is not None else nullcontext(None) as saved:
            answer = self.r.call(
                "bridge_gamm",
                data=Kept("gamm_data"),
                fit=arguments,
                rds=saved,
                seed=asked.seed,
                time_limit=asked.time_limit,
                **options,
            )
        got = answer.value
        versions = {name: value[0] for name, value in got["versions"].items()}
        rows = [int(got["counts"][name].iloc[0]) for name in ("rows", "rows_used", "callers", "events")]
        defines = {
            "arguments": arguments,
            "options": options,
            "seed": asked.seed,
            "formula": got["formula"][0],
            "rows": rows,
            "versions": versions,
        }
        tables = self._tables(got, model)
        return GammFit(
            model=model,
            smooths=tables["smooths"],
            terms=tables["terms"],
            curves=tables["curves"],
            variance=tables["variance"],
            fit=tables["fit"],
            missing=got["missing"],
            separation=self.separation,
            notes=(*(got["notes"] or ()), *_model_notes(model, got, arguments["discrete"])),
            warnings=answer.warnings,
            separated=self.separated and model == WITH,
            kept=self.markers,
            rds_path=path,
            versions=versions,
            specification=hashlib.sha256(json.dumps(defines, sort_keys=True).encode()).hexdigest(),
        )

    def _arguments(self, model: str) -> dict[str, Any]:
        """Return what `vr_gamm` is asked for."""
        asked = self.asked
        arguments: dict[str, Any] = {
            **asked.columns,
            "markers": list(self.markers),
            "covariates": list(asked.covariates),
            "linear": list(asked.linear),
            "engine": asked.engine,
            "discrete": self._discrete() if asked.discrete is None else asked.discrete,
            "method": asked.method,
            "k": asked.k,
            "weights": asked.weights,
            "random": list(asked.random) if model == WITH else [],
        }
        if model == WITHOUT:
            return arguments | {"covariance": "caller_jackknife"}
        if self.separated and asked.discrete is None and asked.engine == "bam":
            # A separating fit takes very many iterations, and its curves say nothing anyway.
            arguments["discrete"] = True
        return arguments | {"random_sd": asked.random_sd}

    def _discrete(self) -> bool:
        """Tell whether bam shall round each marker to 1,000 values.

        With no more rows than that nothing is rounded, and its faster iterations are free. With many rows and
        coefficients an exact fit takes 20 times as long (30 s for 3,000 rows of 12 markers).
        """
        if self.asked.engine != "bam":
            return False
        rows = len(self.data)
        work = rows * self._coefficients() ** 2
        return self.asked.level == "frame" or rows <= _LOSSLESS_ROWS or work > _EXACT_WORK

    def _coefficients(self) -> int:
        """Return the number of coefficients that the curves would have with k as it is asked for."""
        return len(self.markers) * int(self.data[self.asked.sex].nunique()) * (self.asked.k - 1)

    def _tables(self, got: dict[str, Any], model: str) -> dict[str, pd.DataFrame]:
        """Return the tables of a fit, with adjusted P values where P values mean something."""
        smooths = got["smooths"]
        of_marker = smooths["marker"].isin(self.markers).to_numpy()
        if self.separated and model == WITH:  # such tests say nothing: intercepts explain the outcome
            smooths["p_value"] = np.nan
            got["terms"]["p_value"] = np.nan
        smooths["p_holm"] = np.nan
        smooths["p_bh"] = np.nan
        p_values = smooths.loc[of_marker, "p_value"].to_numpy(dtype=float)
        smooths.loc[of_marker, "p_holm"] = holm(p_values)
        smooths.loc[of_marker, "p_bh"] = benjamini_hochberg(p_values)
        smooths["selected_on_same_labels"] = self.asked.selected_on_same_labels
        parts = {name: got[name] for name in ("smooths", "terms", "curves", "variance", "fit")}
        if parts["curves"] is None:  # every marker is linear
            parts["curves"] = pd.DataFrame(columns=list(CURVES))
        for part in parts.values():
            part["model"] = model
        parts["smooths"] = smooths[list(SMOOTHS)]
        return parts


def _model_notes(model: str, got: dict[str, Any], discrete: bool) -> tuple[str, ...]:
    notes = []
    counts = got["counts"].iloc[0]
    if discrete and counts["rows_used"] > _LOSSLESS_ROWS:
        notes.append("bam rounded each marker to 1,000 values (discrete = TRUE).")
    if model == WITHOUT:
        df = got["smooths"].drop_duplicates("sex").set_index("sex")["residual_df"]
        each = ", ".join(f"{sex}: {value:.0f}" for sex, value in df.items())
        notes.append(
            "No random intercept: tests and intervals take the caller as the unit (one-step "
            f"leave-one-caller-out jackknife over {int(counts['callers'])} callers, plus mgcv's allowance "
            "for smoothing bias; F and t with as many degrees of freedom as callers of that sex, less one"
            f"{f' ({each})' if each else ''}). The curves are averages over callers."
        )
    return tuple(notes)


def _beside_path(path: Path | None) -> Path | None:
    return None if path is None else path.with_name(f"{path.stem}_{WITHOUT}{path.suffix}")


def _kept(fit: GammFit, markers: Sequence[str], settings: GammSettings) -> tuple[str, ...]:
    if not settings.drop:
        return tuple(markers)
    slopes = fit.terms.assign(marker=fit.terms["term"].str.rpartition(":")[2])
    tests = pd.concat([fit.smooths[["marker", "p_value"]], slopes[["marker", "p_value"]]])
    smallest = tests.groupby("marker")["p_value"].min()
    kept = tuple(marker for marker in markers if smallest[marker] <= 0.05)
    if not kept:
        why = (
            separation_text(fit.separation)
            if fit.separated
            else "No smooth is below p = 0.05 for either sex."
        )
        raise ModelError(f"[gamm] drop = true leaves no marker of {len(markers)}. {why} Set drop = false.")
    return kept
