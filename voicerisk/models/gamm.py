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
from voicerisk.rbridge import Kept, Worker

ENGINES = ("bam", "gam", "gamm")
LEVELS = ("segment", "frame")
GROUPS = ("caller", "call", "segment")

_LOSSLESS_ROWS = 1000

WITH = "with_random_intercepts"
WITHOUT = "without_random_intercepts"

SMOOTHS = (
    "marker", "sex", "edf", "ref_df", "statistic", "statistic_name", "p_value", "p_holm", "p_bh",
    "selected_on_same_labels", "model",
)  # fmt: skip
"""Columns of the table of smooths. Holm and Benjamini-Hochberg run over all markers' smooths of a model."""


@dataclass(frozen=True, slots=True)
class GammSettings:
    """The table `[gamm]` of a study file.

    Attributes
    ----------
    engine : str
        'bam' (default; discretised covariates at frame level), 'gam' or 'gamm' (both up to 10,000 rows).
    level : str
        'segment' (default) or 'frame': what one row of the model is.
    k : int
        Basis dimension of each smooth, at least 3; lowered (and said) where the rows cannot carry it.
    random : tuple of str
        Random intercepts: any of 'caller', 'call' (within caller) and 'segment' (within call); may be empty.
    drop : bool
        Whether markers with p > 0.05 for every sex leave the later stages (`GammFit.kept`).
    """

    engine: str = "bam"
    level: str = "segment"
    k: int = 10
    random: tuple[str, ...] = ("caller",)
    drop: bool = False

    def __post_init__(self) -> None:
        given = [self.random] if isinstance(self.random, str) else self.random
        object.__setattr__(self, "random", tuple(given))
        if self.engine not in ENGINES:
            raise ModelError(f"[gamm] engine is {self.engine!r}; it must be one of {', '.join(ENGINES)}.")
        if self.level not in LEVELS:
            raise ModelError(f"[gamm] level is {self.level!r}; it must be one of {', '.join(LEVELS)}.")
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 3:
            raise ModelError(f"[gamm] k is {self.k!r}; it must be a whole number of at least 3.")
        for group in self.random:
            if group not in GROUPS:
                raise ModelError(f"[gamm] random holds {group!r}; it may hold {', '.join(GROUPS)}.")
        if len(set(self.random)) < len(self.random):
            raise ModelError(f"[gamm] random names an intercept twice: {', '.join(self.random)}.")
        if self.level == "segment" and "segment" in self.random:
            raise ModelError(
                "[gamm] random = 'segment' needs level = 'frame': at segment level every row is its own "
                "segment."
            )
        if not isinstance(self.drop, bool):
            raise ModelError(f"[gamm] drop is {self.drop!r}; it must be true or false.")


