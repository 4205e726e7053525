"""The study file: TOML in, one frozen settings object a room out; unknown keys are errors."""

import dataclasses
import difflib
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicerisk.audio import AudioSettings
from voicerisk.biomarkers import BiomarkerSettings
from voicerisk.cohort import CohortSettings
from voicerisk.errors import StudyError
from voicerisk.models import BoostSettings, GammSettings
from voicerisk.screening import ScreeningSettings
from voicerisk.validation import ValidationSettings

_ROOMS: dict[str, type] = {
    "cohort": CohortSettings,
    "audio": AudioSettings,
    "biomarkers": BiomarkerSettings,
    "screening": ScreeningSettings,
    "gamm": GammSettings,
    "boost": BoostSettings,
    "validation": ValidationSettings,
}
# Tables that other commands read, and free text that a reporting checklist asks of a person.
_OTHER_TABLES = ("report", "text", "multitask")


@dataclass(frozen=True, slots=True)
class Study:
    """A study file, read and checked.

    Attributes
    ----------
    path : Path
        The study file. Relative paths inside it resolve from its folder.
    cohort, audio, biomarkers, screening, gamm, boost, validation
        The settings of each room, defaults filled in.
    report : dict
        Free text by checklist item.
    digest : str
        SHA-256 of the file's bytes.
    """

    path: Path
    cohort: CohortSettings
    audio: AudioSettings
    biomarkers: BiomarkerSettings
    screening: ScreeningSettings
    gamm: GammSettings
    boost: BoostSettings
    validation: ValidationSettings
    report: dict[str, Any]
    digest: str

    @property
    def folder(self) -> Path:
        """The folder from which relative paths resolve."""
        return self.path.parent

    def as_dict(self) -> dict[str, Any]:
        """Return all settings, defaults included, as plain values for the manifest."""
        return {room: plain(getattr(self, room)) for room in _ROOMS} | {"report": self.report}


def plain(value: Any) -> Any:
    """Turn settings into values that JSON knows; the order of keys is the order of fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return value.as_posix()
    return value


def load_study(path: Path | str) -> Study:
    """Read and check a study file.

    Parameters
    ----------
    path : Path or str
        A TOML file with the tables `[cohort]`, `[audio]`, `[biomarkers]`, `[screening]`, `[gamm]`, `[boost]`,
        `[validation]` and `[report]`; only `[cohort] calls` has no default.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        If the file is missing, is no TOML, or has an unknown table, key or value; the message names the
        nearest known one.
    """
    path, tables, digest = read_study_file(path)
    known = [*_ROOMS, *_OTHER_TABLES]
    for name, table in tables.items():
        if name not in known:
            raise StudyError(f"{path.name} has the unknown table [{name}]{_nearest(name, known)}.")
        if not isinstance(table, dict):
            raise StudyError(f"{path.name}: {name} must be a table, written as [{name}].")
    if "cohort" not in tables:
        raise StudyError(
            f'{path.name} has no table [cohort]; it must at least name the calls table: calls = "calls.csv".'
        )

    rooms = {name: settings_of(path.name, name, room, tables.get(name, {})) for name, room in _ROOMS.items()}
    moderator = rooms["cohort"].moderator
    if moderator != "sex":
        raise StudyError(
            f"{path.name}, [cohort]: moderator = {moderator!r} cannot be modelled yet; leave it out."
        )
    within = rooms["validation"].strata
    known_strata = ("outcome", "sex", *rooms["cohort"].strata)
    for name in within:
        if name not in known_strata:
            raise StudyError(
                f"{path.name}, [validation] strata: {name!r} is neither outcome, sex nor in [cohort] strata; "
                "add it there."
            )
    return Study(path=path, report=tables.get("report", {}), digest=digest, **rooms)


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
    try:
        tables = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise StudyError(f"{path.name} is not valid TOML: {problem}.") from None
    return path, tables, hashlib.sha256(raw).hexdigest()


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
            raise StudyError(f"{file} has the unknown key {key} in [{name}]{_nearest(key, known)}.")
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


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
