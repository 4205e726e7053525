"""What voicerisk costs beside its peers: one table, in one run, of the peers that are installed.

Run: python benchmarks/speed/table.py (a few minutes; the other files here measure each part closely)

CPU seconds of one thread; the least of several rounds, in which ours and the peers take turns, so that the
ratios depend little on what else the machine does. A peer that is not installed is named so.
"""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from boosting import cohort, leave_one_out
from extract import FLOOR, RATE, peers, speech
from screening import segments

from voicerisk.errors import RBridgeError
from voicerisk.models import GammModel, fit_gamm, fit_lanes
from voicerisk.models.boosting.mboost import fit_mboost
from voicerisk.screening import caller_folds, screen

Row = tuple[str, float | None, str, float | None]
ROUNDS = 3
GLMNET = """
suppressMessages(library(glmnet))
X <- as.matrix(read.csv(commandArgs(TRUE)[1])); y <- X[, "y"]; fold <- X[, "fold"] + 1
X <- X[, !(colnames(X) %in% c("y", "fold"))]
run <- function() cv.glmnet(X, y, family = "binomial", foldid = fold, type.measure = "deviance")
invisible(run()); cat(min(replicate(3, sum(system.time(run())[1:2]))))
"""
BAM = """
suppressMessages(library(mgcv))
d <- read.csv(commandArgs(TRUE)[1], stringsAsFactors = TRUE)
smooths <- paste0("s(", grep("^m[0-9]", names(d), value = TRUE), ", by = sex, k = 10)", collapse = " + ")
fit <- as.formula(paste("outcome ~ sex +", smooths, "+ s(caller_id, bs = 're')"))
cat(sum(system.time(bam(fit, binomial(), d, discrete = TRUE))[1:2]))
"""


def in_turns(works: Sequence[Callable[[], object] | None]) -> list[float | None]:
    """Return the least CPU time of each over rounds in which all take their turn; the first warms up."""
    found: list[float | None] = [None if work is None else float("inf") for work in works]
    for turn in range(ROUNDS + 1):
        for place, work in enumerate(works):
            if work is not None:
                began = time.process_time()
                work()
                spent = time.process_time() - began
                found[place] = min(found[place] or 0.0, spent) if turn else float("inf")
    return found


def of_children() -> float:
    """Return the CPU time of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def markers() -> Iterator[Row]:
    """Markers of a minute of speech."""
    samples, _ = speech()
    seconds = len(samples) / RATE
    runs = peers(samples)
    others = [FLOOR, *(name for name in runs if name.startswith(("openSMILE", "Praat")))]
    costs = in_turns([runs["voicerisk all 36, no frame silent"], *(runs[name] for name in others)])
    for peer, cost in zip(others, costs[1:], strict=True):
        yield f"36 markers of {seconds:.0f} s of sound", costs[0], peer, cost


def lasso() -> Iterator[Row]:
    """One screening at the paper's size: a path and ten fold paths."""
    table, y, caller = segments(281, 11, 36, 0.8)
    table = table.fillna(0.0)
    folds = caller_folds(caller, y, 10)
    [ours] = in_turns([lambda: screen(table, list(table), y, folds)])
    what = f"Lasso, {len(table):,} segments x 36, 10 folds"
    theirs = by_hand(GLMNET, table.assign(y=y, fold=folds))
    yield what, ours, "R's cv.glmnet (fewer digits)", theirs


def boosting(rows: int = 5_000, steps: int = 100) -> Iterator[Row]:
    """One path of gamboost; R's start and first step apart."""
    data = cohort(rows, 40)
    lanes = leave_one_out(data, 2)
    [ours] = in_turns([lambda: list(fit_lanes(data, [lanes[0]], steps))])
    theirs = None
    try:
        before = of_children()
        list(fit_mboost(data, [lanes[0]], 1, 0.1))
        start = of_children() - before
        list(fit_mboost(data, [lanes[0]], steps, 0.1))
        theirs = of_children() - before - 2 * start
    except RBridgeError:
        pass
    yield f"gamboost, {rows:,} rows x {steps} steps", ours, "R's mboost", theirs


def gamm(rows: int = 3_000, names: int = 6) -> Iterator[Row]:
    """A GAMM with its tests, tables, curves and R's start, against mgcv's fit alone, called by hand."""
    rng = np.random.default_rng(1)
    table, _, caller = segments(100, rows // 100, names, 0.5)
    table = table.fillna(0.0).assign(
        outcome=rng.integers(0, 2, rows), sex=np.where(caller % 2, "male", "female"),
        caller_id=[f"c{k}" for k in caller], call_id=[f"c{k}" for k in caller], segment=np.arange(rows),
    )  # fmt: skip
    what, peer = f"GAMM, {rows:,} rows x {names}, with tables", "mgcv's bam alone, by hand"
    if not shutil.which("Rscript"):
        yield what, None, peer, None
        return
    before = of_children()
    fit_gamm(table, [f"m{k}" for k in range(names)], GammModel(level="segment", discrete=True))
    ours = of_children() - before
    yield what, ours, peer, by_hand(BAM, table)


def by_hand(script: str, table: pd.DataFrame) -> float | None:
    """Return the CPU time that an R script prints for a table; None where it needs what is not installed."""
    if not shutil.which("Rscript"):
        return None
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "rows.csv"
        table.to_csv(file, index=False)
        done = subprocess.run(
            ["Rscript", "-e", script, str(file)], capture_output=True, text=True, check=False
        )
    return float(done.stdout) if done.returncode == 0 else None


def main() -> None:
    print(f"{'what':<42}{'ours, s':>9}  {'peer':<40}{'peer, s':>9}{'ours is':>14}")
    for part in (markers, lasso, boosting, gamm):
        for what, ours, peer, theirs in part():
            mine = "-" if ours is None else f"{ours:.3f}"
            other = "not installed" if theirs is None else f"{theirs:.3f}"
            ratio = ""
            if ours and theirs:
                times = theirs / ours
                ratio = f"{times:.1f} x faster" if times >= 1 else f"{1 / times:.1f} x slower"
            print(f"{what:<42}{mine:>9}  {peer:<40}{other:>9}{ratio:>14}", flush=True)


if __name__ == "__main__":
    main()
