"""CPU time of the whole procedure on bootstrapped callers at the size of the paper.

    python benchmarks/speed/refits.py            200 refits, 11 markers and then 36
    python benchmarks/speed/refits.py --refits 20

281 callers of both sexes with one call each, 77 with the outcome, 470,032 frames; 200 refits are what Riley
and Collins (2023) ask for. A refit learns everything anew: ten inner folds of the default family, its
mixture, the recalibration, and the model of all drawn callers.
"""

import argparse
import time

import numpy as np
import pandas as pd

from voicerisk.callers.moderator import SEX
from voicerisk.models.calls.features import DrawnCalls
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, call_frames, members_of
from voicerisk.validation import FitPaths, ValidationSettings, full_procedure

ROWS, CALLERS, EVENTS = 470_032, 281, 77


def cohort(markers: int, seed: int = 1) -> ModelTables:
    """Draw a cohort of the paper's size; four markers carry the outcome."""
    rng = np.random.default_rng(seed)
    call = np.sort(np.r_[np.arange(CALLERS), rng.integers(0, CALLERS, ROWS - CALLERS)])
    y = rng.permutation(np.arange(CALLERS) < EVENTS).astype(int)
    ids = np.array([f"c{i:03d}" for i in range(CALLERS)])
    calls = pd.DataFrame(
        {
            "call_id": ids,
            "caller_id": ids,
            "sex": np.where(np.arange(CALLERS) % 2, "male", "female"),
            "y": y,
            "n_frames": np.bincount(call),
        }
    )
    columns = {}
    for m in range(markers):
        level = rng.normal(size=CALLERS) * 0.5 + 0.4 * y * (m < 4)
        columns[f"m{m}"] = level[call] + rng.normal(size=ROWS)
    frames = pd.DataFrame({"call_id": ids[call], "caller_id": ids[call], "segment": 0, **columns})
    return ModelTables(calls, frames, frames.iloc[:0], tuple(columns), SEX)


def main() -> None:
    """Time the refits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--refits", type=int, default=200)
    args = parser.parse_args()
    settings = ValidationSettings()
    for markers in (11, 36):
        tables = cohort(markers)
        members = members_of(settings.family, tables.moderator)
        own = tables.calls.set_index("call_id")

        def make(
            calls: pd.DataFrame,
            tables: ModelTables = tables,
            own: pd.DataFrame = own,
            known: tuple[str, ...] = members,
        ) -> FitPaths:
            drawn = own.loc[calls["source_call_id"]].reset_index(drop=True)
            drawn = drawn.assign(call_id=calls["call_id"].to_numpy(), caller_id=calls["caller_id"].to_numpy())
            place = own.index.get_indexer(calls["source_call_id"])
            there = ModelTables(drawn, tables.frames, tables.segments, tables.markers, tables.moderator)
            return FamilyFitter(there, known, drawn=DrawnCalls(call_frames(tables), place))

        began = time.process_time()
        full_procedure(tables.calls, make, settings, args.refits)
        spent = time.process_time() - began
        print(f"{markers} markers, {args.refits} refits: {spent / 60:.1f} CPU minutes", flush=True)


if __name__ == "__main__":
    main()
