"""The leakage audit of a study: checks, the ladder, permutations, negative controls, the whole procedure."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from voicerisk.cohort import load_cohort
from voicerisk.files import PRIVATE, PUBLIC, write_csv, write_json, write_parquet
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.notebook import usual_reporter
from voicerisk.pipeline.progress import Reporter
from voicerisk.pipeline.results_folder import ResultsFolder, fingerprint, read_record
from voicerisk.pipeline.study_file import as_json
from voicerisk.study.audit.checks import Checked, check_study
from voicerisk.study.audit.fits import thinned
from voicerisk.study.audit.other_sound import controls_beside
from voicerisk.study.audit.refits import Drawn
from voicerisk.study.audit.steps import AuditOptions, AuditSteps, Refitted
from voicerisk.study.output.audit_figures import FOLDER, audit_pictures
from voicerisk.study.output.figures import effect_pictures
from voicerisk.study.scale.checks import refuse_scale
from voicerisk.study.settings import Study
from voicerisk.study.stages import StudyStages, open_results
from voicerisk.validation.audit.findings import STUDY, exit_code, findings_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found, and where it is written.

    Attributes
    ----------
    folder : Path
        `audit` in the results folder.
    ladder, findings, tests, controls, procedure : DataFrame
        As in the files of the same names.
    exit_code : int
        0: the study does not leak; 3: it does.
    """

    folder: Path
    ladder: pd.DataFrame
    findings: pd.DataFrame
    tests: pd.DataFrame
    controls: pd.DataFrame
    procedure: pd.DataFrame
    exit_code: int

    def _repr_html_(self) -> str:
        from voicerisk.study.audit.verdict import ladder_sentences, verdict
        from voicerisk.study.shown import as_html

        own = self.findings[self.findings["concerns"] == STUDY]
        said = [". ".join(verdict(own)), *ladder_sentences(self.ladder)]
        return as_html(said, own[["severity", "finding", "evidence", "remedy"]], self.folder)

    def plot(self, name: str = "audit_ladder") -> "Figure":
        """Draw the ladder, or with name 'permutation_null' the shuffles.

        Raises
        ------
        StudyError
            If the audit has no such figure.
        """
        from voicerisk.study.shown import figure_of

        return figure_of(self.folder.parent / "figures", name)


def run_audit(
    study: Study,
    out: Path | str,
    options: AuditOptions | None = None,
    jobs: int = 1,
    reporter: Reporter | None = None,
) -> AuditResult:
    """Audit a study for leaks; every finished step is kept, so that the same call goes on where it stopped.

    Parameters
    ----------
    study : Study
        From `load_study`.
    out : Path or str
        Results folder of the study. Recordings are analysed first where `run_study` has not done so; what it
        left (provenance, predictions, the GAMM) is checked as well.
    options : AuditOptions, optional
    jobs : int
        Processor cores; the result does not depend on it.
    reporter : Reporter, optional

    Returns
    -------
    AuditResult

    Raises
    ------
    VoiceriskError
        One sentence that says what was found, where, and what to do.

    Examples
    --------
    >>> import voicerisk
    >>> study = voicerisk.load_study("study.toml")  # doctest: +SKIP
    >>> voicerisk.audit(study, "results").findings  # doctest: +SKIP
    """
    refuse_scale(study, "audit")
    chosen = options or AuditOptions()
    told = reporter or usual_reporter()
    cohort = load_cohort(study.cohort, study.folder)
    folder = open_results(study, out)
    with folder.locked():
        started = time.monotonic()
        stages = StudyStages(study, folder, jobs, told)
        tables, extraction = stages.extract(cohort)
        with told.stage("Checks without refits"):
            checked = check_study(study, cohort, tables, extraction.channel, folder)
        if chosen.frames_per_caller is not None:
            before = len(tables.frames)
            tables = thinned(tables, chosen.frames_per_caller)
            told.note(f"Thinned to {len(tables.frames)} of {before} frames; every number below is of these.")
        base = audit_base(study, stages.marks["extract"])
        place = folder.checkpoints(FOLDER, fingerprint(base=base, frames=chosen.frames_per_caller))
        others = controls_beside(study, cohort, place, jobs, told, extraction.channel)
        work = AuditSteps(study, tables, extraction.channel, chosen, place, jobs, told, others)
        work.forecast()
        found = work.run()
        outputs = _write(study, folder, checked, found, chosen, base)
        folder.finish(FOLDER, fingerprint(base=base, options=asdict(chosen)), outputs, started)
        return _result(folder, checked, found)


