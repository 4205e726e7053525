"""External validation of a saved model of grades or of a number on the calls of another study."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.cohort import load_cohort
from voicerisk.errors import StudyError
from voicerisk.files import PRIVATE, sha256_file, write_csv, write_json, write_parquet
from voicerisk.models.saved.scale import ScaleModel, read_scale_model
from voicerisk.pipeline.progress import Reporter
from voicerisk.report.tables.scale import scale_answer
from voicerisk.study.external.calls import require_markers, same_markers, shift_of, with_levels
from voicerisk.study.saved_model.scoring import scorable, unknown_levels
from voicerisk.study.settings import Study
from voicerisk.study.stages import StudyStages, open_results
from voicerisk.validation.metrics.scale import scale_calibration, scale_metrics, spectrum_table

FOLDER = "external"
LEAST_CALLERS = 4


@dataclass(frozen=True, slots=True)
class ScaleExternalResult:
    """What a saved model of grades or of a number is worth on another study.

    Attributes
    ----------
    folder : Path
        `external` in the results folder of the new study.
    metrics : DataFrame
        As `scale/metrics.csv`, design 'external'.
    calibration : DataFrame or None
        As `scale/calibration.csv`; None of a number.
    spectrum : DataFrame or None
        As `scale/spectrum.csv`, where the new study has both ends of the scale.
    shift : DataFrame
        As in `ExternalResult`.
    notes : tuple of str
    """

    folder: Path
    metrics: pd.DataFrame
    calibration: pd.DataFrame | None
    spectrum: pd.DataFrame | None
    shift: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def answer(self) -> list[str]:
        """What was found, in sentences."""
        return scale_answer(self.metrics, self.spectrum, "another study")

    def _repr_html_(self) -> str:
        from voicerisk.study.shown import as_html

        return as_html(self.answer, self.metrics, self.folder)


def validate_scale(
    model: Path,
    study: Study,
    out: Path | str,
    jobs: int,
    told: Reporter,
    asked: Mapping[str, object],
) -> ScaleExternalResult:
    """Score another study with a saved model of grades or of a number, which learns nothing from it.

    Parameters
    ----------
    model : Path
    study : Study
        The new study, of the same scale.
    out : Path or str
    jobs : int
    told : Reporter
    asked : mapping of str to object
        Options that are of two classes, refused unless None.

    Returns
    -------
    ScaleExternalResult

    Raises
    ------
    StudyError
        For such an option, another scale, grades that the model does not have, or too few callers.
    """
    saved = read_scale_model(model)
    for option, value in asked.items():
        if value is not None:
            raise StudyError(f"{option} is of two classes, but {model.name} is of an {saved.scale} outcome.")
    if study.cohort.scale != saved.scale:
        raise StudyError(
            f"{model.name} is a model of an outcome of scale {saved.scale!r}, but {study.path.name} has "
            f"[cohort] scale = {study.cohort.scale!r}; give it a study of the same outcome."
        )
    scorer = saved.score
    same_markers(scorer, study, model)
    cohort = load_cohort(study.cohort, study.folder)
    folder = open_results(study, out)
    with folder.locked():
        tables, _ = StudyStages(study, folder, jobs, told).extract(cohort)
        require_markers(scorer, study, model, tables)
        with told.stage("External validation") as move:
            calls = tables.calls
            _check_outcomes(saved, calls, study)
            frames, left_out = scorable(scorer, with_levels(scorer, study, cohort.calls, tables.frames))
            notes = [*left_out, *unknown_levels(scorer, frames)[1]]
            scored = scorer.score(frames, unseen=True)
            link = scorer.of_calls(frames, scored, ["call_id"]).set_index("call_id")["log_odds"]
            rows = _predictions(saved, calls, link[calls["call_id"]].to_numpy())
            move(1, 3)
            place = folder.file(FOLDER)
            result = _measured(
                saved, study, rows, place, notes, shift_of(model, scorer, tables, scored, notes)
            )
            move(2, 3)
            _write(result, model, study, rows)
            move(3, 3)
    for note in result.notes:
        told.note(note)
    return result


def _check_outcomes(saved: ScaleModel, calls: pd.DataFrame, study: Study) -> None:
    n = calls["caller_id"].nunique()
    if n < LEAST_CALLERS or calls["y"].nunique() < 2:
        raise StudyError(
            f"External validation needs at least {LEAST_CALLERS} callers and two different outcomes; "
            f"{study.path.name} has {n} callers and {calls['y'].nunique()} outcome(s)."
        )
    if saved.scale != "ordinal":
        return
    strange = calls[~calls["y"].isin(saved.line["grades"])]
    if len(strange):
        first = strange.iloc[0]
        raise StudyError(
            f"Call {first['call_id']} of {study.path.name} has grade {first['y']}, which the model does not "
            f"have; it has {', '.join(map(str, saved.line['grades']))}. Leave such calls out (where)."
        )


def _predictions(saved: ScaleModel, calls: pd.DataFrame, score: np.ndarray) -> pd.DataFrame:
    keys = calls[["call_id", "caller_id", "y"]].reset_index(drop=True)
    rows = pd.concat([keys.assign(score=score), saved.of_scores(score)], axis=1)
    rows.insert(0, "design", "external")
    rows.insert(1, "repeat", 0)
    rows.insert(2, "fold", 0)
    return rows


def _measured(
    saved: ScaleModel,
    study: Study,
    rows: pd.DataFrame,
    place: Path,
    notes: list[str],
    shift: pd.DataFrame,
) -> ScaleExternalResult:
    seed = study.validation.seed
    grades = saved.line["grades"] if saved.scale == "ordinal" else None
    metrics = scale_metrics(rows, seed, known=grades)
    calibration = spectrum = None
    if grades is not None:
        calibration = scale_calibration(rows, seed, known=grades)
        absent = sorted(set(grades) - set(rows["y"]))
        if absent:
            notes.append(f"No call has grade {', '.join(map(str, absent))}, which the model knows.")
        ends = study.cohort.extremes
        if ends is not None and rows["y"].isin(ends[0]).any() and rows["y"].isin(ends[1]).any():
            spectrum = spectrum_table(rows, *ends, seed)
    notes.append("Intervals resample the new study's callers; the model is fixed.")
    return ScaleExternalResult(place, metrics, calibration, spectrum, shift, tuple(notes))


def _write(result: ScaleExternalResult, model: Path, study: Study, rows: pd.DataFrame) -> None:
    from voicerisk.figures import make
    from voicerisk.figures.grades import grade_points

    place = result.folder
    write_parquet(place / "predictions.parquet", rows)
    tables = {
        "metrics": result.metrics,
        "calibration": result.calibration,
        "spectrum": result.spectrum,
        "marker_shift": result.shift,
    }
    for name, table in tables.items():
        if table is not None:
            write_csv(place / f"{name}.csv", table)
    record = {
        "model": model.name,
        "model_sha256": sha256_file(model),
        "scale": study.cohort.scale,
        "calls": len(rows),
        "callers": int(rows["caller_id"].nunique()),
        "notes": list(result.notes),
    }
    write_json(place / "validation.json", record, PRIVATE)
    figures = place / "figures"
    make("predicted_observed", rows[["design", "call_id", "caller_id", "y", "predicted"]], figures)
    if result.calibration is not None:
        make("grade_calibration", grade_points(rows), figures)
