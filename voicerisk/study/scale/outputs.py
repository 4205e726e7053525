"""Figures and publication tables of a study of ordered grades or of a number."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pandas as pd

from voicerisk.biomarkers import catalogue
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import has_table, read_table
from voicerisk.report import PublicationTable, biomarker_table, cohort_characteristics
from voicerisk.report.tables.scale import scale_tables
from voicerisk.study.output.figures import FLOW_LABELS, Picture, marker_labels, rug_of
from voicerisk.study.settings import Study

TABLES = ("metrics", "calibration", "spectrum")


def show_scale(
    study: Study, folder: ResultsFolder, move: Callable[[int, int], None]
) -> tuple[list[str], list[str]]:
    """Draw the figures and write the publication tables."""
    from voicerisk.figures import make
    from voicerisk.report import write_table

    place = folder.file("figures")
    for stale in place.glob("*") if place.is_dir() else ():
        stale.unlink()
    pictures = [picture for picture in _pictures(study, folder) if len(picture.table)]
    labels = marker_labels(study.biomarkers.levels) | FLOW_LABELS
    for number, picture in enumerate(pictures, start=1):
        make(picture.name, picture.table, place, parts=picture.parts, labels=labels)
        move(number, len(pictures))
    written = [file.relative_to(folder.path).as_posix() for file in sorted(place.glob("*"))]
    word = find_spec("docx") is not None
    formats = ("csv", "html", "tex", "docx") if word else ("csv", "html", "tex")
    for table in _tables(study, folder):
        files = write_table(table, folder.file("tables"), formats)
        written += [file.relative_to(folder.path).as_posix() for file in files]
    return written, [] if word else ["Tables in Word need: pip install 'voicerisk[report]'."]


def _pictures(study: Study, folder: ResultsFolder) -> Iterator[Picture]:
    from voicerisk.figures.grades import first_design, grade_points

    calls = read_table(folder.path, "calls")
    frames = read_table(folder.path, "frames")
    n_frames = frames.groupby("call_id").size()
    kept = calls[calls["call_id"].isin(n_frames.index)]
    everyone = pd.DataFrame(
        [
            ("All", "call", len(kept)),
            ("All", "caller", kept["caller_id"].nunique()),
            ("All", "frame", int(n_frames.sum())),
        ],
        columns=["group", "unit", "n"],
    )
    flow = read_table(folder.path, "flow").fillna({"reason": ""})
    yield Picture("exclusion_flow", flow, {"groups": everyone})
    predictions = read_table(folder.path, "predictions_scale")
    shown = first_design(predictions)
    yield Picture("predicted_observed", shown[["design", "call_id", "caller_id", "y", "predicted"]])
    if any(str(name).startswith("at_least_") for name in predictions):
        yield Picture("grade_calibration", grade_points(predictions))
    effects = read_table(folder.path, "scale/partial_effects")
    if len(effects):
        markers = list(effects["marker"].unique())
        rug = rug_of(folder, markers, "frame", study.cohort.moderator_column)
        yield Picture("partial_effects", effects, {"observed": rug})


def _tables(study: Study, folder: ResultsFolder) -> Iterator[PublicationTable]:
    spans = read_table(folder.path, "segments")
    spans = spans[spans["n_frames"] > 0]
    calls = read_table(folder.path, "calls")
    calls = calls[calls["call_id"].isin(spans["call_id"])]
    segments = None if spans["start_s"].isna().any() else spans
    columns = [*study.cohort.covariates, *(name for name in study.cohort.groups if name != "sex")]
    yield cohort_characteristics(calls, segments, columns=list(dict.fromkeys(columns)))
    yield from scale_tables(
        {
            name: read_table(folder.path, f"scale/{name}")
            for name in TABLES
            if has_table(folder.path, f"scale/{name}")
        }
    )
    if study.biomarkers.frames is None:
        yield biomarker_table(catalogue(), study.biomarkers.markers)
