"""A source of fusion: one model's calibrated risk for each call, read from any predictions table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.callers.schema import check_predictions, classes_of
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.logistic import logit

CLIP = 1e-6
ORDER = ("loco", "grouped_kfold", "holdout", "external")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Calibrated risks of one model.

    Attributes
    ----------
    name : str
    calls : DataFrame
        One row a call: call_id, caller_id, y (0/1), log_odds (of the calibrated risk, mean over repeats) and
        flagged (True where most repeats flag the call at the cut of its fold; missing where the table has no
        cut).
    design : str
    """

    name: str
    calls: pd.DataFrame
    design: str


def read_source(
    predictions: pd.DataFrame,
    name: str,
    *,
    protocol: str = "nested",
    model: str | None = None,
    design: str | None = None,
    positive: Sequence[str] = (),
) -> Source:
    """Take one model's calibrated call risks from a predictions table.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, binary or with several classes.
    name : str
        What the source is called in tables.
    protocol : str
    model : str, optional
        Needed where the table holds several.
    design : {'loco', 'grouped_kfold', 'holdout', 'external'}, optional
        Default: the first of these that the table has.
    positive : sequence of str
        With several classes: those whose risks add up to the risk of the event. Default: the last class.

    Returns
    -------
    Source

    Raises
    ------
    ValidationError
        Where no such rows exist, several models could be meant, or a call has no calibrated risk: raw scores
        of two models have different scales and cannot be added.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> ids = ["a", "b", "c", "d"]
    >>> table = pd.DataFrame({"protocol": "nested", "model": "m", "target": "outcome", "design": "loco",
    ...     "repeat": 0, "fold": range(4), "unit": "call", "call_id": ids, "caller_id": ids, "segment": None,
    ...     "frame": None, "time_s": None, "y": [0, 1, 0, 1], "p_raw": 0.5, "p": [0.2, 0.5, 0.3, 0.8],
    ...     "threshold": 0.4, "weight": 1.0})
    >>> read_source(table, "voice").calls["log_odds"].round(2).tolist()
    [-1.39, 0.0, -0.85, 1.39]
    """
    check_predictions(predictions)
    rows = predictions[(predictions["protocol"] == protocol) & (predictions["unit"] == "call")]
    if rows.empty:
        raise ValidationError(f"{name} holds no call rows of the protocol {protocol!r}.")
    rows, model = _one_model(rows, name, model)
    designs = [known for known in ORDER if (rows["design"] == known).any()]
    chosen = design or designs[0]
    if chosen not in designs:
        raise ValidationError(f"{name} has no rows of the design {chosen!r}; it has {', '.join(designs)}.")
    rows = rows[rows["design"] == chosen]
    p, y = _risk(rows, positive, name)
    lost = np.isnan(p)
    if lost.any():
        raise ValidationError(
            f"{name}, call {rows['call_id'].to_numpy()[lost][0]!r}: p is empty ({int(lost.sum())} rows). "
            "Fusion adds calibrated risks; take a protocol that recalibrates, such as nested."
        )
    cut = rows["threshold"].to_numpy(dtype=np.float64, na_value=np.nan)
    raw = rows["p_raw"].to_numpy(dtype=np.float64) if "p_raw" in rows else np.full(len(rows), np.nan)
    flagged = np.where(np.isnan(cut) | np.isnan(raw), np.nan, raw >= cut)
    table = pd.DataFrame(
        {
            "call_id": rows["call_id"].astype(str).to_numpy(),
            "caller_id": rows["caller_id"].astype(str).to_numpy(),
            "y": y,
            "log_odds": logit(p, CLIP),
            "flagged": flagged,
        }
    )
    calls = table.groupby(["call_id", "caller_id", "y"], as_index=False)[["log_odds", "flagged"]].mean()
    twice = calls["call_id"].duplicated()
    if twice.any():
        raise ValidationError(f"{name}: call {calls['call_id'][twice].iloc[0]!r} has two outcomes.")
    share = calls["flagged"]
    calls["flagged"] = (share > 0.5).astype("boolean").where(share.notna())
    return Source(name, calls.sort_values("call_id", ignore_index=True), chosen)


def _one_model(rows: pd.DataFrame, name: str, model: str | None) -> tuple[pd.DataFrame, str]:
    runs = rows[["model", "target"]].drop_duplicates()
    if model is not None:
        runs = runs[runs["model"] == model]
        if runs.empty:
            known = ", ".join(sorted(rows["model"].astype(str).unique()))
            raise ValidationError(f"{name} holds no model {model!r}; it holds {known}.")
    if len(runs) > 1:
        found = ", ".join(f"{m} ({t})" for m, t in runs.itertuples(index=False))
        raise ValidationError(f"{name} holds several models: {found}. Say which, as FILE:MODEL.")
    only = runs.iloc[0]
    keep = (rows["model"] == only["model"]) & (rows["target"] == only["target"])
    return rows[keep], str(only["model"])


def _risk(rows: pd.DataFrame, positive: Sequence[str], name: str) -> tuple[np.ndarray, np.ndarray]:
    classes = classes_of(rows)
    if not classes:
        if positive:
            raise ValidationError(f"{name} has two classes; leave out the names {', '.join(positive)}.")
        return rows["p"].to_numpy(dtype=np.float64, na_value=np.nan), rows["y"].to_numpy(dtype=np.int64)
    wanted = tuple(positive) or classes[-1:]
    unknown = [one for one in wanted if one not in classes]
    if unknown:
        raise ValidationError(f"{name} has no class {unknown[0]!r}; its classes are {', '.join(classes)}.")
    columns = [f"p_{one}" for one in wanted]
    p = rows[columns].to_numpy(dtype=np.float64, na_value=np.nan).sum(axis=1)
    return np.clip(p, 0.0, 1.0), rows["y"].astype(str).isin(wanted).to_numpy().astype(np.int64)
