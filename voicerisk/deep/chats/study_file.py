"""Reading the table `[text]` of a study file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicerisk.errors import StudyError
from voicerisk.pipeline.study_file import as_json, read_study_file, settings_of
from voicerisk.text.settings import ExplainSettings, NetworkSettings, TextSettings


@dataclass(frozen=True, slots=True)
class TextStudy:
    """A study of text, read and checked.

    Attributes
    ----------
    path : Path
        The study file; relative names in it resolve from its folder.
    text : TextSettings
    report : dict
        Free text by checklist item.
    digest : str
        SHA-256 of the file's bytes.
    """

    path: Path
    text: TextSettings
    report: dict[str, Any]
    digest: str

    @property
    def folder(self) -> Path:
        """The folder from which relative paths resolve."""
        return self.path.parent

    def as_dict(self) -> dict[str, Any]:
        """Return all settings as plain values for the manifest."""
        return {"text": as_json(self.text), "report": self.report}


def load_text_study(path: Path | str, preset: str | None = None) -> TextStudy:
    """Read and check the `[text]` table of a study file.

    Parameters
    ----------
    path : Path or str
    preset : {'default', 'paper', 'both'}, optional
        In place of the file's.

    Returns
    -------
    TextStudy

    Raises
    ------
    VoiceriskError
        If the file is missing, is no TOML, or has an unknown key or value.
    """
    path, tables, digest = read_study_file(path)
    if not isinstance(tables.get("text"), dict):
        raise StudyError(f'{path.name} has no table [text]; it must at least name messages = "messages.csv".')
    own = dict(tables["text"])
    for name, room in (("network", NetworkSettings), ("explain", ExplainSettings)):
        own[name] = settings_of(path.name, f"text.{name}", room, own.get(name, {}))
    if preset is not None:
        own["preset"] = preset
    text = settings_of(path.name, "text", TextSettings, own)
    return TextStudy(path, text, tables.get("report", {}), digest)
