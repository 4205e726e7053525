"""What a study folder holds, read for a report."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.errors import ReportError, StudyError
from voicerisk.figures.gallery import read_labels, stored
from voicerisk.files import read_json
from voicerisk.pipeline.tables import read_as_written, read_table, schemas

OF_CLASSES = (
    "repeats", "brier_parts", "metrics_at_prevalence", "characteristics", "group_differences", "any_class",
)  # fmt: skip
OF_MIDDLE = ("spectrum", "decisions", "flagged")
OF_SCALE = ("metrics", "calibration", "spectrum")
Figures = dict[str, tuple[pd.DataFrame, dict[str, pd.DataFrame]]]


@dataclass(frozen=True, slots=True)
class Results:
    """Tables of a study; what it does not have is None or empty.

    Attributes
    ----------
    manifest : dict
        Settings, versions, notes (without hashes of single recordings).
    calls, segments, metrics, comparisons, thresholds, moderation, smooths, terms : DataFrame or None
        As the study wrote them; smooths and terms of the fit that is to be read.
    gamm_notes : tuple of str
        What the GAMM's fit said.
    findings, tests, procedure, ladder : DataFrame or None
        What the audit found, its permutation tests, the bootstraps of the whole procedure, and the ladder (of
        `audit/`).
    provenance : dict
        By protocol: callers seen by each learned object.
    figures : dict
        Name to table and parts.
    labels : dict
        Marker to label with unit.
    of_classes : dict
        Further tables of a study of several classes, by the name of their file, as far as there are any.
    of_scale : dict
        metrics, calibration and spectrum of a study of grades or of a number.
    of_middle : dict
        spectrum, decisions and flagged, where the left-out middle was scored.
    service_cuts : DataFrame or None
        Cuts by several rules side by side.
    agreement : DataFrame or None
        How far raters agree.
    """

    manifest: dict[str, Any]
    calls: pd.DataFrame | None
    segments: pd.DataFrame | None
    metrics: pd.DataFrame | None
    comparisons: pd.DataFrame | None
    thresholds: pd.DataFrame | None
    moderation: pd.DataFrame | None
    smooths: pd.DataFrame | None
    terms: pd.DataFrame | None
    gamm_notes: tuple[str, ...]
    provenance: dict[str, Any]
    findings: pd.DataFrame | None
    tests: pd.DataFrame | None
    procedure: pd.DataFrame | None
    figures: Figures
    ladder: pd.DataFrame | None = None
    labels: dict[str, str] = field(default_factory=dict)
    of_classes: dict[str, pd.DataFrame] = field(default_factory=dict)
    of_scale: dict[str, pd.DataFrame] = field(default_factory=dict)
    of_middle: dict[str, pd.DataFrame] = field(default_factory=dict)
    service_cuts: pd.DataFrame | None = None
    reporting: pd.DataFrame | None = None
    conformal: pd.DataFrame | None = None
    agreement: pd.DataFrame | None = None


def gather(study_dir: Path) -> Results:
    """Read what a report needs from a study folder.

    Raises
    ------
    ReportError
        If the folder is not that of a finished study, or a file in it cannot be read.
    """
    manifest = _json(study_dir / "manifest.json")
    if manifest is None:
        raise ReportError(f"{study_dir}: there is no manifest.json here; run the study to its end first.")
    if manifest.get("kind") == "multitask":
        raise ReportError(
            f"{study_dir} is a multitask study, which has a report of its own: open report.html there; its "
            "figures and tables lie in figures and tables."
        )
    known = [manifest.get(name, {}) for name in ("settings", "stages")]
    if isinstance(known[0], dict):
        known += [known[0].get(room, {}) for room in ("cohort", "report")]
    if not all(isinstance(part, dict) for part in known):
        raise ReportError(f"{study_dir / 'manifest.json'} is damaged; run the study again.")
    manifest.pop("recordings", None)
    notes = _json(study_dir / "gamm" / "notes.json") or {}
    smooths, terms = (_csv(study_dir, f"gamm/{name}") for name in ("smooths", "terms"))
    segments = study_dir / "segments.parquet"
    figures = study_dir / "figures"
    return Results(
        manifest=manifest,
        calls=_csv(study_dir, "calls"),
        segments=read_table(study_dir, "segments") if segments.is_file() else None,
        metrics=_csv(study_dir, "metrics"),
        comparisons=_csv(study_dir, "comparisons"),
        thresholds=_csv(study_dir, "thresholds"),
        moderation=_csv(study_dir, "gamm/moderation"),
        smooths=_readable(smooths, notes),
        terms=_readable(terms, notes),
        gamm_notes=tuple(str(note) for note in [*notes.get("notes", []), *notes.get("warnings", [])]),
        provenance=_json(study_dir / "provenance.json") or {},
        findings=_csv(study_dir, "audit/findings"),
        tests=_csv(study_dir, "audit/tests"),
        procedure=_csv(study_dir, "audit/procedure"),
        ladder=_csv(study_dir, "audit/ladder"),
        figures=stored(figures) if figures.is_dir() else {},
        labels=read_labels(figures),
        service_cuts=_csv(study_dir, "service_cuts"),
        reporting=_csv(study_dir, "reporting"),
        conformal=_csv(study_dir, "conformal"),
        agreement=_csv(study_dir, "agreement"),
        of_middle={
            name: table for name in OF_MIDDLE if (table := _csv(study_dir, f"also/{name}")) is not None
        },
        of_scale={
            name: table for name in OF_SCALE if (table := _csv(study_dir, f"scale/{name}")) is not None
        },
        of_classes={name: table for name in OF_CLASSES if (table := _csv(study_dir, name)) is not None},
    )


def _readable(table: pd.DataFrame | None, notes: dict[str, Any]) -> pd.DataFrame | None:
    """Keep the fit that is to be read, where separating random intercepts flatten the other."""
    if table is None or table.empty:
        return None
    if "model" in table and "readable" in notes:
        table = table[table["model"] == notes["readable"]]
    return table if len(table) else None


def _json(path: Path) -> dict[str, Any] | None:
    return read_json(path, ReportError) if path.is_file() else None


def _csv(study_dir: Path, name: str) -> pd.DataFrame | None:
    """Read one of the study's own tables, None where it is missing or has no row."""
    path = study_dir / f"{name}.csv"
    if not path.is_file():
        return None
    try:
        table = read_table(study_dir, name) if name in schemas() else read_as_written(path)
    except StudyError as error:
        raise ReportError(str(error)) from None
    return table if len(table) else None


def flow_of(results: Results) -> pd.DataFrame | None:
    """Return the flow of exclusions where the study has one."""
    return results.figures["exclusion_flow"][0] if "exclusion_flow" in results.figures else None
