"""The study file of a voice study: which tables it has, and what must fit together across them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicerisk.audio import AudioSettings
from voicerisk.biomarkers import BiomarkerSettings
from voicerisk.cohort import CohortSettings
from voicerisk.cohort.settings import BINARY
from voicerisk.errors import StudyError
from voicerisk.models import BoostSettings, GammSettings
from voicerisk.pipeline.study_file import as_json, nearest, read_study_file, settings_of
from voicerisk.screening import ScreeningSettings
from voicerisk.study.estimators import Estimator, read_estimators
from voicerisk.validation import ValidationSettings
from voicerisk.validation.protocols.choice import BOOSTED

SERVICE = "service"
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
_OTHER_TABLES = ("report", "rivals", "text", "multitask")


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
    rivals : tuple of Estimator
        Models judged beside the nested protocol.

    Examples
    --------
    >>> import voicerisk
    >>> study = voicerisk.load_study("study.toml")  # doctest: +SKIP
    >>> study.boost.mstop  # doctest: +SKIP
    100
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
    rivals: tuple[Estimator, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder from which relative paths resolve."""
        return self.path.parent

    def as_dict(self) -> dict[str, Any]:
        """Return all settings, defaults included, as plain values for the manifest."""
        return {room: as_json(getattr(self, room)) for room in _ROOMS} | {
            "report": self.report,
            "rivals": {one.name: as_json(one) for one in self.rivals},
        }


def load_study(path: Path | str) -> Study:
    """Read and check a study file.

    Parameters
    ----------
    path : Path or str
        A TOML file with the tables `[cohort]`, `[audio]`, `[biomarkers]`, `[screening]`, `[gamm]`, `[boost]`,
        `[validation]`, `[rivals]` and `[report]`; only `[cohort] calls` has no default.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        If the file is missing, is no TOML, or has an unknown table, key or value; the message names the
        nearest known one.

    Examples
    --------
    >>> import voicerisk
    >>> study = voicerisk.load_study("demo/cohort/study.toml")  # doctest: +SKIP
    """
    path, tables, digest = read_study_file(path)
    known = [*_ROOMS, *_OTHER_TABLES]
    for name, table in tables.items():
        if name not in known:
            raise StudyError(f"{path.name} has the unknown table [{name}]{nearest(name, known)}")
        if not isinstance(table, dict):
            raise StudyError(f"{path.name}: {name} must be a table, written as [{name}].")
    if "cohort" not in tables:
        raise StudyError(
            f'{path.name} has no table [cohort]; it must at least name the calls table: calls = "calls.csv".'
        )

    rooms = {name: settings_of(path.name, name, room, tables.get(name, {})) for name, room in _ROOMS.items()}
    within = rooms["validation"].strata
    known_strata = ("outcome", *rooms["cohort"].groups)
    for name in within:
        if name not in known_strata:
            raise StudyError(
                f"{path.name}, [validation] strata: {name!r} is neither outcome, sex, the moderator nor in "
                "[cohort] strata; add it there."
            )
    for table in ("boost", "screening"):
        for name in rooms[table].covariates:
            if name not in rooms["cohort"].covariates:
                raise StudyError(
                    f"{path.name}, [{table}] covariates: {name!r} is not in [cohort] covariates; add it "
                    "there."
                )
    family, protocols = rooms["validation"].family, rooms["validation"].protocols
    if rooms["cohort"].score_also and (BOOSTED in family or "nested" not in protocols):
        raise StudyError(
            f"{path.name}: [cohort] score_also needs the nested protocol and a [validation] family of models "
            "of calls, without gamboost."
        )
    if rooms["cohort"].score_also and rooms["biomarkers"].levels == "caller":
        raise StudyError(f'{path.name}: [cohort] score_also does not go with [biomarkers] levels = "caller".')
    boosted = BOOSTED in family or tuple(protocols) != ("nested",)
    if rooms["boost"].forced and rooms["cohort"].scale == BINARY and boosted:
        raise StudyError(
            f'{path.name}: [boost] forced is of models of calls; set protocols = ["nested"] in [validation] '
            "and leave gamboost out of its family: there covariates compete with the markers."
        )
    rivals = read_estimators(path.name, tables.get("rivals", {}), rooms["validation"].seed)
    if rivals and (rooms["cohort"].scale != BINARY or "nested" not in protocols):
        raise StudyError(
            f"{path.name}: [rivals] stand beside the nested protocol of two classes; leave them out of a "
            "study of grades, of a number, or of the published protocol alone."
        )
    return Study(path=path, report=tables.get("report", {}), digest=digest, rivals=rivals, **rooms)


def service_of(study: Study) -> str | None:
    """Return the stratum that names the service: `service`, or the first that is not sex."""
    others = [name for name in study.cohort.strata if name != "sex"]
    return SERVICE if SERVICE in others else (others[0] if others else None)
