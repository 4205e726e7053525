"""Every unit, class and subgroup of a predictions table that can be measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from voicerisk.callers.draws import CallerDraws
from voicerisk.callers.schema import strata_of
from voicerisk.validation.metrics.units import UnitRows, by_caller, carried_by_frames, rows_of

ALL = "all"


@dataclass(frozen=True, slots=True)
class Cell:
    """One unit, class and subgroup.

    Parameters
    ----------
    unit, label, subgroup : str
        As in metrics.csv; `label` is the class.
    repeats : tuple of UnitRows
        The rows of every repeat, y as 0/1.
    widening : float
        How much longer intervals are for what learning adds, of cross-validated scores.
    """

    unit: str
    label: str
    subgroup: str
    repeats: tuple[UnitRows, ...]
    widening: float = 1.0

    @property
    def first(self) -> UnitRows:
        """Rows of the first repeat, from which n is counted."""
        return self.repeats[0]

    @property
    def one_call_a_caller(self) -> bool:
        """Whether every caller has one row."""
        return len(np.unique(self.first.groups)) == len(self.first.groups)

    @property
    def independent(self) -> bool:
        """Whether every caller has one row that counts once, so that exact intervals hold."""
        return self.one_call_a_caller and bool((self.first.weight == 1).all())


def cells_of(
    table: pd.DataFrame,
    calls: pd.DataFrame,
    draws: CallerDraws,
    classes: tuple[str, ...],
    subgroups: Sequence[str],
    units: Sequence[str],
    where: str,
    notes: list[str],
) -> Iterator[Cell]:
    """Yield every unit, class and subgroup that can be measured."""
    strata = list(strata_of(table))
    callers = pd.Index(draws.callers)
    by_repeat = dict(iter(calls.groupby("repeat", sort=True)))
    of_calls = [rows_of(part, callers, classes, strata) for part in by_repeat.values()]
    frames = table[table["unit"] == "frame"]
    for unit in units:
        if unit == "call":
            repeats = of_calls
        elif unit == "caller":
            grouped = [by_caller(one) for one in of_calls]
            repeats = [one for one in grouped if one is not None]
            if len(repeats) < len(grouped):
                notes.append(f"{where}: no caller rows, because a caller has calls of more than one outcome")
                continue
        elif frames.empty:
            continue
        elif unit == "frame":
            repeats = [rows_of(part, callers, classes, strata) for _, part in frames.groupby("repeat")]
        else:
            repeats = []
            for repeat, part in frames.groupby("repeat"):
                n_frames = by_repeat[repeat]["call_id"].map(part["call_id"].value_counts()).to_numpy()
                number = list(by_repeat).index(repeat)
                repeats.append(carried_by_frames(of_calls[number], n_frames.astype(np.float64)))
        for label in classes or ("1",):
            event = label if classes else 1
            binary = tuple(replace(one, y=(one.y == event).astype(np.int8)) for one in repeats)
            yield Cell(unit, label, ALL, binary)
            for column in subgroups:
                for value in sorted({str(v) for one in binary for v in one.strata[column]}):
                    parts = [
                        one.where((one.strata[column].astype(str) == value).to_numpy()) for one in binary
                    ]
                    inside = tuple(one for one in parts if len(one.y))
                    if len(inside) < len(parts) and label == (classes or ("1",))[0]:
                        notes.append(
                            f"{where}, {unit}: {len(parts) - len(inside)} of {len(parts)} repeats hold out "
                            f"nobody of {column}={value}; it is measured in the others"
                        )
                    yield Cell(unit, label, f"{column}={value}", inside)
