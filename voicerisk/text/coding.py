"""From the items of the C-SSRS, or from several raters, to one class a session."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from voicerisk.errors import TextError
from voicerisk.text.messages import row_of

NS, SI, ASE = "NS", "SI", "ASE"
IDEATION = ("wish_dead", "active_thoughts")
ADVANCED = ("method", "intent", "plan", "preparation", "attempt")
CSSRS_ITEMS = (*IDEATION, *ADVANCED)
YES = frozenset({"1", "1.0", "true", "yes", "y", "ja"})
NO = frozenset({"0", "0.0", "false", "no", "n", "nein"})


def cssrs_to_class(items: Mapping[str, bool]) -> str:
    """Return NS, SI or ASE from the items of the Columbia-Suicide Severity Rating Scale.

    SI is "wish to be dead" or "non-specific active suicidal thoughts"; ASE is any item on a method, intent, a
    plan, preparation or an attempt, whatever the other items say.

    Parameters
    ----------
    items : mapping of str to bool
        Keys among wish_dead, active_thoughts, method, intent, plan, preparation, attempt.

    Raises
    ------
    TextError
        If an item is unknown, or there is none.

    Examples
    --------
    >>> cssrs_to_class({"wish_dead": True, "method": False}), cssrs_to_class({"plan": True})
    ('SI', 'ASE')
    """
    unknown = [name for name in items if name not in CSSRS_ITEMS]
    if unknown or not items:
        found = f"the unknown item {unknown[0]!r}" if unknown else "no item"
        raise TextError(f"The C-SSRS coding was given {found}; items are {', '.join(CSSRS_ITEMS)}.")
    if any(items.get(name, False) for name in ADVANCED):
        return ASE
    return SI if any(items.get(name, False) for name in IDEATION) else NS


def code_sessions(table: pd.DataFrame, source: Path) -> pd.Series:
    """Code each row of a table that holds columns of C-SSRS items.

    Parameters
    ----------
    table : DataFrame
        Item columns with yes/no, true/false or 1/0; columns that are no items are ignored.
    source : Path
        The file, for errors.

    Returns
    -------
    Series of str
        Missing where all items are empty.

    Raises
    ------
    TextError
        If an answer is neither yes nor no, or some items of a session are empty and no other item already
        makes it ASE: an empty answer is not a no.
    """
    columns = [name for name in CSSRS_ITEMS if name in table]
    codes: list[str | None] = []
    answered = table[columns].astype("string").fillna("").to_dict("records")
    # The index says which row of the file this is, also where rows of the same session were left out.
    for number, row in zip(table.index, answered, strict=True):
        answers: dict[str, bool] = {}
        for name, cell in row.items():
            value = str(cell).strip().lower()
            if value in YES or value in NO:
                answers[str(name)] = value in YES
            elif value not in ("", "na", "nan", "<na>", "none"):
                raise TextError(
                    f"{row_of(source, number, table)}, column {name}: the answer is neither yes nor no."
                )
        if not answers:
            codes.append(None)
            continue
        code = cssrs_to_class(answers)
        if len(answers) < len(columns) and code != ASE:
            empty = next(name for name in columns if name not in answers)
            raise TextError(
                f"{row_of(source, number, table)}: column {empty} is empty although other C-SSRS items are "
                f"answered; an "
                "empty answer is not a no, so fill it or empty the whole row."
            )
        codes.append(code)
    return pd.Series(codes, index=table.index, dtype="object")


def consensus(ratings: pd.DataFrame) -> pd.Series:
    """Return the class that more than half of a session's raters gave.

    Parameters
    ----------
    ratings : DataFrame
        session_id, rater, label; one row a session and rater.

    Returns
    -------
    Series of str, index session_id
        Missing where no class has more than half: the raters have to talk, as the paper's did.

    Raises
    ------
    TextError
        If a rater rated a session twice.
    """
    twice = ratings.duplicated(["session_id", "rater"])
    if twice.any():
        raise TextError(
            f"A rater rated a session more than once (rating {int(twice.to_numpy().argmax()) + 1} of the "
            "table); keep one."
        )

    def agreed(labels: pd.Series) -> str | None:
        counts = labels.value_counts()
        return str(counts.index[0]) if counts.iloc[0] * 2 > len(labels) else None

    return ratings.groupby("session_id", sort=True)["label"].agg(agreed)


def rating_matrix(ratings: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return sessions by raters with the class as its number in `classes`, NaN where not rated."""
    codes = {name: number for number, name in enumerate(classes)}
    table = ratings.assign(code=ratings["label"].map(codes))
    return table.pivot(index="session_id", columns="rater", values="code")
