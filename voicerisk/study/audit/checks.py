"""Checks of an audit that need no refit: the study's tables, its recordings, and what an earlier run left."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.biomarkers.catalogue import telephone
from voicerisk.callers.schema import RIVAL
from voicerisk.cohort import Cohort
from voicerisk.errors import StudyError
from voicerisk.files import read_json
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import has_table, read_table
from voicerisk.study.fitting.design import ModelTables, candidate_df
from voicerisk.study.settings import Study
from voicerisk.validation import degenerate_scores, plausibility_bound, riley_sample_size
from voicerisk.validation.audit.checks import (
    caller_columns,
    channel_findings,
    channel_table,
    column_findings,
    duplicate_audio,
    group_overlap,
    one_class_cells,
)
from voicerisk.validation.audit.findings import LADDER, Finding
from voicerisk.validation.audit.plausibility import expected_shrinkage

SURVIVES = 0.5  # concordance after GSM below which a marker is spoken of as lost
# What R's lower-case conventions of calls.csv hold that is the outcome itself, or a name.
NOT_CHECKED = ("call_id", "caller_id", "y", "outcome", "path", "file", "labels", "n_frames")


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks found.

    Attributes
    ----------
    findings : tuple of Finding
    columns : DataFrame
        column, in_model, constant_within_caller, n_distinct, auroc, separates, index_like.
    channel : DataFrame
        column, auroc, lower, upper, n_missing, mean_0, mean_1.
    sample_size : DataFrame
        quantity, value.
    plausibility : DataFrame
        Empty where the study has no GAMM or no nested predictions.
    """

    findings: tuple[Finding, ...]
    columns: pd.DataFrame
    channel: pd.DataFrame
    sample_size: pd.DataFrame
    plausibility: pd.DataFrame


def check_study(
    study: Study, cohort: Cohort, tables: ModelTables, channel: pd.DataFrame, folder: ResultsFolder
) -> Checked:
    """Run every check that needs no refit."""
    calls = tables.calls
    findings = list(_of_columns(study, cohort, tables))
    findings += one_class_cells(calls, _strata(study))
    measured = pd.DataFrame()
    if "sha256" in channel:
        findings += duplicate_audio(channel, calls)
        findings += channel_findings(channel, calls)
        measured = channel_table(channel, calls)
    findings += _of_earlier_run(folder)
    findings += _fragile(study, folder)
    sizes, enough = _sample_size(study, tables)
    bounds, possible = _plausibility(study, tables, folder)
    return Checked(
        (*findings, *enough, *possible), _columns_table(study, cohort, tables), measured, sizes, bounds
    )


def _moderator(study: Study) -> list[str]:
    name = study.cohort.moderator_column
    return [] if name is None else [name]


def _strata(study: Study) -> list[str]:
    return list(study.cohort.groups)


def _strata_not_given(study: Study, calls: pd.DataFrame) -> list[str]:
    """Return the strata that no model is given: all but the moderator."""
    given = {*study.cohort.moderator, study.cohort.moderator_column}
    return [name for name in _strata(study) if name not in given and name in calls]


def _other_columns(study: Study, cohort: Cohort) -> list[str]:
    used = {*NOT_CHECKED, study.cohort.outcome, study.cohort.cssrs, *_strata(study)}
    return [str(name) for name in cohort.calls.columns if name not in used]


def _with_outcomes(cohort: Cohort, tables: ModelTables) -> pd.DataFrame:
    """Return the study's calls in the order of calls.csv, with the row number and the caller's rank."""
    kept = cohort.calls[cohort.calls["call_id"].isin(tables.calls["call_id"])].reset_index(drop=True)
    kept = kept.assign(
        y=kept["call_id"].map(dict(zip(tables.calls["call_id"], tables.calls["y"], strict=True)))
    )
    first = kept.drop_duplicates("caller_id")["caller_id"]
    number = dict(zip(first, range(len(first)), strict=True))
    rank = dict(zip(sorted(first, key=_natural), range(len(first)), strict=True))
    return kept.assign(
        **{
            "row of calls.csv": kept["caller_id"].map(number),
            "number in caller_id": kept["caller_id"].map(rank),
            "folder of file": kept["file"].map(lambda file: Path(str(file)).parent.as_posix()),
        }
    )


def _natural(text: str) -> tuple[str, int, str]:
    digits = "".join(one for one in str(text) if one.isdigit())
    return (str(text).rstrip("0123456789"), int(digits or 0), str(text))


