"""What validating a model on another study needs: the same markers, levels of callers, how markers moved."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.biomarkers import DEFINITION_VERSION
from voicerisk.errors import StudyError
from voicerisk.models import AdditiveModel
from voicerisk.pipeline.study_file import as_json
from voicerisk.pipeline.tables import read_table
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.settings import Study
from voicerisk.validation import marker_shift

# Without them a marker would be another number than the one that the model learned.
SAME_AUDIO = ("extent", "calibration", "pre_emphasis", "normalise", "silence")


def with_levels(
    scorer: AdditiveModel, study: Study, calls: pd.DataFrame, frames: pd.DataFrame
) -> pd.DataFrame:
    """Add the level of the model's moderator to each frame."""
    if scorer.moderator is None:
        return frames
    name = scorer.moderator.name
    if name not in calls:
        raise StudyError(
            f"The model is moderated by {name!r}, which the calls of {study.path.name} do not have; "
            "add the column, or name the same [cohort] moderator."
        )
    of_call = calls.set_index("call_id")[name]
    return frames.assign(**{name: frames["call_id"].map(of_call)})


def same_markers(scorer: AdditiveModel, study: Study, model: Path) -> None:
    """Refuse a study whose markers are other numbers than the model's."""
    learned_on = scorer.notes.get("levels", "frame")
    for name, levels in ((study.path.name, study.biomarkers.levels), (model.name, learned_on)):
        if levels != "frame":
            raise StudyError(
                f"{name} has [biomarkers] levels = {levels}; only models of frames are validated on another "
                "study (levels = frame)."
            )
    if study.biomarkers.frames is not None:
        return
    defined = scorer.notes.get("biomarker_definitions", DEFINITION_VERSION)
    if defined != DEFINITION_VERSION:
        raise StudyError(
            f"{model.name} was learned on markers of definitions {defined}, but this voicerisk takes those "
            f"of {DEFINITION_VERSION}; use the version that wrote the model."
        )
    preset = scorer.notes.get("preset")
    if preset is not None and preset != study.biomarkers.preset:
        raise StudyError(
            f"{model.name} was learned on markers of preset {preset}, but {study.path.name} has "
            f"[biomarkers] preset = {study.biomarkers.preset}; set the same."
        )
    learned: Mapping[str, Any] = scorer.notes.get("audio") or {}
    own = as_json(study.audio)
    for key in SAME_AUDIO:
        if key in learned and learned[key] != own[key]:
            raise StudyError(
                f"{model.name} was learned with [audio] {key} = {learned[key]}, but {study.path.name} has "
                f"{own[key]}; set the same, or its markers are other numbers."
            )


def require_markers(scorer: AdditiveModel, study: Study, model: Path, tables: ModelTables) -> None:
    """Refuse a study that lacks a marker of the model."""
    absent = [marker for marker in scorer.markers if marker not in tables.frames]
    if absent:
        raise StudyError(
            f"{model.name} needs the marker {absent[0]}, which {study.path.name} does not have; "
            "see [biomarkers] set and levels, and [boost] covariates."
        )


def shift_of(
    model: Path, scorer: AdditiveModel, tables: ModelTables, scored: pd.DataFrame, notes: list[str]
) -> pd.DataFrame:
    """Say how the markers moved since the model's study, and how much lies beyond its knots."""
    beyond = pd.DataFrame(
        [
            (marker, float(scored[f"{marker}_outside"].mean()) if f"{marker}_outside" in scored else np.nan)
            for marker in scorer.markers
        ],
        columns=["marker", "share_outside_knots"],
    )
    before = model.absolute().parent.parent / "frames.parquet"
    if not before.is_file():
        notes.append(
            "The frames of the model's study are not beside it, so that the shift of the markers is unknown; "
            "the share of values beyond its knots is known."
        )
        return beyond
    old = read_table(before.parent, "frames")
    shared = [marker for marker in scorer.markers if marker in old]
    return marker_shift(old, tables.frames, shared).merge(beyond, on="marker", how="left")
