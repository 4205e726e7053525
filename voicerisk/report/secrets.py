"""What must not leave with a shared copy: ids, names of files and folders, texts of labels."""

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from voicerisk.report.gather import Results

# Words of the tables and pages themselves: whoever uses one as an id or a label text reveals nothing by it.
OUR_WORDS = frozenset(
    re.findall(
        r"\S+",
        """all call caller calls callers client counsellor agent patient speaker speech voice silence noise
        female male sex outcome segment frame fold nested published none unknown yes no true false left right
        other text label labels file calls.csv study.toml results data home audio sound wav""",
    )
)
_RUN = re.compile(r"\w+")  # what str.isalnum() takes, and the underscore
_LEAST = 2  # letters of a name that is looked for
_NUMBERED = re.compile(
    r"(?i)\b(?:calls?|callers?|ids?|sessions?|users?)\b[ :(#'\"]*((?:[\w-]+['\"]?(?:, ?| and )?['\"]?)+)"
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Texts that tell who a caller is.

    Attributes
    ----------
    words : tuple of str
        Ids that are no numbers, names of files, folders as they stand in paths, labels of several words.
    cells : frozenset of str
        Labels of one plain word, which prose may hold by chance and a cell does not.
    numbers : frozenset of str
        Ids that are numbers: "12" stands everywhere, and says something only where a text speaks of calls.
    """

    words: tuple[str, ...]
    cells: frozenset[str]
    numbers: frozenset[str]
    _by_start: dict[str, dict[int, set[str]]] = field(init=False, repr=False, compare=False)
    _odd: list[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the words by the letters and digits they begin with, so that a text is walked once for all."""
        by_start: dict[str, dict[int, set[str]]] = {}
        odd = []
        for one in self.words:
            start = _RUN.match(one)
            if start is None:
                odd.append(one)
            else:
                by_start.setdefault(start[0], {}).setdefault(len(one), set()).add(one)
        object.__setattr__(self, "_by_start", by_start)
        object.__setattr__(self, "_odd", odd)

    def found_in(self, text: str) -> str | None:
        """Return a secret that a text holds as a word of its own; None without one."""
        for run in _RUN.finditer(text) if self._by_start else ():
            for length, words in self._by_start.get(run[0], {}).items():
                one = text[run.start() : run.start() + length]
                if one in words and _ends(one, text, run.start() + length):
                    return one
        for one in self._odd:
            place = text.find(one)
            while place >= 0:
                if _ends(one, text, place + len(one)):
                    return one
                place = text.find(one, place + 1)
        if self.numbers:
            for match in _NUMBERED.finditer(text):
                for number in re.findall(r"[\w-]+", match[1]):
                    if number in self.numbers:
                        return number
        return None


def _ends(word: str, text: str, end: int) -> bool:
    """Say whether a word that stands in a text ends there, and does not go on."""
    return not (_joins(word[-1]) and _joins(text[end : end + 1]))


def _joins(sign: str) -> bool:
    return bool(sign) and (sign.isalnum() or sign == "_")


def secrets_of(results: Results, study_dir: Path, allow: Iterable[str] = ()) -> Secrets:
    """Return what a finished study knows of its callers, those who were left out as well.

    Parameters
    ----------
    results : Results
    study_dir : Path
        Results folder, for the list of exclusions and for the calls table that it was made from, where that
        can still be found.
    allow : iterable of str
        Ordinary words that happen to be an id or the text of a label.
    """
    ids: set[str] = set()
    names: set[str] = set()
    labels: set[str] = set()
    for table in _tables(results, study_dir):
        for column in ("call_id", "caller_id", "rater"):
            if column in table:
                ids |= set(table[column].dropna().astype(str))
        for column in ("file", "labels", "path", "source_file"):
            if column in table:
                names |= _of_paths(table[column].dropna().astype(str))
        if "label" in table:
            labels |= set(table["label"].dropna().astype(str))
    cohort = results.manifest.get("settings", {}).get("cohort", {})
    labels |= {str(text) for text in cohort.get("labels") or ()}
    names |= _of_paths(str(cohort[key]) for key in ("root", "calls") if cohort.get(key))
    names |= {f"{study_dir.resolve().parent}/"}
    kept = frozenset(word.casefold() for word in (*OUR_WORDS, *allow))

    def looked_for(texts: set[str]) -> set[str]:
        stripped = {text.strip() for text in texts}
        return {one for one in stripped if len(one) >= _LEAST and one.casefold() not in kept}

    plain = {one for one in looked_for(labels) if one.isalpha() and one.islower()}
    every = looked_for(ids | names) | (looked_for(labels) - plain)
    numbers = {one for one in every if one.isdigit()}
    return Secrets(tuple(sorted(every - numbers)), frozenset(plain), frozenset(numbers))


def _tables(results: Results, study_dir: Path) -> list[pd.DataFrame]:
    tables = [results.calls, results.segments]
    tables += [part for table, parts in results.figures.values() for part in (table, *parts.values())]
    for place in (study_dir / "exclusions.csv", study_dir / "channel.csv", *_brought(study_dir)):
        if place.is_file():
            try:
                tables.append(pd.read_csv(place, dtype=str, keep_default_na=False, sep=None, engine="python"))
            except (ValueError, pd.errors.ParserError):
                continue  # a table of another kind; its ids are those of calls.csv
    callers = [
        pd.DataFrame({"caller_id": list(map(str, record.get("callers", [])))})
        for record in results.provenance.values()
    ]
    return [table for table in (*tables, *callers) if table is not None]


def _brought(study_dir: Path) -> list[Path]:
    """Return the calls table that the study was made from, where the results still lead to it."""
    try:
        origin = json.loads((study_dir / ".state" / "origin.json").read_text(encoding="utf-8"))
        manifest = json.loads((study_dir / "manifest.json").read_text(encoding="utf-8"))
        return [(study_dir / origin["study"]).parent / manifest["settings"]["cohort"]["calls"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _of_paths(names: Iterable[str]) -> set[str]:
    """Return the names of files, and of the folders on the way as they stand in a path."""
    found: set[str] = set()
    for name in names:
        *folders, file = re.split(r"[\\/]", name)
        found |= {file} | {f"{folder}/" for folder in folders if folder not in ("", ".", "..")}
    return found


def first_found(secrets: Secrets, path: Path) -> str | None:
    """Return the first secret that a file of text holds, however it is written there."""
    raw = path.read_text(encoding="utf-8")
    forms = [raw]
    if path.suffix == ".json":
        forms.append("\n".join(_strings(json.loads(raw))))
    elif path.suffix == ".html":
        # What is drawn: scripts and styles are the package's own.
        plain = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", raw)
        forms = [plain, html.unescape(re.sub(r"<[^>]*>", " ", plain))]
    found = next((found for form in forms if (found := secrets.found_in(form)) is not None), None)
    if found is None and path.suffix in (".csv", ".json"):
        cells = _cells(path) if path.suffix == ".csv" else _strings(json.loads(raw))
        found = next((cell for cell in cells if cell in secrets.cells), None)
    return found


def _cells(path: Path) -> Iterable[str]:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in table:
        yield from table[column].unique()


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str):
        yield value


def telling_column(column: pd.Series, calls: pd.DataFrame, secrets: Secrets) -> str | None:
    """Say why a column of the calls table would tell who is who; None where it does not.

    Parameters
    ----------
    column : Series
        As long as `calls`.
    calls : DataFrame
        With call_id and caller_id.
    secrets : Secrets
    """
    values = column.dropna().astype(str).str.strip()
    values = values[values != ""]
    own = pd.concat([calls[name].astype(str) for name in ("call_id", "caller_id") if name in calls], axis=1)
    same = own.loc[values.index].eq(values, axis=0).any(axis=1)
    if same.mean() > 0.1:
        return "holds the ids of its rows"
    words = {*secrets.words, *secrets.cells}
    files = {PurePath(word).stem for word in words if PurePath(word).suffix} - {""}
    if any(one in words or (one in files and not one.isdigit()) for one in values.unique()):
        return "holds ids, file names or label texts"
    if pd.api.types.is_numeric_dtype(column.dtype) or "caller_id" not in calls:
        return None
    callers = calls.loc[values.index, "caller_id"]
    if callers.nunique() >= 5 and values.groupby(callers).first().nunique() >= 0.9 * callers.nunique():
        return "holds another text for nearly every caller"
    return None