def _of_columns(study: Study, cohort: Cohort, tables: ModelTables) -> Iterator[Finding]:
    markers = tables.frames.assign(y=tables.of_frames("y"))
    yield from column_findings(markers, tables.markers)
    calls = _with_outcomes(cohort, tables)
    # Of the strata the models are given the moderator alone; the others shape folds.
    yield from column_findings(calls, _moderator(study))
    order = ["row of calls.csv", "number in caller_id"]
    sorted_by_outcome = caller_columns(calls, order)
    for row in sorted_by_outcome[sorted_by_outcome["separates"]].to_dict("records"):
        yield Finding(
            "sorted_by_outcome", "note",
            f"The {row['column']} predicts the outcome: the calls are sorted by it.",
            f"AUROC {row['auroc']:.3f} of the {row['column']} alone",
            "No model is given it here; anyone who takes a running number as a predictor would leak.",
        )  # fmt: skip
    others = [*_strata_not_given(study, calls), "folder of file", *_other_columns(study, cohort)]
    yield from column_findings(calls, others, in_model=False)


def _columns_table(study: Study, cohort: Cohort, tables: ModelTables) -> pd.DataFrame:
    markers = caller_columns(tables.frames.assign(y=tables.of_frames("y")), tables.markers)
    calls = _with_outcomes(cohort, tables)
    made = ["row of calls.csv", "number in caller_id", "folder of file"]
    strata = _strata_not_given(study, calls)
    others = caller_columns(calls, [*strata, *made, *_other_columns(study, cohort)])
    found = pd.concat(
        [
            markers.assign(in_model=True),
            caller_columns(calls, _moderator(study)).assign(in_model=True),
            others.assign(in_model=False),
        ]
    )
    first = ["column", "in_model"]
    return found[[*first, *(c for c in found.columns if c not in first)]].reset_index(drop=True)


def _of_earlier_run(folder: ResultsFolder) -> Iterator[Finding]:
    """Read what `voicerisk run` left: who each learned object saw, and whether the scores say anything."""
    file = folder.file("provenance.json")
    if file.is_file():
        for protocol, provenance in read_json(file, StudyError).items():
            for one in group_overlap(provenance):
                concerns = LADDER if protocol == "published" else one.concerns
                yield Finding(
                    one.mechanism, one.severity, f"Protocol {protocol}: {one.finding}", one.evidence,
                    one.remedy, concerns,
                )  # fmt: skip
    for protocol in ("nested", "published"):
        file = folder.file(f"predictions_{protocol}.parquet")
        if file.is_file():
            alarms = degenerate_scores(read_table(folder.path, f"predictions_{protocol}"))
            for row in alarms[alarms["alarm"]].to_dict("records"):
                yield Finding(
                    "degenerate_scores", "bias" if row["copies"] else "note",
                    f"{protocol}, {row['design']}: {row['finding']}",
                    f"standard deviation of the scores {row['sd_score']:.3g}, of an empty model's "
                    f"{row['sd_empty']:.3g}; correlation of both {row['correlation']:.2f}",
                    "Do not read this AUROC in either direction.",
                    LADDER if protocol == "published" else "the study",
                )  # fmt: skip


def _fragile(study: Study, folder: ResultsFolder) -> list[Finding]:
    """Name the markers of the screening that a GSM line makes other markers of."""
    if study.biomarkers.frames is not None or not has_table(folder.path, "screening"):
        return []
    kept = read_table(folder.path, "screening").query("selected")["marker"]
    survives = telephone().set_index("marker")["gsm"].reindex(kept)
    lost = survives[survives < SURVIVES]
    if lost.empty:
        return []
    return [
        Finding(
            "fragile_markers", "note",
            f"{len(lost)} of {len(kept)} markers kept do not survive a GSM line: {', '.join(lost.index)}.",
            "concordance of calls before and after GSM 06.10, 72 recordings of acted emotion (RAVDESS): "
            + ", ".join(f"{name} {value:.2f}" for name, value in lost.items()),
            "Do not pool lines or score calls of another line with them; see docs/telephone.md.",
        )
    ]  # fmt: skip


def _sample_size(study: Study, tables: ModelTables) -> tuple[pd.DataFrame, list[Finding]]:
    """Compare the callers of the study with what Riley's criteria ask of its candidate terms."""
    by_caller = tables.calls.groupby("caller_id")["y"].max()
    # A caller with calls of both outcomes counts by their share: where all have one, the largest would be 1.
    n, prevalence = len(by_caller), float(tables.calls.groupby("caller_id")["y"].mean().mean())
    candidates = candidate_df(tables, study.boost.df)
    needed = riley_sample_size(candidates, prevalence)
    shrinkage = expected_shrinkage(n, candidates, prevalence)
    table = pd.DataFrame(
        [
            ("callers", n), ("callers with the outcome", int(by_caller.sum())),
            ("candidate degrees of freedom (markers x levels x df, and the moderator)", candidates),
            ("callers with the outcome for each of them", by_caller.sum() / candidates),
            ("callers needed for an expected shrinkage of 0.9", needed.shrinkage_n),
            ("callers needed for an optimism in R2 of 0.05", needed.optimism_n),
            ("callers needed for the overall risk within 0.05", needed.prevalence_n),
            ("callers needed", needed.n), ("callers with the outcome needed", needed.events),
            ("expected shrinkage at this number of callers", shrinkage),
        ],
        columns=["quantity", "value"],
    )  # fmt: skip
    if n >= needed.n:
        return table, []
    return table, [
        Finding(
            "sample_size", "note", "The study has fewer callers than its candidate terms ask for.",
            f"{n} callers, {needed.n} by Riley's criteria for {candidates:g} degrees of freedom and a "
            f"Nagelkerke R2 of 0.15; expected shrinkage {shrinkage:.2f}. Boosting shrinks by itself: the "
            "number is for planning",
            "Name fewer candidate markers beforehand, or gather more callers.",
        )
    ]  # fmt: skip


