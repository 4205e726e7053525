"""How long a caller must speak before the score settles: the score of a call against seconds of speech."""

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.types import Floats
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.metrics.logistic import expit, logit

SECONDS = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 300.0, 450.0, 600.0)
LEAST_CALLS = 8
CLIP = 1e-12
COLUMNS = (
    "seconds", "n_calls", "n_events", "median_change", "q90_change", "within_call_sd", "same_decision",
    "auroc", "auroc_whole",
)  # fmt: skip


def settling(
    predictions: pd.DataFrame, thresholds: pd.DataFrame, step_s: float, seconds: tuple[float, ...] = SECONDS
) -> pd.DataFrame:
    """Compare the risk that a call has after some seconds of speech with what the rest of the call says.

    Parameters
    ----------
    predictions : DataFrame
        Of the nested protocol: call rows and frame rows of leave-one-caller-out. Frames are taken in order of
        segment and frame.
    thresholds : DataFrame
        Of the same protocol: design, repeat, fold, slope, intercept of the recalibration.
    step_s : float
        Seconds of speech that each frame stands for.
    seconds : tuple of float
        Lengths to look at; those that fewer than 8 calls reach twice are left out.

    Returns
    -------
    DataFrame
        One row a length. n_calls and n_events: calls that last at least twice as long, of which with the
        outcome. median_change and q90_change: median and 0.9 quantile over them of abs(risk after so many
        seconds - risk of the rest of the call). The two share no frame: against the whole call, of which the
        first seconds are a part, any score would settle by itself. within_call_sd: standard deviation of the
        risk of stretches of this length within calls (root mean square over calls). same_decision: share
        decided as the rest of the call is (NaN without cuts). auroc, auroc_whole: of the same calls after so
        many seconds, and whole. Empty where there are no frame rows.

    Raises
    ------
    ValidationError
        Where `step_s` is not above 0.

    Notes
    -----
    The score of part of a call is the mean of its frames' log-odds, or of their probabilities, whichever
    gives back the whole call's score. A marker's spread within a call is taken about the mean of the whole
    call, for every part alike. Everything is out of fold.
    """
    if not step_s > 0:
        raise ValidationError(f"A frame stands for {step_s} s of speech; that must be above 0.")
    own = predictions[predictions["design"] == "loco"]
    frames = own[own["unit"] == "frame"].sort_values(["call_id", "segment", "frame"], kind="stable")
    calls = own[own["unit"] == "call"].set_index("call_id")
    if frames.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    lines = thresholds[thresholds["design"] == "loco"].drop_duplicates("fold").set_index("fold")
    on_odds = _are_log_odds(frames, calls)
    of_call = {str(call): part["p_raw"].to_numpy(np.float64) for call, part in frames.groupby("call_id")}
    if on_odds:
        of_call = {call: logit(p, CLIP) for call, p in of_call.items()}
    rows = []
    for length in seconds:
        n = round(length / step_s)
        long = [call for call, values in of_call.items() if len(values) >= 2 * n]
        if n < 1 or len(long) < LEAST_CALLS:
            continue
        whole = calls.loc[long]
        line = lines.reindex(whole["fold"])[["slope", "intercept"]].to_numpy(np.float64)
        first = np.array([of_call[call][:n].mean() for call in long])
        rest = np.array([of_call[call][n:].mean() for call in long])
        last = np.array([of_call[call].mean() for call in long])
        change = np.abs(_risk(first, line, on_odds) - _risk(rest, line, on_odds))
        within = [
            _risk(_stretches(of_call[call], n), own_line[None, :], on_odds).var(ddof=1)
            for call, own_line in zip(long, line, strict=True)
        ]
        y = whole["y"].to_numpy()
        cut = whole["threshold"].to_numpy(np.float64)
        cut = logit(cut, CLIP) if on_odds else cut
        same = ((first >= cut) == (rest >= cut))[np.isfinite(cut)]
        rows.append(
            (
                length, len(long), int(y.sum()), float(np.median(change)), float(np.quantile(change, 0.9)),
                float(np.sqrt(np.mean(within))),
                float(same.mean()) if len(same) else np.nan, _auroc(y, first), _auroc(y, last),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _are_log_odds(frames: pd.DataFrame, calls: pd.DataFrame) -> bool:
    """Whether the mean of the frames' log-odds, rather than of their probabilities, is the call's score."""
    p = frames["p_raw"].to_numpy(np.float64)
    means = pd.DataFrame({"odds": logit(p, CLIP), "p": p}).groupby(frames["call_id"].to_numpy()).mean()
    score = calls["p_raw"].reindex(means.index)
    off_odds, off_p = (expit(means["odds"]) - score).abs(), (means["p"] - score).abs()
    return bool(off_odds.median() < off_p.median())


def _risk(value: Floats, line: Floats, on_odds: bool) -> Floats:
    """Return the risks of scores; `line` has slope and intercept of each, or of all."""
    return expit(line[:, 1] + line[:, 0] * (value if on_odds else logit(value, CLIP)))


def _stretches(values: Floats, n: int) -> Floats:
    """Return the means of stretches of `n` frames, one after the other."""
    return np.asarray(values[: len(values) // n * n].reshape(-1, n).mean(axis=1))


def _auroc(y: Floats, score: Floats) -> float:
    return auroc(y, score) if 0 < y.sum() < len(y) else np.nan


def settled_after(table: pd.DataFrame, most: float = 0.1) -> float | None:
    """Return the seconds after which the risk of nine calls in ten stays within `most` of the rest's.

    Parameters
    ----------
    table : DataFrame
        From `settling`.
    most : float
        Difference of risks, 0 to 1.

    Returns
    -------
    float or None
        None where no length of the table does.

    Examples
    --------
    >>> table = pd.DataFrame({"seconds": [5.0, 10.0, 20.0], "q90_change": [0.3, 0.08, 0.05]})
    >>> settled_after(table)
    10.0
    """
    above = np.flatnonzero(~(table["q90_change"].to_numpy() <= most))
    first = 0 if not len(above) else int(above[-1]) + 1
    return float(table["seconds"].iloc[first]) if first < len(table) else None
