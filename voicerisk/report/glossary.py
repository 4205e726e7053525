"""The glossary in the report: a term links to what it means, where it stands first in a section."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from voicerisk.figures.wording import in_units

# Of the glossary, what nobody looks up in a report: as links they would only be in the way.
PLAIN = frozenset((
    "audit", "call", "caller", "cut", "family", "fold", "label", "ladder", "leak",
    "marker", "member", "outcome", "risk", "rung", "score", "segment", "span", "spectrum",
))  # fmt: skip


@cache
def glossary() -> dict[str, str]:
    """Return each term of the documentation's glossary with its meaning, as plain text.

    Examples
    --------
    >>> glossary()["EDF"].startswith("Effective degrees of freedom")
    True
    """
    page = (files("voicerisk.report") / "glossary.md").read_text(encoding="utf-8")
    block = page.partition("```{glossary}\n")[2].partition("\n```")[0]
    found: dict[str, str] = {}
    for entry in block.split("\n\n"):
        lines = entry.strip("\n").split("\n")
        meaning = " ".join(line.strip() for line in lines if line.startswith("  ")).replace("`", "")
        found |= {line: meaning for line in lines if line and not line.startswith("  ")}
    return found


def place_of(term: str) -> str:
    """Return the id of a term's entry on the page."""
    return "term-" + re.sub(r"[^a-z0-9]+", "-", term.lower()).strip("-")


class Linker:
    """Links the first mention of each term in a section; remembers which terms the page has.

    Parameters
    ----------
    labels : mapping of str to str, optional
        Those of the study; one of chats says sessions and users where the glossary says calls and callers.
    """

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        own = labels or {}
        self._meaning = {
            in_units(term, own): in_units(meaning, own)
            for term, meaning in glossary().items()
            if term not in PLAIN
        }
        self._terms = {term.lower(): term for term in self._meaning}
        longest_first = sorted(self._terms, key=len, reverse=True)
        words = "|".join(re.escape(term) for term in longest_first)
        # Not inside a tag, a code span or a longer word.
        self._pattern = re.compile(rf"<[^>]*>|(?<![\w-])(?P<term>{words})(?![\w-])", re.IGNORECASE)
        self._here: set[str] = set()
        self._used: set[str] = set()

    def begin(self) -> str:
        """Begin a section: terms are linked again. Returns nothing to print."""
        self._here = set()
        return ""

    def __call__(self, text: str) -> Any:
        """Return escaped HTML with its terms linked; text between backticks is code."""
        from markupsafe import Markup, escape

        parts = re.split(r"`([^`]+)`", str(escape(text)))
        out = [
            f"<code>{part}</code>" if n % 2 else self._pattern.sub(self._link, part)
            for n, part in enumerate(parts)
        ]
        return Markup("".join(out))

    def entries(self) -> Iterator[tuple[str, str, str]]:
        """Yield id, term and meaning of the terms that the page has linked, in alphabetical order."""
        for term in sorted(self._used, key=str.lower):
            yield place_of(term), term, self._meaning[term]

    def _link(self, match: re.Match[str]) -> str:
        said = match["term"]
        if said is None:
            return match[0]
        term = self._terms[said.lower()]
        if term in self._here:
            return said
        self._here.add(term)
        self._used.add(term)
        from markupsafe import escape

        return f'<a class="term" href="#{place_of(term)}" title="{escape(self._meaning[term])}">{said}</a>'
