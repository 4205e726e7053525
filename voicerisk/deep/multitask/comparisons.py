"""Differences of AUROC between models on the same cases: paired bootstrap, Holm, and what they say."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.draws import CallerDraws, caller_draws, percentile_interval
from voicerisk.callers.schema import classes_of
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import MultitaskError
from voicerisk.models.gamm.p_values import holm
from voicerisk.validation.metrics.ranking import rank_statistics

GAIN, HARM, OPEN = "gain", "negative transfer", "not shown"
LEVEL = 0.95
ALPHA = 0.05


def person_draws(table: pd.DataFrame, n_boot: int, seed: int) -> CallerDraws:
    """Draw persons once for all models of a task.

    Parameters
    ----------
    table : DataFrame
        A predictions table with several classes.
    n_boot : int
    seed : int

    Returns
    -------
    CallerDraws
    """
    first = table.drop_duplicates("call_id").sort_values(["caller_id", "call_id"])
    event = (first["y"].astype(str) == classes_of(table)[-1]).astype(int)
    rng = generator(Stream.MULTITASK_COMPARISONS, seed)
    return caller_draws(first.assign(y=event), n_boot, rng)


def drawn_auroc(rows: pd.DataFrame, draws: CallerDraws) -> np.ndarray:
    """Return the AUROC of one model under every resample.

    With two classes it is that of the last; with more, the unweighted mean of each class against the rest.
    Several repeats are averaged.

    Parameters
    ----------
    rows : DataFrame
        Predictions of one model.
    draws : CallerDraws

    Returns
    -------
    ndarray, shape (1 + bootstraps + persons,)
        The first is that of the sample itself; NaN where a class is not drawn.
    """
    classes = classes_of(rows)
    shown = classes[-1:] if len(classes) == 2 else classes
    callers = pd.Index(draws.callers)
    of_repeats = []
    for _, part in rows.groupby("repeat", sort=True):
        groups = callers.get_indexer(pd.Index(part["caller_id"].astype(str)))
        labels = part["y"].to_numpy(dtype=str)
        areas = [
            rank_statistics(
                part[f"p_raw_{name}"].to_numpy(dtype=np.float64),
                (labels == name).astype(np.int8),
                groups,
                draws.counts,
            ).auroc
            for name in shown
        ]
        of_repeats.append(np.mean(areas, axis=0))
    return np.asarray(np.mean(of_repeats, axis=0))


def compare_models(
    predictions: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    n_boot: int = 2000,
    seed: int = 1,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Compare pairs of models of one task and protocol.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table of one task; one protocol.
    pairs : sequence of (str, str)
        First and second model; the difference is second minus first.
    n_boot : int
    seed : int
    level : float

    Returns
    -------
    DataFrame
        protocol, target, first, second, auroc_first, auroc_second, difference, lower, upper (percentiles of
        the paired bootstrap of persons), p_value (two-sided: twice the smaller share of resamples on one
        side of 0, counting the sample itself, so never 0), n, n_persons. The scores are taken as given: what
        training anew would add is left out.

    Raises
    ------
    MultitaskError
        If two models were not run on the same cases and repeats.
    """
    if predictions["protocol"].nunique() != 1 or predictions["target"].nunique() != 1:
        raise MultitaskError("Models are compared within one protocol and one task.")
    draws = person_draws(predictions, n_boot, seed)
    by_model = {str(name): rows for name, rows in predictions.groupby("model", sort=False)}
    lost = sorted({name for pair in pairs for name in pair} - set(by_model))
    if lost:
        raise MultitaskError(f"The predictions hold no model {lost[0]!r} to compare.")
    area = {name: drawn_auroc(by_model[name], draws) for name in {name for pair in pairs for name in pair}}
    where: dict[str, Any] = {name: predictions[name].iloc[0] for name in ("protocol", "target")}
    rows = []
    for first, second in pairs:
        _same_cases(by_model[first], by_model[second])
        values = area[second] - area[first]
        low, high = percentile_interval(values, draws, level)
        rows.append(
            {
                **where, "first": first, "second": second, "auroc_first": area[first][0],
                "auroc_second": area[second][0], "difference": values[0], "lower": low, "upper": high,
                "level": level, "p_value": bootstrap_p(values[1 : 1 + n_boot]),
                "n": by_model[first]["call_id"].nunique(), "n_persons": len(draws.callers),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def bootstrap_p(resampled: np.ndarray) -> float:
    """Return the two-sided P value that a bootstrap of a difference gives: the level at which 0 leaves it.

    Examples
    --------
    >>> bootstrap_p(np.linspace(0.01, 1.0, 999))
    0.002
    """
    values = resampled[np.isfinite(resampled)]
    if len(values) == 0 or np.ptp(values) == 0.0:
        return float("nan")
    below, above = (values <= 0.0).sum(), (values >= 0.0).sum()
    return float(min(2.0 * (min(below, above) + 1) / (len(values) + 1), 1.0))


def transfer_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the comparisons of both tasks together, adjust by Holm within a protocol, and say what each shows.

    Parameters
    ----------
    tables : sequence of DataFrame
        What `compare_models` returned, single-task first, multitask second.

    Returns
    -------
    DataFrame
        With p_holm (over every comparison of a protocol: 16 in the paper) and verdict: 'gain' or 'negative
        transfer' where p_holm is below .05, else 'not shown'.
    """
    table = pd.concat(tables, ignore_index=True)
    p_holm = np.full(len(table), np.nan)
    for protocol in table["protocol"].unique():
        rows = np.flatnonzero((table["protocol"] == protocol).to_numpy())
        p_holm[rows] = holm(table["p_value"].to_numpy(dtype=np.float64)[rows])
    clear = p_holm < ALPHA
    verdict = np.where(clear & (table["difference"] > 0), GAIN, np.where(clear, HARM, OPEN))
    return table.assign(p_holm=p_holm, verdict=verdict)


def transfer_sentences(table: pd.DataFrame) -> list[str]:
    """Say in words what a transfer table shows, a sentence a task and protocol."""
    out = []
    for (protocol, target), rows in table.groupby(["protocol", "target"], sort=False):
        counts = rows["verdict"].value_counts()
        n = len(rows)
        gain, harm = int(counts.get(GAIN, 0)), int(counts.get(HARM, 0))
        inputs = f"{n} input{'s' if n != 1 else ''}"
        if not gain and not harm:
            said = f"for none of {inputs} a difference between single- and multitask learning is shown"
        else:
            parts = [f"a gain from multitask learning for {gain} of {inputs}"] if gain else []
            parts += [f"negative transfer (multitask is worse) for {harm} of {inputs}"] if harm else []
            said = " and ".join(parts)
        largest = rows.iloc[int(np.argmax(rows["difference"].abs().to_numpy()))]
        out.append(
            f"{protocol}, {target}: {said} (P < .05 after Holm); the largest difference in AUROC is "
            f"{largest['difference']:+.3f} ({largest['lower']:+.3f} to {largest['upper']:+.3f}, "
            f"{str(largest['second']).split(':')[-1]})."
        )
    return out


def _same_cases(first: pd.DataFrame, second: pd.DataFrame) -> None:
    keys = [set(zip(rows["repeat"], rows["fold"], rows["call_id"], strict=True)) for rows in (first, second)]
    if keys[0] != keys[1]:
        raise MultitaskError(
            f"Models {first['model'].iloc[0]} and {second['model'].iloc[0]} were not run on the same cases "
            "and folds, so their difference is not paired."
        )
