"""What can be found out about a study before anything is computed: what is used, what not, what to mend."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table, callers_in_classes
from voicerisk.cohort import Cohort, load_cohort
from voicerisk.cohort.calls_table import read_calls, with_rows
from voicerisk.cohort.labels import read_track
from voicerisk.cohort.spans import Place, duration, inside, sort_labels
from voicerisk.errors import StudyError, VoiceriskError
from voicerisk.intake import is_missing
from voicerisk.rbridge import missing_in_r
from voicerisk.study.extraction.calls import Extraction, read_marker_table
from voicerisk.study.extraction.channels import audio_of_calls
from voicerisk.study.outcome_scale import is_scale
from voicerisk.study.scale.checks import models_to_fit, outcome_findings, refused
from voicerisk.study.settings import Study, load_study
from voicerisk.validation import plan_size
from voicerisk.validation.sample_size import expected_interval

MEND, LOOK, FINE = "mend", "look", "fine"
FEW_CALLERS = 10  # in the smaller class: below, an interval of an AUROC is too wide to say anything
SHOWN = 3
COLUMNS = ("kind", "about", "found", "remedy")
CALL_COLUMNS = (
    "row",
    "call_id",
    "used",
    "why_not",
    "seconds",
    "sample_rate",
    "channels",
    "format",
    "spans",
    "spoken_s",
)
MANY_MODELS = 5000  # of one protocol: leaving out one caller at a time takes hours from here on
MODEST_AUROC = 0.75
FEW_VALUES = 5  # a covariate with fewer enters the GAMM linearly (few_values of the R package)
LARGEST_SHARE = 0.5  # of callers: a text with more groups than that stands for the callers themselves


@dataclass(frozen=True, slots=True)
class Check:
    """What was found.

    Attributes
    ----------
    findings : DataFrame
        kind ('mend': the study cannot run, 'look': it can, but a person should know, 'fine'), about, found,
        remedy; in this order of kinds.
    calls : DataFrame
        One row a listed call: row (of the table), call_id, used ('yes', 'no'), why_not, seconds, sample_rate
        (Hz), channels, format, spans (chosen labels), spoken_s (their seconds). Empty where the table of
        calls
        cannot be read.

    Examples
    --------
    >>> check = check_study("study.toml")  # doctest: +SKIP
    >>> check.findings.query("kind == 'mend'")  # doctest: +SKIP
    """

    findings: pd.DataFrame
    calls: pd.DataFrame

    @property
    def runs(self) -> bool:
        """Whether nothing has to be mended before the study can run."""
        return not (self.findings["kind"] == MEND).any()


Finding = tuple[str, str, str, str]


def check_study(path: Path | str) -> Check:
    """Find everything about a study that needs no computing.

    Parameters
    ----------
    path : Path or str
        The study file.

    Returns
    -------
    Check
        What is wrong with the study file or the table of calls ends the search; broken recordings and label
        tracks are all named.

    Examples
    --------
    >>> check_study("study.toml").findings  # doctest: +SKIP
    """
    found: list[Finding] = []
    calls = pd.DataFrame(columns=list(CALL_COLUMNS))
    try:
        study = load_study(path)
        found.append((FINE, "study file", f"{study.path.name} can be read", ""))
        if not is_scale(study):
            found += [(MEND, "R", why, "") for why in missing_in_r(*r_packages(study))]
        calls = _calls(study)
        broken = calls[calls["why_not"] != ""]
        found += [(MEND, "recordings and tracks", why, "") for why in broken["why_not"]]
        if broken.empty:
            cohort = load_cohort(study.cohort, study.folder)
            calls = _used(calls, cohort)
            found += cohort_findings(study, cohort)
            found += list(_recordings(study, cohort, calls))
            found += list(_markers(study, cohort))
    except VoiceriskError as problem:
        found.append((MEND, "study file and table of calls", str(problem), ""))
    table = pd.DataFrame(found, columns=list(COLUMNS))
    order = table["kind"].map({MEND: 0, LOOK: 1, FINE: 2}).argsort(kind="stable")
    return Check(table.iloc[order].reset_index(drop=True), calls)


def require_sound(study: Study, cohort: Cohort, protocols: Sequence[str]) -> list[str]:
    """Refuse a study that would stop after minutes; return what a person should know.

    Raises
    ------
    StudyError
        With what `cohort_findings` says must be mended.
    """
    found = cohort_findings(study, cohort, protocols)
    wrong = [f"{what}{'; ' + remedy if remedy else ''}" for kind, _, what, remedy in found if kind == MEND]
    if wrong:
        more = f" (and {len(wrong) - SHOWN} more: `voicerisk check`)" if len(wrong) > SHOWN else ""
        raise StudyError(f"{study.path.name}: {' '.join(f'{one}.' for one in wrong[:SHOWN])}{more}")
    return [
        f"{what[0].upper()}{what[1:]}{'; ' + remedy if remedy else ''}."
        for kind, about, what, remedy in found
        if kind == LOOK and about in ("covariates", "strata", "folds", "sample size")
    ]


def r_packages(study: Study) -> tuple[str, ...]:
    """Return the packages of R that a run of the study needs."""
    return ("mgcv", "mboost") if study.boost.engine == "mboost" else ("mgcv",)


def require_r(study: Study, gamm: Path) -> list[str]:
    """Refuse to begin what would stop at its GAMM, which comes after the longest stage.

    Returns
    -------
    list of str
        A note instead where the GAMM lies in the results already.

    Raises
    ------
    StudyError
        With what R lacks.
    """
    why = missing_in_r(*r_packages(study))
    if not why:
        return []
    if not gamm.is_file():
        raise StudyError(f"{study.path.name} needs R for its curves. {' '.join(why)}")
    return [f"The run stops should its kept GAMM have to be fitted again. {' '.join(why)}"]


def cohort_findings(study: Study, cohort: Cohort, protocols: Sequence[str] | None = None) -> list[Finding]:
    """Return what the calls of a study say about covariates, strata, classes, folds and size."""
    return [
        *_outcomes(study, cohort),
        *((LOOK, "calls", note, "") for note in cohort.notes),
        *_left_out(cohort),
        *_covariates(study, cohort),
        *_strata(study, cohort),
        *_folds(study, cohort, protocols or study.validation.protocols),
    ]


def _calls(study: Study) -> pd.DataFrame:
    """Look at every recording and label track; what is wrong with one is written beside it."""
    table = Path(study.folder, study.cohort.calls).absolute()
    root = Path(study.folder, study.cohort.root or ".").resolve()
    listed = with_rows(read_calls(table))
    rows = []
    for call in listed.to_dict("records"):
        one: dict[str, Any] = dict.fromkeys(CALL_COLUMNS, "")
        one |= {"row": call["row"], "call_id": call["call_id"], "used": "no"}
        place = Place(table, call["row"], call["call_id"])
        try:
            one |= _recording(inside(root, call["file"], "file", place), place)
            track = call.get("labels", "")
            if is_missing(track):
                one |= {"spans": 0, "spoken_s": one["seconds"]}
            else:
                labels = read_track(inside(root, track, "labels", place), study.cohort.tier)
                chosen, _, _ = sort_labels(labels, study.cohort.labels)
                one |= {"spans": len(chosen), "spoken_s": round(sum(row[1] - row[0] for row in chosen), 3)}
        except VoiceriskError as problem:
            one["why_not"] = str(problem)
        rows.append(one)
    return pd.DataFrame(rows, columns=list(CALL_COLUMNS))


def _recording(path: Path, place: Place) -> dict[str, Any]:
    import soundfile

    seconds, _ = duration(path, place)
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError, TypeError):
        return {"seconds": round(seconds, 3)}  # read by another decoder
    return {
        "seconds": round(seconds, 3),
        "sample_rate": info.samplerate,
        "channels": info.channels,
        "format": f"{info.format}, {info.subtype_info}",
    }


def _used(calls: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    """Mark the calls that are used, and write why the others are not."""
    gone = cohort.exclusions.drop_duplicates("call_id").set_index("call_id")["reason"]
    used = calls["call_id"].isin(cohort.calls["call_id"])
    why = calls["call_id"].map(gone).astype("str").fillna("").where(~used, "")
    return calls.assign(used=np.where(used, "yes", "no"), why_not=why)


def _outcomes(study: Study, cohort: Cohort) -> Iterator[Finding]:
    if is_scale(study):
        yield from ((FINE, "outcome", found, "") for found in outcome_findings(study, cohort.calls))
        return
    for outcome in (1, 0):
        own = cohort.calls[cohort.calls["outcome"] == outcome]
        yield (
            FINE,
            "outcome",
            f"{len(own)} calls of {own['caller_id'].nunique()} callers have outcome {outcome}",
            "",
        )


def _left_out(cohort: Cohort) -> Iterator[Finding]:
    left = cohort.flow[(cohort.flow["unit"] != "caller") & (cohort.flow["n"] > 0)]
    for row in left.to_dict("records"):
        yield LOOK, "left out", f"{row['n']} {row['unit']}(s): {row['reason']}; {row['remaining']} stay", ""


def _covariates(study: Study, cohort: Cohort) -> Iterator[Finding]:
    calls = cohort.calls
    markers = _markers_of(study)
    unknown = unknown_linear(study, markers) if markers is not None else ""
    if unknown:
        yield MEND, "covariates", unknown, ""
    for name in study.cohort.covariates:
        column = calls[name]
        filled = column.dropna()
        groups = filled.nunique()
        gaps = int(column.isna().sum())
        if markers is not None and name in markers:
            yield MEND, "covariates", f"the covariate {name!r} has the name of a marker", "rename the column"
        if groups < 2:
            values = "no value" if filled.empty else f"the single value {filled.iloc[0]!r}"
            yield MEND, "covariates", f"the covariate {name!r} has {values} in the calls used", "leave it out"
            continue
        if gaps:
            what = "it adds nothing to their score" if is_scale(study) else "the GAMM leaves their rows out"
            rows = f"{gaps} of {len(calls)} calls have no {name!r}; {what}"
            yield LOOK, "covariates", rows, ""
        if pd.api.types.is_numeric_dtype(column):
            straight = groups < FEW_VALUES or name in study.gamm.linear
            how = "linearly" if straight else "as a curve"
            yield (
                FINE,
                "covariates",
                f"{name!r} is a number with {groups} different values and enters {how}",
                "",
            )
            continue
        sizes = calls.groupby(name)["caller_id"].nunique()
        alone = int((sizes == 1).sum())
        if groups > LARGEST_SHARE * calls["caller_id"].nunique():
            yield (
                MEND,
                "covariates",
                f"the covariate {name!r} is text with {groups} values for {calls['caller_id'].nunique()} "
                f"callers: it would "
                "stand for the callers themselves",
                "write numbers, or fewer groups",
            )
            continue
        shown = ", ".join(f"{value!r} ({n} callers)" for value, n in sizes.items())
        kind = LOOK if alone else FINE
        yield kind, "covariates", f"{name!r} is text with {groups} groups: {shown}", ""


def unknown_linear(study: Study, markers: Collection[str]) -> str:
    """Say which name of `[gamm] linear` is neither a covariate nor a marker; '' where all are known."""
    unknown = [name for name in study.gamm.linear if name not in {*study.cohort.covariates, *markers}]
    return f"[gamm] linear names {unknown[0]!r}, which is neither a covariate nor a marker" if unknown else ""


def _markers_of(study: Study) -> set[str] | None:
    """Return the columns that the models take as markers; None where they stand in a table."""
    if study.biomarkers.frames is not None:
        return None
    names = study.biomarkers.markers
    return {*names, *(f"{name}_{level}" for name in names for level in ("segment", "deviation"))}


def _strata(study: Study, cohort: Cohort) -> Iterator[Finding]:
    for name in study.cohort.groups:
        values = cohort.calls[name].astype(str)
        sizes = cohort.calls.groupby(values)["caller_id"].nunique()
        if name in study.cohort.strata:
            shown = ", ".join(f"{value!r}: {n}" for value, n in sizes.items())
            few = sizes.min() < 2
            what = f"{name!r} has {len(sizes)} values, callers of each: {shown}"
            yield (LOOK if few or len(sizes) < 2 else FINE), "strata", what, ""
        outcomes = cohort.calls.groupby(values)["outcome"].agg(["nunique", "first", "size"])
        alone = outcomes[outcomes["nunique"] == 1]
        if len(alone):
            shown = ", ".join(
                f"{value!r} ({row['size']} calls, all {row['first']})"
                for value, row in alone.head(SHOWN).iterrows()
            )
            more = f" and {len(alone) - SHOWN} more" if len(alone) > SHOWN else ""
            yield (
                LOOK,
                "strata",
                f"{len(alone)} of the {len(sizes)} values of {name!r} have one outcome only: {shown}{more}",
                "they stay in the study, but no discrimination can be measured within them, and the value "
                "alone predicts the outcome",
            )


def _folds(study: Study, cohort: Cohort, protocols: Sequence[str]) -> Iterator[Finding]:
    if is_scale(study):
        yield from _folds_of_scale(study, cohort, protocols)
        return
    own = study.cohort.strata
    calls = cohort.calls[["call_id", "caller_id", "outcome", *own]].rename(columns={"outcome": "y"})
    calls = calls.assign(n_frames=1)
    callers = caller_table(calls, own)
    zero, one = callers_in_classes(callers)
    try:
        for protocol, n in plan_size(calls, replace(study.validation, protocols=tuple(protocols))).items():
            loco = protocol == "published" or "loco" in study.validation.designs
            less = 'protocols = ["nested"]' if protocol == "published" else 'designs = ["grouped_kfold"]'
            long = n > MANY_MODELS and loco
            yield (
                LOOK if long else FINE,
                "folds",
                f"the {protocol} protocol fits {n} models, each on callers of both classes",
                f"{less} in [validation] leaves out the hours of leave-one-caller-out" if long else "",
            )
    except VoiceriskError as problem:
        yield MEND, "folds", str(problem).rstrip("."), "add callers, or lower inner_folds in [validation]"
    smaller = min(zero, one)
    low, high = expected_interval(zero + one, MODEST_AUROC, one / (zero + one))
    what = (
        f"{one} callers with outcome 1 and {zero} with outcome 0: an AUROC of {MODEST_AUROC} would have a "
        f"95% "
        f"interval of about {low:.2f} to {high:.2f} with one call a caller"
    )
    yield (LOOK if smaller < FEW_CALLERS else FINE), "sample size", what, ""


def _folds_of_scale(study: Study, cohort: Cohort, protocols: Sequence[str]) -> Iterator[Finding]:
    impossible = refused(study, protocols)
    if impossible:
        yield MEND, "folds", impossible, ""
        return
    try:
        n = models_to_fit(study, cohort.calls)
        yield FINE, "folds", f"the nested protocol fits {n} models, each on callers of both halves", ""
    except VoiceriskError as problem:
        yield MEND, "folds", str(problem).rstrip("."), "add callers, or lower inner_folds in [validation]"


def _recordings(study: Study, cohort: Cohort, calls: pd.DataFrame) -> Iterator[Finding]:
    used = calls[calls["used"] == "yes"]
    minutes = pd.to_numeric(used["seconds"]).sum() / 60
    spoken = pd.to_numeric(used["spoken_s"]).sum() / 60
    yield (
        FINE,
        "recordings",
        f"{len(used)} recordings, {minutes:.1f} min, {spoken:.1f} min of them in spans",
        "",
    )
    for column, unit in (("sample_rate", "Hz"), ("channels", "channel(s)"), ("format", "")):
        sizes = used[column].value_counts()
        if len(sizes) > 1:
            shown = ", ".join(f"{value} {unit} ({n})".replace("  ", " ") for value, n in sizes.items())
            yield (
                LOOK,
                "recordings",
                f"recordings differ in {column}: {shown}",
                "a model can learn such a difference",
            )
    several = used[pd.to_numeric(used["channels"], errors="coerce") > 1]
    try:
        own = audio_of_calls(cohort.calls, study.audio)
    except VoiceriskError as problem:
        yield MEND, "recordings", str(problem).rstrip("."), ""
        return
    several = several[[own[call].channel is None for call in several["call_id"]]]
    if len(several):
        shown = ", ".join(several["call_id"].iloc[:SHOWN])
        yield (
            MEND,
            "recordings",
            f"{len(several)} recordings have several channels ({shown})",
            "say which is the caller's with channel in [audio], or in a column channel of the table of calls",
        )


def _markers(study: Study, cohort: Cohort) -> Iterator[Finding]:
    if study.biomarkers.frames is None:
        return
    path = study.folder / study.biomarkers.frames
    try:
        found: Extraction = read_marker_table(path, cohort, study.biomarkers.missing)
    except VoiceriskError as problem:
        yield MEND, "marker table", str(problem).rstrip("."), ""
        return
    yield (
        FINE,
        "marker table",
        f"{len(found.frames)} rows of {found.frames['call_id'].nunique()} calls, {len(found.markers)} "
        f"markers",
        "",
    )
    yield from ((LOOK, "marker table", note, "") for note in found.notes)
    without = sorted(set(cohort.calls["call_id"]) - set(found.frames["call_id"]))
    if without:
        shown = ", ".join(without[:SHOWN])
        yield LOOK, "marker table", f"{len(without)} calls have no row that is used ({shown}) and leave", ""
    unknown = unknown_linear(study, found.markers)
    if unknown:
        yield MEND, "covariates", unknown, ""
    constant = [name for name in found.markers if found.frames[name].nunique() < 2]
    if constant:
        yield (
            LOOK,
            "marker table",
            f"markers with a single value say nothing: {', '.join(constant[:SHOWN])}",
            "",
        )
