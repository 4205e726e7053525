"""Several classes: what deciding for the likeliest is worth, losses, and skill against another model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.draws import caller_draws, percentile_interval
from voicerisk.callers.schema import RUN, classes_of
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError

MACRO = "macro"
LEAST_P = 1e-15
PERCENTILE = "caller_bootstrap_percentile_given_scores"


def class_decisions(
    y: np.ndarray, score: np.ndarray, groups: np.ndarray, weight: np.ndarray, counts: np.ndarray
) -> dict[tuple[int, str], np.ndarray]:
    """Measure the decision for the class with the highest score (the first where scores tie).

    Parameters
    ----------
    y : ndarray of int, shape (n,)
        Class number 0..k-1.
    score : ndarray, shape (n, k)
    groups : ndarray of int, shape (n,)
        Caller 0..C-1.
    weight : ndarray, shape (n,)
    counts : ndarray, shape (b, C)
        Weight of each caller in each resample.

    Returns
    -------
    dict
        (class number, metric) -> ndarray, shape (b,): sensitivity, specificity, ppv, npv, f1,
        false_negative_rate, false_positive_rate of each class against the rest; and under the class number -1
        accuracy and the unweighted means of sensitivity, ppv and f1. NaN where a denominator is 0; f1 is
        2 TP / (2 TP + FP + FN).
    """
    k = score.shape[1]
    decided = score.argmax(axis=1)

    def total(mask: np.ndarray) -> np.ndarray:
        return np.asarray(counts @ np.bincount(groups, weights=weight * mask, minlength=counts.shape[1]))

    out: dict[tuple[int, str], np.ndarray] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for one in range(k):
            tp, fn = total((y == one) & (decided == one)), total((y == one) & (decided != one))
            fp, tn = total((y != one) & (decided == one)), total((y != one) & (decided != one))
            out[one, "sensitivity"], out[one, "specificity"] = tp / (tp + fn), tn / (tn + fp)
            out[one, "ppv"], out[one, "npv"] = tp / (tp + fp), tn / (tn + fn)
            out[one, "f1"] = 2.0 * tp / (2.0 * tp + fp + fn)
            out[one, "false_negative_rate"] = fn / (tp + fn)
            out[one, "false_positive_rate"] = fp / (fp + tn)
        out[-1, "accuracy"] = total(decided == y) / total(np.ones(len(y), dtype=bool))
    for metric in ("sensitivity", "ppv", "f1"):
        out[-1, metric] = np.mean([out[one, metric] for one in range(k)], axis=0)
    return out


def class_losses(
    y: np.ndarray, p: np.ndarray, groups: np.ndarray, weight: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Measure log loss and Brier score of risks of several classes.

    Parameters
    ----------
    y, groups, weight, counts
        As in `class_decisions`.
    p : ndarray, shape (n, k)
        Each row sums to 1; a true class with p below 1e-15 counts as 1e-15.

    Returns
    -------
    dict
        'log_loss', and 'brier': the mean over classes of each class's Brier score against the rest. (The sum
        over classes, which others print, is k times that.)
    """
    onehot = np.eye(p.shape[1])[y]
    losses = {
        "log_loss": -np.log(np.maximum(p[np.arange(len(y)), y], LEAST_P)),
        "brier": ((p - onehot) ** 2).mean(axis=1),
    }
    w = counts[:, groups] * weight
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: w @ values / w.sum(axis=1) for name, values in losses.items()}


def brier_skill(
    predictions: pd.DataFrame,
    baseline: str,
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Compare each model's Brier score with that of another model on the same calls: 1 - BS / BS of it.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, several classes, call rows with risks p; several models.
    baseline : str
        Its name in the column `model`.
    n_boot : int
        Bootstraps of callers; both models are drawn together.
    level : float
    seed : int

    Returns
    -------
    DataFrame
        Rows of metrics.csv, metric `brier_skill_against_<baseline>`, class macro.

    Raises
    ------
    ValidationError
        If the baseline is not there, or two models were not run on the same calls.
    """
    classes = classes_of(predictions)
    calls = predictions[(predictions["unit"] == "call") & predictions[f"p_{classes[0]}"].notna()]
    if baseline not in set(calls["model"]):
        raise ValidationError(f"The predictions hold no model {baseline!r} to compare with.")
    rows: list[dict[str, Any]] = []
    key = [name for name in RUN if name != "model"]
    for names, table in calls.groupby(key, sort=True):
        first = table.drop_duplicates("call_id").sort_values(["caller_id", "call_id"])
        event = (first["y"].astype(str) == classes[-1]).astype(int)
        draws = caller_draws(first.assign(y=event), n_boot, generator(Stream.CLASS_DECISIONS, seed))
        order = pd.Index(draws.callers)
        base = _brier_by_repeat(table[table["model"] == baseline], classes, order, draws.counts)
        for model, part in table[table["model"] != baseline].groupby("model", sort=True):
            own = _brier_by_repeat(part, classes, order, draws.counts)
            if own.keys() != base.keys() or any(not own[r][1].equals(base[r][1]) for r in own):
                raise ValidationError(f"Models {model} and {baseline} were not run on the same calls.")
            values = np.mean([1.0 - own[r][0] / base[r][0] for r in own], axis=0)
            low, high = percentile_interval(values, draws, level)
            one = part[part["repeat"] == part["repeat"].min()]
            rows.append(
                {
                    **dict(zip(key, names, strict=True)), "model": model, "unit": "call", "class": MACRO,
                    "subgroup": "all", "metric": f"brier_skill_against_{baseline}", "estimate": values[0],
                    "lower": low, "upper": high, "level": level, "method": PERCENTILE, "n": len(one),
                    "n_events": len(one), "n_callers": one["caller_id"].nunique(),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _brier_by_repeat(
    table: pd.DataFrame, classes: Sequence[str], callers: pd.Index, counts: np.ndarray
) -> Mapping[Any, tuple[np.ndarray, pd.Index]]:
    found = {}
    for repeat, part in table.groupby("repeat", sort=True):
        part = part.sort_values("call_id")
        y = part["y"].astype(str).map({name: k for k, name in enumerate(classes)}).to_numpy()
        p = part[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
        groups = callers.get_indexer(pd.Index(part["caller_id"].astype(str)))
        weight = part["weight"].to_numpy(dtype=np.float64)
        losses = class_losses(y, p, groups, weight, counts)
        found[repeat] = losses["brier"], pd.Index(part["call_id"])
    return found
