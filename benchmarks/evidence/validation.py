"""How true the validation layer is on cohorts whose truth is known, with Monte Carlo errors.

Ridge logistic on caller means through the same protocols, folds and intervals as gamboost. Run one part,
or all:

    python benchmarks/evidence/validation.py null | loco | fixed | coverage | size | effect | gamboost | scale
                                    [--cohorts N]

Every line prints estimate (Monte Carlo standard error). Nothing here is asserted in tests.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from voicerisk.callers.draws import bca_interval, caller_draws, percentile_interval
from voicerisk.callers.shuffling import permute_outcomes
from voicerisk.validation import NESTED, ValidationSettings, compute_metrics, run_nested
from voicerisk.validation.metrics.discrimination import auroc, delong
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.protocols.kfold_scores import pipeline_auroc
from voicerisk.validation.protocols.ridge import ridge_logistic, ridge_paths
from voicerisk.validation.protocols.whole_procedure import full_procedure

CALLERS, POSITIVE, FRAMES, FEATURES, ICC = 281, 77, 30, 12, 0.3
STEPLESS = replace(NESTED, tune_steps=False)
SETTINGS = ValidationSettings(inner_folds=10)


def cohort(seed: int, effect: float = 0.0, n: int = CALLERS, positive: int = POSITIVE) -> pd.DataFrame:
    """Draw caller means of FEATURES markers with ICC 0.3 over FRAMES frames; three move by `effect`."""
    rng = np.random.default_rng([20, seed])
    y = np.zeros(n, dtype=int)
    y[rng.permutation(n)[:positive]] = 1
    means = rng.normal(size=(n, FEATURES)) * np.sqrt(ICC + (1 - ICC) / FRAMES)
    means[:, :3] += effect * y[:, None]
    ids = [f"c{i:04d}" for i in range(n)]
    table = pd.DataFrame({"call_id": ids, "caller_id": ids, "y": y, "n_frames": FRAMES})
    return table.assign(**{f"x{j}": means[:, j] for j in range(FEATURES)})


MARKERS = [f"x{j}" for j in range(FEATURES)]


def maker(table: pd.DataFrame) -> Callable[[pd.DataFrame], object]:
    """Refit from the markers of the recordings a table stands for, with the table's own outcomes."""
    values = table.set_index("call_id")[MARKERS]

    def make(calls: pd.DataFrame) -> object:
        source = calls["source_call_id"] if "source_call_id" in calls.columns else calls["call_id"]
        plain = calls.drop(columns=[m for m in MARKERS if m in calls.columns]).reset_index(drop=True)
        return ridge_paths(plain.assign(**values.loc[source].reset_index(drop=True)), MARKERS)

    return make


def mean_and_error(values: list[float]) -> tuple[float, float]:
    array = np.array(values, dtype=float)
    return float(array.mean()), float(array.std(ddof=1) / np.sqrt(len(array)))


def plain(table: pd.DataFrame) -> pd.DataFrame:
    return table[["call_id", "caller_id", "y", "n_frames"]]


