"""The alarm for scores that say no more than the share of positives in the training set."""

import numpy as np
import pandas as pd

from voicerisk.callers.schema import RUN, check_predictions, classes_of

RATIO = 1.5
COPIES = 0.9


def degenerate_scores(predictions: pd.DataFrame, by_caller: bool = False) -> pd.DataFrame:
    """Compare the spread of call scores with what leaving callers out does to an empty model.

    A model without predictors scores every held-out call with the share of positives among the others. That
    share moves against the outcome left out, so that such scores rank calls in exact reverse (AUROC 0), and
    an automatic direction turns this into 1.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, binary.
    by_caller : bool
        The empty model learned from callers who weigh alike: its share is that of callers, not of frames.

    Returns
    -------
    DataFrame
        protocol, model, target, design, sd_score, sd_empty (spread of the empty model's scores,
        frame-weighted where there are frame rows, unless `by_caller`), ratio, correlation (of the scores with
        the empty model's), alarm, copies (the scores are the empty model's: what they rank is who was left
        out, in reverse; an alarm without it says that the model learned next to nothing), finding. Rows of
        resampled designs only; repeats are taken together.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> len(degenerate_scores(load_example("predictions")))
    1
    """
    check_predictions(predictions)
    columns = [*RUN, "sd_score", "sd_empty", "ratio", "correlation", "alarm", "copies", "finding"]
    if classes_of(predictions):
        return pd.DataFrame(columns=columns)
    out = []
    resampled = predictions[predictions["design"].isin(["loco", "grouped_kfold"])]
    for names, table in resampled.groupby(list(RUN), sort=True):
        calls = table[table["unit"] == "call"]
        if calls.empty:
            continue
        n_frames = table.loc[table["unit"] == "frame", "call_id"].value_counts()
        size = calls["call_id"].map(n_frames).to_numpy() if len(n_frames) else np.ones(len(calls))
        size = np.nan_to_num(size.astype(np.float64), nan=1.0)
        if by_caller:
            of_caller = calls.assign(size=size).groupby(["repeat", "caller_id"])["size"].transform("sum")
            size = size / of_caller.to_numpy()
        empty = _empty_model(calls, size)
        score = calls["p_raw"].to_numpy()
        constant = bool(np.ptp(score) == 0)
        sd, shift = float(score.std()), float(empty.std())
        ratio = sd / shift if shift > 0 else np.inf
        related = not constant and shift > 0
        correlation = float(np.corrcoef(score, empty)[0, 1]) if related else np.nan
        copies = bool(related and correlation > COPIES)
        alarm = constant or ratio <= RATIO or copies
        out.append(
            {
                **dict(zip(RUN, names, strict=True)), "sd_score": sd, "sd_empty": shift, "ratio": ratio,
                "correlation": correlation, "alarm": alarm, "copies": copies,
                "finding": _finding(constant, alarm, copies),
            }
        )  # fmt: skip
    return pd.DataFrame(out, columns=columns)


def _empty_model(calls: pd.DataFrame, size: np.ndarray) -> np.ndarray:
    """Return for each call the share of positives in the other folds."""
    y = calls["y"].to_numpy() * size
    repeat = calls["repeat"].to_numpy()
    place = calls.groupby(["repeat", "fold"], sort=False).ngroup().to_numpy()
    of_repeat = np.unique(repeat, return_inverse=True)[1]
    positive = np.bincount(of_repeat, y)[of_repeat] - np.bincount(place, y)[place]
    total = np.bincount(of_repeat, size)[of_repeat] - np.bincount(place, size)[place]
    return np.asarray(positive / total)


def _finding(constant: bool, alarm: bool, copies: bool) -> str:
    if constant:
        return "All scores are the same: the model learned nothing, the AUROC is 0.5 and there is no cut."
    if copies:
        return (
            "The scores copy the share of positives among the callers who were not left out: what they rank "
            "is who was left out, in reverse. Hold the class prior constant and look at the fixed-direction "
            "AUROC."
        )
    if alarm:
        return (
            "The scores vary no more than the share of positives does when a caller is left out: the model "
            "learned next to nothing. Do not read its AUROC in either direction."
        )
    return ""
