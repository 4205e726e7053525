"""Ids that look alike: one person under two ids breaks leave-one-caller-out without a sign."""

import re
import unicodedata
from collections.abc import Iterable

# Letters of Cyrillic and Greek that look like a Latin one.
TWINS = str.maketrans("авекмнорстухіјѕαβεηικμνορτυχ", "abekmhopctyxijsabeniкmvoptux".replace("к", "k"))
RUNS = re.compile(r"\d+|[^\W\d_]+")
WHOLE = re.compile(r"0*(\d+)[.,]0+")
DAMAGED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+\d+")


def near_key(name: str) -> tuple[str, ...]:
    """Return what is left of an id without case, accents, leading zeros, blanks and punctuation.

    Two ids with the same key look alike. Digits that punctuation parts stay apart: 1-12 is not 11-2.

    Examples
    --------
    >>> near_key("007") == near_key("7"), near_key("A17") == near_key("a-17")
    (True, True)
    >>> near_key("1-12") == near_key("11-2")
    False
    """
    whole = WHOLE.fullmatch(name)
    if whole:
        name = whole[1]
    name = "".join(sign for sign in name if unicodedata.category(sign) != "Sk")  # accents beside their letter
    plain = unicodedata.normalize("NFKD", name).casefold().translate(TWINS)
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    runs = RUNS.findall(plain)
    return tuple(str(int(run)) if run.isdecimal() and len(run) < 4000 else run for run in runs) or (name,)


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return groups of two or more different ids that look alike, in the order of first appearance.

    Examples
    --------
    >>> look_alikes(["p1", "p2", "P01", "p2"])
    [('p1', 'P01')]
    """
    groups: dict[tuple[str, ...], dict[str, None]] = {}
    for name in names:
        groups.setdefault(near_key(name), {})[name] = None
    return [tuple(group) for group in groups.values() if len(group) > 1]


def is_damaged(name: str) -> bool:
    """Tell whether a spreadsheet has cut an id of digits (4.91765E+12), or an encoding has lost a letter."""
    return DAMAGED.fullmatch(name) is not None or "\ufffd" in name
