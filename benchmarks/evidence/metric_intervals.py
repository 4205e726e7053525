"""How often intervals of every metric of the nested protocol hold the truth, by grouped k-fold.

    python benchmarks/evidence/metric_intervals.py [--family default|gamboost] [--null] [--cohorts 200]
        [--callers 60] [--repeats 1] [--first 0] [--minutes 20] [--keep FILE]

Cohorts of `simulate_markers` (6 markers, 8 rows a caller, on average a third with the outcome; three markers
move, or none) through the very procedure of a study: family or gamboost, inner folds, recalibration, cut. The
truth is the mean over cohorts of what the procedure, run once on all callers of a cohort, keeps on 400 new
callers.
Smaller than the default: 5 inner folds, 100 bootstraps of the cut, one repeat. Nothing here is asserted in
tests; docs/validation.md has the results.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.callers.draws import CallerDraws, caller_draws
from voicerisk.callers.folds import caller_table, strata_columns
from voicerisk.callers.moderator import SEX
from voicerisk.models.boosting.spec import BoostSettings
from voicerisk.screening import ScreeningSettings
from voicerisk.simulate import simulate_markers
from voicerisk.study.fitting.design import ModelTables, model_tables
from voicerisk.study.fitting.family import FamilyFitter, members_of
from voicerisk.study.fitting.fitters import GamboostFitter, LearnedWhere
from voicerisk.validation import NESTED, FitPaths, ValidationSettings, run_nested
from voicerisk.validation.metrics.call_draws import Name, call_metrics
from voicerisk.validation.metrics.units import rows_of
from voicerisk.validation.protocols.fold_plan import plan_whole
from voicerisk.validation.protocols.outer_fold import finish_fold

NEW, ROWS, MARKERS, DRAWS = 400, 8, 6, 500
SHARE, LEAST = 1 / 3, 6  # of callers with the outcome; fewer callers of a class leave too few inner folds
FAMILIES = {"default": ValidationSettings().family, "gamboost": ("gamboost",)}
SHOWN: tuple[Name, ...] = (
    ("auroc", None), ("youden_j", None), ("sensitivity", None), ("specificity", None),
    ("calibration_slope", None), ("brier", None), ("net_benefit", 0.2), ("net_benefit", 0.3),
)  # fmt: skip
COLUMNS = ["call_id", "caller_id", "y", "n_frames", "sex"]


def tables_of(callers: int, null: bool, seed: int) -> tuple[ModelTables, list[str]]:
    """Return a cohort with its new callers in one table, and the ids of the cohort's callers."""
    # Callers come as they come, so that their share of the outcome varies, as it does under a bootstrap.
    drawn = np.random.default_rng([5, seed]).binomial(callers, SHARE)
    sizes = (callers, int(np.clip(drawn, LEAST, callers - LEAST))), (NEW, round(SHARE * NEW))
    parts = [
        simulate_markers(n, ROWS, positives=positives, markers=MARKERS, null=null, seed=2 * seed + number)
        for number, (n, positives) in enumerate(sizes)
    ]
    marked = []
    for part, sign in zip(parts, "cn", strict=True):
        own = [table.assign(caller_id=sign + table["caller_id"], call_id=sign + table["call_id"])
               for table in (part.calls, part.segments)]  # fmt: skip
        marked.append(own)
    calls, segments = (pd.concat(tables, ignore_index=True) for tables in zip(*marked, strict=True))
    markers = parts[0].markers
    frames = segments.assign(frame=0, time_s=0.0)
    frames = frames[["call_id", "caller_id", "segment", "frame", "time_s", *markers]]
    made = model_tables(calls, frames, segments, markers, "frame")
    return made, [one for one in calls["caller_id"] if one.startswith("c")]


def only(tables: ModelTables, callers: list[str]) -> ModelTables:
    """Return the tables of some callers."""
    calls, frames, segments = (
        table[table["caller_id"].isin(callers)].reset_index(drop=True)
        for table in (tables.calls, tables.frames, tables.segments)
    )
    return replace(tables, calls=calls, frames=frames, segments=segments)


