"""What intervals from refits on bootstrapped callers hold: curves and risks that are known, in simulated cohorts.

    python benchmarks/evidence/refits.py 80:50:100 200:50:100 ... [--out refits.csv] [--first 0]
    python benchmarks/evidence/refits.py --show refits.csv

Each argument is callers:cohorts:refits. A call has 12 frames of 8 markers (ICC 0.3), one call a caller, sexes
alike. Log-odds of the outcome: -0.6 and the mean over the frames of f(x): m0 0.8 x, m1 -0.8 x, m2 a bend
(0.6 (x^2 - 1)), m3 a step (1.2 tanh 1.5 x), the others nothing. The default family of the nested protocol
learns from them, and anew from each bootstrap of callers.

Curves are compared between the 5 and 95% quantiles of frames, both centred over the study's calls; risks on
200 new calls with their true risk. A row of the table is a cohort and kind of curve, or risk: share of places
(or calls) at which the interval holds the truth, and its mean width. `plain` takes the percentiles of the
refits, `scaled` those of curves times the refit's recalibration slope, `centred` shifts the percentiles to
lie about the estimate of the model of all callers; see the code. docs/coverage.md has the results.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

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

FRAMES, ICC, MARKERS, NEW = 12, 0.3, 8, 200
BASE = -0.6
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
    settings = ValidationSettings(seed=seed + 1)
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
    slopes = np.array([use.slope for use in many.procedures])[:, None]
    slope = whole.line.slope
    estimate = drawn["estimate"].to_numpy()
    truth, kind, inside = np.full(len(drawn), np.nan), np.full(len(drawn), "", dtype=object), np.zeros(len(drawn), bool)
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
    bands = {
        "plain": (estimate, low, high),
        "scaled": (slope * estimate, *band(slopes * every)),
        "centred": (estimate, *(np.array([low, high]) - every.mean(axis=0) + estimate)),
        "scaled_sd": (slope * estimate, *(slope * estimate + 1.96 * slope * np.array([[-1.0], [1.0]]) * every.std(axis=0, ddof=1))),
        "basic_scaled": (slope * estimate, *(2 * slope * estimate - np.array(band(slopes * every))[::-1])),
    }
    for name in ("line", "bend", "step", "nothing"):
        rows = inside & (kind == name)
        for how, (middle, a, b) in bands.items():
            found.append(
                {"what": name, "how": how, "covered": ((a <= truth) & (truth <= b))[rows].mean(),
                 "width": (b - a)[rows].mean(), "bias": np.abs(middle - truth)[rows].mean(),
                 "size": np.abs(truth)[rows].mean(), "slope": slope}
            )  # fmt: skip
    return found


def risks(one: Refits, many: Refits, rng: np.random.Generator) -> list[dict[str, object]]:
    """Compare intervals of risks with the true risks of new calls."""
    tables, truth = draw(NEW, rng)
    call = np.repeat(np.arange(NEW), FRAMES)
    columns = {name: tables.frames[name].to_numpy() for name in tables.markers}
    frames, level = CallFrames(with_spreads(columns, call, NEW), call, NEW), level_of_calls(tables)
    middle, every = one.risks(frames, level)[0], many.risks(frames, level)
    low, high = band(every)
    return [
        {"what": "risk", "how": "plain", "covered": ((low <= truth) & (truth <= high)).mean(),
         "width": (high - low).mean(), "bias": np.abs(middle - truth).mean(), "size": truth.mean(),
         "slope": one.procedures[0].slope},
        {"what": "risk of another refit", "how": "plain", "covered": np.nan, "width": np.nan,
         "bias": np.abs(every - middle).mean(), "size": np.nan, "slope": np.nan},
    ]  # fmt: skip


def show(file: Path) -> pd.DataFrame:
    """Return means with Monte Carlo standard errors."""
    by = pd.read_csv(file).groupby(["callers", "refits", "what", "how"], sort=False)
    columns = ["covered", "width", "bias", "size", "slope"]
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
