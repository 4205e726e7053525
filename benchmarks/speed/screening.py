"""CPU time of one screening (a path and ten fold paths) on simulated segments, measured by hand.

Run: python benchmarks/speed/screening.py
"""

import time

import numpy as np
import pandas as pd

from voicerisk.screening import caller_folds, screen


def segments(callers: int, per_caller: int, markers: int, effect: float, seed: int = 0):
    """Return a table of markers with caller effects and shared factors, the outcome and the callers."""
    rng = np.random.default_rng(seed)
    caller = np.repeat(np.arange(callers), per_caller)
    y = (np.arange(callers) % 2)[caller]
    factors = rng.normal(size=(len(caller), 4)) @ rng.normal(size=(4, markers)) * 0.5
    X = factors + rng.normal(size=(len(caller), markers)) + 0.7 * rng.normal(size=(callers, markers))[caller]
    X[:, 0] += effect * y
    table = pd.DataFrame(X, columns=[f"m{j}" for j in range(markers)])
    table.loc[rng.random(len(caller)) < 0.05, "m1"] = np.nan
    return table, y, caller


if __name__ == "__main__":
    screen(*(lambda t, y, c: (t, list(t), y, caller_folds(c, y, 5)))(*segments(20, 5, 3, 0.0)))  # imports
    print("callers segments markers effect  CPU-ms  lambdas selected")
    for callers, per_caller, markers in ((24, 12, 12), (40, 12, 12), (40, 12, 36), (281, 11, 36)):
        for effect in (0.0, 0.8):
            table, y, caller = segments(callers, per_caller, markers, effect)
            folds = caller_folds(caller, y, 10)
            began, runs = time.process_time(), 3
            for _ in range(runs):
                found = screen(table, list(table), y, folds)
            spent = (time.process_time() - began) / runs * 1e3
            sizes = f"{callers:7d} {len(table):8d} {markers:7d} {effect:6.1f}"
            print(f"{sizes} {spent:7.0f} {len(found.path):8d} {len(found.selected):8d}")
