"""Does one source find the callers that another misses? Compared at the same rate of false alarms."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.draws import CallerDraws, caller_draws, percentile_interval
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.types import Floats
from voicerisk.validation.fusion.join import FUSED
from voicerisk.validation.fusion.sources import Source
from voicerisk.validation.metrics.proportions import proportion_interval
from voicerisk.validation.metrics.ranking import rank_statistics

ROUNDING = 1e-9


def false_alarm_rate(reference: Source, table: pd.DataFrame) -> float:
    """Return the share of calls without the event that a source flags at its own cuts.

    Parameters
    ----------
    reference : Source
    table : DataFrame
        From `join_sources`; only its calls count.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValidationError
        Where the source has a call without a cut.
    """
    own = reference.calls[reference.calls["call_id"].isin(table["call_id"])]
    negative = own.loc[own["y"] == 0, "flagged"]
    if negative.isna().any():
        raise ValidationError(
            f"{reference.name} has no cut for {int(negative.isna().sum())} calls, so its rate of false "
            "alarms is not known; give one with --false-alarms."
        )
    return float(negative.astype(float).mean())


def compare_sources(
    table: pd.DataFrame,
    names: Sequence[str],
    rate: float,
    *,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Compare every source, and the fusion, with the first source on the same calls.

    Parameters
    ----------
    table : DataFrame
        From `join_sources`.
    names : sequence of str
        Sources; the first is the reference.
    rate : float
        Largest share of calls without the event that may be flagged, in [0, 1]. Every model is cut where it
        flags as many of them as this allows (a tie that would exceed it is not flagged).
    n_boot : int
        Bootstraps of callers, the same draws for all models.
    level : float
    seed : int

    Returns
    -------
    DataFrame
        model, auroc, sensitivity, false_alarms (share reached), auroc_difference, auroc_lower, auroc_upper,
        sensitivity_difference, sensitivity_lower, sensitivity_upper (model minus reference, percentile
        intervals of the paired caller bootstrap; NaN for the reference), missed (events that the reference
        misses), rescued (of these, flagged by the model), rescued_share, rescued_lower, rescued_upper
        (Wilson, calls as independent), lost (events that the reference flags and the model misses), n,
        n_events, n_callers. Intervals take the scores as given: what fitting the models anew would add is
        left out.

    Raises
    ------
    ValidationError
        For a rate outside [0, 1].
    """
    if not 0.0 <= rate <= 1.0:
        raise ValidationError(f"The rate of false alarms must lie between 0 and 1, not {rate!r}.")
    rng = generator(Stream.FUSION_RESCUE, seed)
    draws = caller_draws(table, n_boot, rng)
    groups = pd.Index(draws.callers).get_indexer(pd.Index(table["caller_id"].astype(str)))
    y = table["y"].to_numpy(dtype=np.int8)
    found: dict[str, tuple[Floats, Floats]] = {}
    flags: dict[str, np.ndarray] = {}
    for name in (*names, FUSED):
        score = table[name].to_numpy(dtype=np.float64)
        sensitivity, cut = _at_rate(score, y, draws.counts[:, groups], rate)
        found[name] = (rank_statistics(score, y, groups, draws.counts).auroc, sensitivity)
        flags[name] = score >= cut
    reference = names[0]
    event = y == 1
    missed = event & ~flags[reference]
    rows = []
    for name in (*names, FUSED):
        row: dict[str, Any] = {
            "model": name,
            "auroc": found[name][0][0],
            "sensitivity": found[name][1][0],
            "false_alarms": float(flags[name][~event].mean()),
        }
        for kind, k in (("auroc", 0), ("sensitivity", 1)):
            row |= _difference(kind, found[name][k] - found[reference][k], draws, level, name == reference)
        rescued, n_missed = int((flags[name] & missed).sum()), int(missed.sum())
        ends = (np.nan, np.nan)
        if n_missed and name != reference:
            ends = proportion_interval(rescued, n_missed, "wilson", level)
        row |= {
            "missed": n_missed,
            "rescued": rescued,
            "rescued_share": rescued / n_missed if n_missed else np.nan,
            "rescued_lower": ends[0],
            "rescued_upper": ends[1],
            "lost": int((event & flags[reference] & ~flags[name]).sum()),
            "n": len(table),
            "n_events": int(event.sum()),
            "n_callers": table["caller_id"].nunique(),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def rescue_sentences(compared: pd.DataFrame, rate: float) -> list[str]:
    """Say in words what `compare_sources` found, one sentence a model.

    Parameters
    ----------
    compared : DataFrame
    rate : float

    Returns
    -------
    list of str
    """
    reference = compared.iloc[0]
    out = [
        f"At false alarms on at most {rate:.0%} of the calls without the event, {reference['model']} "
        f"finds {round(reference['sensitivity'] * reference['n_events'])} of {reference['n_events']} calls "
        "with it."
    ]
    for row in compared.iloc[1:].to_dict("records"):
        shown = row["sensitivity_lower"] > 0 or row["sensitivity_upper"] < 0
        out.append(
            f"{row['model']} flags {row['rescued']} of the {row['missed']} that {reference['model']} misses "
            f"and misses {row['lost']} that it finds: sensitivity {row['sensitivity_difference']:+.2f} "
            f"({row['sensitivity_lower']:+.2f} to {row['sensitivity_upper']:+.2f})"
            f"{'' if shown else ', so no difference is shown'}."
        )
    return out


def _difference(
    kind: str, values: Floats, draws: CallerDraws, level: float, is_reference: bool
) -> dict[str, float]:
    if is_reference:
        return dict.fromkeys((f"{kind}_difference", f"{kind}_lower", f"{kind}_upper"), np.nan)
    low, high = percentile_interval(values, draws, level)
    return {f"{kind}_difference": float(values[0]), f"{kind}_lower": low, f"{kind}_upper": high}


def _at_rate(score: Floats, y: np.ndarray, weights: np.ndarray, rate: float) -> tuple[Floats, float]:
    """Return the sensitivity under each row of weights, and the cut under the first, at a rate."""
    unique, position = np.unique(-score, return_inverse=True)
    order = np.argsort(position, kind="stable")
    starts = np.searchsorted(position[order], np.arange(len(unique)))
    sorted_weights = weights[:, order].astype(np.float64)
    shares = []
    for outcome in (1, 0):
        mass = np.cumsum(np.add.reduceat(sorted_weights * (y[order] == outcome), starts, axis=1), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(mass / mass[:, -1:])
    true, false = shares
    allowed = (false <= rate + ROUNDING).sum(axis=1)
    padded = np.column_stack([np.zeros(len(weights)), true])
    sensitivity = padded[np.arange(len(weights)), allowed]
    sensitivity[np.isnan(true[:, -1]) | np.isnan(false[:, -1])] = np.nan
    cut = float(-unique[allowed[0] - 1]) if allowed[0] else np.inf
    return sensitivity, cut
