"""The rungs between the honest and the published protocol: one switch each, and how a rung is measured."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from voicerisk.callers.schema import SCORE_DECIMALS
from voicerisk.errors import ValidationError
from voicerisk.validation.contract import FitPaths
from voicerisk.validation.metrics.calibration import calibration_line
from voicerisk.validation.metrics.decisions import decision_metrics
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.metrics.youden import automatic_direction
from voicerisk.validation.protocols.outer_fold import cut_scores
from voicerisk.validation.protocols.run import NESTED, ProtocolResult
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.settings import ValidationSettings

CALLER_EFFECTS = ("none", "all_data", "brandom")
CONSTANT = 1e-9


@dataclass(frozen=True, slots=True)
class FitSwitches:
    """How a refit departs from the honest one.

    Parameters
    ----------
    published_model : bool
        The published model alone, gamboost on frames, where the honest refit takes a family of models. The
        switches below are all of that model.
    global_scaling : bool
        Scaling and knots from all callers.
    global_screening : bool
        Screening on all callers.
    row_lambda : bool
        Lambda of the screening chosen on folds over rows, which callers straddle.
    row_steps : bool
        Number of boosting steps chosen on folds over rows; the path then ends at this number.
    caller_effect : {'none', 'all_data', 'brandom'}
        'all_data': each caller's effect estimated with all outcomes enters as a predictor. 'brandom': a
        random intercept in the model, 0 for a caller it never saw.
    row_weights : bool
        Every row weighs alike, so that callers count by their rows; otherwise every caller weighs alike. It
        says something where the class prior is not held (with it callers weigh alike within their class),
        and reaches the refits as `TrainingSet.caller_weights`.
    """

    published_model: bool = False
    global_scaling: bool = False
    global_screening: bool = False
    row_lambda: bool = False
    row_steps: bool = False
    caller_effect: str = "none"
    row_weights: bool = False


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the ladder.

    Parameters
    ----------
    name, label : str
        Stable name, and what the switch does in words.
    fit : FitSwitches
    protocol : Switches
    unit : {'call', 'frame'}
        Unit of which the rung would print its AUROC. A model without frame scores prints 'frame_by_call': the
        call's score counted once for each of its frames.
    automatic : bool
        Whether the direction is chosen from the same scores.
    """

    name: str
    label: str
    fit: FitSwitches
    protocol: Switches
    unit: str = "call"
    automatic: bool = False


MakeFitter = Callable[[FitSwitches, pd.DataFrame], FitPaths]
"""Makes the refit function for switches and a table of calls, whose outcomes may have been permuted."""


def ladder(caller_effect: str = "all_data", family: bool = False) -> tuple[Rung, ...]:
    """Return the rungs, each the one before plus one switch and nothing else.

    Parameters
    ----------
    caller_effect : {'all_data', 'brandom'}
        What the rung of the caller effect puts into the model.
    family : bool
        Whether the honest refit takes a family of models; the second rung is then the published model alone.
    """
    if caller_effect not in CALLER_EFFECTS[1:]:
        raise ValidationError(
            f"The caller effect of the ladder is all_data or brandom, not {caller_effect!r}."
        )
    fit, protocol = FitSwitches(), replace(NESTED, assert_unseen=False)
    rungs = [Rung("honest", "everything learned inside the fold", fit, replace(protocol, name="honest"))]

    def add(name: str, label: str, unit: str = "call", automatic: bool = False) -> None:
        rungs.append(Rung(name, label, fit, replace(protocol, name=name), unit, automatic))

    if family:
        fit = replace(fit, published_model=True)
        add("published_model", "the published model alone: gamboost on frames")
    fit = replace(fit, global_scaling=True)
    add("global_scaling", "+ scaling and knots from all callers")
    fit = replace(fit, global_screening=True)
    add("global_screening", "+ screening on all callers")
    fit = replace(fit, row_lambda=True)
    add("row_lambda", "+ the screening's lambda by folds over rows")
    fit, protocol = replace(fit, row_steps=True), replace(protocol, tune_steps=False)
    add("row_steps", "+ the number of steps by folds over rows")
    protocol = replace(protocol, threshold_from="holdout")
    add("holdout_threshold", "+ threshold from the hold-out scores")
    protocol = replace(protocol, midpoints=False)
    add("cut_at_score", "+ the cut at a score, not half-way to the next lower one")
    protocol = replace(protocol, recalibrate=False)
    add("no_recalibration", "+ no recalibration of the risk")
    protocol = replace(protocol, constant_prior=False)
    add("shifting_prior", "+ no class weights: the share of positives shifts")
    fit = replace(fit, row_weights=True)
    add("row_weights", "+ no caller weights: callers count by their frames")
    add("frame_units", "+ frames counted as units", unit="frame")
    fit = replace(fit, caller_effect=caller_effect)
    words = {"all_data": "caller effects learned with all outcomes", "brandom": "brandom(caller)"}
    add("caller_effect", f"+ {words[caller_effect]} in the model", unit="frame")
    add("automatic_direction", "+ direction chosen from the same scores", unit="frame", automatic=True)
    return tuple(rungs)


