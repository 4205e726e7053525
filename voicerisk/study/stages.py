"""The stages of a study: recordings in; predictions, metrics, tables and figures out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.biomarkers import missing_counts, write_marker_table
from voicerisk.cohort import Cohort
from voicerisk.errors import StudyError
from voicerisk.files import PRIVATE, sha256_file, write_csv, write_parquet
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.progress import Reporter
from voicerisk.pipeline.results_folder import ResultsFolder, fingerprint
from voicerisk.pipeline.stages import Move, Stages
from voicerisk.pipeline.study_file import as_json
from voicerisk.pipeline.tables import read_table
from voicerisk.study.extraction.calls import (
    Extraction,
    call_fingerprints,
    channel_of_calls,
    contents,
    extract_calls,
    read_marker_table,
)
from voicerisk.study.fitting.design import FRAME_KEYS, ModelTables, model_tables, study_moderator
from voicerisk.study.outcome_scale import halved, is_scale
from voicerisk.study.ratings import write_ratings
from voicerisk.study.settings import Study
from voicerisk.validation.metrics.repeatability import repeatability

PROTOCOLS = ("published", "nested")
REPORT = "report.html"


def open_results(study: Study, out: Path | str) -> ResultsFolder:
    """Open the results folder of a study, or make it; a folder of another study is refused."""
    calls_table = study.folder / study.cohort.calls
    identity = {"study": fingerprint(place=str(study.path)), "calls": digest(calls_table)}
    return ResultsFolder(Path(out), identity)


def digest(file: Path) -> str:
    """Return the SHA-256 of a file; nothing where there is none."""
    return sha256_file(file) if file.is_file() else ""


class StudyStages(Stages):
    """The stages of a study of voice, each run by the engine that runs every study's."""

    def __init__(self, study: Study, folder: ResultsFolder, jobs: int, reporter: Reporter) -> None:
        super().__init__(folder, reporter)
        self.study = study
        self.jobs = jobs

    # ---- recordings -> frames
    # ----------------------------------------------------------------------------------------

    def extract(self, cohort: Cohort) -> tuple[ModelTables, Extraction]:
        """Take the markers of all recordings and arrange them for the models."""
        study = self.study
        own, content = study.biomarkers.frames, contents(cohort)
        if own is None:
            source: Any = call_fingerprints(cohort, study.audio, study.biomarkers, content)
        else:
            table = study.folder / own
            source = [
                sha256_file(table) if table.is_file() else own,
                [content[path] for path in cohort.calls["path"]],
                study.audio.channel,
            ]
        mark = fingerprint(
            source=source,
            calls=cohort.calls.drop(columns=["path"]).to_csv(),
            spans=cohort.spans.to_csv(),
            flow=cohort.flow.to_csv(),
            ratings=cohort.ratings.to_csv(),
            missing=study.biomarkers.missing,
            moderator=(study.cohort.moderator, study.cohort.level_callers),
            markers=study.biomarkers.markers,
            code=code_of(StudyStages._extract),
        )
        self.run("extract", "Biomarkers", mark, lambda move: self._extract(cohort, content, move))

        home = self.folder.path
        frames, segments = read_table(home, "frames"), read_table(home, "segments")
        markers = tuple(column for column in frames.columns if column not in FRAME_KEYS)
        if not is_scale(study):
            _require_two_classes(cohort.calls[cohort.calls["call_id"].isin(frames["call_id"])])
        columns = ["call_id", "caller_id", "sex", "outcome", *study.cohort.groups, *study.cohort.covariates]
        calls = cohort.calls[list(dict.fromkeys(columns))]
        tables = model_tables(
            calls, frames, segments, markers, study.biomarkers.levels, study.cohort, study.boost.covariates
        )
        counts = read_table(home, "flow")
        return tables, Extraction(frames, segments, counts, read_table(home, "channel"), markers)

    def _extract(self, cohort: Cohort, content: Mapping[str, str], move: Move) -> tuple[list[str], list[str]]:
        study, folder = self.study, self.folder
        if study.biomarkers.frames is None:
            cache = folder.state / "frames"
            found = extract_calls(cohort, study.audio, study.biomarkers, cache, self.jobs, move, content)
        else:
            own = study.folder / study.biomarkers.frames
            found = read_marker_table(own, cohort, study.biomarkers.missing)
            channel = channel_of_calls(cohort, study.audio, self.jobs, move)
            found = replace(found, channel=channel)
        notes = [*cohort.notes, *found.notes]
        flow = pd.concat([cohort.flow, found.counts], ignore_index=True)
        left = set(found.frames["call_id"])
        gone = cohort.calls[~cohort.calls["call_id"].isin(left)]
        exclusions = cohort.exclusions
        if len(gone):
            own_table = study.biomarkers.frames is not None
            reason = "no row left of the marker table" if own_table else "no frame left after silence removal"
            step = "own markers" if own_table else "silence"
            stay = cohort.calls[cohort.calls["call_id"].isin(left)]
            n_callers = stay["caller_id"].nunique()
            rows = [
                {"unit": "call", "n": len(gone), "remaining": len(stay)},
                {
                    "unit": "caller",
                    "n": cohort.calls["caller_id"].nunique() - n_callers,
                    "remaining": n_callers,
                },
            ]
            lost = pd.DataFrame(rows).assign(step=step, reason=reason)
            flow = pd.concat([flow, lost], ignore_index=True)
            listed = gone[["call_id", "file"]].assign(step=step, reason=reason)
            exclusions = pd.concat([exclusions, listed], ignore_index=True)
            notes.append(f"{len(gone)} call(s) left out, {reason}: see exclusions.csv.")
        notes += study_moderator(cohort.calls[cohort.calls["call_id"].isin(left)], study.cohort)[1]
        shown = cohort.calls.drop(columns=["path"])
        write_csv(folder.file("calls.csv"), shown, PRIVATE, exact=True)
        write_csv(folder.file("flow.csv"), flow)
        write_csv(folder.file("exclusions.csv"), exclusions, PRIVATE)
        write_marker_table(folder.file("frames.parquet"), found.frames)
        write_parquet(folder.file("segments.parquet"), found.segments)
        write_csv(folder.file("channel.csv"), found.channel, PRIVATE)
        by = ["outcome", *study.cohort.groups]
        labelled = found.frames.merge(halved(cohort.calls, study)[["call_id", *by]], on="call_id", how="left")
        write_csv(folder.file("missing.csv"), missing_counts(labelled, by, found.markers))
        write_csv(folder.file("repeatability.csv"), repeatability(found.segments, found.markers))
        names = ["calls", "flow", "exclusions", "channel", "missing", "repeatability"]
        ratings = write_ratings(cohort, study, folder)
        return [*(f"{name}.csv" for name in names), "frames.parquet", "segments.parquet", *ratings], notes

    # ---- what explains the outcome
    # -----------------------------------------------------------------------------------

    def screen(self, tables: ModelTables) -> tuple[str, ...]:
        """Run the Lasso on all calls; return the markers it kept."""
        from voicerisk.study.inference import screen_study

        study = self.study
        mark = fingerprint(
            extract=self.marks["extract"],
            levels=study.biomarkers.levels,
            screening=as_json(study.screening),
            folds=study.validation.inner_folds,
            seed=study.validation.seed,
            code=code_of(screen_study),
        )
        self.run("screen", "Lasso screening", mark, lambda move: screen_study(study, tables, self.folder))
        table = read_table(self.folder.path, "screening")
        chosen = set(table.loc[table["selected"], "marker"])
        return tuple(marker for marker in tables.markers if marker in chosen)

    def gamm(self, tables: ModelTables, extraction: Extraction, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """Fit the GAMM; return the markers it keeps."""
        from voicerisk.study.inference import gamm_study

        study = self.study
        mark = fingerprint(
            screen=self.marks["screen"],
            gamm=as_json(study.gamm),
            covariates=study.cohort.covariates,
            seed=study.validation.seed,
            code=code_of(gamm_study),
        )
        self.run("gamm", "GAMM (mgcv)", mark, lambda move: gamm_study(study, tables, chosen, self.folder))
        kept = json.loads(self.folder.file("gamm/notes.json").read_text(encoding="utf-8"))["kept"]
        return tuple(kept)

    # ---- what predicts it
    # --------------------------------------------------------------------------------------------

    def protocol(self, name: str, tables: ModelTables, chosen: tuple[str, ...], wanted: bool) -> bool:
        """Run a protocol if wanted; say whether its results are there and belong to these inputs."""
        from voicerisk.study.protocols import run_protocol_stage

        study = self.study
        validation = replace(
            study.validation, protocols=PROTOCOLS
        )  # the other protocol does not concern this one
        mark = fingerprint(
            extract=self.marks["extract"],
            levels=study.biomarkers.levels,
            strata=study.cohort.strata,
            chosen=chosen if name == "published" else None,
            screening=as_json(study.screening) if name == "nested" else None,
            boost=as_json(study.boost),
            validation=as_json(validation),
            code=code_of(run_protocol_stage),
        )
        if not wanted:
            if self.folder.is_done(name, mark):
                self.marks[name] = mark
                return True
            # What an earlier run left belongs to other inputs: beside today's results it would mislead.
            self.folder.forget(name)
            return False
        title = {"published": "Published protocol", "nested": "Nested protocol"}[name]
        self.run(
            name,
            title,
            mark,
            lambda move: run_protocol_stage(study, name, tables, chosen, self.folder, mark, self.jobs, move),
        )
        return True

    def rivals(self, tables: ModelTables, wanted: bool) -> list[str]:
        """Judge the simple models on the folds of the nested protocol, where it was run; name the stage."""
        from voicerisk.study.rivals import run_rivals_stage

        if not wanted:
            self.folder.forget("rivals")
            return []
        study = self.study
        mark = fingerprint(
            extract=self.marks["extract"],
            levels=study.biomarkers.levels,
            strata=study.cohort.strata,
            covariates=study.boost.covariates,
            moderator=study.cohort.moderator_column,
            validation=as_json(replace(study.validation, protocols=PROTOCOLS)),
            rivals=[as_json(one) for one in study.rivals],
            code=code_of(run_rivals_stage),
        )
        self.run(
            "rivals",
            "Simple models on the same folds",
            mark,
            lambda move: run_rivals_stage(study, tables, self.folder, move),
        )
        return ["rivals"]

    def metrics(self, wanted: Sequence[str], rivals: Sequence[str]) -> pd.DataFrame:
        """Measure the predictions of the protocols, and of simple models where they were judged."""
        from voicerisk.study.output.metrics import write_metrics

        study = self.study
        mark = fingerprint(
            protocols={name: self.marks[name] for name in (*wanted, *rivals)},
            validation=as_json(study.validation),
            code=code_of(write_metrics),
        )
        self.run(
            "metrics",
            "Metrics and intervals",
            mark,
            lambda move: write_metrics(study, self.folder, wanted, move),
        )
        return read_table(self.folder.path, "metrics")

    def models(self, wanted: Sequence[str], tables: ModelTables, chosen: tuple[str, ...]) -> None:
        """Run each protocol's procedure once on all callers, and save the models that are handed out."""
        from voicerisk.study.saved_model.models import STAGE, write_models

        study = self.study
        mark = fingerprint(
            metrics=self.marks["metrics"],
            chosen=chosen,
            audio=as_json(study.audio),
            preset=study.biomarkers.preset,
            code=code_of(write_models),
        )
        self.run(
            STAGE,
            "Models on all calls",
            mark,
            lambda move: write_models(study, tables, chosen, self.folder, wanted, mark, self.jobs, move),
        )

    def reporting(self, tables: ModelTables) -> None:
        """Gather what the study can say of itself for TRIPOD+AI, PROBAST+AI and TRIPOD-Cluster."""
        from voicerisk.study.output.tripod import write_reporting

        study = self.study
        audit = [digest(self.folder.file(f"audit/{name}.csv")) for name in ("findings", "services")]
        mark = fingerprint(
            marks=self.marks,
            report=study.report,
            audit=audit,
            code=code_of(write_reporting),
        )
        self.run(
            "reporting", "Reporting evidence", mark, lambda move: write_reporting(study, tables, self.folder)
        )

    def show(self, wanted: Sequence[str]) -> None:
        """Draw the figures and write the publication tables."""
        from voicerisk.study.output.figures import draw_figures
        from voicerisk.study.output.publication import write_tables

        mark = fingerprint(
            marks=self.marks,
            wanted=list(wanted),
            covariates=self.study.cohort.covariates,
            code=code_of(draw_figures, write_tables),
        )

        def work(move: Move) -> tuple[list[str], list[str]]:
            figures = draw_figures(self.study, self.folder, wanted, move)
            tables, notes = write_tables(self.study, self.folder, wanted)
            return [*figures, *tables], notes

        self.run("show", "Figures and tables", mark, work)

    def report(self) -> None:
        """Write the what-if page, and the report, which opens with the answer."""
        from voicerisk.report import write_report
        from voicerisk.report.what_if import WHAT_IF
        from voicerisk.study.output.what_if import write_page

        ladder = digest(self.folder.file("audit/ladder.csv"))
        mark = fingerprint(show=self.marks["show"], ladder=ladder, code=code_of(write_report, write_page))
        graded = is_scale(self.study)  # the marks hold it

        def work(move: Move) -> tuple[list[str], list[str]]:
            self.folder.file(WHAT_IF).unlink(missing_ok=True)
            written = [] if graded else write_page(self.folder)
            write_report(self.folder.path, self.folder.file(REPORT), progress=move)
            return [*written, REPORT], []

        self.run("report", "Report", mark, work)


def _require_two_classes(calls: pd.DataFrame) -> None:
    for outcome in (0, 1):
        callers = calls.loc[calls["outcome"] == outcome, "caller_id"].nunique()
        if callers < 2:
            raise StudyError(
                f"After exclusions {callers} caller(s) with outcome {outcome} are left; "
                "each class needs at least two."
            )