def audit_base(study: Study, extract: str) -> str:
    """Return the fingerprint of what an audit is made from, whatever its options."""
    return fingerprint(
        extract=extract,
        levels=study.biomarkers.levels,
        strata=study.cohort.strata,
        screening=as_json(study.screening),
        boost=as_json(study.boost),
        validation=as_json(replace(study.validation, protocols=("nested",))),
        code=code_of(AuditSteps, check_study, controls_beside),
    )


def _write(
    study: Study,
    folder: ResultsFolder,
    checked: Checked,
    found: Refitted,
    options: AuditOptions,
    base: str,
) -> list[str]:
    """Write the tables and figures of an audit; return their names."""
    from voicerisk.figures import make

    findings = findings_table([*checked.findings, *found.findings])
    thin = options.frames_per_caller
    tables = {
        "ladder": found.ladder, "permutations": found.permutations, "tests": found.tests,
        "controls": found.controls, "procedure": found.procedure, "services": found.services,
        "columns": checked.columns,
        "channel": checked.channel, "sample_size": checked.sample_size, "plausibility": checked.plausibility,
    }  # fmt: skip
    names = []
    for name, table in tables.items():
        file = f"{FOLDER}/{name}.csv"
        folder.file(file).unlink(missing_ok=True)
        if len(table):
            if name in ("ladder", "permutations", "tests", "controls", "procedure", "services"):
                table = table.assign(frames_per_caller="all" if thin is None else thin)
            write_csv(folder.file(file), table)
            names.append(file)
    write_csv(folder.file(f"{FOLDER}/findings.csv"), findings)
    write_csv(folder.file(f"{FOLDER}/ladder_scores.csv"), found.scores, PRIVATE)
    names += _write_drawn(folder, found.drawn, thin)
    write_json(folder.file(f"{FOLDER}/settings.json"), {"base": base, **asdict(options)})
    names += [f"{FOLDER}/{name}" for name in ("findings.csv", "ladder_scores.csv", "settings.json")]
    pictures = audit_pictures(folder)
    if len(found.drawn.bands) and folder.file("boost/partial_effects.csv").is_file():
        one = next(effect_pictures(study, folder))
        make(one.name, one.table, folder.file("figures"), parts=one.parts)  # a file of the figures stage
    for name, table, parts in pictures:
        written = make(name, table, folder.file("figures"), parts=parts)
        names += [file.relative_to(folder.path).as_posix() for file in written]
    return names


def _write_drawn(folder: ResultsFolder, drawn: Drawn, thin: int | None) -> list[str]:
    """Write what the models of bootstrapped callers say, and remove what an earlier audit wrote of them."""
    frames = "all" if thin is None else thin
    tables = {
        "instability.csv": drawn.instability,
        "calibration_instability.csv": drawn.calibration,
        "refits.parquet": drawn.curves,
        "refit_lines.csv": drawn.lines.assign(frames_per_caller=frames),
        "effect_bands.csv": drawn.bands.assign(frames_per_caller=frames),
    }
    names = []
    for name, table in tables.items():
        file = folder.file(f"{FOLDER}/{name}")
        file.unlink(missing_ok=True)
        if table.empty:
            continue
        if file.suffix == ".parquet":
            write_parquet(file, table)
        else:
            write_csv(file, table, PRIVATE if name == "instability.csv" else PUBLIC)
        names.append(f"{FOLDER}/{name}")
    return names


def drop_stale_audit(study: Study, folder: ResultsFolder, extract: str) -> str | None:
    """Remove an audit that was made from other inputs or settings; return what to tell of it."""
    file = folder.file(f"{FOLDER}/settings.json")
    if not file.is_file():
        return None
    if (read_record(file) or {}).get("base") == audit_base(study, extract):
        return None
    folder.forget(FOLDER)
    return "The audit belonged to other inputs or settings and was removed; `voicerisk audit` makes it anew."


def _result(folder: ResultsFolder, checked: Checked, found: Refitted) -> AuditResult:
    findings = (*checked.findings, *found.findings)
    return AuditResult(
        folder.file(FOLDER), found.ladder, findings_table(findings), found.tests, found.controls,
        found.procedure, exit_code(findings),
    )  # fmt: skip
