"""Reading the table `[multitask]` of a study file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voicerisk.deep.multitask.settings import (
    HAMD,
    SAD_PERSONS,
    MultitaskSettings,
    NetworkSettings,
    SoundSettings,
    TargetSettings,
)
from voicerisk.errors import StudyError
from voicerisk.pipeline.study_file import read_study_file, settings_of


@dataclass(frozen=True, slots=True)
class MultitaskStudy:
    """A multitask study, read and checked.

    Parameters
    ----------
    path : Path
        The study file; relative names in it resolve from its folder.
    settings : MultitaskSettings
    digest : str
        SHA-256 of the file's bytes.
    """

    path: Path
    settings: MultitaskSettings
    digest: str

    @property
    def folder(self) -> Path:
        """The folder from which relative paths resolve."""
        return self.path.parent


def load_multitask_study(path: Path | str, preset: str | None = None) -> MultitaskStudy:
    """Read and check the `[multitask]` table of a study file.

    Parameters
    ----------
    path : Path or str
    preset : {'default', 'paper', 'both'}, optional
        In place of the file's.

    Returns
    -------
    MultitaskStudy

    Raises
    ------
    VoiceriskError
        If the file is missing, is no TOML, or has an unknown key or value.

    Examples
    --------
    >>> load_multitask_study("study.toml").settings  # doctest: +SKIP
    """
    path, tables, digest = read_study_file(path)
    if not isinstance(tables.get("multitask"), dict):
        raise StudyError(
            f'{path.name} has no table [multitask]; it must at least name cases = "cases.csv" and an input.'
        )
    own: dict[str, Any] = dict(tables["multitask"])
    for name, standard in (("severity", HAMD), ("risk", SAD_PERSONS)):
        given = own.get(name, {})
        # Other classes have other cuts; what is not said of them is not taken from another scale.
        base = {"column": standard.column} if {"classes", "cuts"} & set(given) else asdict(standard)
        own[name] = settings_of(path.name, f"multitask.{name}", TargetSettings, base | given)
    for name, room in (("sound", SoundSettings), ("network", NetworkSettings)):
        own[name] = settings_of(path.name, f"multitask.{name}", room, own.get(name, {}))
    if preset is not None:
        own["preset"] = preset
    settings = settings_of(path.name, "multitask", MultitaskSettings, own)
    return MultitaskStudy(path, settings, digest)
