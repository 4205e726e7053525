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
    GammSettings,
    check_table,
    separation_text,
)
from voicerisk.rbridge import Kept, Worker

__all__ = ["CURVES", "SMOOTHS", "WITH", "WITHOUT", "GammFit", "GammSettings", "fit_gamm"]


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
    weights: str | None = None,
    random_sd: float | None = None,
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
    caller as the unit (one-step leave-one-caller-out jackknife). Where intercepts and curves together have
    more than 500 coefficients (bam), the separating fit would take minutes; it is left out with a note, and
    the fit without the intercept is returned.

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
    covariates : sequence of str
        Further columns; numeric ones enter as smooths unless named in `linear`.
    linear : sequence of str
        Markers and covariates that enter linearly, a marker with one slope for each sex.
    method : str, optional
        Smoothing selection of mgcv; default 'fREML' (bam) or 'REML' (gam, gamm).
    discrete : bool, optional
        Whether bam rounds covariates to 1,000 values; by default at frame level, up to 1,000 rows, where that
        changes nothing and is faster, and where an exact fit would take minutes.
    weights : str, optional
        Column of prior weights > 0, for example 1 / (segments of the caller): every caller then counts the
        same.
    random_sd : float, optional
        A fixed standard deviation (log-odds) of the random intercepts instead of an estimated one: a
        penalised intercept that cannot separate the data (bam and gam). It holds for the fit asked for, not
        for `beside`.
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
    settings = settings or GammSettings()
    check_table(table, markers, y, sex, caller, call, segment, settings, confidence, curve_points)
    columns = {"y": y, "sex": sex, "caller": caller, "call": call, "segment": segment}
    needed = [*dict.fromkeys([*columns.values(), *covariates, *markers, *([weights] if weights else [])])]
    data = table[[name for name in needed if name in table.columns]]
    arguments: dict[str, Any] = {
        **columns,
        "markers": list(markers),
        "covariates": list(covariates),
        "linear": list(linear),
        "engine": settings.engine,
        "discrete": _discrete(settings, data, markers, sex) if discrete is None else discrete,
        "method": method,
        "k": settings.k,
        "weights": weights,
    }
    if weights is not None and (weights not in table.columns or not (table[weights] > 0).all()):
        raise ModelError(f"weights = {weights!r} must name a column of numbers above 0.")
    if random_sd is not None and not random_sd > 0:
        raise ModelError(f"random_sd is {random_sd}; it must be above 0.")
    options = {"points": curve_points, "level": confidence, "draws": draws}
    with nullcontext(worker) if worker is not None else Worker() as r:
        r.keep("gamm_data", data)
        groups: dict[str, Any] = {name: columns[name] for name in ("y", "caller", "call", "segment")}
        separation = r.call(
            "vr_separation", data=Kept("gamm_data"), random=list(settings.random), **groups
        ).value
        separated = bool((separation["share"] >= MOSTLY_CONSTANT).any())

        # Intercepts that separate take very many iterations, to a fit that is not to be believed.
        hopeless = (
            separated
            and settings.engine == "bam"
            and random_sd is None
            and min(MOST_CURVED, _coefficients(settings, data, len(markers), sex))
            + int(separation["groups"].sum())
            > MOST_SEPARATED
        )

        def fit(model: str, random: Sequence[str], path: Path | None) -> GammFit:
            mine = {**arguments, "random": list(random)}
            if model == WITHOUT:
                mine["covariance"] = "caller_jackknife"
            else:
                mine["random_sd"] = random_sd
                if separated and discrete is None and settings.engine == "bam":
                    # A separating fit takes very many iterations, and its curves say nothing anyway.
                    mine["discrete"] = True
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

        if hopeless:
            alone = fit(WITHOUT, (), rds_path)
            notes = (separation_text(separation, left_out=True), *alone.notes)
            return replace(alone, notes=notes, separated=True, kept=_kept(alone, markers, settings))
        model = WITH if settings.random else WITHOUT
        try:
            main = fit(model, settings.random, rds_path)
        except RBridgeError as failure:
            if not separated:
                raise
            raise RBridgeError(f"{failure}\n{separation_text(separation)} Fit with random = [].") from failure
        if separated:
            beside = fit(WITHOUT, (), _beside_path(rds_path))
            main = replace(main, notes=(f"{separation_text(separation)} {READ}", *main.notes), beside=beside)
    return replace(main, kept=_kept(main, markers, settings))


def _discrete(settings: GammSettings, data: pd.DataFrame, markers: Sequence[str], sex: str) -> bool:
    """Tell whether bam shall round each marker to 1,000 values.

    With no more rows than that nothing is rounded, and its faster iterations are free. With many rows and
    coefficients an exact fit takes 20 times as long (30 s for 3,000 rows of 12 markers).
    """
    if settings.engine != "bam":
        return False
    work = len(data) * _coefficients(settings, data, len(markers), sex) ** 2
    return settings.level == "frame" or len(data) <= _LOSSLESS_ROWS or work > _EXACT_WORK


def _coefficients(settings: GammSettings, data: pd.DataFrame, markers: int, sex: str) -> int:
    """Return the number of coefficients that the curves would have with k as it is asked for."""
    return markers * data[sex].nunique() * (settings.k - 1)


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
    if separated and model == WITH:  # such tests say nothing: intercepts explain the outcome
        smooths["p_value"] = np.nan
        got["terms"]["p_value"] = np.nan
    smooths["p_holm"] = np.nan
    smooths["p_bh"] = np.nan
    p_values = smooths.loc[of_marker, "p_value"].to_numpy(dtype=float)
    smooths.loc[of_marker, "p_holm"] = holm(p_values)
    smooths.loc[of_marker, "p_bh"] = benjamini_hochberg(p_values)
    smooths["selected_on_same_labels"] = same_labels
    parts = {name: got[name] for name in ("terms", "curves", "variance", "fit")}
    if parts["curves"] is None:  # every marker is linear
        parts["curves"] = pd.DataFrame(columns=list(CURVES))
    for part in (smooths, *parts.values()):
        part["model"] = model
    versions = {name: value[0] for name, value in got["versions"].items()}
    rows = [int(got["counts"][name].iloc[0]) for name in ("rows", "rows_used", "callers", "events")]
    defines = {
        "arguments": arguments,
        "options": options,
        "seed": seed,
        "formula": got["formula"][0],
        "rows": rows,
        "versions": versions,
    }
    return GammFit(
        model=model,
        smooths=smooths[list(SMOOTHS)],
        **parts,
        missing=got["missing"],
        separation=separation,
        notes=(*(got["notes"] or ()), *_model_notes(model, got, arguments["discrete"])),
        warnings=answer.warnings,
        separated=separated and model == WITH,
        kept=tuple(arguments["markers"]),
        rds_path=path,
        versions=versions,
        specification=hashlib.sha256(json.dumps(defines, sort_keys=True).encode()).hexdigest(),
    )


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
