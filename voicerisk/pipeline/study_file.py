"""How any study file (voice, chats, multitask) is read: TOML to settings objects; unknown keys are errors."""

import dataclasses
import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voicerisk.errors import StudyError
from voicerisk.intake.decoding import decoded


def as_json(value: Any) -> Any:
    """Turn settings into values that JSON knows; the order of keys is the order of fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, Path):
        return value.as_posix()
    return value


def read_study_file(path: Path | str) -> tuple[Path, dict[str, Any], str]:
    """Read the tables of a study file, whatever kind of study it describes.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    path : Path
        Absolute.
    tables : dict
    digest : str
        SHA-256 of the file's bytes.

    Raises
    ------
    StudyError
        If the file is missing or is no TOML.
    """
    path = Path(path).absolute()
    if path.is_dir():
        raise StudyError(f"{path} is a folder; name the study file in it, for example {path / 'study.toml'}.")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise StudyError(
            f"There is no study file {path}; `voicerisk simulate DIR` writes an example."
        ) from None
    text = decoded(raw, path, StudyError)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise StudyError(
            f"{path.name} is not valid TOML: {problem}{_backslash(text, str(problem))}."
        ) from None
    except RecursionError:
        raise StudyError(f"{path.name} is not valid TOML: brackets are nested too deeply.") from None
    for place, value in _texts(tables):
        if CONTROL.search(value) and not place.startswith("report."):
            raise StudyError(
                f"{path.name}: {place} holds {value!r}, in which a backslash and a letter became a sign "
                f"that is no "
                f"letter; {SLASHES}."
            )
    return path, tables, hashlib.sha256(raw).hexdigest()


SLASHES = "write folders with /, or the text in single quotes"
CONTROL = re.compile(r"[\x07\x08\t\x0b\x0c\x1b]")


def _backslash(text: str, problem: str) -> str:
    """Return a hint where the line that is no TOML holds a backslash, as a path of Windows does."""
    found = re.search(r"at line (\d+)", problem)
    lines = text.splitlines()
    line = lines[min(int(found[1]), len(lines)) - 1] if found and lines else ""
    return f"; a backslash has a meaning in double quotes: {SLASHES}" if "\\" in line else ""


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of the tables with the keys that lead to it."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, place)


def settings_of(file: str, name: str, room: type, table: dict[str, Any]) -> Any:
    """Return the settings of a room from its table in a study file.

    Parameters
    ----------
    file, name : str
        Names of the file and the table, for errors.
    room : type
        A dataclass of settings.
    table : dict

    Raises
    ------
    StudyError
        If a key is unknown or missing, or a value of the wrong kind.
    """
    if not isinstance(table, dict):
        raise StudyError(f"{file}: {name} must be a table, written as [{name}].")
    fields = dataclasses.fields(room)
    known = [field.name for field in fields]
    for key in table:
        if key not in known:
            raise StudyError(f"{file} has the unknown key {key} in [{name}]{nearest(key, known)}")
    for field in fields:
        has_default = (
            field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        )
        if not has_default and field.name not in table:
            raise StudyError(f"{file} lacks the key {field.name} in [{name}].")
    try:
        return room(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
        )
    except (TypeError, ValueError) as problem:
        raise StudyError(f"{file}, [{name}]: {problem}") from None


def nearest(word: str, known: list[str]) -> str:
    """End a sentence about an unknown word: name the known word that it resembles, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}."
