"""What each choice of a procedure costs: unit, aggregation, selection, moderation, number of steps.

    python benchmarks/evidence/choices.py linear:20:40 u:80:20 ... [--out choices.csv] [--first 0]
    python benchmarks/evidence/choices.py --show choices.csv

Cohorts are those of `honest.py`, and each argument is truth:callers:cohorts. One thing is switched at a time;
everything is judged by the same grouped k-fold with inner folds. The table has a row a cohort and choice.
docs/honest.md has the results; nothing here is asserted in tests.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from honest import cohort

from voicerisk.models import BoostSettings
from voicerisk.screening import ScreeningSettings
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, members_of
from voicerisk.study.fitting.fitters import GamboostFitter, LearnedWhere
from voicerisk.study.protocols import NESTED_STEPS
from voicerisk.study.rivals import elastic_net_path, ridge_path
from voicerisk.validation import ValidationSettings, run_nested
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.protocols.rivals import Rival, run_rival
from voicerisk.validation.protocols.run import NESTED, run_protocol

STEPS = 100


def rivals_of(tables: ModelTables) -> Iterator[tuple[str, Rival]]:
    """Yield ridge models by unit and by what a call is summarised to, and an elastic net on the means."""
    names = list(tables.markers)
    by_call = tables.frames.groupby("call_id", sort=False)[names]
    means, deviations = by_call.mean(), by_call.std().add_suffix(" (SD)")
    quantiles = by_call.quantile([0.1, 0.5, 0.9]).unstack()
    quantiles.columns = [f"{name} {q:g}" for name, q in quantiles.columns]
    segments = tables.frames.groupby(["call_id", "segment"], sort=False)[names].mean().reset_index()
    rows = {
        "unit: frames": tables.frames[["call_id", *names]],
        "unit: segments": segments.drop(columns="segment"),
        "unit: call means": means.reset_index(),
        "call medians": by_call.median().reset_index(),
        "call SDs": deviations.reset_index(),
        "call means and SDs": means.join(deviations).reset_index(),
        "call quantiles (10, 50, 90%)": quantiles.reset_index(),
    }
    for name, table in rows.items():
        yield f"ridge, {name}", Rival("ridge", table, ridge_path)
    yield "elastic net, call means", Rival("net", rows["unit: call means"], elastic_net_path)


def gamboosts(tables: ModelTables) -> Iterator[tuple[str, ModelTables, bool, bool]]:
    """Yield gamboost's choices: name, tables, whether the Lasso screens first, whether steps are tuned."""
    common = replace(tables, moderator=None)
    segments = tables.segments.assign(frame=0, time_s=0.0)
    calls = tables.frames.groupby(["call_id", "caller_id"], as_index=False)[list(tables.markers)].mean()
    yield "gamboost, frames, by sex, Lasso first, steps tuned", tables, True, True
    yield "gamboost, frames, by sex, steps tuned", tables, False, True
    yield f"gamboost, frames, by sex, {STEPS} steps", tables, False, False
    yield f"gamboost, frames, common curves, {STEPS} steps", common, False, False
    yield f"gamboost, segments, common curves, {STEPS} steps", replace(common, frames=segments), False, False
    means = calls.assign(segment=0, frame=0, time_s=0.0)
    yield f"gamboost, call means, common curves, {STEPS} steps", replace(common, frames=means), False, False


def boosted(tables: ModelTables, screened: bool, tuned: bool, settings: ValidationSettings) -> pd.DataFrame:
    """Return the predictions of gamboost on the folds."""
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", "sex"]]
    boost = BoostSettings(brandom=False, mstop=STEPS)
    with TemporaryDirectory() as home:
        fitter = GamboostFitter(
            tables=tables,
            boost=boost,
            screening=ScreeningSettings(unit="segment" if screened else "none"),
            inner_folds=settings.inner_folds,
            learned=LearnedWhere(None, "train", "clamp"),
            mstop=NESTED_STEPS * STEPS if tuned else STEPS,
            checkpoints=Path(home),
            seed=1,
            patience=boost.patience if tuned else None,
        )
        steps = replace(NESTED, tune_steps=tuned)
        run = (
            run_nested(calls, fitter, settings)
            if tuned
            else run_protocol(calls, fitter, settings, steps, settings.designs)
        )
        return run.predictions


def measure(truth: str, n: int, seed: int) -> list[dict[str, object]]:
    """Judge every choice on one cohort."""
    tables = cohort(truth, n, seed)
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", "sex"]]
    settings = ValidationSettings(designs=["grouped_kfold"], repeats=1, threshold="youden", seed=seed + 1)
    found: list[dict[str, object]] = []

    def keep(name: str, started: float, rows: pd.DataFrame) -> None:
        rows = rows[rows["unit"] == "call"] if "unit" in rows else rows
        area = auroc(rows["y"].to_numpy(), rows["p_raw"].to_numpy())
        found.append(
            {"truth": truth, "callers": n, "seed": seed, "choice": name, "auroc": area,
             "constant": float(rows.groupby("fold")["p_raw"].nunique().le(1).mean()),
             "seconds": time.process_time() - started}
        )  # fmt: skip

    started = time.process_time()
    fitter = FamilyFitter(tables, members_of(settings.family, tables.moderator))
    keep("the nested family", started, run_nested(calls, fitter, settings).predictions)
    for name, rival in rivals_of(tables):
        started = time.process_time()
        keep(name, started, run_rival(rival, calls, settings).predictions)
    for name, own, screened, tuned in gamboosts(tables):
        started = time.process_time()
        keep(name, started, boosted(own, screened, tuned, settings))
    return found


def show(file: Path) -> pd.DataFrame:
    """Return mean AUROCs with Monte Carlo standard errors, a row a choice."""
    table = pd.read_csv(file)
    by = table.groupby(["choice", "truth", "callers"], sort=False)["auroc"]
    text = by.mean().map("{:.3f}".format) + " (" + by.sem().map("{:.3f}".format) + ")"
    return text.unstack(["truth", "callers"]).join(
        table.groupby("choice")["seconds"].mean().round(2).rename(("seconds", "")), how="left"
    )


def main() -> None:
    """Run the cells that are asked for; write each cohort as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cells", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("choices.csv"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=Path)
    args = parser.parse_args()
    if args.show:
        with pd.option_context("display.width", 250, "display.max_columns", 30, "display.max_rows", 200):
            print(show(args.show))
        return
    for cell in args.cells:
        truth, n, cohorts = cell.split(":")
        for seed in range(args.first, args.first + int(cohorts)):
            rows = pd.DataFrame(measure(truth, int(n), seed))
            rows.to_csv(args.out, mode="a", header=not args.out.exists(), index=False)


if __name__ == "__main__":
    main()