def printed_unit(rung: Rung, has_frames: bool) -> str:
    """Return the unit of the AUROC that a rung prints: 'call', 'frame' or 'frame_by_call'."""
    if rung.unit == "call":
        return "call"
    return "frame" if has_frames else "frame_by_call"


def printed_auroc(y: np.ndarray, score: np.ndarray, automatic: bool) -> float:
    """Return the AUROC in the direction that a rung would print: fixed, or chosen from the same scores."""
    area = auroc(y, score)
    return 1.0 - area if automatic and automatic_direction(score, y) == "<=" else area


def printed_rows(
    rung: Rung,
    y: np.ndarray,
    score: np.ndarray,
    n_frames: np.ndarray,
    frames: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return outcome and score of the units whose AUROC the rung prints.

    Parameters
    ----------
    rung : Rung
    y, score, n_frames : ndarray, shape (n_calls,)
    frames : tuple of ndarray or None
        Outcome and score of every frame; None for a model without frame scores.
    """
    unit = printed_unit(rung, frames is not None)
    if unit == "frame":
        assert frames is not None
        return frames
    return (y, score) if unit == "call" else (np.repeat(y, n_frames), np.repeat(score, n_frames))


def rung_metrics(
    result: ProtocolResult, calls: pd.DataFrame, rung: Rung, settings: ValidationSettings
) -> dict[str, str | float]:
    """Measure one rung.

    Returns
    -------
    dict
        unit (of which the rung prints its AUROC), auroc (in this unit and in the rung's direction),
        auroc_call, auroc_caller and auroc_frame (direction fixed), average_precision, sensitivity,
        specificity, youden_j, accuracy_frame (the call's decision carried by its frames; all four of all
        calls and in the rung's direction), n_with_cut, n_without_cut (calls), brier, calibration_slope.

    Notes
    -----
    A call of a fold that found no cut (constant scores) is not flagged: a rule that knows nothing adds 0 to
    the Youden index whatever its calls are, and every rung is measured on the same calls.
    """
    rows = result.predictions[result.predictions["unit"] == "call"].set_index("call_id")
    frames = result.predictions[result.predictions["unit"] == "frame"]
    y, score = rows["y"].to_numpy(), rows["p_raw"].to_numpy(dtype=np.float64)
    size = calls.set_index("call_id")["n_frames"].loc[rows.index].to_numpy()
    by_caller = rows.groupby("caller_id").agg(y=("y", "mean"), p_raw=("p_raw", "mean"))
    by_caller["p_raw"] = by_caller["p_raw"].round(SCORE_DECIMALS)
    pure = by_caller["y"].isin([0, 1]).all()
    cut = rows["threshold"].to_numpy(dtype=np.float64, na_value=np.nan)
    signed = score
    if rung.automatic and automatic_direction(score, y) == "<=":
        # Where the direction turns, the cut turns with it.
        signed = -score
        groups = rows["caller_id"].to_numpy(dtype=str)
        turned = cut_scores(signed, y, groups, settings, rung.protocol.midpoints, (0, 0))
        cut = np.full(len(y), turned.threshold)
    alone = np.zeros(len(y), dtype=np.int64)
    # No score reaches a cut that is NaN: its call is not flagged.
    decisions = [
        decision_metrics(y == 1, signed >= cut, alone, w, np.ones((1, 1)))
        for w in (np.ones(len(y)), size.astype(np.float64))
    ]
    p = rows["p"].to_numpy(dtype=np.float64)
    of_frames = None
    if len(frames):
        of_frames = frames["y"].to_numpy(), frames["p_raw"].to_numpy(dtype=np.float64)
    shown = printed_rows(rung, y, score, size, of_frames)
    ranked = rank_statistics(signed, y, alone, np.ones((1, 1)))
    return {
        "unit": printed_unit(rung, of_frames is not None),
        "auroc": printed_auroc(*shown, rung.automatic),
        "auroc_call": auroc(y, score),
        "auroc_caller": auroc(by_caller["y"].to_numpy(), by_caller["p_raw"].to_numpy()) if pure else np.nan,
        "auroc_frame": np.nan if of_frames is None else auroc(*of_frames),
        "average_precision": float(ranked.average_precision[0]),
        "sensitivity": float(decisions[0]["sensitivity"][0]),
        "specificity": float(decisions[0]["specificity"][0]),
        "youden_j": float(decisions[0]["youden_j"][0]),
        "accuracy_frame": float(decisions[1]["accuracy"][0]),
        "n_with_cut": int((~np.isnan(cut)).sum()),
        "n_without_cut": int(np.isnan(cut).sum()),
        "brier": float(((p - y) ** 2).mean()),
        "calibration_slope": calibration_line(y, p).slope if np.ptp(p) > CONSTANT else np.nan,
    }
