"""Tables that another program made: embeddings of sessions, or scores of any model.

No cell enters an error: where the wrong file was named, each may be what somebody wrote.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.errors import TextError
from voicerisk.intake import read_sheet
from voicerisk.intake.sheet import is_text
from voicerisk.text.messages import as_id

# Scores that were rounded to three decimals add up to this.
ROUNDED = 0.005


def read_embeddings(path: Path, session: str, ids: Sequence[str], ignored: Sequence[str] = ()) -> np.ndarray:
    """Read one vector a session.

    Parameters
    ----------
    path : Path
        CSV, `.xlsx` or Parquet: the session's id, and further columns that are all numbers. Several rows of a
        session (its messages) are averaged.
    session : str
        Name of the column of ids.
    ids : sequence of str
        Sessions that are studied; rows of others are not looked at.
    ignored : sequence of str
        Columns that are no part of the vector.

    Returns
    -------
    ndarray of float64, shape (n, d)
        In the order of `ids`.

    Raises
    ------
    TextError
        If a session has no row, a cell is no number, or there is no column of numbers.
    """
    table, names = _numbers(path, session, [], ignored)
    own = table[table["session_id"].isin(set(ids))]
    if own[names].isna().any(axis=None):
        raise TextError(f"{path.name}: an embedding has an empty cell; each needs all {len(names)} numbers.")
    means = own.groupby("session_id")[names].mean()
    return means.loc[_all_there(means.index, ids, path)].to_numpy(dtype=np.float64)


def read_scores(path: Path, session: str, ids: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Read one score a class and session.

    Parameters
    ----------
    path : Path
        CSV, `.xlsx` or Parquet: the session's id, and one column a class, in 0..1 and together 1. Other
        columns are not looked at.
    session : str
        Name of the column of ids.
    ids : sequence of str
    classes : sequence of str
        Names of the columns.

    Returns
    -------
    ndarray of float64, shape (n, k)
        In the order of `ids` and of `classes`.

    Raises
    ------
    TextError
        If a session has no row or two, or scores are no probabilities.
    """
    table, names = _numbers(path, session, list(classes), ())
    own = table[table["session_id"].isin(set(ids))]
    if own["session_id"].duplicated().any():
        raise TextError(f"{path.name}: a session has two rows of scores; one row a session.")
    scores = own.set_index("session_id")[names].loc[_all_there(own["session_id"], ids, path)].to_numpy()
    total = scores.sum(axis=1)
    # Written so that an empty cell counts as bad.
    bad = ~((scores >= 0).all(axis=1) & (scores <= 1).all(axis=1) & (np.abs(total - 1.0) <= ROUNDED))
    if bad.any():
        raise TextError(
            f"{path.name}: the scores of {int(bad.sum())} of {len(ids)} sessions are no probabilities; "
            f"{', '.join(classes)} must lie in 0..1 and add up to 1."
        )
    return np.asarray(scores / total[:, None])


def _numbers(
    path: Path, session: str, wanted: list[str], ignored: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    sheet = read_sheet(path, TextError, quote_names=False)
    for name in (session, *wanted):
        if name not in sheet.cells:
            raise TextError(f"{path.name} has no column {name} among its {len(sheet.cells.columns)} columns.")
    names = wanted or [str(n) for n in sheet.cells.columns if n not in (session, *ignored)]
    if not names:
        raise TextError(f"{path.name} has no column of numbers beside {session}.")
    columns: dict[str, object] = {"session_id": as_id(sheet.cells, session, path).to_numpy()}
    for number, name in enumerate(names, start=1):
        place = f"{path.name}: column {number} of the {len(names)} beside {session}"
        if not (is_text(sheet.cells[name]) or pd.api.types.is_numeric_dtype(sheet.cells[name])):
            raise TextError(f"{place} holds neither text nor numbers; each must be numbers.")
        found = sheet.numbers(name)
        if found.other.any():
            row = int(sheet.rows[int(found.other.argmax())])
            raise TextError(f"{place} holds text in row {row}; each must be numbers.")
        if found.doubt:
            raise TextError(f"{place} has numbers that can be read in two ways; write decimal points.")
        columns[name] = found.values
    return pd.DataFrame(columns), names


def _all_there(known: pd.Index | pd.Series, ids: Sequence[str], path: Path) -> list[str]:
    lost = len(set(ids) - set(known))
    if lost:
        raise TextError(f"{path.name} has no row for {lost} of {len(ids)} sessions; each needs one.")
    return list(ids)
