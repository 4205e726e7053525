"""How many callers the nested procedure needs: the procedure itself, learned on simulated callers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table
from voicerisk.callers.schema import check_calls
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import StudyError
from voicerisk.report.answer import TOO_MANY
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, members_of
from voicerisk.types import Progress
from voicerisk.validation import ValidationSettings
from voicerisk.validation.metrics.discrimination import delong
from voicerisk.validation.metrics.widening import widening
from voicerisk.validation.protocols.fold_plan import plan_whole
from voicerisk.validation.protocols.outer_fold import finish_fold
from voicerisk.validation.protocols.run import LEAST_CALLERS, NESTED
from voicerisk.validation.sample_size import Z, auroc_se
from voicerisk.validation.settings import OUTER_FOLDS

SIZES = (20, 40, 80, 160)
NEW = 200  # callers that judge a model
FRAMES = 6


def power_curve(
    auroc: float,
    prevalence: float,
    *,
    markers: int = 12,
    sizes: Sequence[int] = SIZES,
    cohorts: int = 20,
    settings: ValidationSettings | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Learn the nested procedure on simulated callers, and judge it on new ones.

    Parameters
    ----------
    auroc : float
        What the best possible score of a call would reach, in (0.5, 1).
    prevalence : float
        Share of callers with the outcome, in (0, 1).
    markers : int
        A third of them move with the outcome, all as much; the others are noise.
    sizes : sequence of int
        Numbers of callers, each with one call.
    cohorts : int
        Simulated studies of each size, at least 2.
    settings : ValidationSettings, optional
        Its family, inner folds and seed.
    progress : callable, optional

    Returns
    -------
    DataFrame
        callers; cohorts; auroc, the mean AUROC on new callers, and auroc_se, its Monte Carlo standard error;
        lower and upper, the interval in which 95% of such studies would have the AUROC of callers held out;
        learned_nothing, the share of models that learned nothing, and its learned_nothing_se.

    Raises
    ------
    StudyError
        For numbers out of range.

    Notes
    -----
    A model of n callers is one outer fold of a slightly larger study, with its inner folds. The interval adds
    the variance between models to that of an AUROC of n callers (Newcombe 2006); it takes no account of the
    callers shared by the models of different folds.

    Examples
    --------
    >>> found = power_curve(0.9, 0.5, markers=3, sizes=[12, 48], cohorts=2)
    >>> found["callers"].tolist()
    [12, 48]
    """
    _check(auroc, prevalence, markers, sizes, cohorts)
    given = settings or ValidationSettings()
    settings = replace(given, threshold="youden", bootstraps=1, prior=prevalence)
    rows = []
    for place, n in enumerate(sizes):
        found = []
        for cohort in range(cohorts):
            rng = generator(Stream.POWER, settings.seed, n, cohort)
            found.append(_one(n, auroc, prevalence, markers, settings, rng))
            if progress is not None:
                progress(place * cohorts + cohort + 1, len(sizes) * cohorts)
        area, noise, nothing = (np.array(column, dtype=np.float64) for column in zip(*found, strict=True))
        between = max(float(area.var(ddof=1)) - float(noise.mean()), 0.0)
        mean, share = float(area.mean()), float(nothing.mean())
        of_scores = auroc_se(n, min(max(mean, 0.5), 0.999), _events(n, prevalence) / n)
        # No shorter than what such a study prints, whose interval is widened for what learning adds.
        half = Z * max(float(np.sqrt(of_scores**2 + between)), of_scores * widening(OUTER_FOLDS))
        rows.append(
            {"callers": n, "cohorts": cohorts, "auroc": mean, "auroc_se": area.std(ddof=1) / np.sqrt(cohorts),
             "lower": max(mean - half, 0.0), "upper": min(mean + half, 1.0), "learned_nothing": share,
             "learned_nothing_se": np.sqrt(share * (1.0 - share) / cohorts)}
        )  # fmt: skip
    return pd.DataFrame(rows)


