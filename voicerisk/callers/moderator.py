"""The moderator: a column whose levels have curves of their own, where they have callers enough."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.errors import ModelError

SEX_WORDS = {"female": "female", "f": "female", "male": "male", "m": "male"}
MOST_LEVELS = 60  # the levels that a learner touches are kept as bits of one number
CROSSED = " x "  # between the names, and between the levels, of two columns that are crossed


@dataclass(frozen=True, slots=True)
class Moderator:
    """What moderates the effects of the markers.

    Attributes
    ----------
    name : str
        The column, 'sex' for example; two crossed columns are named 'sex x service'.
    levels : tuple of str
        All levels; a row's code is the place of its level here.
    shared : tuple of str
        Levels with too few callers for a curve of their own. They share the common curve.
    """

    name: str
    levels: tuple[str, ...]
    shared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        doubled = sorted({level for level in self.levels if self.levels.count(level) > 1})
        if doubled:
            raise ModelError(f"Moderator {self.name} lists the level {doubled[0]!r} more than once.")
        if len(self.levels) > MOST_LEVELS:
            raise ModelError(
                f"Moderator {self.name} has {len(self.levels)} levels; at most {MOST_LEVELS} can be "
                "modelled. Group them in fewer, for example age in bands."
            )
        unknown = [level for level in self.shared if level not in self.levels]
        if unknown:
            raise ModelError(f"Moderator {self.name} has no level {unknown[0]!r} that could be shared.")

    @property
    def own(self) -> tuple[str, ...]:
        """Levels with a curve of their own."""
        return tuple(level for level in self.levels if level not in self.shared)

    def among(self, present: Collection[str], learned: Collection[str]) -> Moderator | None:
        """Return the moderator of one fit, for rows that may lack a level.

        Parameters
        ----------
        present : collection of str
            Levels of the rows given, those held out too.
        learned : collection of str
            Levels of the rows that the fit learns from. A level that is present and not learned shares the
            common curve, so that its rows can be scored.

        Returns
        -------
        Moderator or None
            None where fewer than two levels have curves of their own.

        Examples
        --------
        >>> sex = Moderator("sex", ("X", "female", "male"))
        >>> sex.among(["female", "male", "X"], learned=["female", "male"]).shared
        ('X',)
        >>> SEX.among(["female"], ["female"]) is None
        True
        """
        levels = tuple(level for level in self.levels if level in present)
        shared = tuple(level for level in levels if level in self.shared or level not in learned)
        return Moderator(self.name, levels, shared) if len(levels) - len(shared) > 1 else None

    def codes(self, column: pd.Series, unseen: bool = False) -> NDArray[np.int8]:
        """Return the code of each row's level.

        Parameters
        ----------
        column : Series
            Levels as text or numbers; female/male/F/M in any case where the moderator is sex.
        unseen : bool
            Whether other levels are allowed; their code is the number of levels.

        Raises
        ------
        ModelError
            For a missing value or an unknown level, naming the row and the value.
        """
        # Few distinct values stand for millions of rows.
        place, values = pd.factorize(column, use_na_sentinel=False)
        texts = [level_text(value, self.name) for value in values]
        other = len(self.levels) if unseen else -1
        codes = np.array(
            [-1 if t is None else self.levels.index(t) if t in self.levels else other for t in texts], np.int8
        )
        of_rows = codes[place]
        unknown = np.flatnonzero(of_rows < 0)
        if len(unknown):
            row = int(unknown[0])
            raise ModelError(
                f"Column {column.name}, row {row}: {self.name} is {column.iloc[row]!r}; it must be one of "
                f"{', '.join(self.levels)}."
            )
        return np.asarray(of_rows, np.int8)


SEX = Moderator("sex", ("female", "male"))


def level_text(value: object, name: str) -> str | None:
    """Return a level as text, sexes spelt out; None where the value is missing.

    Parameters
    ----------
    value : object
        A cell of the moderator's column.
    name : str
        The column. Only in `sex` do female, male, F and M in any case mean 'female' and 'male'.

    Examples
    --------
    >>> level_text("F", "sex"), level_text("diverse", "sex"), level_text("F", "floor"), level_text(3, "floor")
    ('female', 'diverse', 'F', '3')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    text = str(value).strip()
    return SEX_WORDS.get(text.lower(), text) if name == "sex" else text


def moderator_of(name: str, column: Iterable[object]) -> Moderator:
    """Return the moderator with the levels that occur in a column, sorted.

    Raises
    ------
    ModelError
        For a missing value, naming the row.

    Examples
    --------
    >>> moderator_of("sex", ["M", "F", "diverse", "F"]).levels
    ('diverse', 'female', 'male')
    """
    place, values = pd.factorize(pd.Series(column, dtype="object"), use_na_sentinel=False)
    texts = [level_text(value, name) for value in values]
    if None in texts:
        row = int(np.flatnonzero(place == texts.index(None))[0])
        raise ModelError(f"Column {name}, row {row}: there is no level; give one, or leave the row out.")
    return Moderator(name, tuple(sorted({text for text in texts if text is not None})))


def with_enough_callers(
    moderator: Moderator, callers: Mapping[str, int], least: int
) -> tuple[Moderator | None, list[str]]:
    """Say which levels have callers enough for a curve of their own.

    Parameters
    ----------
    moderator : Moderator
    callers : mapping of str to int
        Number of callers of each level.
    least : int
        Callers that a level needs for a curve of its own.

    Returns
    -------
    moderator : Moderator or None
        With its shared levels; None where fewer than two levels have curves of their own, so that there is
        one curve for everyone.
    notes : list of str
        What a reader must be told.

    Examples
    --------
    >>> found, notes = with_enough_callers(moderator_of("sex", "FMX"), {"female": 9, "male": 8, "X": 1}, 5)
    >>> found.own, found.shared
    (('female', 'male'), ('X',))
    >>> notes
    ['sex: X (1 caller) has fewer than 5 callers and shares the common curve.']
    """
    few = tuple(level for level in moderator.levels if callers.get(level, 0) < least)
    own = [level for level in moderator.levels if level not in few]
    if len(moderator.levels) < 2:
        return None, [
            f"All callers are {moderator.levels[0]}: there is no effect of {moderator.name} to estimate."
        ]
    counted = ", ".join(f"{level} ({_counted(callers.get(level, 0))})" for level in few)
    has, shares = ("has", "shares") if len(few) == 1 else ("have", "share")
    if len(own) < 2:
        return None, [
            f"{moderator.name}: {counted} {has} fewer than {least} callers, so that fewer than two levels "
            "could have curves of their own; every caller shares the common curve."
        ]
    if not few:
        return moderator, []
    return Moderator(moderator.name, moderator.levels, few), [
        f"{moderator.name}: {counted} {has} fewer than {least} callers and {shares} the common curve."
    ]


def _counted(n: int) -> str:
    return f"{n} caller" if n == 1 else f"{n} callers"
