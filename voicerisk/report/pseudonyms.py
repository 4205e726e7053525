"""Names that stand for callers and calls in a report that leaves the house."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd


def pseudonyms(ids: Iterable[str], noun: str, salt: str) -> dict[str, str]:
    """Return a name for each id: 'caller 01', 'caller 02', ... in an order that says nothing.

    The order is that of a hash of salt and id, so that a report made again from the same study uses the same
    names. Whoever has the ids and the salt can undo it: these are pseudonyms, not anonymity.

    Examples
    --------
    >>> sorted(pseudonyms(["anna", "ben"], "caller", "study").values())
    ['caller 1', 'caller 2']
    """
    distinct = sorted(set(map(str, ids)))
    shuffled = sorted(distinct, key=lambda one: hashlib.sha256(f"{salt}\0{noun}\0{one}".encode()).digest())
    digits = len(str(len(shuffled)))
    return {one: f"{noun} {number:0{digits}d}" for number, one in enumerate(shuffled, start=1)}


@dataclass(frozen=True, slots=True)
class Veil:
    """Replaces ids by pseudonyms in tables and texts.

    Attributes
    ----------
    calls, callers : dict
        Id to name; empty dicts leave everything as it is.
    files : frozenset of str
        Names of recordings and label tracks, which texts must not hold either.
    """

    calls: dict[str, str] = field(default_factory=dict)
    callers: dict[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()

    def table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with ids replaced in `call_id` and `caller_id`; an unknown id becomes 'unknown'."""
        changed = {}
        for column, names in (("call_id", self.calls), ("caller_id", self.callers)):
            if names and column in table:
                changed[column] = table[column].astype(str).map(names).fillna("unknown")
        return table.assign(**changed)

    def text(self, text: str) -> str:
        """Return a text with every id that stands alone in it replaced, and every file name.

        An id that is a number, as in "call 12" or "left out: 12, 15.", is replaced where the text speaks of
        calls or callers, and at the end of a list; "in 12 of 40 folds" stays.
        """
        names = {**self.callers, **self.calls}
        if not names:
            return text
        for file in sorted(self.files, key=len, reverse=True):
            for form in dict.fromkeys((file, re.split(r"[\\/]", file)[-1])):
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "\0", text)  # a stand-in that is no id
        words = [one for one in names if not one.isdigit()]
        if words:
            text = _one_of(words).sub(lambda match: names[match.group(0)], text)
        numbers = [one for one in names if one.isdigit()]
        if numbers:
            number = _one_of(numbers)
            a_list = rf"{number.pattern}(?:(?:, | and ){number.pattern})*"
            for place in (
                rf"(?i)\b(?:calls?|callers?|id|ids)\b[ :(]*{a_list}",
                rf"(?<=: ){a_list}(?=[.;)]|, ?\.\.\.|$)",
                rf"(?<=['\"]){number.pattern}(?=['\"])",
            ):
                text = re.sub(place, lambda found: number.sub(lambda one: names[one[0]], found[0]), text)
        return text.replace("\0", "a file")


def _one_of(ids: Iterable[str]) -> re.Pattern[str]:
    every = "|".join(re.escape(one) for one in sorted(ids, key=len, reverse=True))
    return re.compile(rf"(?<![\w.])(?:{every})(?!\w|\.\d)")
