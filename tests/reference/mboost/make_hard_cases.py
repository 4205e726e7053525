"""Write hard_cases.json: small data sets that are awkward on purpose, and what R's mboost makes of them.

    python tests/reference/mboost/make_hard_cases.py          (needs R with mboost, and the reference LAPACK)
    python tests/reference/mboost/make_hard_cases.py openblas (OpenBLAS's libblas.so.3 and liblapack.so.3)

Every number but the data comes from mboost (half log-odds); the formula it was given is kept beside it. The
second call adds `lambda_openblas`, which the same mboost finds on the same data by other linear algebra: how
exactly R knows its own lambda.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from voicerisk.callers.moderator import SEX
from voicerisk.models import BoostData, Lane, Learner, learners_for
from voicerisk.models.boosting.mboost import _fit_lane, _table
from voicerisk.rbridge import Worker

STEPS = 60


def skewed(rng, n):
    return np.round(np.exp(2.5 * rng.normal(size=n)), 3)


def cases():
    """Yield name, columns, sex, learners, weights of each case."""
    for number, (name, n) in enumerate(
        (
            ("degree_1", 150), ("degree_2", 150), ("differences_1_and_3", 150), ("case_weights", 150),
            ("counts", 150), ("held_out_and_masked", 200), ("ties", 180), ("constant_column", 120),
            ("one_sex", 90), ("one_sex_without_weight", 150), ("extreme_skew", 160), ("on_the_knots", 160),
            ("beside_the_knots", 160), ("tiny_sample", 25), ("few_values", 120), ("given_lambda", 120),
            ("large_offset_of_x", 140), ("caller_effect", 150), ("linear_and_intercept", 130), ("glm", 130),
            ("outlier", 170), ("most_rows_in_one_interval", 150), ("empty_intervals", 300),
            ("row_on_last_knot", 90),
        )
    ):  # fmt: skip
        rng = np.random.default_rng(100 + number)
        caller = rng.integers(0, 8, n)
        sex = caller % 2
        a, b = np.round(rng.normal(size=n), 3), np.round(rng.gamma(2.0, size=n), 3)
        columns, weights, missing = {"a": a, "b": b}, np.ones(n), ()
        learners = None
        by = [("female", 0), ("male", 1)]
        if name.startswith("degree"):
            degree = int(name[-1])
            learners = [Learner("bols", "sex")]
            learners += [Learner("bbs", x, by=s, degree=degree, knots=12) for s, _ in by for x in "ab"]
        elif name == "differences_1_and_3":
            learners = [Learner("bbs", "a", differences=1), Learner("bbs", "b", differences=3, df=5.0)]
        elif name == "case_weights":
            weights = np.round(rng.gamma(1.0, size=n) + 0.05, 3)
        elif name == "counts":
            weights = rng.integers(0, 4, n).astype(float)
        elif name == "held_out_and_masked":
            columns = {"a": np.where(rng.random(n) < 0.3, np.nan, a), "b": np.where(caller == 3, np.nan, b)}
            weights, missing = (caller != 5).astype(float) / np.bincount(caller)[caller], ("a", "b")
        elif name == "ties":
            columns = {"a": np.round(a, 1), "b": np.round(b)}
        elif name == "constant_column":
            columns["flat"] = np.full(n, 2.5)
        elif name == "one_sex":
            sex = np.ones(n, int)
        elif name == "one_sex_without_weight":
            weights = (sex == 1).astype(float)
            learners = [Learner("bbs", "a"), Learner("bbs", "b")]
        elif name == "extreme_skew":
            columns = {"a": skewed(rng, n), "b": b}
        elif name == "on_the_knots":
            columns = {"a": rng.integers(0, 22, n) / 21.0, "b": rng.integers(0, 22, n) * 0.1}
        elif name == "beside_the_knots":
            place = rng.integers(0, 22, n) / 21.0 * 3.7 + 0.3
            columns = {"a": place * (1 + rng.choice([0.0, 1e-15, -1e-15, 1e-13], n)), "b": b}
        elif name == "few_values":
            columns = {"a": rng.integers(0, 5, n).astype(float), "b": rng.integers(0, 2, n).astype(float)}
        elif name == "given_lambda":
            columns["b"] = (b > 2).astype(float)
            learners = [
                Learner("bbs", x, by=s, penalty=p)
                for (s, _), p in zip(by, (3.0, 900.0), strict=True)
                for x in "ab"
            ]
        elif name == "large_offset_of_x":
            columns["a"] = 1e6 + a
        elif name == "caller_effect":
            learners = list(learners_for(columns, brandom=True))
        elif name == "linear_and_intercept":
            learners = [Learner("bols", "1"), Learner("bols", "a", by="male"), Learner("bols", "b", df=1.5)]
            learners += [Learner("bbs", "a", center=True, df=1.0), Learner("bols", "a", intercept=False)]
        elif name == "outlier":
            columns["a"] = np.where(np.arange(n) < 2, a + 60.0, a)
        elif name == "most_rows_in_one_interval":  # lambda of a few millionths
            columns["a"] = np.where(np.arange(n) < 3, 1000.0 * (1 + np.arange(n)), b)
            weights = np.round(rng.gamma(1.0, size=n) + 0.05, 3)
            learners = [Learner("bbs", x, by=s, knots=10) for s, _ in by for x in "ab"]
        elif name == "empty_intervals":  # lambda of a few ten thousands
            columns["a"] = np.where(a > 0, 3 + a, -3 + 0.3 * a)
            learners = [Learner("bbs", "a", knots=40, differences=3, df=4.5), Learner("bbs", "b", knots=40)]
        elif name == "row_on_last_knot":  # rank 5: two intervals side by side and the largest value
            columns["a"] = np.where(np.arange(n) == 0, 2.1, np.round(0.2 * rng.random(n), 4))
            weights = np.round(rng.gamma(1.0, size=n) + 0.05, 3)
            learners = [Learner("bbs", "a", degree=2, df=5.5), Learner("bbs", "b")]
        eta = 1.5 * np.sin(2 * a) * (1 + sex) - 0.5 * b * (1 - sex) + 0.3
        y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
        moderator = SEX if len(set(sex.tolist())) == 2 else None
        chosen = tuple(learners or learners_for(columns, missing, moderator))
        yield name, columns, sex, y, caller, chosen, weights


def main() -> None:
    target = Path(__file__).with_name("hard_cases.json")
    openblas = sys.argv[1:] == ["openblas"]
    out = json.loads(target.read_text()) if openblas else {}
    child = Worker()
    child.call("need_package", package="mboost")
    for name, columns, sex, y, caller, learners, weights in cases():
        family = "glm" if name == "glm" else "adaboost"
        data = BoostData(columns, sex.astype(np.int8), y.astype(np.int8), caller.astype(np.int32))
        table, names = _table(data)
        child.keep("boost_data", table)
        path = _fit_lane(child, data, names, Lane(name, weights, learners), STEPS, 0.1, family, 60)
        if openblas:
            out[name]["lambda_openblas"] = [fitted.penalty for fitted in path.learners]
            continue
        scale = 1.0 if family == "glm" else 2.0
        out[name] = {
            "family": family,
            "columns": {k: [None if np.isnan(x) else x for x in v.tolist()] for k, v in columns.items()},
            "sex": sex.tolist(), "y": y.tolist(), "caller": caller.tolist(), "weights": weights.tolist(),
            "learners": [asdict(learner) for learner in learners],
            "left_out": [list(pair) for pair in path.left_out],
            "lambda": [fitted.penalty for fitted in path.learners],
            "offset": path.offset / scale,
            "selected": path.selected.tolist(),
            "risk": path.risk.tolist(),
            "link": (path.link() / scale).tolist(),
        }  # fmt: skip
        print(name, len(y), path.left_out)
    target.write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
