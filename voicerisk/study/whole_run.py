"""Run a study: its stages, in order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from voicerisk.cohort import load_cohort
from voicerisk.errors import StudyError
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.notebook import usual_reporter
from voicerisk.pipeline.progress import Reporter
from voicerisk.pipeline.results_folder import ResultsFolder, fingerprint
from voicerisk.pipeline.tables import has_table, read_table
from voicerisk.study.also import score_also
from voicerisk.study.audit.run import drop_stale_audit
from voicerisk.study.check import require_r, require_sound, unknown_linear
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.outcome_scale import is_scale
from voicerisk.study.output.metrics import write_manifest
from voicerisk.study.scale.checks import refused
from voicerisk.study.scale.outputs import show_scale
from voicerisk.study.scale.stages import NOT_RUN, run_scale_stages
from voicerisk.study.settings import Study
from voicerisk.study.stages import PROTOCOLS, REPORT, StudyStages, digest, open_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_SCALE = ("extract", "scale", "scale_model", "show", "report")


@dataclass(frozen=True, slots=True)
class RunResult:
    """Where the results of a study are, and its main tables.

    Attributes
    ----------
    folder : Path
    metrics : DataFrame
        `metrics.csv`.
    thresholds : DataFrame
        `thresholds.csv`.
    flow : DataFrame
        `flow.csv`.

    Examples
    --------
    >>> import voicerisk
    >>> result = voicerisk.run_study(voicerisk.load_study("study.toml"), "results")  # doctest: +SKIP
    >>> result.metrics.query("unit == 'call' and metric == 'auroc'")  # doctest: +SKIP
    """

    folder: Path
    metrics: pd.DataFrame
    thresholds: pd.DataFrame
    flow: pd.DataFrame

    def _repr_html_(self) -> str:
        from voicerisk.study.shown import answers, as_html, side_by_side

        table = None if has_table(self.folder, "scale/metrics") else side_by_side(self.metrics)
        return as_html(answers(self.folder, self.metrics), table, self.folder / REPORT)

    def plot(self, name: str = "protocols_compared") -> "Figure":
        """Draw a figure of the study, as `figures` in its results folder has it.

        Parameters
        ----------
        name : str
            For example 'roc', 'calibration' or 'gamm_curves'.

        Returns
        -------
        Figure

        Raises
        ------
        StudyError
            If the study has no such figure.
        """
        from voicerisk.study.shown import figure_of

        return figure_of(self.folder / "figures", name)


def run_study(
    study: Study,
    out: Path | str,
    protocols: Sequence[str] | None = None,
    jobs: int = 1,
    reporter: Reporter | None = None,
) -> RunResult:
    """Run a study: recordings to validated model, tables and figures.

    Every finished stage and every finished fold is kept in `out`, so that the same call goes on after an
    interruption; a changed input or setting runs again just what depends on it. The results do not depend on
    `jobs`.

    Parameters
    ----------
    study : Study
        From `load_study`.
    out : Path or str
        Folder for the results; a new one, or one that holds this study.
    protocols : sequence of {'published', 'nested'}, optional
        Default: as the study file says.
    jobs : int
        Processor cores to use.
    reporter : Reporter, optional
        Told what is going on; default: bars in a notebook, elsewhere silent.

    Returns
    -------
    RunResult

    Raises
    ------
    VoiceriskError
        One sentence that says what was found, where, and what to do.

    Examples
    --------
    >>> import voicerisk
    >>> study = voicerisk.load_study("demo/cohort/study.toml")  # doctest: +SKIP
    >>> voicerisk.run_study(study, "results").metrics  # doctest: +SKIP
    """
    wanted = tuple(protocols or study.validation.protocols)
    brought = study.folder / study.cohort.calls
    read = digest(brought)
    cohort = load_cohort(study.cohort, study.folder)
    if digest(brought) != read:
        raise StudyError(f"{brought} changed while it was read; run the study again once it stays as it is.")
    impossible = refused(study, wanted)
    if impossible:
        raise StudyError(f"{study.path.name}: {impossible}.")
    told = require_sound(study, cohort, wanted)
    folder = open_results(study, out)
    with folder.locked():
        folder.remember(study.path)
        stages = StudyStages(study, folder, jobs, reporter or usual_reporter())
        if not is_scale(study):
            told += require_r(study, folder.file("gamm/notes.json"))
        for note in told:
            stages.reporter.note(note)
        tables, extraction = stages.extract(cohort)
        if is_scale(study):
            return _run_scale(stages, tables, read)
        unknown = unknown_linear(study, tables.markers)
        if unknown:
            raise StudyError(f"{study.path.name}: {unknown}.")
        stale = drop_stale_audit(study, folder, stages.marks["extract"])
        if stale:
            stages.reporter.note(stale)
        chosen = stages.screen(tables)
        kept = stages.gamm(tables, extraction, chosen)
        shown = [
            protocol for protocol in PROTOCOLS if stages.protocol(protocol, tables, kept, protocol in wanted)
        ]
        rivals = stages.rivals(tables, "nested" in shown)
        metrics = stages.metrics(shown, rivals)
        forget(folder, ["scale", "scale_model"])
        if study.cohort.score_also and "nested" in shown:
            score_also(stages, tables, kept)
        else:
            forget(folder, ["also_extract", "also"])
        stages.models(shown, tables, kept)
        stages.reporting(tables)
        stages.show(shown)
        write_manifest(study, folder, shown, read)
        stages.report()
        thresholds, flow = (read_table(folder.path, name) for name in ("thresholds", "flow"))
        return RunResult(folder.path, metrics, thresholds, flow)


def forget(folder: ResultsFolder, stages: Iterable[str]) -> None:
    """Remove what stages of another kind of study left: beside today's results it would mislead."""
    for name in stages:
        folder.forget(name)


def _run_scale(stages: StudyStages, tables: ModelTables, read: str) -> RunResult:
    """Run what a study of grades or of a number has: validation, model, figures, tables and report."""
    study, folder = stages.study, stages.folder
    stages.reporter.note(NOT_RUN.format(scale=study.cohort.scale))
    forget(folder, [name for name in folder.records() if name not in OF_SCALE])
    metrics = run_scale_stages(stages, tables)
    mark = fingerprint(marks=stages.marks, covariates=study.cohort.covariates, code=code_of(show_scale))
    stages.run("show", "Figures and tables", mark, lambda move: show_scale(study, folder, move))
    write_manifest(study, folder, (), read)
    stages.report()
    return RunResult(folder.path, metrics, pd.DataFrame(), read_table(folder.path, "flow"))
