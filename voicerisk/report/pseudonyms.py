"""Names that stand for callers and calls in a report that leaves the house."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from voicerisk.report.secrets import Secrets

WITHHELD = "(names a call, a caller, a file or a label: see the results folder)"


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
    # A pseudonym must not be somebody's id.
    forms = (f"{noun} ", f"{noun}-", f"{noun} no. ", f"{noun}#")
    stem = next(
        (form for form in forms if not any(one.startswith(form) for one in distinct)), f"pseudonymous {noun} "
    )
    shuffled = sorted(distinct, key=lambda one: hashlib.sha256(f"{salt}\0{noun}\0{one}".encode()).digest())
    digits = len(str(len(shuffled)))
    return {one: f"{stem}{number:0{digits}d}" for number, one in enumerate(shuffled, start=1)}


@dataclass(frozen=True, slots=True)
class Veil:
    """Replaces ids by pseudonyms in the columns of tables, and withholds texts that hold one.

    Attributes
    ----------
    calls, callers : dict
        Id to name; empty dicts leave everything as it is.
    secrets : Secrets or None
        What no text may hold.
    """

    calls: dict[str, str] = field(default_factory=dict)
    callers: dict[str, str] = field(default_factory=dict)
    secrets: Secrets | None = None

    def table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with ids replaced in `call_id` and `caller_id`; an unknown id becomes 'unknown'."""
        changed = {}
        for column, names in (("call_id", self.calls), ("caller_id", self.callers)):
            if names and column in table:
                changed[column] = table[column].astype(str).map(names).fillna("unknown")
        return table.assign(**changed)

    def text(self, text: str) -> str:
        """Return a text as it is, or, where it names a call, a caller, a file or a label, a sentence instead.

        Nothing is replaced within prose: "all: 12" counts, and a pseudonym in it would tell whom it means.
        """
        if self.secrets is None or self.secrets.found_in(text) is None:
            return text
        return WITHHELD
