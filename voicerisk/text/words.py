"""Which words matter over many sessions; rare words, which may name a person, are left out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.errors import TextError
from voicerisk.text.messages import read_table, row_of

COLUMNS = ("class", "word", "n_sessions", "n_uses", "mean", "mean_absolute")


def word_table(
    contributions: pd.DataFrame, classes: Sequence[str], min_sessions: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Gather the contributions of words over sessions.

    Parameters
    ----------
    contributions : DataFrame
        session_id, user_id, word, and one column a class: what the word added in that place.
    classes : sequence of str
    min_sessions : int
        A word that sessions of fewer users use is left out, so that no rare word (a name, a place, a drug)
        points at a person.

    Returns
    -------
    table : DataFrame
        class, word, n_sessions, n_uses, mean, mean_absolute (per use); strongest first in each class.
    suppressed : dict
        'words' and 'uses' that were left out.
    """
    grouped = contributions.groupby("word", sort=True)
    users = grouped["user_id"].nunique()
    kept = users.index[users >= min_sessions]
    inside = contributions[contributions["word"].isin(kept)]
    parts = []
    for name in classes:
        by_word = inside.groupby("word", sort=True)
        table = pd.DataFrame(
            {
                "class": name,
                "n_sessions": by_word["session_id"].nunique(),
                "n_uses": by_word.size(),
                "mean": by_word[name].mean(),
                "mean_absolute": by_word[name].agg(_mean_absolute),
            }
        ).reset_index()
        parts.append(table.sort_values(["mean", "word"], ascending=[False, True]))
    joined = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    gone = {"words": int((users < min_sessions).sum()), "uses": len(contributions) - len(inside)}
    return joined[list(COLUMNS)], gone


def _mean_absolute(values: pd.Series) -> float:
    return float(np.abs(values).mean())


def read_lexicons(path: Path) -> dict[str, frozenset[str]]:
    """Read categories of words (self-reference, negation, ...): columns category and word.

    Raises
    ------
    TextError
        If a column is missing or a cell is empty.
    """
    table = read_table(path)
    for column in ("category", "word"):
        if column not in table:
            raise TextError(f"{path.name} has no column {column}; lexicons have category and word.")
        empty = table[column].astype(str).str.strip() == ""
        if empty.any():
            raise TextError(f"{row_of(path, int(empty.to_numpy().argmax()), table)}: {column} is empty.")
    grouped = table.groupby("category", sort=True)["word"]
    return {str(name): frozenset(str(word).strip().lower() for word in part) for name, part in grouped}


def category_table(
    contributions: pd.DataFrame, lexicons: Mapping[str, frozenset[str]], classes: Sequence[str]
) -> pd.DataFrame:
    """Gather contributions by category of a lexicon.

    Returns
    -------
    DataFrame
        class, category, n_sessions, n_uses, mean (per use), per_session (sum, over sessions that use it); a
        category nobody uses has n_uses 0.
    """
    rows = []
    for name in classes:
        for category, words in lexicons.items():
            mine = contributions[contributions["word"].isin(words)]
            n = mine["session_id"].nunique()
            total = float(mine[name].sum())
            rows.append(
                {
                    "class": name, "category": category, "n_sessions": n, "n_uses": len(mine),
                    "mean": total / len(mine) if len(mine) else np.nan,
                    "per_session": total / n if n else np.nan,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
