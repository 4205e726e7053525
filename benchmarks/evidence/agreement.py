"""How far the native engine lies from R's mboost on awkward random data, and how far mboost lies from itself.

Run, once for each linear algebra that R can be given (for example OpenBLAS by LD_PRELOAD), then compare:
    python benchmarks/evidence/agreement.py fit reference.pickle [DATA SETS]
    python benchmarks/evidence/agreement.py fit openblas.pickle [DATA SETS]
    python benchmarks/evidence/agreement.py compare reference.pickle openblas.pickle ...
Nothing is asserted.
"""

import argparse
import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import RBridgeError
from voicerisk.models import BoostData, Lane, LanePath, Learner, fit_lanes
from voicerisk.models.boosting.mboost import _fit_lane, _table
from voicerisk.rbridge import Worker

STEPS = 60
KINDS = ("normal", "gamma", "lognormal", "pareto", "gap", "outlier", "discrete", "uniform", "bimodal")
QUANTILES = (0.5, 0.9, 0.99, 1.0)


def column(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    x: NDArray[np.float64] = rng.normal(size=n)
    match rng.choice(KINDS):
        case "gamma":
            x = rng.gamma(2.0, size=n)
        case "lognormal":
            x = np.exp(rng.uniform(0.5, 2.5) * x)
        case "pareto":
            x = rng.pareto(rng.uniform(0.8, 2.0), size=n)
        case "gap":
            x = np.where(x > 0, x + rng.uniform(0.5, 3), x)
        case "outlier":
            x[rng.integers(0, n, 2)] += rng.choice([-1, 1]) * rng.uniform(5, 200)
        case "discrete":
            x = rng.integers(0, rng.integers(3, 12), n).astype(float)
        case "uniform":
            x = rng.random(n)
        case "bimodal":
            x = np.where(rng.random(n) < 0.5, rng.normal(-3, 0.3, n), rng.normal(3, 1, n))
    return np.round(x, int(rng.integers(2, 10)))


def data_set(seed: int) -> tuple[BoostData, Lane, str]:
    """Return rows, the fit to make on them, and the family."""
    rng = np.random.default_rng(seed)
    n = int(np.exp(rng.uniform(np.log(25), np.log(1500))))
    caller = rng.integers(0, int(rng.integers(4, 12)), n)
    sex = caller % 2
    columns = {name: column(rng, n) for name in "abc"[: int(rng.integers(2, 4))]}
    some_missing = bool(rng.random() < 0.3)
    if some_missing:
        columns = {name: np.where(rng.random(n) < 0.2, np.nan, x) for name, x in columns.items()}
    common: dict[str, Any] = {"available": some_missing, "knots": int(rng.choice([20, 20, 20, 10, 40]))}
    style = rng.choice(["by sex", "by sex", "by sex", "plain", "centred", "degree", "differences"])
    learners: list[Learner] = []
    if style in ("by sex", "degree"):
        common["degree"] = int(rng.integers(1, 3)) if style == "degree" else 3
        learners.append(Learner("bols", "sex"))
        for by in ("female", "male"):
            learners += [
                Learner("bbs", x, by=by, df=float(rng.choice([3, 4, 4, 5.5])), **common) for x in columns
            ]
    elif style == "plain":
        learners += [Learner("bbs", x, **common) for x in columns]
    elif style == "centred":
        learners.append(Learner("bols", "1"))
        for x in columns:
            learners.append(Learner("bols", x, intercept=False, available=some_missing))
            learners.append(Learner("bbs", x, center=True, df=1.0, **common))
    else:
        orders = rng.choice([1, 3], len(columns))
        learners += [
            Learner("bbs", x, differences=int(d), df=4.5, **common)
            for x, d in zip(columns, orders, strict=True)
        ]
    if rng.random() < 0.2:
        learners.append(Learner("brandom", "caller", df=2.0))
    weights = {
        "all": np.ones(n),
        "fold": (caller != caller[0]).astype(float),
        "counts": rng.integers(0, 4, n).astype(float),
        "any": np.round(rng.gamma(1.0, size=n) + 0.02, 3),
        "share": (caller != caller[0]) / np.bincount(caller)[caller],
    }[str(rng.choice(["all", "fold", "counts", "any", "share"]))]
    rank = np.argsort(np.argsort(np.nan_to_num(columns["a"]))) / n
    eta = 2.5 * np.sin(5 * rank) * (0.5 + sex) + 0.3 * rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.int8)
    data = BoostData(columns, sex.astype(np.int8), y, caller.astype(np.int32))
    family = "glm" if rng.random() < 0.15 else "adaboost"
    # the offset of glm is R's from all rows, ours from those with weight: given, so that it is the same
    return data, Lane(str(seed), weights, tuple(learners), offset=0.2 if family == "glm" else None), family