@dataclass(frozen=True, slots=True)
class GammFit:
    """A fitted GAMM as tables.

    Attributes
    ----------
    model : str
        'with_random_intercepts' or 'without_random_intercepts'; also the last column of every table.
    smooths : DataFrame
        marker, sex, edf, ref_df, statistic, statistic_name ('Chi.sq', or 'F' where the scale or the callers
        limit the degrees of freedom), p_value, p_holm, p_bh, selected_on_same_labels, model.
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
        Whether a random intercept can explain the outcome completely (constant within every group).
    kept : tuple of str
        Markers that stay: all, or with `drop` those with p <= 0.05 for some sex.
    rds_path : Path or None
        The fitted model as saved by R, a list of class `vr_gamm` whose `model` is the mgcv object.
    specification : str
        SHA-256 of what defines the fit: formula, settings, seed, table shape, versions.
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
    y: str = "outcome",
    sex: str = "sex",
    caller: str = "caller_id",
    call: str = "call_id",
    segment: str = "segment",
    rds_path: Path | None = None,
    *,
    covariates: Sequence[str] = (),
    linear: Sequence[str] = (),
    method: str | None = None,
    discrete: bool | None = None,
    confidence: float = 0.95,
    curve_points: int = 100,
    draws: int = 10_000,
    selected_on_same_labels: bool = True,
    seed: int = 1,
    time_limit: float | None = 1800.0,
    worker: Worker | None = None,
) -> GammFit:
    """Fit the GAMM of a study and return its tables.

    Where the outcome never changes within a caller (every caller has one label), an intercept per caller
    separates the data: its fit is returned as asked, with a note that says why its curves shrink to nothing,
    and `GammFit.beside` holds the same smooths without that intercept, whose tests and intervals take the
    caller as the unit (one-step leave-one-caller-out jackknife).

    Parameters
    ----------
    table : DataFrame
        One row a segment or a frame: the outcome (0/1), sex, ids, and the markers (float, NaN = missing).
        Rows with a missing value are left out and counted.
    markers : sequence of str
        Columns that enter as smooths.
    settings : GammSettings, optional
        Engine, level, k, random intercepts, drop.
    y, sex, caller, call, segment : str
        Names of the columns.
    rds_path : Path, optional
        Where R saves the model; `beside` goes to the same name with `_without_random_intercepts` appended.
    covariates, linear : sequences of str
        Further columns; numeric ones enter as smooths unless named in `linear`.
    method : str, optional
        Smoothing selection of mgcv; default 'fREML' (bam) or 'REML' (gam, gamm).
    discrete : bool, optional
        Whether bam rounds covariates to 1,000 values; by default at frame level, and up to 1,000 rows, where
        that changes nothing and is faster.
    confidence : float
        Level of all intervals, in (0, 1).
    curve_points : int
        Grid points a curve, at least 2.
    draws : int
        Draws behind the simultaneous intervals.
    selected_on_same_labels : bool
        Whether the markers were chosen with the outcomes of these very rows; goes into the table of smooths.
    seed : int
        Seed of R's generator.
    time_limit : float, optional
        Seconds for each fit.
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
    >>> from voicerisk.models.gamm import GammSettings, fit_gamm
    >>> rng = np.random.default_rng(1)
    >>> caller = np.repeat(np.arange(40), 8)
    >>> rows = pd.DataFrame({"caller_id": caller.astype(str), "call_id": caller.astype(str),
    ...     "segment": np.tile(np.arange(8), 40), "sex": np.where(caller % 2, "male", "female"),
    ...     "outcome": (caller // 2) % 2, "dom": rng.normal(size=320) + (caller // 2) % 2})
    >>> fit = fit_gamm(rows, ["dom"], GammSettings(k=5))  # doctest: +SKIP
    >>> fit.separated, fit.readable.model  # doctest: +SKIP
    (True, 'without_random_intercepts')
    """
    settings = settings or GammSettings()
    _check(table, markers, y, sex, caller, call, segment, settings, confidence, curve_points)
    columns = {"y": y, "sex": sex, "caller": caller, "call": call, "segment": segment}
    needed = [*dict.fromkeys([*columns.values(), *covariates, *markers])]
    data = table[[name for name in needed if name in table.columns]]
    arguments: dict[str, Any] = {
        **columns,
        "markers": list(markers),
        "covariates": list(covariates),
        "linear": list(linear),
        "engine": settings.engine,
        "discrete": _discrete(settings, len(data)) if discrete is None else discrete,
        "method": method,
        "k": settings.k,
    }
    options = {"points": curve_points, "level": confidence, "draws": draws}
    with nullcontext(worker) if worker is not None else Worker() as r:
        r.keep("gamm_data", data)
        groups: dict[str, Any] = {name: columns[name] for name in ("y", "caller", "call", "segment")}
        separation = r.call(
            "vr_separation", data=Kept("gamm_data"), random=list(settings.random), **groups
        ).value
        separated = bool((separation["share"] == 1.0).any())

        def fit(model: str, random: Sequence[str], path: Path | None) -> GammFit:
            mine = {**arguments, "random": list(random)}
            if model == WITHOUT:
                mine["covariance"] = "caller_jackknife"
            return _fit_one(
                r,
                model,
                mine,
                options,
                path,
                separation,
                separated,
                selected_on_same_labels,
                seed,
                time_limit,
            )

        model = WITH if settings.random else WITHOUT
        try:
            main = fit(model, settings.random, rds_path)
        except RBridgeError as failure:
            if not separated:
                raise
            raise RBridgeError(
                f"{failure}\n{_separation_text(separation)} Fit with random = []."
            ) from failure
        if separated:
            beside = fit(WITHOUT, (), _beside_path(rds_path))
            main = replace(main, notes=(_separation_text(separation), *main.notes), beside=beside)
    return replace(main, kept=_kept(main, markers, settings))


def _discrete(settings: GammSettings, rows: int) -> bool:
    # With no more rows than bam's discrete values nothing is rounded, and its faster iterations are free.
    return settings.engine == "bam" and (settings.level == "frame" or rows <= _LOSSLESS_ROWS)


def _fit_one(
    r: Worker,
    model: str,
    arguments: dict[str, Any],
    options: dict[str, Any],
    path: Path | None,
    separation: pd.DataFrame,
    separated: bool,
    same_labels: bool,
    seed: int,
    time_limit: float | None,
) -> GammFit:
    with replacing(path, PRIVATE) if path is not None else nullcontext(None) as saved:
        answer = r.call(
            "bridge_gamm",
            data=Kept("gamm_data"),
            fit=arguments,
            rds=saved,
            seed=seed,
            time_limit=time_limit,
            **options,
        )
    got = answer.value
    smooths = got["smooths"]
    of_marker = smooths["marker"].isin(arguments["markers"]).to_numpy()
    smooths["p_holm"] = np.nan
    smooths["p_bh"] = np.nan
    p_values = smooths.loc[of_marker, "p_value"].to_numpy(dtype=float)
    smooths.loc[of_marker, "p_holm"] = holm(p_values)
    smooths.loc[of_marker, "p_bh"] = benjamini_hochberg(p_values)
    smooths["selected_on_same_labels"] = same_labels
    parts = {name: got[name] for name in ("terms", "curves", "variance", "fit")}
    for part in (smooths, *parts.values()):
        part["model"] = model
    defines = {"arguments": arguments, "options": options, "seed": seed, "formula": got["formula"][0]}
    return GammFit(
        model=model,
        smooths=smooths[list(SMOOTHS)],
        **parts,
        missing=got["missing"],
        separation=separation,
        notes=(*(got["notes"] or ()), *_model_notes(model, got)),
        warnings=answer.warnings,
        separated=separated and model == WITH,
        kept=tuple(arguments["markers"]),
        rds_path=path,
        specification=hashlib.sha256(json.dumps(defines, sort_keys=True).encode()).hexdigest(),
    )


def _model_notes(model: str, got: dict[str, Any]) -> tuple[str, ...]:
    if model == WITH:
        return ()
    callers = int(got["counts"]["callers"].iloc[0])
    return (
        "No random intercept: tests and intervals take the caller as the unit (one-step leave-one-caller-out "
        f"jackknife over {callers} callers, plus mgcv's allowance for smoothing bias; F and t with "
        f"{callers - 1} degrees of freedom). The curves are averages over callers.",
    )


def _check(
    table: pd.DataFrame,
    markers: Sequence[str],
    y: str,
    sex: str,
    caller: str,
    call: str,
    segment: str,
    settings: GammSettings,
    confidence: float,
    curve_points: int,
) -> None:
    if len(markers) == 0:
        raise ModelError("A GAMM needs at least one marker; none was given (an empty screening leaves none).")
    grouping = {"caller": caller, "call": call, "segment": segment}
    for name in [y, sex, caller, *(grouping[group] for group in settings.random), *markers]:
        if name not in table.columns:
            raise ModelError(f"The table of the GAMM has no column {name!r}.")
    if not 0.0 < confidence < 1.0:
        raise ModelError(f"confidence is {confidence}; it must lie between 0 and 1.")
    if curve_points < 2:
        raise ModelError(f"curve_points is {curve_points}; a curve needs at least 2.")
    known = set(table[sex].dropna().unique())
    if not known <= {"female", "male"}:
        raise ModelError(
            f"Column {sex!r} of the GAMM's table holds {min(map(str, known - {'female', 'male'}))!r}; "
            "it may hold 'female' and 'male'."
        )


def _separation_text(separation: pd.DataFrame) -> str:
    names = {"caller": "caller", "call": "call", "segment": "segment"}
    told = [
        f"all {row.groups} {names[str(row.group)]}s have one outcome each"
        for row in separation.itertuples()
        if row.share == 1.0
    ]
    return (
        f"Separation: {' and '.join(told)}, so a random intercept can explain the outcome completely, and "
        f"the markers "
        "are left with nothing to explain: their curves shrink towards zero and their tests towards p = 1 "
        "whatever "
        "the voices hold, while R-squared with the intercept nears 1. Only the figures without the intercept "
        "(`_fixed`) say anything about the markers; the fit beside, without random intercepts and with "
        "caller-clustered intervals, is the one to read."
    )


def _beside_path(path: Path | None) -> Path | None:
    return None if path is None else path.with_name(f"{path.stem}_{WITHOUT}{path.suffix}")


def _kept(fit: GammFit, markers: Sequence[str], settings: GammSettings) -> tuple[str, ...]:
    if not settings.drop:
        return tuple(markers)
    smallest = fit.smooths.groupby("marker")["p_value"].min()
    kept = tuple(marker for marker in markers if smallest[marker] <= 0.05)
    if not kept:
        why = (
            _separation_text(fit.separation)
            if fit.separated
            else "No smooth is below p = 0.05 for either sex."
        )
        raise ModelError(f"[gamm] drop = true leaves no marker of {len(markers)}. {why} Set drop = false.")
    return kept


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's step-down adjusted p-values, shape (m,), as R's p.adjust(method = "holm")."""
    order = np.argsort(p)
    factor = len(p) - np.arange(len(p))
    adjusted = np.minimum(np.maximum.accumulate(factor * p[order]), 1.0)
    out = np.empty_like(adjusted)
    out[order] = adjusted
    return out


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return Benjamini and Hochberg's adjusted p-values, shape (m,), as R's p.adjust(method = "BH")."""
    order = np.argsort(p)[::-1]
    factor = len(p) / (len(p) - np.arange(len(p)))
    adjusted = np.minimum(np.minimum.accumulate(factor * p[order]), 1.0)
    out = np.empty_like(adjusted)
    out[order] = adjusted
    return out
