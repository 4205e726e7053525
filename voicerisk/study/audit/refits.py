"""What an audit keeps of the models of bootstrapped callers: instability, refits, bands of curves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.schema import check_calls
from voicerisk.models.calls.additive import call_effects
from voicerisk.models.calls.features import INTERVALS
from voicerisk.models.calls.model import CallModel
from voicerisk.models.calls.refits import CURVES, LINES, Refits, band, of_tables
from voicerisk.models.saved.procedure import Procedure
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import call_frames, level_of_calls
from voicerisk.validation.protocols.instability import LEAST, calibration_instability, instability
from voicerisk.validation.protocols.whole_procedure import LEAST_BOOTSTRAPS, Refit

ALL_CALLERS = "all"
NESTED = "nested"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the models of bootstrapped callers say, as tables; empty where there are too few.

    Attributes
    ----------
    instability, calibration, curves, lines, bands : DataFrame
        audit/instability, audit/calibration_instability, audit/refits, audit/refit_lines, audit/effect_bands.
    """

    instability: pd.DataFrame
    calibration: pd.DataFrame
    curves: pd.DataFrame
    lines: pd.DataFrame
    bands: pd.DataFrame

    @classmethod
    def nothing(cls) -> "Drawn":
        """Return what there is without bootstraps."""
        return cls(*(pd.DataFrame() for _ in range(5)))


def record_of(found: Refit) -> dict[str, Any] | None:
    """Return a refit's model as JSON can hold it; None where it is no model of calls (gamboost took over)."""
    if not isinstance(found.model, CallModel):
        return None
    use = Procedure(NESTED, found.line.intercept, found.line.slope, None, found.prior)
    curves, lines = Refits((found.model,), (use,)).tables()
    return {"curves": curves.to_dict("list"), "lines": lines.to_dict("list")}


def drawn_models(
    risks: Mapping[str, Any], models: Mapping[str, Any], calls: pd.DataFrame, tables: ModelTables, cut: float
) -> Drawn:
    """Put together what bootstraps kept.

    Parameters
    ----------
    risks : mapping
        Name of a bootstrap (`ALL_CALLERS`: the model of all) -> risks of all calls.
    models : mapping
        The same names -> `record_of`.
    calls : DataFrame
        call_id, caller_id, y.
    tables : ModelTables
        Their frames.
    cut : float
        Risk from which one would act.
    """
    names = [name for name in sorted(risks) if name != ALL_CALLERS]
    if ALL_CALLERS not in risks or len(names) < LEAST:
        return Drawn.nothing()
    table, whole = check_calls(calls), np.array(risks[ALL_CALLERS])
    drawn = [np.array(risks[name]) for name in names]
    nothing = Drawn.nothing()
    curves, lines, bands = nothing.curves, nothing.lines, nothing.bands
    if all(name in models for name in (ALL_CALLERS, *names)):
        parts = [
            {
                key: pd.DataFrame(models[name][key], columns=list(columns)).assign(refit=number)
                for key, columns in (("curves", CURVES), ("lines", LINES))
            }
            for number, name in enumerate([ALL_CALLERS, *names])
        ]
        curves, lines = (
            pd.concat([part[key] for part in parts], ignore_index=True) for key in ("curves", "lines")
        )
        if len(names) >= LEAST_BOOTSTRAPS:
            bands = effect_bands(of_tables(curves, lines, INTERVALS), tables)
    return Drawn(
        instability(table, whole, drawn, cut),
        calibration_instability(table["y"].to_numpy(), whole, drawn),
        curves,
        lines,
        bands,
    )


def effect_bands(refits: Refits, tables: ModelTables) -> pd.DataFrame:
    """Return the curves of the model of all callers, which comes first, with the band of the others.

    Returns
    -------
    DataFrame
        marker, sex (the level), x, estimate, lower, upper (log-odds), n_refits.
    """
    frames, level = call_frames(tables), level_of_calls(tables)
    whole, others = refits.models[0], Refits(refits.models[1:], refits.procedures[1:])
    found = call_effects(whole, frames, level)
    low, high = band(others.effects(whole, frames, level))
    return found.assign(lower=low, upper=high, n_refits=len(others.models))
