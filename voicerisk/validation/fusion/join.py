"""Joining sources call by call: the log-odds of what each adds to the prior are summed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from voicerisk.callers.folds import caller_table, callers_in_classes, grouped_folds
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.validation.fusion.sources import CLIP, Source
from voicerisk.validation.metrics.logistic import logit
from voicerisk.validation.metrics.recalibration import recalibrate
from voicerisk.validation.metrics.youden import bootstrap_youden

FUSED = "fused"
FOLDS = 10
CUT_BOOTSTRAPS = 1000


def join_sources(sources: Sequence[Source]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Put the risks of several models side by side, on the calls that all of them have.

    Parameters
    ----------
    sources : sequence of Source
        Two or more, with different names.

    Returns
    -------
    table : DataFrame
        call_id, caller_id, y, then the log-odds of each source under its name, then `fused`: logit(pi) plus
        the sum over sources of (log-odds - logit(pi)), pi being the share of events among these calls.
    notes : tuple of str
        Calls that some source lacks, by source.

    Raises
    ------
    ValidationError
        For fewer than two sources, equal names, no common call, a call whose outcome differs between two
        sources, or callers that two sources group differently. Caller ids may differ in spelling.

    Notes
    -----
    The sum is Bayes' rule for sources that are independent given the outcome. No weight is learned: a weight
    learned on out-of-fold scores would have seen, through the models that gave those scores, the calls that
    it is judged on. Dependent sources make the sum too extreme, so `fused_predictions` recalibrates it.
    """
    names = [source.name for source in sources]
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValidationError(f"Fusion needs two or more sources with different names, not {names}.")
    kept = [
        source.calls[["call_id", "caller_id", "y", "log_odds"]].rename(columns={"log_odds": source.name})
        for source in sources
    ]
    everyone = set().union(*(own["call_id"] for own in kept))
    table = kept[0]
    for name, own in zip(names[1:], kept[1:], strict=True):
        both = table.merge(own, on="call_id", suffixes=("", "_2"))
        _agree(both, names[0], name)
        table = both.drop(columns=["caller_id_2", "y_2"])
    if table.empty:
        raise ValidationError(f"{' and '.join(names)} have no call in common; fusion joins by call_id.")
    if table["y"].nunique() < 2:
        raise ValidationError("The common calls hold one outcome only; fusion needs both.")
    notes = tuple(
        f"{name} lacks {lacking} of {len(everyone)} calls; only the {len(table)} calls that every source has "
        "are fused."
        for name, source in zip(names, sources, strict=True)
        if (lacking := len(everyone - set(source.calls["call_id"])))
    )
    prior = float(logit(table["y"].mean(), CLIP))
    table[FUSED] = prior + (table[names] - prior).sum(axis=1)
    return table.sort_values("call_id", ignore_index=True), notes


def _agree(both: pd.DataFrame, first: str, second: str) -> None:
    """Raise where two sources differ in a call's outcome, or in which calls are of one caller."""
    odd = both["y"] != both["y_2"]
    if odd.any():
        row = both[odd].iloc[0]
        raise ValidationError(
            f"Call {row['call_id']!r}: y is {row['y']} in {first} and {row['y_2']} in {second}; mend the "
            "tables, then fuse."
        )
    pairs = both[["caller_id", "caller_id_2"]].drop_duplicates()
    for column in pairs.columns:
        twice = pairs[column].duplicated(keep=False)
        if twice.any():
            names = pairs[twice & (pairs[column] == pairs[column][twice].iloc[0])].to_numpy().tolist()
            raise ValidationError(
                f"{first} and {second} group calls into callers differently: they name one caller "
                f"{names[0][0]!r} and {names[0][1]!r}, and also {names[1][0]!r} and {names[1][1]!r}; give "
                "both the same caller ids."
            )


def fused_predictions(table: pd.DataFrame, names: Sequence[str], seed: int = 1) -> pd.DataFrame:
    """Give the fused log-odds a calibrated risk and a cut, learned from other callers.

    Parameters
    ----------
    table : DataFrame
        From `join_sources`.
    names : sequence of str
        The sources, each of which gets the same treatment, so that all are judged alike.
    seed : int

    Returns
    -------
    DataFrame
        A predictions table of call rows (protocol 'nested', target 'outcome', design 'grouped_kfold'): one
        model a source, and `fused`. `p_raw` is the risk as summed, `p` the recalibrated one, `threshold` the
        mean of bootstrapped Youden cuts; the last two come from the callers of the other folds.

    Raises
    ------
    ValidationError
        Where a class has fewer than two callers.
    """
    calls = table[["call_id", "caller_id", "y"]].assign(n_frames=1)
    callers = caller_table(calls, ())
    k = min(FOLDS, *callers_in_classes(callers))
    if k < 2:
        raise ValidationError("Fusion needs at least two callers with each outcome.")
    rng = generator(Stream.FUSION_FOLDS, seed)
    fold_of = dict(zip(callers["caller_id"], grouped_folds(callers, k, rng).fold, strict=True))
    fold = table["caller_id"].map(fold_of).to_numpy()
    y = table["y"].to_numpy()
    share = 1.0 / table.groupby("caller_id")["call_id"].transform("size").to_numpy()
    prior = float(y.mean())
    parts = []
    for name in (*names, FUSED):
        raw = expit(table[name].to_numpy(dtype=np.float64))
        p, cut = np.full(len(table), np.nan), np.full(len(table), np.nan)
        for one in range(k):
            seen, held = fold != one, fold == one
            p[held] = recalibrate(raw[seen], y[seen], share[seen], prior)(raw[held])
            groups = np.unique(table["caller_id"].to_numpy()[seen], return_inverse=True)[1]
            stream = generator(Stream.FUSION_CUTS, seed, one)
            learned = bootstrap_youden(raw[seen], y[seen], groups, stream, CUT_BOOTSTRAPS, midpoints=True)
            cut[held] = learned.threshold
        parts.append(
            pd.DataFrame(
                {
                    "protocol": "nested",
                    "model": name,
                    "target": "outcome",
                    "design": "grouped_kfold",
                    "repeat": 0,
                    "fold": fold,
                    "unit": "call",
                    "call_id": table["call_id"],
                    "caller_id": table["caller_id"],
                    "segment": np.nan,
                    "frame": np.nan,
                    "time_s": np.nan,
                    "y": y,
                    "p_raw": raw,
                    "p": p,
                    "threshold": cut,
                    "weight": 1.0,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