def fitter(tables: ModelTables, family: str, place: Path, settings: ValidationSettings) -> FitPaths:
    """Return what refits the nested procedure, as a study's settings make it."""
    if family == "default":
        return FamilyFitter(tables, members_of(settings.family, SEX))
    boost = BoostSettings(brandom=False)
    learned = LearnedWhere(None, "train", "clamp", False)
    return GamboostFitter(tables, boost, ScreeningSettings(), settings.inner_folds, learned, 3 * boost.mstop,
                          place, settings.seed, 1, boost.patience)  # fmt: skip


def promised(tables: ModelTables, fit: FitPaths, settings: ValidationSettings,
             draws: CallerDraws) -> dict[Name, np.ndarray]:  # fmt: skip
    """Return every metric by grouped k-fold under the draws; the first value is the estimate."""
    rows = run_nested(tables.calls[COLUMNS], fit, settings).predictions.query("unit == 'call'")
    rows = rows.sort_values(["repeat", "caller_id", "call_id"])
    callers = pd.Index(draws.callers)
    repeats = [rows_of(part, callers, (), []) for _, part in rows.groupby("repeat")]
    return call_metrics(repeats, draws.counts)


def kept(tables: ModelTables, train: list[str], assess: list[str], fit: FitPaths,
         settings: ValidationSettings) -> dict[Name, float]:  # fmt: skip
    """Return every metric of the procedure, run once on some callers, on others."""
    everyone = tables.calls[COLUMNS].sort_values(["caller_id", "call_id"], ignore_index=True)
    inside = everyone[everyone["caller_id"].isin(train)]
    callers = caller_table(inside, strata_columns(inside))
    prior = float(inside["y"].mean())
    plan = plan_whole(callers, settings, "all", prior, True)
    plan = replace(plan, outer=replace(plan.outer, assess=tuple(sorted(assess))))
    paths = iter(fit([*plan.inner, plan.outer], None))
    done = finish_fold(plan, paths, everyone, settings, NESTED, prior)
    next(paths, None)
    assert done.calibration is not None and done.cut is not None
    of = everyone.iloc[done.rows].assign(p_raw=done.score, p=done.calibration(done.score),
                                         threshold=done.cut.threshold, weight=1.0)  # fmt: skip
    rows = rows_of(of, pd.Index(of["caller_id"]), (), [])
    found = call_metrics([rows], np.ones((1, len(of))))
    return {name: float(values[0]) for name, values in found.items()}


def one_cohort(seed: int, asked: argparse.Namespace) -> tuple[dict[Name, np.ndarray], dict[Name, float]]:
    """Return the metrics of one cohort under the draws, and what its model keeps."""
    settings = ValidationSettings(designs=["grouped_kfold"], repeats=asked.repeats, inner_folds=5,
                                  bootstraps=100, seed=seed, family=FAMILIES[asked.family])  # fmt: skip
    both, own = tables_of(asked.callers, asked.null, seed)
    alone = only(both, own)
    draws = caller_draws(alone.calls, DRAWS, np.random.default_rng([3, seed]))
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "all").mkdir()
        found = promised(alone, fitter(alone, asked.family, Path(place), settings), settings, draws)
        new = [one for one in both.calls["caller_id"] if not one.startswith("c")]
        truth = kept(both, own, new, fitter(both, asked.family, Path(place) / "all", settings), settings)
    return {name: values[: 1 + DRAWS] for name, values in found.items()}, truth


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", choices=FAMILIES, default="default")
    parser.add_argument("--null", action="store_true")
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--callers", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20.0, help="of CPU")
    parser.add_argument("--keep", type=Path, help="a .npz for all draws")
    asked = parser.parse_args()
    begun, values, truths = time.process_time(), [], []
    for seed in range(asked.first, asked.first + asked.cohorts):
        if time.process_time() - begun > 60 * asked.minutes:
            break
        found, truth = one_cohort(seed, asked)
        nothing = np.full(1 + DRAWS, np.nan)
        values.append([found.get(name, nothing) for name in SHOWN])
        truths.append([truth.get(name, np.nan) for name in SHOWN])
        if asked.keep is not None and len(values) % 20 == 0:
            np.savez_compressed(asked.keep, values=np.array(values), truths=np.array(truths))
    if asked.keep is not None:
        np.savez_compressed(asked.keep, values=np.array(values), truths=np.array(truths))
    sys.stdout.write(f"{len(values)} cohorts in {time.process_time() - begun:.0f} s\n")


if __name__ == "__main__":
    main()
