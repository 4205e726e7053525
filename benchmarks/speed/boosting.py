"""How long leave-one-caller-out boosting takes at the size of the paper: measured, and extrapolated.

    python benchmarks/speed/boosting.py          16 folds at full size, extrapolated; growth; nested; scoring
    python benchmarks/speed/boosting.py --full   all 281 folds x 500 steps besides, measured (minutes)
    python benchmarks/speed/boosting.py --threads 2
    python benchmarks/speed/boosting.py --levels three levels and age beside two levels, and nothing else

The cohort is simulated: 281 callers of both sexes, 470,032 frames, 11 markers correlated within caller, an
outcome by caller that four of them carry. Learners: bols(sex) and one P-spline a marker and sex.
CPU time is of this process; on a machine shared with others it swings by half.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import RBridgeError
from voicerisk.models import (
    BoostData,
    JointLanes,
    Lane,
    LazyLanes,
    alike_order,
    fit_jointly,
    fit_lanes,
    held_out_path,
    learners_for,
    read_model,
    scoring_model,
    write_model,
)
from voicerisk.validation import ValidationSettings, training_weights
from voicerisk.validation.protocols.fold_plan import plan_folds

ROWS, CALLERS, MARKERS, STEPS = 470_032, 281, 11, 500
GROUP = 16
INNER = 10


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


def nested_folds(data: BoostData) -> LazyLanes:
    """Lanes of nested leave-one-caller-out, dealt as the protocol deals them."""
    learners = learners_for(data.columns)
    names = [f"c{code:03d}" for code in range(int(data.caller.max()) + 1)]
    first = np.searchsorted(data.caller, np.arange(len(names)))
    table = pd.DataFrame(
        {"caller_id": names, "pattern": data.y[first].astype(str), "sex": data.level[first].astype(str)}
    ).assign(n_calls=1, n_frames=np.bincount(data.caller))
    settings = ValidationSettings(designs=("loco",), inner_folds=INNER)
    planned, _ = plan_folds(table, ("loco",), settings, "nested", 0.4, True)
    code = {name: number for number, name in enumerate(names)}
    sets = [
        np.isin(np.arange(len(names)), [code[name] for name in one.train])
        for fold in planned
        for one in (*fold.inner, fold.outer)
    ]

    def lane(number: int) -> Lane:
        train = sets[number][data.caller]
        weights = train.astype(float)
        weights[train] = training_weights(data.caller[train], data.y[train], 0.4)
        return Lane(f"nested {number}", weights, learners, boundary="train", outside="clamp")

    return LazyLanes(lane, len(sets))


def picked(lanes: Sequence[Lane], numbers: Sequence[int]) -> LazyLanes:
    return LazyLanes(lambda place: lanes[numbers[place]], len(numbers))


def timed(data: BoostData, lanes: Sequence[Lane], steps: int, threads: int = 1) -> tuple[float, float]:
    """Return CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in fit_lanes(data, lanes, steps, threads=threads):
        pass
    return time.process_time() - cpu, time.perf_counter() - wall


def peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def growth() -> Iterator[str]:
    """Rows, folds and steps are doubled twice in turn; CPU seconds, the lesser of two runs."""
    timed(cohort(2_000, 20), leave_one_out(cohort(2_000, 20), 20), 2)
    cases = [(rows, GROUP, 100) for rows in (ROWS // 4, ROWS // 2, ROWS)]
    cases += [(ROWS // 4, folds, 100) for folds in (2 * GROUP, 4 * GROUP)]
    cases += [(ROWS // 4, GROUP, steps) for steps in (200, 400)]
    yield "    rows  folds  steps   CPU s  before step 1   ns per row x fold x step"
    for rows, folds, steps in cases:
        data = cohort(rows, CALLERS)
        lanes = leave_one_out(data, folds)
        start = min(timed(data, lanes, 0)[0] for _ in range(2))
        total = min(timed(data, lanes, steps)[0] for _ in range(2))
        per = (total - start) / (rows * folds * steps) * 1e9
        yield f"{rows:>8} {folds:>6} {steps:>6} {total:7.2f} {start:>14.2f} {per:>26.2f}"


def of_group(data: BoostData, lanes: Sequence[Lane], steps: int, rounds: int = 2) -> float:
    """Return CPU seconds of one group, from its set-up and first steps, the least of a few rounds each."""
    part = min(100, steps)
    start = min(timed(data, lanes, 0)[0] for _ in range(rounds))
    total = min(timed(data, lanes, part)[0] for _ in range(rounds))
    return start + (total - start) * steps / part


def nested(data: BoostData, steps: int, groups: int = 3) -> tuple[float, float, float]:
    """Return CPU seconds of nested leave-one-caller-out, those of ordering the lanes, and without order.

    Ordering is measured whole; boosting is extrapolated from a few groups evenly spaced along the order.
    """
    lanes = nested_folds(data)
    cpu = time.process_time()
    order = alike_order(data, lanes)
    ordering = time.process_time() - cpu
    whole = len(lanes) // GROUP
    found = []
    for numbers in (order, list(range(len(lanes)))):
        seconds = [
            of_group(data, picked(lanes, numbers[group * GROUP : (group + 1) * GROUP]), steps)
            for group in np.linspace(0, whole - 1, groups + 2).astype(int)[1:-1]
        ]
        found.append(float(np.mean(seconds)) * len(lanes) / GROUP)
    return ordering + found[0], ordering, found[1]


def permutations(rows: int = 60_000, count: int = 8, folds: int = 10, steps: int = 100) -> str:
    """Fit the folds of several permutations one permutation at a time, and side by side."""
    data = cohort(rows, 100)
    rng = np.random.default_rng(3)
    of_caller = data.y[np.searchsorted(data.caller, np.arange(100))]
    learners = learners_for(data.columns)
    alone: list[list[Lane]] = []
    for number in range(count):
        y = rng.permutation(of_caller)[data.caller]
        fold = rng.permutation(np.arange(100) % folds)[data.caller]
        alone.append([])
        for k in range(folds):
            train = fold != k
            weights = train.astype(float)
            weights[train] = training_weights(data.caller[train], y[train], 0.4)
            alone[-1].append(Lane(f"{number}/{k}", weights, learners, "train", "clamp", y=y))
    together = [lane for one in alone for lane in one]
    apart = sum(timed(data, one, steps)[0] for one in alone)
    order = alike_order(data, together)
    packed = timed(data, picked(together, order), steps)[0]
    paths = dict(zip(order, fit_lanes(data, picked(together, order), steps), strict=True))
    plain = [path for one in alone for path in fit_lanes(data, one, steps)]
    same = all(np.array_equal(paths[i].steps, plain[i].steps) for i in range(len(plain)))
    return (
        f"{count} permutations x {folds} folds, {rows} rows x {steps} steps: {apart:.2f} CPU s one at a "
        f"time, {packed:.2f} side by side: ratio {apart / packed:.2f}; equal to the last bit: {same}"
    )


def against_mboost(rows: int = 5_000, steps: int = 100) -> str:
    """Time one fit and one refit with both engines in one run, R's start apart."""
    data = cohort(rows, 40)
    lanes = leave_one_out(data, 2)
    try:
        from voicerisk.models.boosting.mboost import fit_mboost

        def children() -> float:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)  # R has ended by then
            return used.ru_utime + used.ru_stime

        before = children()
        list(fit_mboost(data, [lanes[0]], 1, 0.1))
        start = children() - before
        theirs = list(fit_mboost(data, lanes, steps, 0.1))
        mboost = children() - before - 2 * start
    except RBridgeError as error:
        return f"mboost: not compared ({error})"
    list(fit_lanes(data, lanes, 1))
    cpu = time.process_time()
    ours = list(fit_lanes(data, lanes, steps))
    native = time.process_time() - cpu
    cpu = time.process_time()
    list(fit_lanes(data, leave_one_out(data, GROUP), steps))
    full = (time.process_time() - cpu) / GROUP
    same = all(np.array_equal(a.selected, b.selected) for a, b in zip(ours, theirs, strict=True))
    return (
        f"mboost, {rows} rows x 2 fits x {steps} steps: {mboost:.2f} CPU s (without R's start and one step, "
        f"{start:.1f} s); native {native:.3f} CPU s, ratio {mboost / native:.0f}; in a group of {GROUP} fits "
        f"{full:.4f} CPU s a fit, ratio {mboost / 2 / full:.0f}; identical paths: {same}"
    )


def patience(rows: int = 60_000, outer: int = 3, steps: int = 300) -> Iterator[str]:
    """Tune outer folds on ten inner ones, with all steps and halting early."""
    data = cohort(rows, 100)
    learners = learners_for(data.columns)
    sets = []
    for left_out in range(outer):
        training = data.caller != left_out
        inner = []
        for i in range(INNER):
            train = training & (data.caller % INNER != i)
            weights = train.astype(float)
            weights[train] = training_weights(data.caller[train], data.y[train], 0.4)
            inner.append(Lane(f"{left_out}/{i}", weights, learners, boundary="train", outside="clamp"))
        whole = np.zeros(rows)
        whole[training] = training_weights(data.caller[training], data.y[training], 0.4)
        held_out = tuple(np.flatnonzero(training & (data.caller % INNER == i)) for i in range(INNER))
        sets.append(
            JointLanes(
                inner,
                held_out,
                tuple(whole[part] for part in held_out),
                Lane(f"outer {left_out}", whole, learners, boundary="train", outside="clamp"),
            )
        )
    list(fit_jointly(data, sets, 1, 0.1, 1))
    for steps_of_patience in (steps, 100, 50):
        cpu = time.process_time()
        fitted = list(fit_jointly(data, sets, steps, 0.1, steps_of_patience))
        cpu = time.process_time() - cpu
        chosen = []
        for one, paths in zip(sets, fitted, strict=True):
            groups = [_by_caller(data, part) for part in one.held_out]
            total = sum(
                np.array([whole[rows_].sum() for rows_ in own]) @ held_out_path(path, own)[1]
                for own, path in zip(groups, paths, strict=False)
            )
            chosen.append(int(np.argmin(total)))
        taken = [paths[0].mstop for paths in fitted]
        yield (
            f"patience {steps_of_patience:>3}: {rows} rows, {outer} x ({INNER} + 1) fits, {cpu:6.2f} CPU s, "
            f"steps taken {taken}, chosen {chosen}"
        )


def levels_and_age(rows: int, callers: int, steps: int) -> str:
    """Leave callers out of a model of three levels and age, and of two levels, in turn in one run."""
    plain = cohort(rows, callers)
    three = Moderator("sex", ("X", "female", "male"))
    rng = np.random.default_rng(4)
    level = (np.arange(callers) % 3).astype(np.int8)[rng.permutation(callers)]
    age = {"age": rng.uniform(18, 80, callers)[plain.caller]}
    data = BoostData({**plain.columns, **age}, level[plain.caller], plain.y, plain.caller, three)
    learners = learners_for(plain.columns, moderator=three, covariates={"age": False})
    lanes = LazyLanes(lambda c: Lane(f"caller {c}", (data.caller != c).astype(float), learners), GROUP)
    of_group(plain, leave_one_out(plain, GROUP), 1, 1)  # compiles
    found = [
        (of_group(plain, leave_one_out(plain, GROUP), steps, 1), of_group(data, lanes, steps, 1))
        for _ in range(3)
    ]
    before, after = (min(one[side] for one in found) * callers / GROUP / 60 for side in (0, 1))
    ratios = ", ".join(f"{b / a:.2f}" for a, b in found)
    return (
        f"three levels and age, {rows} rows x {callers} callers x {steps} steps, extrapolated from {GROUP} "
        f"folds: {after:.2f} CPU min beside {before:.2f} of two levels, ratio {after / before:.2f} "
        f"(three pairs: {ratios})"
    )


def _by_caller(data: BoostData, rows: np.ndarray) -> list[np.ndarray]:
    return [rows[data.caller[rows] == caller] for caller in np.unique(data.caller[rows])]


def scoring(frames: int = 1_000_000) -> str:
    """Score frames by a model read from its file, contributions included; numba must not be loaded for it."""
    data = cohort(20_000, 40)
    (path,) = fit_lanes(data, [leave_one_out(data, 1)[0]], 200)
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "model.json", scoring_model(path))
        size = (Path(folder) / "model.json").stat().st_size
        model = read_model(Path(folder) / "model.json")
    rng = np.random.default_rng(2)
    columns = {name: rng.normal(size=frames) for name in model.markers}
    sex = rng.integers(0, 2, frames).astype(np.int8)
    cpu = time.process_time()
    model.contributions(columns, sex)
    arrays = time.process_time() - cpu
    table = pd.DataFrame(columns).assign(sex=np.where(sex == 1, "male", "female"))
    cpu = time.process_time()
    model.score(table)
    tables = time.process_time() - cpu
    return (
        f"scoring a saved model ({size / 1000:.0f} kB, {len(model.effects)} curves): contributions of "
        f"arrays {frames / arrays / 1e6:.2f}, a whole table with probabilities and flags "
        f"{frames / tables / 1e6:.2f} million frames a CPU second"
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
    parser.add_argument("--levels", action="store_true", help="three levels and age alone")
    arguments = parser.parse_args()
    rows, callers, steps = arguments.rows, arguments.callers, arguments.steps
    learners = 2 * MARKERS

    if arguments.levels:
        print(levels_and_age(rows, callers, steps))
        return
    for line in growth():
        print(line, flush=True)
    for line in patience():
        print(line, flush=True)
    print(permutations(), flush=True)
    print(permutations(folds=10 * (INNER + 1), count=2), flush=True)
    print(scoring(), flush=True)
    print(against_mboost(), flush=True)

    data = cohort(rows, callers)
    cpu = of_group(data, leave_one_out(data, GROUP), steps) * callers / GROUP
    whole, ordering, plain = nested(data, steps)
    print(
        f"nested leave-one-caller-out, {callers} x ({INNER} inner folds + 1), {steps} steps, without the "
        f"Lasso and without patience, extrapolated: {whole / 60:.1f} CPU min (of these {ordering / 60:.1f} "
        f"for the order of the lanes), {whole / cpu:.1f} times leave-one-caller-out extrapolated in the same "
        f"run; in the order of the folds {plain / 60:.1f} CPU min",
        flush=True,
    )
    wall, what = cpu, f"extrapolated from {GROUP} folds"
    if arguments.full:
        print(f"{what}: {cpu / 60:.1f} CPU min", flush=True)
        cpu, wall = timed(data, leave_one_out(data, callers), steps, arguments.threads)
        what = f"measured whole on {arguments.threads} thread(s)"
    work = rows * callers * steps
    print(
        f"leave-one-caller-out, {rows} rows x {callers} callers x {learners} learners x "
        f"{steps} steps, {what}: {cpu / 60:.2f} CPU min, {wall / 60:.2f} min wall; "
        f"{cpu / work * 1e9:.2f} ns per row x fold x step, "
        f"{cpu / work / learners * 1e9:.3f} ns per row x learner x fold x step; "
        f"peak memory {peak_gigabytes():.2f} GB"
    )


if __name__ == "__main__":
    sys.exit(main())
