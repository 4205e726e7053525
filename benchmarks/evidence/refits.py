"""What intervals from refits on bootstrapped callers hold of known curves and risks, in simulated cohorts.

    python benchmarks/evidence/refits.py 80:50:100 200:50:100 ... [--out refits.csv] [--first 0]
    python benchmarks/evidence/refits.py --show refits.csv

Each argument is callers:cohorts:refits. A call has 12 frames of 8 markers (ICC 0.3), one call a caller, sexes
alike. Log-odds of the outcome: -0.6 and the mean over the frames of f(x): m0 0.8 x, m1 -0.8 x, m2 a bend
(0.6 (x^2 - 1)), m3 a step (1.2 tanh 1.5 x), the others nothing. The default family of the nested protocol
learns from them (5 inner folds), and anew from each bootstrap of callers.

Curves are compared between the 5 and 95% quantiles of frames, both centred over the study's calls; risks on
200 new calls with their true risk. A row of the table is a cohort and kind of curve, or risk: share of places
(or calls) at which the interval holds the truth, and its mean width. `plain` takes the percentiles of the
refits, the others the same about their middle, so many times as wide (risks: in log-odds).
docs/coverage.md has the results.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from voicerisk.callers.moderator import SEX
from voicerisk.models.calls.additive import call_effects
from voicerisk.models.calls.features import CallFrames, DrawnCalls, with_spreads
from voicerisk.models.calls.refits import Refits, band
from voicerisk.models.saved.procedure import Procedure
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, call_frames, level_of_calls, members_of
from voicerisk.types import Floats
from voicerisk.validation import FitPaths, ValidationSettings, full_procedure
from voicerisk.validation.protocols.whole_procedure import Refit

FRAMES, ICC, MARKERS, NEW, INNER = 12, 0.3, 8, 200, 5
BASE = -0.6
WIDER = (1.25, 1.5, 1.75, 2.0)
TRUTH = {
    "m0": ("line", lambda x: 0.8 * x),
    "m1": ("line", lambda x: -0.8 * x),
    "m2": ("bend", lambda x: 0.6 * (x**2 - 1.0)),
    "m3": ("step", lambda x: 1.2 * np.tanh(1.5 * x)),
}


def draw(n: int, rng: np.random.Generator) -> tuple[ModelTables, Floats]:
    """Draw calls and their true risks."""
    call = np.repeat(np.arange(n), FRAMES)
    columns, link = {}, np.full(n, BASE)
    for m in range(MARKERS):
        x = np.sqrt(ICC) * rng.normal(size=n)[call] + np.sqrt(1.0 - ICC) * rng.normal(size=n * FRAMES)
        columns[f"m{m}"] = x
        if f"m{m}" in TRUTH:
            link += np.bincount(call, TRUTH[f"m{m}"][1](x)) / FRAMES
    risk = 1.0 / (1.0 + np.exp(-link))
    ids = np.array([f"c{i:04d}" for i in range(n)])
    calls = pd.DataFrame(
        {
            "call_id": ids,
            "caller_id": ids,
            "sex": np.where(np.arange(n) % 2, "male", "female"),
            "y": (rng.random(n) < risk).astype(int),
            "n_frames": FRAMES,
        }
    )
    frames = pd.DataFrame({"call_id": ids[call], "caller_id": ids[call], "segment": 0, **columns})
    return ModelTables(calls, frames, frames.iloc[:0], tuple(columns), SEX), risk


def measure(n: int, refits: int, seed: int) -> list[dict[str, object]]:
    """Measure one cohort."""
    rng = np.random.default_rng([31, n, seed])
    tables, _ = draw(n, rng)
    settings = ValidationSettings(seed=seed + 1, inner_folds=INNER)
    members = members_of(settings.family, tables.moderator)
    own = tables.calls.set_index("call_id")
    kept: dict[int | None, Refit] = {}

    def make(calls: pd.DataFrame) -> FitPaths:
        drawn = own.loc[calls["source_call_id"]].reset_index(drop=True)
        drawn = drawn.assign(call_id=calls["call_id"].to_numpy(), caller_id=calls["caller_id"].to_numpy())
        place = own.index.get_indexer(calls["source_call_id"])
        there = ModelTables(drawn, tables.frames, tables.segments, tables.markers, tables.moderator)
        return FamilyFitter(there, members, drawn=DrawnCalls(call_frames(tables), place))

    full_procedure(tables.calls, make, settings, refits, keep_refit=kept.__setitem__)
    whole, *others = (kept[key] for key in [None, *sorted(key for key in kept if key is not None)])
    use = [Procedure("nested", r.line.intercept, r.line.slope, None, r.prior) for r in (whole, *others)]
    one, many = Refits((whole.model,), (use[0],)), Refits(tuple(r.model for r in others), tuple(use[1:]))
    frames, level = call_frames(tables), level_of_calls(tables)
    return [*curves(whole, many, frames, level), *risks(one, many, rng)]


def curves(whole: Refit, many: Refits, frames: CallFrames, level: np.ndarray) -> list[dict[str, object]]:
    """Compare bands with the true curves."""
    drawn = call_effects(whole.model, frames, level)
    every = many.effects(whole.model, frames, level)
    estimate = drawn["estimate"].to_numpy()
    truth, kind, inside = (
        np.full(len(drawn), np.nan),
        np.full(len(drawn), "", dtype=object),
        np.zeros(len(drawn), bool),
    )
    for (marker, sex), rows in drawn.groupby(["marker", "sex"], sort=False).groups.items():
        if marker not in frames.columns or "spread" in marker:
            continue
        mine = level[frames.call] == sex
        x = drawn.loc[rows, "x"].to_numpy()
        name, f = TRUTH.get(marker, ("nothing", np.zeros_like))
        low, high = np.quantile(frames.columns[marker], [0.05, 0.95])
        truth[rows] = f(x) - f(frames.columns[marker][mine]).mean()
        kind[rows], inside[rows] = name, (x >= low) & (x <= high)
    found = []
    low, high = band(every)
    middle, half = (low + high) / 2, (high - low) / 2
    bands = {"plain": (low, high)}
    for factor in WIDER:
        bands[f"{factor:g} times as wide"] = (middle - factor * half, middle + factor * half)
    for name in ("line", "bend", "step", "nothing"):
        rows = inside & (kind == name)
        for how, (a, b) in bands.items():
            found.append(
                {"what": name, "how": how, "covered": ((a <= truth) & (truth <= b))[rows].mean(),
                 "width": (b - a)[rows].mean(), "error": np.abs(estimate - truth)[rows].mean(),
                 "size": np.abs(truth)[rows].mean()}
            )  # fmt: skip
    return found


def risks(one: Refits, many: Refits, rng: np.random.Generator) -> list[dict[str, object]]:
    """Compare intervals of risks with the true risks of new calls."""
    tables, truth = draw(NEW, rng)
    call = np.repeat(np.arange(NEW), FRAMES)
    columns = {name: tables.frames[name].to_numpy() for name in tables.markers}
    frames, level = CallFrames(with_spreads(columns, call, NEW), call, NEW), level_of_calls(tables)
    risk, every = one.risks(frames, level)[0], many.risks(frames, level)
    low, high = band(every)
    middle, half = (logit(low) + logit(high)) / 2, (logit(high) - logit(low)) / 2
    found = []
    for factor in (1.0, *WIDER):
        a, b = expit(middle - factor * half), expit(middle + factor * half)
        how = "plain" if factor == 1.0 else f"{factor:g} times as wide"
        found.append(
            {"what": "risk", "how": how, "covered": ((a <= truth) & (truth <= b)).mean(),
             "width": (b - a).mean(), "error": np.abs(risk - truth).mean(), "size": truth.mean()}
        )  # fmt: skip
    return found


def show(file: Path) -> pd.DataFrame:
    """Return means with Monte Carlo standard errors."""
    by = pd.read_csv(file).groupby(["callers", "refits", "what", "how"], sort=False)
    columns = ["covered", "width", "error", "size"]
    found = by[columns].mean().join(by["covered"].sem().rename("covered_se"))
    return found.join(by.size().rename("cohorts"))


def main() -> None:
    """Measure the cells that are asked for; write each cohort as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cells", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("refits.csv"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=Path)
    args = parser.parse_args()
    if args.show:
        with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_rows", 200):
            print(show(args.show).round(3))
        return
    for cell in args.cells:
        n, cohorts, refits = map(int, cell.split(":"))
        for seed in range(args.first, args.first + cohorts):
            rows = pd.DataFrame(measure(n, refits, seed)).assign(callers=n, refits=refits, seed=seed)
            rows.to_csv(args.out, mode="a", header=not args.out.exists(), index=False)


if __name__ == "__main__":
    main()