def scores(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Cross-validated scores of one repeat of grouped 10-fold, in the order of the callers."""
    settings = replace(SETTINGS, designs=("grouped_kfold",), repeats=1, seed=seed, threshold="youden")
    fit = ridge_paths(table, MARKERS)
    from voicerisk.validation.protocols.run import run_protocol

    switches = replace(STEPLESS, recalibrate=False, threshold_from="holdout")
    result = run_protocol(plain(table), fit, settings, switches, ("grouped_kfold",))
    return result.predictions.sort_values("caller_id")["p_raw"].to_numpy()


def null_mean(cohorts: int) -> dict[str, tuple[float, float]]:
    """Nested caller AUROC on noise: grouped 10-fold, and leave-one-caller-out with inner folds."""
    grouped = [pipeline_auroc(plain(t), ridge_paths(t, MARKERS), replace(SETTINGS, seed=s), STEPLESS)
               for s in range(cohorts) for t in [cohort(s)]]  # fmt: skip
    return {"null_auroc_grouped_10_fold": mean_and_error(grouped)}


def null_loco(cohorts: int) -> dict[str, tuple[float, float]]:
    """The whole nested protocol with inner folds, leave-one-caller-out, on noise at 60 callers."""
    areas, unseen = [], []
    for s in range(cohorts):
        table = cohort(1000 + s, n=60, positive=17)
        settings = ValidationSettings(designs=("loco",), inner_folds=5, bootstraps=200, seed=s)
        rows = run_nested(plain(table), ridge_paths(table, MARKERS), settings).predictions
        areas.append(auroc(rows["y"].to_numpy(), rows["p_raw"].to_numpy()))
        flagged = (rows["p_raw"] >= rows["threshold"]).to_numpy()
        y = rows["y"].to_numpy()
        unseen.append(flagged[y == 1].mean() + (~flagged[y == 0]).mean() - 1)
    return {"null_auroc_loco_60": mean_and_error(areas), "null_youden_j_loco_60": mean_and_error(unseen)}


def fixed_model(cohorts: int, effect: float = 0.35) -> dict[str, tuple[float, float]]:
    """Coverage of 95% intervals of a fixed model's AUROC on new callers (external validation)."""
    learn = cohort(5, effect)
    beta = ridge_logistic(learn[MARKERS].to_numpy(), learn["y"].to_numpy(), np.ones(len(learn)), 1.0)
    large = cohort(6, effect, n=200_000, positive=54_800)
    truth = auroc(large["y"].to_numpy(), large[MARKERS].to_numpy() @ beta[1:])
    covered: dict[str, list[float]] = {"percentile": [], "bca": [], "delong": [], "delong_logit": []}
    for s in range(cohorts):
        table = cohort(10_000 + s, effect)
        y, score = table["y"].to_numpy(), table[MARKERS].to_numpy() @ beta[1:]
        draws = caller_draws(table, 1000, np.random.default_rng(s))
        values = rank_statistics(score, y, np.arange(len(y)), draws.counts).auroc
        exact = delong(y, score)
        for name, (low, high) in (
            ("percentile", percentile_interval(values, draws)), ("bca", bca_interval(values, draws)),
            ("delong", exact.wald()), ("delong_logit", exact.logit()),
        ):  # fmt: skip
            covered[name].append(float(low <= truth <= high))
    return {f"coverage_fixed_model_{k}": mean_and_error(v) for k, v in covered.items()}


def coverage(cohorts: int, n_boot: int, effect: float = 0.0) -> dict[str, tuple[float, float]]:
    """Coverage of the true AUROC of the procedure by conditional and full-procedure intervals.

    On noise the truth is 0.5. With an effect it is the mean AUROC of models learned on such cohorts, on a
    large
    test cohort.
    """
    truth = 0.5
    if effect > 0:
        large = cohort(6, effect, n=100_000, positive=27_400)
        areas = []
        for s in range(100):
            learn = cohort(50_000 + s, effect)
            beta = ridge_logistic(learn[MARKERS].to_numpy(), learn["y"].to_numpy(), np.ones(len(learn)), 1.0)
            areas.append(auroc(large["y"].to_numpy(), large[MARKERS].to_numpy() @ beta[1:]))
        truth = float(np.mean(areas))
    given, full, error = [], [], []
    for s in range(cohorts):
        table = cohort(20_000 + s, effect)
        y, score = table["y"].to_numpy(), scores(table, s)
        draws = caller_draws(table, 1000, np.random.default_rng(s))
        values = rank_statistics(score, y, np.arange(len(y)), draws.counts).auroc
        low, high = percentile_interval(values, draws)
        given.append(float(low <= truth <= high))
        error.append(values[0] - truth)
        if n_boot:
            settings = replace(SETTINGS, inner_folds=3, seed=s)
            whole = full_procedure(plain(table), maker(table), settings, n_boot=n_boot)
            full.append(float(whole.lower <= truth <= whole.upper))
    name = "null" if effect == 0 else f"effect_{effect:g}"
    found = {
        f"coverage_given_scores_{name}": mean_and_error(given),
        f"bias_cv_auroc_{name}": mean_and_error(error),
    }
    if full:
        found[f"coverage_full_procedure_{name}_B{n_boot}"] = mean_and_error(full)
    return found


def size(cohorts: int, permutations: int) -> dict[str, tuple[float, float]]:
    """Share of null cohorts in which the permutation test rejects at 5%."""
    rejected, centre = [], []
    for s in range(cohorts):
        table = cohort(30_000 + s, n=60, positive=17)
        settings = replace(SETTINGS, seed=s)
        make = maker(table)
        observed = pipeline_auroc(plain(table), make(plain(table)), settings, STEPLESS)
        null = np.empty(permutations)
        for b in range(permutations):
            permuted = permute_outcomes(plain(table), np.random.default_rng([s, b]))
            null[b] = pipeline_auroc(permuted, make(permuted), settings, STEPLESS)
        rejected.append(float((1 + (null >= observed).sum()) / (1 + permutations) <= 0.05))
        centre.append(float(null.mean()))
    return {
        "permutation_rejects_at_5_percent": mean_and_error(rejected),
        "permutation_null_mean": mean_and_error(centre),
    }


def known_effect(cohorts: int) -> dict[str, tuple[float, float]]:
    """Cross-validated AUROC against the same models' AUROC on a large independent cohort."""
    large = cohort(6, 0.35, n=100_000, positive=27_400)
    difference = []
    for s in range(cohorts):
        table = cohort(40_000 + s, 0.35)
        inside = auroc(table["y"].to_numpy(), scores(table, s))
        beta = ridge_logistic(table[MARKERS].to_numpy(), table["y"].to_numpy(), np.ones(len(table)), 1.0)
        outside = auroc(large["y"].to_numpy(), large[MARKERS].to_numpy() @ beta[1:])
        difference.append(inside - outside)
    return {"cv_minus_independent_auroc": mean_and_error(difference)}


def gamboost_null(cohorts: int) -> dict[str, tuple[float, float]]:
    """Nested call AUROC of gamboost with Lasso screening on noise, by one grouped 10-fold; without sex.

    Also the share of folds in which the Lasso kept no marker, and the AUROC with screening off.
    """
    import tempfile
    from pathlib import Path

    from voicerisk.models import BoostSettings
    from voicerisk.screening import ScreeningSettings
    from voicerisk.study.fitting.design import FRAME_KEYS, ModelTables
    from voicerisk.study.fitting.fitters import GamboostFitter, LearnedWhere

    settings = replace(SETTINGS, inner_folds=3, repeats=1)
    found: dict[str, list[float]] = {"segment": [], "none": []}
    empty: list[float] = []
    for s in range(cohorts):
        rng = np.random.default_rng([21, s])
        y = np.zeros(CALLERS, dtype=int)
        y[rng.permutation(CALLERS)[:POSITIVE]] = 1
        ids = [f"c{i:04d}" for i in range(CALLERS)]
        calls = pd.DataFrame({"call_id": ids, "caller_id": ids, "sex": "female", "y": y, "n_frames": FRAMES})
        row = np.repeat(np.arange(CALLERS), FRAMES)
        own = rng.normal(size=(CALLERS, FEATURES)) * np.sqrt(ICC)
        values = own[row] + rng.normal(size=(len(row), FEATURES)) * np.sqrt(1 - ICC)
        place = np.tile(np.arange(FRAMES), CALLERS)
        frames = pd.DataFrame(values, columns=MARKERS).assign(
            call_id=np.array(ids)[row], caller_id=np.array(ids)[row], segment=place // 10,
            frame=place % 10, time_s=place * 0.02,
        )[[*FRAME_KEYS, *MARKERS]]  # fmt: skip
        segments = frames.groupby(["call_id", "caller_id", "segment"], as_index=False)[MARKERS].mean()
        tables = ModelTables(calls, frames, segments.assign(n_frames=10), tuple(MARKERS))
        for unit in found:
            with tempfile.TemporaryDirectory() as place_of_fits:
                fitter = GamboostFitter(
                    tables, BoostSettings(), ScreeningSettings(unit=unit), settings.inner_folds,
                    LearnedWhere(None, "train", "clamp"), 100, Path(place_of_fits), s,
                )  # fmt: skip
                kept: list[int] = []

                def fit(sets, progress, fitter=fitter, kept=kept):  # type: ignore[no-untyped-def]
                    for path in fitter(sets, progress):
                        kept.append(len(path.notes["selected"]))
                        yield path

                table = calls[["call_id", "caller_id", "y", "n_frames"]]
                found[unit].append(pipeline_auroc(table, fit, replace(settings, seed=s)))
                if unit == "segment":
                    empty.append(float(np.mean(np.array(kept) == 0)))
    return {
        "null_auroc_gamboost_screened": mean_and_error(found["segment"]),
        "null_auroc_gamboost_no_screening": mean_and_error(found["none"]),
        "share_of_folds_with_empty_screening": mean_and_error(empty),
    }


def scale() -> dict[str, tuple[float, float]]:
    """All metrics with 2,000 bootstraps on 470,032 frames of 281 calls: CPU seconds and peak MB."""
    rng = np.random.default_rng(0)
    n_frames = rng.gamma(1.2, 1673 / 1.2, CALLERS).astype(int) + 5
    n_frames = (n_frames * 470_032 / n_frames.sum()).astype(int)
    n_frames[0] += 470_032 - n_frames.sum()
    y = (np.arange(CALLERS) < POSITIVE).astype(int)
    row = np.repeat(np.arange(CALLERS), n_frames)
    level = rng.normal(size=CALLERS) * 0.5 + 0.6 * y - 1
    p = 1 / (1 + np.exp(-(level[row] + rng.normal(size=len(row)))))
    call = np.bincount(row, p) / n_frames
    ids = np.array([f"c{i:03d}" for i in range(CALLERS)])
    frame = np.concatenate([np.arange(k) for k in n_frames])

    def rows(of: np.ndarray, unit: str, raw: np.ndarray, risk: object, place: object) -> pd.DataFrame:
        table = pd.DataFrame(
            {"protocol": "nested", "model": "gamboost", "target": "outcome", "design": "loco", "repeat": 0,
             "fold": of, "unit": unit, "call_id": ids[of], "caller_id": ids[of],
             "segment": None if unit == "call" else 0, "frame": place, "time_s": np.nan, "y": y[of],
             "p_raw": raw, "p": risk, "threshold": 0.3, "weight": 1.0}
        )  # fmt: skip
        return table.astype({"segment": "Int32", "frame": "Int32"})

    every = np.arange(CALLERS)
    table = pd.concat([rows(every, "call", call, call, None), rows(row, "frame", p, np.nan, frame)])
    table = table.reset_index(drop=True)
    compute_metrics(table[table["unit"] == "call"], SETTINGS, n_boot=10)
    cpu, wall = time.process_time(), time.perf_counter()
    compute_metrics(table, SETTINGS)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"scale_cpu_s": (cpu, 0.0), "scale_wall_s": (wall, 0.0), "scale_peak_mb": (peak, 0.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "part", choices=["null", "loco", "fixed", "coverage", "size", "effect", "gamboost", "scale"]
    )
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--n-boot", type=int, default=200)
    parser.add_argument("--effect", type=float, default=0.0)
    asked = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, tuple[float, float]]]] = {
        "null": lambda: null_mean(asked.cohorts),
        "loco": lambda: null_loco(asked.cohorts),
        "fixed": lambda: fixed_model(asked.cohorts),
        "coverage": lambda: coverage(asked.cohorts, asked.n_boot, asked.effect),
        "size": lambda: size(asked.cohorts, asked.n_boot),
        "effect": lambda: known_effect(asked.cohorts),
        "gamboost": lambda: gamboost_null(asked.cohorts),
        "scale": scale,
    }
    found = parts[asked.part]()
    for name, (estimate, error) in found.items():
        sys.stdout.write(f"{name}: {estimate:.4f} ({error:.4f})\n")


if __name__ == "__main__":
    main()
