"""How much the nested protocol finds of what is there, beside simple models on the same folds.

    python benchmarks/evidence/honest.py linear:20:200 noise:40:200 ... [--out found.csv] [--first 0]

Each argument is truth:callers:cohorts. Cohorts are tables of frames with 12 markers, ICC 0.3, 12 frames in 4
spans a call, one call a caller, 40% with the outcome, sex balanced. Truths: `linear` (every marker moves by
0.25), `u` (four markers spread more, one moves by 0.2), `by_sex` (six markers move by 0.4, in women up where
in men down), `sparse` (two markers move by 0.5), `noise`. A cohort has one grouped k-fold with inner folds.

The table has a row a cohort and model: AUROC over all pairs of callers, AUROC over pairs within a fold, slope
of a logistic recalibration of the risk, share of folds that learned nothing, seconds. `--show found.csv`
prints the means with Monte Carlo standard errors. Nothing here is asserted in tests; docs/honest.md has the
results.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.callers.moderator import SEX
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, members_of
from voicerisk.study.rivals import simple_models
from voicerisk.types import Progress
from voicerisk.validation import FittedPath, TrainingSet, ValidationSettings, run_nested
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.metrics.logistic import fit_logistic, logit
from voicerisk.validation.protocols.rivals import run_rival

MARKERS, FRAMES, SPANS, ICC, SHARE = 12, 12, 4, 0.3, 0.4


def cohort(truth: str, n: int, seed: int) -> ModelTables:
    """Draw a cohort."""
    rng = np.random.default_rng([14, seed])
    sex, y = np.arange(n) % 2, np.zeros(n, dtype=int)
    positive = round(SHARE * n)
    if truth == "chance":
        y[rng.permutation(n)[:positive]] = 1
    else:
        for level, k in ((0, round(positive / 2)), (1, positive - round(positive / 2))):
            y[rng.permutation(np.flatnonzero(sex == level))[:k]] = 1
    columns = {}
    for j in range(MARKERS):
        up = 1.0 if j % 2 == 0 else -1.0
        own, each = rng.standard_normal(n), rng.standard_normal((n, FRAMES))
        z = np.sqrt(ICC) * own[:, None] + np.sqrt(1.0 - ICC) * each
        move, spread = np.zeros(n), np.ones(n)
        if truth == "linear":
            move = 0.25 * up * y
        elif truth == "u":
            spread = np.where((y == 1) & (j < 4), 1.3, 1.0)
            move = 0.2 * y * (j == 4)
        elif truth == "by_sex":
            move = 0.4 * up * y * np.where(sex == 1, 1.0, -1.0) * (j < 6)
        elif truth == "sparse":
            move = 0.5 * up * y * (j < 2)
        elif truth not in ("noise", "chance"):
            raise SystemExit(f"There is no truth {truth}.")
        of_sex = (0.5 if j % 3 == 0 else 0.0) * (2 * sex - 1)
        columns[f"x{j}"] = (move[:, None] + of_sex[:, None] + spread[:, None] * z).ravel()
    ids = np.array([f"c{i:04d}" for i in range(n)])
    calls = pd.DataFrame(
        {
            "call_id": ids,
            "caller_id": ids,
            "sex": np.where(sex == 1, "male", "female"),
            "y": y,
            "n_frames": FRAMES,
        }
    )
    span = np.tile(np.repeat(np.arange(SPANS), FRAMES // SPANS), n)
    who, frame = np.repeat(ids, FRAMES), np.tile(np.arange(FRAMES), n)
    frames = pd.DataFrame(
        {"call_id": who, "caller_id": who, "segment": span, "frame": frame, "time_s": 0.04 * frame, **columns}
    )
    markers = tuple(columns)
    segments = frames.groupby(["call_id", "caller_id", "segment"], as_index=False)[list(markers)].mean()
    return ModelTables(calls, frames, segments.assign(n_frames=FRAMES // SPANS), markers, SEX)


def within_folds(rows: pd.DataFrame) -> float:
    """AUROC over pairs of callers that were held out together."""
    right = pairs = 0.0
    for _, part in rows.groupby("fold"):
        one, zero = (part.loc[part["y"] == k, "p_raw"].to_numpy() for k in (1, 0))
        gap = one[:, None] - zero[None]
        right, pairs = right + float((gap > 0).sum() + 0.5 * (gap == 0).sum()), pairs + gap.size
    return right / pairs if pairs else np.nan


def measure(truth: str, n: int, seed: int, only: str = "") -> list[dict[str, object]]:
    """Judge the nested default and the simple models on one cohort."""
    tables = cohort(truth, n, seed)
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", "sex"]]
    settings = ValidationSettings(designs=["grouped_kfold"], repeats=1, threshold="youden", seed=seed + 1)
    fitter = FamilyFitter(tables, members_of(settings.family, tables.moderator))
    outer: list[FittedPath] = []

    def remembered(sets: Sequence[TrainingSet], progress: Progress | None = None) -> Iterator[FittedPath]:
        for asked, path in zip(sets, fitter(sets, progress), strict=True):
            if asked.key.endswith("/outer"):
                outer.append(path)
            yield path

    found = []
    rivals = {rival.name: rival for rival in simple_models(tables)}
    for name in ("nested", *rivals):
        if only and name != only:
            continue
        started = time.process_time()
        run = (
            run_nested(calls, remembered, settings)
            if name == "nested"
            else run_rival(rivals[name], calls, settings)
        )
        rows = run.predictions
        alone = members_alone(outer, calls) if name == "nested" else {}
        y, p = rows["y"].to_numpy(), logit(rows["p"].to_numpy(float), 1e-6)
        slope = fit_logistic(p, y.astype(float), np.ones(len(y)))[1][0] if np.ptp(p) > 0 else np.nan
        found.append(
            {"truth": truth, "callers": n, "seed": seed, "model": name,
             "auroc": auroc(y, rows["p_raw"].to_numpy()), "within_folds": within_folds(rows), "slope": slope,
             "constant": run.notes["folds_constant"] / run.notes["folds"],
             "seconds": time.process_time() - started,
             **{f"weight_{k}": v for k, v in run.notes["member_weights"].items()}, **alone}
        )  # fmt: skip
    return found


def members_alone(paths: list[FittedPath], calls: pd.DataFrame) -> dict[str, float]:
    """Return the AUROC that each member of the family would have had alone, on the same folds."""
    score = np.concatenate([path.call_score for path in paths])
    ids = np.concatenate([path.call_ids for path in paths])
    y = calls.set_index("call_id")["y"][ids].to_numpy()
    return {f"alone_{m.name}": auroc(y, score[:, j]) for j, m in enumerate(paths[0].members)}


def show(file: Path) -> pd.DataFrame:
    """Return means and Monte Carlo standard errors by truth, callers and model."""
    table = pd.read_csv(file)
    by = table.groupby(["truth", "callers", "model"], sort=False)
    error = by[["auroc", "within_folds", "slope"]].sem().add_suffix("_se")
    best = table[table["model"] != "nested"].groupby(["truth", "callers", "model"])["auroc"].mean()
    top = best.groupby(["truth", "callers"]).idxmax()
    out = by.mean(numeric_only=True).drop(columns="seed").join(error).join(by.size().rename("cohorts"))
    wide = table.pivot(index=["truth", "callers", "seed"], columns="model", values="auroc")
    for place, (truth, callers, name) in top.items():
        gap = wide.loc[place, "nested"] - wide.loc[place, name]
        out.loc[(truth, callers, "nested"), ["best", "minus_best", "minus_best_se"]] = (
            name,
            gap.mean(),
            gap.sem(),
        )
    return out


def main() -> None:
    """Run the cells that are asked for; write each cohort as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cells", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("honest.csv"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=Path)
    parser.add_argument("--only", default="", help="one model: nested, ridge_means, ...")
    args = parser.parse_args()
    if args.show:
        with pd.option_context("display.width", 250, "display.max_columns", 30, "display.max_rows", 200):
            print(show(args.show).round(3))
        return
    for cell in args.cells:
        truth, n, cohorts = cell.split(":")
        for seed in range(args.first, args.first + int(cohorts)):
            rows = pd.DataFrame(measure(truth, int(n), seed, args.only))
            rows.to_csv(args.out, mode="a", header=not args.out.exists(), index=False)


if __name__ == "__main__":
    main()
