"""Small cohorts and small learners on which the protocols are tested."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from voicerisk.validation import FitPaths, FittedPath, TrainingSet, training_weights


def cohort(
    n0: int,
    n1: int,
    seed: int = 0,
    effect: float = 1.0,
    frames: int = 6,
    features: int = 3,
    calls_each: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return calls (with strata) and frames with the markers x0, x1, ...; x0 moves by `effect` with y."""
    rng = np.random.default_rng(seed)
    n = n0 + n1
    caller = np.array([f"c{i:03d}" for i in range(n)])
    y = np.r_[np.zeros(n0, dtype=int), np.ones(n1, dtype=int)][rng.permutation(n)]
    calls = pd.DataFrame({"caller_id": np.repeat(caller, calls_each), "y": np.repeat(y, calls_each)})
    calls.insert(0, "call_id", [f"k{i:04d}" for i in range(len(calls))])
    calls["n_frames"] = rng.integers(2, frames + 1, len(calls))
    calls["sex"] = np.repeat(rng.choice(["female", "male"], n), calls_each)
    calls["service"] = np.repeat(rng.choice(["000", "OTL"], n, p=[0.2, 0.8]), calls_each)
    own = np.repeat(rng.normal(size=(n, features)) * np.sqrt(0.3), calls_each, axis=0)
    row = np.repeat(np.arange(len(calls)), calls["n_frames"])
    X = own[row] + rng.normal(size=(len(row), features)) * np.sqrt(0.7)
    X[:, 0] += effect * calls["y"].to_numpy()[row]
    frames_table = pd.DataFrame(
        {
            "call_id": calls["call_id"].to_numpy()[row],
            "segment": 0,
            "frame": np.concatenate([np.arange(k) for k in calls["n_frames"]]),
            **{f"x{j}": X[:, j] for j in range(features)},
        }
    )
    return calls, frames_table


def with_means(calls: pd.DataFrame, frames: pd.DataFrame) -> pd.DataFrame:
    """Return calls with the mean of every marker."""
    markers = [c for c in frames.columns if c.startswith("x")]
    return calls.merge(frames.groupby("call_id")[markers].mean().reset_index(), on="call_id")


def stepwise_paths(
    calls: pd.DataFrame, frames: pd.DataFrame, steps: int = 15, nu: float = 0.3, leak: str | None = None
) -> FitPaths:
    """Return a component-wise linear boosting on frames with M = `steps`.

    `leak` names a learned object that claims to have seen every caller.
    """
    joined = frames.merge(calls[["call_id", "caller_id", "y"]], on="call_id")
    markers = [c for c in frames.columns if c.startswith("x")]
    X = joined[markers].to_numpy()
    y = joined["y"].to_numpy()
    caller = joined["caller_id"].to_numpy(dtype=str)
    call = joined["call_id"].to_numpy(dtype=str)
    everyone = tuple(sorted(set(caller)))

    def fit(sets: Sequence[TrainingSet], progress: object) -> Iterator[FittedPath]:
        for asked in sets:
            inside, held = np.isin(caller, asked.train), np.isin(caller, asked.assess)
            w = np.ones(int(inside.sum()))
            if asked.weighted:
                w = training_weights(caller[inside], y[inside], asked.class_prior)
            centre = np.average(X[inside], axis=0, weights=w)
            Z, H = X[inside] - centre, X[held] - centre
            share = np.average(y[inside], weights=w)
            f = np.full(len(Z), np.log(share / (1 - share)))
            g = np.full(len(H), f[0])
            path = [expit(g)]
            for _ in range(steps):
                residual = y[inside] - expit(f)
                coefficient = (Z * (w * residual)[:, None]).sum(0) / (Z**2 * w[:, None]).sum(0)
                best = int(np.argmax(np.abs(coefficient) * np.sqrt((Z**2 * w[:, None]).sum(0))))
                f += nu * coefficient[best] * Z[:, best] * 4
                g += nu * coefficient[best] * H[:, best] * 4
                path.append(expit(g))
            P = np.column_stack(path)
            ids = tuple(dict.fromkeys(call[held]))
            y_held = y[held][:, None]
            deviance = -2 * (y_held * np.log(P) + (1 - y_held) * np.log1p(-P))
            rows = joined.loc[held, ["call_id", "segment", "frame"]].reset_index(drop=True)
            seen = {"scaling": asked.train, "boost": asked.train}
            if leak is not None:
                seen[leak] = everyone
            yield FittedPath(
                asked.key,
                ids,
                np.array([P[call[held] == i].mean(0) for i in ids]),
                np.array([deviance[call[held] == i].mean(0) for i in ids]),
                seen,
                {"selected": markers},
                lambda step, rows=rows, P=P: rows.assign(time_s=rows["frame"] * 0.02, p_raw=P[:, step]),
            )

    return fit


def leaky_fitter(calls: pd.DataFrame, means: pd.DataFrame, markers: Sequence[str], keep: int = 4):
    """Return a maker of ridge refits that can scale, screen and know callers as the published
    pipeline does."""
    from voicerisk.validation.protocols.ridge import ridge_paths

    columns = means.set_index("call_id")

    def make(switches, table):
        rows = table.assign(**columns.loc[table["call_id"], list(markers)].reset_index(drop=True))
        chosen = list(markers)[:keep]
        everyone = tuple(sorted(set(table["caller_id"])))
        seen: dict[str, tuple[str, ...]] = {}
        if switches.global_scaling:
            seen["scaling"] = everyone
        if switches.global_screening:
            gap = rows[rows["y"] == 1][list(markers)].mean() - rows[rows["y"] == 0][list(markers)].mean()
            chosen = gap.abs().nlargest(keep).index.tolist()
            seen["screening"] = everyone
        if switches.caller_effect == "all_data":
            rows = rows.assign(
                blup=4.0 * (rows.groupby("caller_id")["y"].transform("mean") - rows["y"].mean())
            )
            chosen = [*chosen, "blup"]
            seen["caller_effect"] = everyone
        if switches.caller_effect == "brandom":
            rows = rows.assign(nothing=0.0)
            chosen = ["nothing"]
        fit = ridge_paths(rows, chosen)

        def wrapped(sets, progress):
            for path in fit(sets, progress):
                values = {name: getattr(path, name) for name in FittedPath.__dataclass_fields__}
                yield FittedPath(**{**values, "provenance": {**path.provenance, **seen}})

        return wrapped

    return make
