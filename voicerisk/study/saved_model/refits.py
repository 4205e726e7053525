"""The interval of a new call's risk: what the models of bootstrapped callers, kept by an audit, say of it."""

from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.callers.moderator import level_text
from voicerisk.errors import ModelError, StudyError
from voicerisk.models import AdditiveModel
from voicerisk.models.calls.features import INTERVALS, CallFrames, source_of, with_spreads
from voicerisk.models.calls.model import COMMON
from voicerisk.models.calls.refits import Refits, band, of_tables
from voicerisk.models.saved.additive import CALL
from voicerisk.pipeline.tables import read_table
from voicerisk.validation.protocols.whole_procedure import LEAST_BOOTSTRAPS

NONE = "No interval is given for the risk of a call: "
MADE_BY = "`voicerisk audit --bootstraps 200` in the study's results makes them"


def kept_refits(model: Path, scorer: AdditiveModel) -> tuple[Refits | None, str]:
    """Return the refits that the audit of a model's study kept, and what is to be said of them.

    Parameters
    ----------
    model : Path
        `boost/model.json` in a results folder; a copy elsewhere has no refits.
    scorer : AdditiveModel
        What the file holds.

    Raises
    ------
    StudyError
        If the refits cannot be read.
    """
    procedure = scorer.procedure
    results = model.resolve().parent.parent
    if procedure is None or not procedure.has_risk or model.name != "model.json":
        return None, ""
    if scorer.unit != CALL:
        return None, f"{NONE}this model is no model of calls."
    if not (results / "audit" / "refits.parquet").is_file():
        return (
            None,
            f"No interval is given for the risk of a call: there are no refits beside the model; {MADE_BY}.",
        )
    curves, lines = read_table(results, "audit/refits"), read_table(results, "audit/refit_lines")
    try:
        found = of_tables(curves, lines, INTERVALS)
    except ModelError as error:
        raise StudyError(f"{results / 'audit'}: {error} Run the audit again.") from None
    whole, *others = found.procedures
    same = np.isclose(whole.prevalence or 0.0, procedure.prevalence or 0.0)
    if not same or not set(scorer.markers) <= _sources(found):
        return (
            None,
            f"No interval is given for the risk of a call: the refits are of another model; {MADE_BY}.",
        )
    if len(others) < LEAST_BOOTSTRAPS:
        return None, f"{NONE}there are {len(others)} refits, and {LEAST_BOOTSTRAPS} are needed; {MADE_BY}."
    thin = str(lines["frames_per_caller"].iloc[0])
    apart = "" if thin == "all" else f" They learned from {thin} frames a caller."
    said = (
        f"Brackets: 95% of {len(others)} models that the same procedure learned from bootstrapped callers. "
        "They are no interval of the true risk: they held it for 80% of calls in simulated cohorts of 80 "
        "callers (docs/coverage.md)." + apart
    )
    return Refits(found.models[1:], found.procedures[1:]), said


def risk_intervals(
    refits: Refits, scorer: AdditiveModel, frames: pd.DataFrame, calls: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2.5 and 97.5% quantiles of the risks of calls over refits, each of shape (n_calls,).

    Parameters
    ----------
    refits : Refits
    scorer : AdditiveModel
    frames : DataFrame
        Frames that were scored: call_id, the markers, the moderator.
    calls : DataFrame
        call_id, and prevalence, at which the risks are.
    """
    order = pd.Index(calls["call_id"])
    code = order.get_indexer(pd.Index(frames["call_id"])).astype(np.int64)
    markers = sorted(_sources(refits) & set(frames.columns))
    lacking = sorted(_sources(refits) - set(markers))
    if lacking:
        raise StudyError(f"The refits need {lacking[0]}, which the frames do not have.")
    columns = {name: frames[name].to_numpy(np.float64, na_value=np.nan) for name in markers}
    level = np.full(len(order), COMMON, dtype=object)
    if scorer.moderator is not None:
        name = scorer.moderator.name
        first = frames.groupby("call_id", sort=False)[name].first().loc[order]
        level = first.map(lambda value: level_text(value, name)).to_numpy(dtype=object)
    features = CallFrames(with_spreads(columns, code, len(order)), code, len(order))
    return band(refits.risks(features, level, float(calls["prevalence"].iloc[0])))


def _sources(refits: Refits) -> set[str]:
    return {source_of(effect.marker) for model in refits.models for effect in model.effects}