def _plausibility(
    study: Study, tables: ModelTables, folder: ResultsFolder
) -> tuple[pd.DataFrame, list[Finding]]:
    """Compare each protocol's AUROC with what averaging rows that explain so little can reach."""
    fit, metrics = folder.file("gamm/fit.csv"), folder.file("metrics.csv")
    nested = folder.file("predictions_nested.parquet")
    if not (fit.is_file() and metrics.is_file() and nested.is_file()):
        return pd.DataFrame(), []
    fits = read_table(folder.path, "gamm/fit")
    # Without random intercepts: those would explain each caller by himself.
    fits = fits[fits["model"] == "without_random_intercepts"] if "model" in fits else fits
    by_caller = tables.calls.groupby("caller_id")["y"].max()
    rows = read_table(folder.path, "predictions_nested", filters=[("unit", "==", "frame")])
    if fits.empty or rows.empty:
        return pd.DataFrame(), []
    r2 = float(fits["r2_adjusted"].iloc[0])
    if study.gamm.level == "segment":
        keys = ["call_id", "caller_id", "segment", "y"]
        rows = rows.groupby(keys, observed=True)["p_raw"].mean().reset_index()
    m = len(rows) / len(by_caller)
    icc = _icc_within_class(rows)
    if not 0.0 <= r2 < 1.0:
        return pd.DataFrame(), []
    bound = plausibility_bound(r2, float(by_caller.mean()), m, icc)
    shown = read_table(folder.path, "metrics").query(
        "metric == 'auroc' and unit == 'call' and subgroup == 'all'"
    )
    shown = shown[shown["protocol"] != RIVAL]
    shown = shown[shown["method"].str.contains("percentile")]
    table = shown[["protocol", "design", "estimate", "lower", "upper"]].assign(
        r2=r2,
        rows_per_caller=m,
        icc=icc,
        bound_auroc=bound.auroc_caller,
        bound_accuracy=bound.accuracy_caller,
    )
    findings = [
        Finding(
            "plausibility", "note",
            f"{row['protocol']}, {row['design']}: the AUROC lies above what {study.gamm.level}s that explain "
            "so little can reach by averaging: other information entered.",
            f"AUROC {row['estimate']:.3f} ({row['lower']:.3f} to {row['upper']:.3f}); ceiling "
            f"{bound.auroc_caller:.3f} from R2 {r2:.3f}, {m:.1f} {study.gamm.level}s a caller and an "
            f"intra-caller correlation of {icc:.2f} (binormal, an approximation)",
            "Ask what the score knows beside the markers.",
        )
        # an AUROC of 1 in every resample has no interval
        for row in table[table["lower"].fillna(table["estimate"]) > bound.auroc_caller].to_dict("records")
    ]  # fmt: skip
    return table.reset_index(drop=True), findings


def _icc_within_class(rows: pd.DataFrame) -> float:
    """Return the intra-caller correlation of the log-odds within class, by analysis of variance."""
    p = rows["p_raw"].clip(1e-6, 1 - 1e-6).to_numpy()
    x = np.log(p / (1.0 - p))
    code = rows.groupby(["y", "caller_id"], observed=True).ngroup().to_numpy()
    n = np.bincount(code)
    mean = np.bincount(code, x) / n
    of_class = pd.Series(rows["y"].to_numpy()).groupby(code).first().to_numpy()
    centre = np.array([x[rows["y"].to_numpy() == v].mean() for v in (0, 1)])
    between = (n * (mean - centre[of_class.astype(int)]) ** 2).sum() / max(len(n) - 2, 1)
    within = ((x - mean[code]) ** 2).sum() / max(len(x) - len(n), 1)
    size = (len(x) - (n**2).sum() / len(x)) / max(len(n) - 1, 1)
    variance = max((between - within) / size, 0.0)
    return float(variance / (variance + within)) if variance + within > 0 else 0.0