def fit(target: Path, count: int) -> None:
    found: dict[int, LanePath | str] = {}
    with Worker() as r, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of R, about its own lambdas
        r.call("need_package", package="mboost")
        for seed in range(count):
            data, lane, family = data_set(seed)
            table, names = _table(data)
            r.keep("boost_data", table)
            try:
                found[seed] = _fit_lane(r, data, names, lane, STEPS, 0.1, family, None)
            except RBridgeError as failure:
                found[seed] = str(failure)
                print(seed, failure, flush=True)
    target.write_bytes(pickle.dumps(found))


def difference(path: LanePath, reference: LanePath, scale: float) -> tuple[float, float]:
    """Return the largest relative difference of the risk, and of the fitted values (mboost's scale)."""
    risk = np.abs(path.risk / reference.risk - 1).max()
    return float(risk), float(np.abs(path.link() - reference.link()).max() / scale)


def show(name: str, values: Any) -> None:
    found = np.quantile(np.array(values), QUANTILES) if len(values) else ()
    print(f"{name:<44}", *(f"{value:8.0e}" for value in found))


def compare(files: list[Path]) -> None:
    first, *others = [pickle.loads(file.read_bytes()) for file in files]
    fits: dict[str, list[tuple[float, float]]] = {"ours": [], "R's other": [], "R's lambda": []}
    penalties: list[list[float]] = []
    largest: list[float] = []
    counts = dict.fromkeys(("error", "left out", "infinite risk", "sequence", "R's own sequence"), 0)
    for seed, reference in first.items():
        rest = [other[seed] for other in others]
        if any(isinstance(one, str) for one in (reference, *rest)):
            counts["error"] += 1
            continue
        data, lane, family = data_set(seed)
        (own,) = fit_lanes(data, [lane], STEPS, family=family)
        if own.left_out != reference.left_out:
            counts["left out"] += 1
            continue
        if not np.isfinite(reference.risk).all():  # R takes log(1 - p) of p = 1
            counts["infinite risk"] += 1
            continue
        theirs = {one.learner: one.penalty for one in reference.learners if one.penalty > 0}
        given = tuple(replace(one, penalty=theirs.get(one, one.penalty)) for one in lane.learners)
        (same,) = fit_lanes(data, [replace(lane, learners=given)], STEPS, family=family)
        counts["sequence"] += any(not np.array_equal(one.selected, reference.selected) for one in (own, same))
        counts["R's own sequence"] += any(not np.array_equal(o.selected, reference.selected) for o in rest)
        scale = 1.0 if family == "glm" else 2.0
        largest.append(max(theirs.values(), default=0.0))
        fits["ours"].append(difference(own, reference, scale))
        fits["R's lambda"].append(difference(same, reference, scale))
        fits["R's other"] += [difference(one, reference, scale) for one in rest]
        for place, one in enumerate(reference.learners):
            if one.penalty > 0:
                found = [abs(path.learners[place].penalty / one.penalty - 1) for path in (own, *rest)]
                penalties.append([one.penalty, *found])
    print(f"{len(first)} data sets, {len(largest)} compared; of these or left aside: {counts}")
    print("relative difference, quantiles", QUANTILES)
    table = np.array(penalties)
    for low, high in ((0, 1), (1, 1e3), (1e3, 1e4), (1e4, np.inf), (0, np.inf)):
        inside = (table[:, 0] > low) & (table[:, 0] <= high)
        show(f"lambda {low:g} to {high:g} (n = {inside.sum()}), ours", table[inside, 1])
        show("                    R with another LAPACK", table[inside, 2:].ravel())
    size = np.array(largest)
    for low, high in ((0, 1e3), (1e3, 1e4), (1e4, np.inf), (0, np.inf)):
        inside = (size > low) & (size <= high)
        print(f"fits whose largest lambda is {low:g} to {high:g}: {inside.sum()}")
        for number, what in enumerate(("risk, relative", "fitted values")):
            for name, values in fits.items():
                taken = np.repeat(inside, len(rest)) if name == "R's other" else inside
                show(f"  {what}, {name}", np.array(values)[taken, number])
    for name, values in fits.items():
        risk, link = np.array(values).T
        print(
            f"{name}: {np.mean(risk <= 1e-8):.1%} with a risk within 1e-8, {np.mean(link <= 1e-6):.1%}",
            end=" ",
        )
        print(f"with a fit within 1e-6, {np.mean(link <= 1e-10):.1%} within 1e-10")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    fits = commands.add_parser("fit")
    fits.add_argument("file", type=Path)
    fits.add_argument("data_sets", type=int, nargs="?", default=900)
    comparison = commands.add_parser("compare")
    comparison.add_argument("files", type=Path, nargs="+")
    asked = parser.parse_args()
    if asked.command == "fit":
        fit(asked.file, asked.data_sets)
    else:
        compare(asked.files)


if __name__ == "__main__":
    main()
