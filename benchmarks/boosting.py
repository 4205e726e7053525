"""How long leave-one-caller-out boosting takes at the size of the paper: measured, and extrapolated.

    python benchmarks/boosting.py                16 folds at full size, extrapolated; linear growth; mboost
    python benchmarks/boosting.py --full         all 281 folds x 500 steps, measured (minutes)
    python benchmarks/boosting.py --threads 2

The cohort is simulated: 281 callers of both sexes, 470,032 frames, 11 markers correlated within caller, an
outcome by caller that four of them carry. Learners: bols(sex) and one P-spline a marker and sex.
CPU time is of this process; on a machine shared with others it swings by half.
"""

import argparse
import resource
import time
from collections.abc import Iterator

import numpy as np

from voicerisk.errors import RBridgeError
from voicerisk.models import BoostData, Lane, LazyLanes, fit_lanes, learners_for

ROWS, CALLERS, MARKERS, STEPS = 470_032, 281, 11, 500
GROUP = 16


def cohort(rows: int, callers: int, seed: int = 1) -> BoostData:
    rng = np.random.default_rng(seed)
    caller = np.sort(np.r_[np.arange(callers), rng.integers(0, callers, rows - callers)]).astype(np.int32)
    sex = (np.arange(callers) % 2).astype(np.int8)[rng.permutation(callers)]
    y = rng.permutation(np.arange(callers) % 2).astype(np.int8)
    columns = {}
    for m in range(MARKERS):
        level = rng.normal(size=callers) * 0.5
        if m < 4:
            level += 0.5 * y * (1 if m % 2 else 2 * sex)
        columns[f"m{m}"] = level[caller] + rng.normal(size=rows)
    return BoostData(columns, sex[caller], y[caller], caller)


def leave_one_out(data: BoostData, folds: int) -> LazyLanes:
    learners = learners_for(data.columns)
    return LazyLanes(lambda c: Lane(f"caller {c}", (data.caller != c).astype(float), learners), folds)


def timed(data: BoostData, folds: int, steps: int, threads: int = 1) -> tuple[float, float]:
    """Return CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in fit_lanes(data, leave_one_out(data, folds), steps, threads=threads):
        pass
    return time.process_time() - cpu, time.perf_counter() - wall


def peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def growth() -> Iterator[str]:
    """Rows, folds and steps are doubled in turn."""
    base = (60_000, GROUP, 60)
    timed(cohort(2_000, 20), 20, 2)
    for rows, folds, steps in (base, (120_000, GROUP, 60), (60_000, 2 * GROUP, 60), (60_000, GROUP, 120)):
        data = cohort(rows, CALLERS)
        start, _ = timed(data, folds, 0)
        total, _ = timed(data, folds, steps)
        per = (total - start) / (rows * folds * steps) * 1e9
        yield (
            f"{rows:>8} rows x {folds:>3} folds x {steps:>4} steps: {total:7.2f} CPU s, "
            f"{start:.2f} of them before the first step; {per:5.2f} ns per row x fold x step"
        )


def against_mboost(rows: int = 5_000, steps: int = 100) -> str:
    """Time one fit and one refit with both engines in one run."""
    data = cohort(rows, 40)
    lanes = leave_one_out(data, 2)
    try:
        from voicerisk.models.mboost_engine import fit_mboost

        wall = time.perf_counter()
        theirs = list(fit_mboost(data, lanes, steps, 0.1))
        mboost = time.perf_counter() - wall
    except RBridgeError as error:
        return f"mboost: not compared ({error})"
    wall = time.perf_counter()
    ours = list(fit_lanes(data, lanes, steps))
    native = time.perf_counter() - wall
    same = all(np.array_equal(a.selected, b.selected) for a, b in zip(ours, theirs, strict=True))
    return (
        f"mboost, {rows} rows x 2 fits x {steps} steps: {mboost:.1f} s; native {native:.2f} s; "
        f"ratio {mboost / native:.0f}; identical paths: {same}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="measure all folds and steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--callers", type=int, default=CALLERS)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    learners = 2 * MARKERS

    for line in growth():
        print(line, flush=True)
    print(against_mboost(), flush=True)

    data = cohort(arguments.rows, arguments.callers)
    if arguments.full:
        cpu, wall = timed(data, arguments.callers, arguments.steps, arguments.threads)
        what, folds = "measured", arguments.callers
    else:
        part = min(60, arguments.steps)
        start, _ = timed(data, GROUP, 0)
        total, _ = timed(data, GROUP, part)
        groups = arguments.callers / GROUP
        cpu = groups * (start + (total - start) * arguments.steps / part)
        wall, folds, what = cpu / arguments.threads, arguments.callers, "extrapolated from 16 folds"
    work = arguments.rows * folds * arguments.steps
    print(
        f"leave-one-caller-out, {arguments.rows} rows x {folds} callers x {learners} learners x "
        f"{arguments.steps} steps, {what}: {cpu / 60:.1f} CPU min, {wall / 60:.1f} min on "
        f"{arguments.threads} thread(s); {cpu / work * 1e9:.2f} ns per row x fold x step, "
        f"{cpu / work / learners * 1e9:.3f} ns per row x learner x fold x step; "
        f"peak memory {peak_gigabytes():.2f} GB"
    )


if __name__ == "__main__":
    main()