def enough(curve: pd.DataFrame) -> int | None:
    """Return the smallest number of callers from which on models learn something and intervals exclude 0.5.

    Parameters
    ----------
    curve : DataFrame
        From `power_curve`.

    Returns
    -------
    int or None
        None where no number that was tried is enough.
    """
    ordered = curve.sort_values("callers")
    good = ((ordered["learned_nothing"] <= TOO_MANY) & (ordered["lower"] > 0.5)).to_numpy()
    from_here = np.logical_and.accumulate(good[::-1])[::-1]
    return int(ordered["callers"].to_numpy()[from_here][0]) if from_here.any() else None


def spoken_power(curve: pd.DataFrame, auroc: float, markers: int) -> str:
    """Say a power curve in two sentences."""
    told = [
        f"{row.callers} callers {row.auroc:.2f} ({row.lower:.2f} to {row.upper:.2f}; "
        f"{row.learned_nothing:.0%} of models learn nothing)"
        for row in curve.itertuples()
    ]
    needed = enough(curve)
    end = (
        f"{needed} callers would do."
        if needed is not None
        else f"{curve['callers'].max()} callers would not do yet."
    )
    return (
        f"By simulation, where the best score of {markers} markers has AUROC {auroc:g}, this procedure "
        f"reaches with {', with '.join(told)}. {end}"
    )


def _events(n: int, prevalence: float) -> int:
    """Return how many of n callers have the outcome: no fewer in either class than the procedure asks for."""
    least = LEAST_CALLERS["nested"]
    return int(np.clip(round(prevalence * n), least, n - least))


def _one(
    n: int,
    auroc: float,
    prevalence: float,
    markers: int,
    settings: ValidationSettings,
    rng: np.random.Generator,
) -> tuple[float, float, bool]:
    """Return the AUROC of one model on new callers, its variance, and whether the model learned nothing."""
    events = _events(n, prevalence)
    y = np.concatenate([np.arange(n) < events, np.arange(NEW) < round(prevalence * NEW)]).astype(np.int64)
    total = n + NEW
    shift = np.zeros(markers)
    moving = max(markers // 3, 1)
    shift[:moving] = np.sqrt(2.0 / moving) * _quantile(auroc)
    mean = rng.standard_normal((total, markers)) + y[:, None] * shift
    around = rng.standard_normal((total, FRAMES, markers))
    values = mean[:, None] + around - around.mean(axis=1, keepdims=True)
    ids = np.array([f"c{number:06d}" for number in range(total)])
    names = tuple(f"x{number}" for number in range(markers))
    calls = pd.DataFrame({"call_id": ids, "caller_id": ids, "y": y, "n_frames": FRAMES})
    who, frame = np.repeat(ids, FRAMES), np.tile(np.arange(FRAMES), total)
    keys = pd.DataFrame({"call_id": who, "caller_id": who, "segment": 0, "frame": frame, "time_s": 0.0})
    frames = pd.concat([keys, pd.DataFrame(values.reshape(-1, markers), columns=list(names))], axis=1)
    tables = ModelTables(calls, frames, frames.iloc[:0], names, None)
    fitter = FamilyFitter(tables, members_of(settings.family, None) or ("linear",))

    table = check_calls(calls)
    whole = plan_whole(caller_table(table.iloc[:n], ()), settings, "power", prevalence, True)
    plan = replace(whole, outer=replace(whole.outer, assess=tuple(ids[n:])))
    paths = fitter([*plan.inner, plan.outer])
    done = finish_fold(plan, paths, table, settings, NESTED, prevalence, keep_frames=False)
    judged = delong(y[done.rows], done.score)
    return judged.auroc, judged.variance, done.is_constant


def _quantile(auroc: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(auroc))


def _check(auroc: float, prevalence: float, markers: int, sizes: Sequence[int], cohorts: int) -> None:
    least = 2 * LEAST_CALLERS["nested"]
    for name, value, fits, bounds in (
        ("AUROC", auroc, 0.5 < auroc < 1.0, "above 0.5 and below 1"),
        ("prevalence", prevalence, 0.0 < prevalence < 1.0, "above 0 and below 1"),
        ("number of markers", markers, markers >= 1, "1 or more"),
        ("number of simulated cohorts", cohorts, cohorts >= 2, "2 or more"),
        ("number of callers", min(sizes, default=0), min(sizes, default=0) >= least, f"{least} or more"),
    ):
        if not fits:
            raise StudyError(f"The {name} of a simulated study is {value!r}; it must be {bounds}.")
