"""Which table of a study becomes which publication table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec

import pandas as pd

from voicerisk.biomarkers import catalogue
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import has_table, read_table
from voicerisk.report import (
    PublicationTable,
    biomarker_table,
    cohort_characteristics,
    comparison_table,
    gamm_table,
    missed_calls,
    performance_table,
    thresholds_table,
)
from voicerisk.report.tables.agreement import rater_agreement_table
from voicerisk.report.tables.conformal import conformal_table
from voicerisk.report.tables.rivals import rivals_table
from voicerisk.report.tables.scale import decisions_table, spectrum_effect_table
from voicerisk.report.tables.service_cuts import service_cuts_table
from voicerisk.study.output.figures import marker_labels
from voicerisk.study.settings import Study


def write_tables(
    study: Study, folder: ResultsFolder, protocols: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Write the publication tables into `tables/` as CSV, HTML, LaTeX and, with python-docx, Word."""
    from voicerisk.report import write_table

    word = find_spec("docx") is not None
    formats = ("csv", "html", "tex", "docx") if word else ("csv", "html", "tex")
    written = [
        file.relative_to(folder.path).as_posix()
        for table in _tables(study, folder, protocols)
        for file in write_table(table, folder.file("tables"), formats)
    ]
    return written, [] if word else ["Tables in Word need: pip install 'voicerisk[report]'."]


def _fit_notes(fit: pd.Series, study: Study) -> list[str]:
    """Say what the printed GAMM was fitted to and what its tests rest on."""
    rests = {
        "caller_jackknife": "no random intercept; tests and intervals by a jackknife over callers",
        "model": "tests and intervals of the model with random intercepts",
    }
    rows = f"Fitted to {fit['rows']:.0f} {study.gamm.level}s of {fit['callers']:.0f} callers"
    return [
        f"{rows} ({fit['engine']}, {rests.get(fit['covariance'], fit['covariance'])}).",
        f"Deviance explained {fit['deviance_explained']:.2f}; on the rows that were fitted.",
    ]


def _split_table(smooths: pd.DataFrame, labels: Mapping[str, str], moderator: str) -> PublicationTable:
    """Return the tests of markers that other callers selected."""
    table = gamm_table(smooths, None, labels, moderator)
    first = smooths.iloc[0]
    note = (
        f"Markers were selected on {first['n_callers_selected_on']} callers and tested on "
        f"{first['n_callers_tested_on']} others, dealt out at random within {moderator} and outcome; another "
        "deal gives other markers and other P values."
    )
    return replace(
        table,
        name="gamm_caller_split",
        title="Smooth effects tested on callers that selected nothing",
        notes=(*table.notes, note),
    )


def _tables(study: Study, folder: ResultsFolder, protocols: Sequence[str]) -> Iterator[PublicationTable]:
    from voicerisk.figures import call_scores

    labels = marker_labels(study.biomarkers.levels)
    moderator = study.cohort.moderator_column or "sex"
    spans = read_table(folder.path, "segments")
    spans = spans[spans["n_frames"] > 0]
    calls = read_table(folder.path, "calls")
    calls = calls[calls["call_id"].isin(spans["call_id"])]
    # Own markers that name segments of their own have no times.
    segments = None if spans["start_s"].isna().any() else spans
    columns = [*study.cohort.covariates, *(name for name in study.cohort.groups if name != "sex")]
    yield cohort_characteristics(calls, segments, columns=list(dict.fromkeys(columns)))

    if has_table(folder.path, "agreement"):
        yield rater_agreement_table(read_table(folder.path, "agreement"))
    notes = json.loads(folder.file("gamm/notes.json").read_text(encoding="utf-8"))
    if notes["kept"]:
        smooths, terms = (read_table(folder.path, f"gamm/{name}") for name in ("smooths", "terms"))
        readable = notes["readable"]
        table = gamm_table(
            smooths[smooths["model"] == readable],
            terms[terms["model"] == readable],
            labels,
            moderator,
            read_table(folder.path, "gamm/moderation") if has_table(folder.path, "gamm/moderation") else None,
        )
        fit = read_table(folder.path, "gamm/fit")
        yield replace(table, notes=(*table.notes, *_fit_notes(fit[fit["model"] == readable].iloc[0], study)))
    if has_table(folder.path, "gamm/caller_split"):
        yield _split_table(read_table(folder.path, "gamm/caller_split"), labels, moderator)
    metrics = read_table(folder.path, "metrics")
    yield performance_table(metrics, flow=read_table(folder.path, "flow"))
    simple = rivals_table(metrics)
    if simple is not None:
        yield simple
    comparisons = read_table(folder.path, "comparisons")
    if len(comparisons):
        yield comparison_table(comparisons)
    yield thresholds_table(read_table(folder.path, "thresholds"))
    cuts = read_table(folder.path, "service_cuts")
    if len(cuts):
        yield service_cuts_table(cuts)
    sets = read_table(folder.path, "conformal")
    if len(sets):
        yield conformal_table(sets)
    if has_table(folder.path, "also/decisions"):
        spectrum, decided, flagged = (
            read_table(folder.path, f"also/{name}") for name in ("spectrum", "decisions", "flagged")
        )
        yield spectrum_effect_table(spectrum)
        yield decisions_table(decided, flagged)
    if study.biomarkers.frames is None:
        yield biomarker_table(catalogue(), study.biomarkers.markers)
    predictions = [
        read_table(folder.path, f"predictions_{name}", filters=[("unit", "==", "call")]) for name in protocols
    ]
    scores = pd.concat([call_scores(table) for table in predictions], ignore_index=True)
    yield missed_calls(scores)
