"""Who the callers were: the first table of every paper."""

from collections.abc import Mapping, Sequence

import pandas as pd

from voicerisk.figures.wording import NO_LABELS, need
from voicerisk.report.tables.formats import count, mean_sd, median_iqr, share
from voicerisk.report.tables.publication import SEXES, PublicationTable


def cohort_characteristics(
    calls: pd.DataFrame,
    segments: pd.DataFrame | None = None,
    *,
    columns: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
) -> PublicationTable:
    """Return who the callers were, by outcome and sex.

    Parameters
    ----------
    calls : DataFrame
        Columns call_id, caller_id, sex, outcome (0/1, or grades or a number), and those named by `columns`.
    segments : DataFrame, optional
        Columns call_id, start_s, end_s, n_frames: adds segments a call, their length, and frames.
    columns : sequence of str
        Further columns of `calls`: numbers become mean (SD), texts one row a value.
    labels : mapping of str to str
        Display names of those columns and of outcomes ('0', '1').

    Returns
    -------
    PublicationTable
        One column for all, and one for each outcome and sex that occurs; of grades or a number by sex alone.

    Raises
    ------
    ReportError
        If columns are missing or there is no call.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> calls = load_example().drop_duplicates("call_id")
    >>> cohort_characteristics(calls).cells.columns.tolist()
    ['Characteristic', 'All', 'Outcome 1, women', 'Outcome 1, men', 'Outcome 0, women', 'Outcome 0, men']
    """
    need(calls, ["call_id", "caller_id", "sex", "outcome", *columns], "cohort characteristics")
    groups: dict[str, pd.DataFrame] = {"All": calls}
    binary = set(calls["outcome"]) <= {0, 1}
    for outcome in (1, 0) if binary else ():
        for sex in (*SEXES, *sorted(set(calls["sex"].astype(str)) - set(SEXES))):
            part = calls[(calls["outcome"] == outcome) & (calls["sex"].astype(str) == sex)]
            if len(part):
                named = SEXES[sex].lower() if sex in SEXES else f"sex {sex}"
                groups[f"{labels.get(str(outcome), f'Outcome {outcome}')}, {named}"] = part
    if not binary:
        for sex, part in calls.groupby(calls["sex"].astype(str)):
            groups[SEXES.get(str(sex), f"Sex {sex}")] = part
    rows: dict[str, list[str]] = {
        "Callers, n": [count(part["caller_id"].nunique()) for part in groups.values()],
        "Calls, n": [count(len(part)) for part in groups.values()],
        "Calls a caller, median (IQR)": [
            median_iqr(part["caller_id"].value_counts()) for part in groups.values()
        ],
    }
    if not binary:
        rows["Outcome, median (IQR)"] = [median_iqr(part["outcome"]) for part in groups.values()]
    for column in columns:
        rows |= _characteristic(groups, column, labels.get(column, column.capitalize()))
    if segments is not None:
        need(segments, ["call_id", "start_s", "end_s", "n_frames"], "cohort characteristics, segments")
        rows |= _speech(groups, segments)
    cells = pd.DataFrame(
        [[name, *values] for name, values in rows.items()], columns=["Characteristic", *groups]
    )
    notes = ["Callers with calls of both outcomes count in both."] if binary and _mixed(calls) else []
    notes.append("IQR: first to third quartile.")
    by = "outcome and sex" if binary else "sex"
    return PublicationTable("cohort", f"Characteristics of the cohort by {by}", cells, tuple(notes))


def _mixed(calls: pd.DataFrame) -> bool:
    return bool((calls.groupby("caller_id")["outcome"].nunique() > 1).any())


def _characteristic(groups: Mapping[str, pd.DataFrame], column: str, label: str) -> dict[str, list[str]]:
    everyone = next(iter(groups.values()))[column]
    if pd.api.types.is_numeric_dtype(everyone) and not pd.api.types.is_bool_dtype(everyone):
        return {f"{label}, mean (SD)": [mean_sd(part[column]) for part in groups.values()]}
    texts = {
        name: part[column].astype("string").fillna("").replace("", "not stated")
        for name, part in groups.items()
    }
    values = sorted(next(iter(texts.values())).unique())
    return {
        f"{label}: {value}, n/N (%)": [
            share(int((text == value).sum()), len(text)) for text in texts.values()
        ]
        for value in values
    }


def _speech(groups: Mapping[str, pd.DataFrame], segments: pd.DataFrame) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {
        "Segments a call, median (IQR)": [],
        "Segment length in s, median (IQR)": [],
        "Frames a call, median (IQR)": [],
        "Frames, n": [],
    }
    for part in groups.values():
        mine = segments[segments["call_id"].isin(part["call_id"])]
        by_call = mine.groupby("call_id")
        frames = by_call["n_frames"].sum()
        values = [
            median_iqr(by_call.size()),
            median_iqr(mine["end_s"] - mine["start_s"], 2),
            median_iqr(frames, 0),
            count(frames.sum()),
        ]
        for cells, value in zip(rows.values(), values, strict=True):
            cells.append(value)
    return rows
