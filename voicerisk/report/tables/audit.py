"""Publication tables of the audit: its ladder, and what it found."""

import pandas as pd

from voicerisk.figures.wording import COVERAGE, need, number
from voicerisk.report.tables.formats import MISSING, estimate
from voicerisk.report.tables.publication import PublicationTable
from voicerisk.validation.protocols.kfold import KFOLD, WHOLE_PROCEDURE

_HEADS = {
    "auroc": "AUROC as printed",
    "auroc_call": "AUROC of calls",
    "average_precision": "Average precision",
    "youden_j": "Youden J",
    "accuracy_frame": "Frames decided rightly",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
    "null_mean_kfold": "As printed, mean over permuted outcomes (grouped k-fold)",
}
_UNITS = {"frame_by_call": "frame by call"}


def audit_table(ladder: pd.DataFrame) -> PublicationTable:
    """Return the audit ladder: what each relaxed rule of the published protocol adds to the numbers.

    Parameters
    ----------
    ladder : DataFrame
        The audit's table: rung, label, unit, auroc, and where there are some auroc_call, average_precision,
        youden_j, accuracy_frame, n_with_cut and n_without_cut, brier, calibration_slope, null_mean_kfold,
        leaked, lower and upper (of auroc_call), change with change_lower and change_upper (from the rung
        above), frames_per_caller.
    """
    need(ladder, ["rung", "label", "unit", "auroc"], "audit table")
    names = [str(label).removeprefix("+ ") for label in ladder["label"]]
    cells = pd.DataFrame({"Rung": [f"{place}. {name}" for place, name in enumerate(names)]})
    cells["Unit"] = [_UNITS.get(str(unit), str(unit)) for unit in ladder["unit"]]
    for column, head in _HEADS.items():
        if column == "auroc_call" and {"auroc_call", "lower", "upper"} <= set(ladder.columns):
            cells[head] = _with_interval(ladder, "auroc_call", "lower", "upper")
            if {"change", "change_lower", "change_upper"} <= set(ladder.columns):
                cells["Change by this step"] = _with_interval(
                    ladder, "change", "change_lower", "change_upper"
                )
        elif column in ladder:
            if column == "brier" and {"n_with_cut", "n_without_cut"} <= set(ladder.columns):
                counts = zip(ladder["n_with_cut"], ladder["n_without_cut"], strict=True)
                cells["Calls with a cut + without"] = [f"{some} + {none}" for some, none in counts]
            cells[head] = [number(value, 3 if column == "brier" else 2) for value in ladder[column]]
    if "leaked" in ladder:
        cells["Had seen held-out callers"] = [
            "nothing" if pd.isna(names) or not names else str(names) for names in ladder["leaked"]
        ]
    notes = ["Each rung relaxes one rule more than the rung above it, on the same folds. Rung 0 is honest."]
    if "n_without_cut" in ladder:
        notes.append(
            "Youden J and the frames decided rightly are of all calls: a call whose fold found no cut is not "
            "flagged."
        )
    if "lower" in ladder:
        notes.append(f"Intervals: bootstrap of callers, given these scores. {COVERAGE}")
    notes += _thinning(ladder)
    title = "What each relaxed rule adds: from the nested to the published protocol"
    return PublicationTable("audit", title, cells, tuple(notes))


_QUANTITIES = {
    "auroc_loco": "AUROC, leave one caller out, interval given these scores",
    KFOLD: "AUROC, grouped k-fold, interval given these scores",
    WHOLE_PROCEDURE: "AUROC, grouped k-fold, whole-procedure interval",
    "auroc_apparent": "AUROC on the callers learned from",
    "auroc_out_of_bag": "AUROC out of bag",
    "auroc_optimism": "Optimism of the AUROC",
    "auroc_optimism_corrected": "AUROC, apparent less optimism",
    "auroc_632": "AUROC, .632",
    "auroc_632plus": "AUROC, .632+",
    "auroc_leave_pair_out": "AUROC, pairs left out",
    "brier_nested_cv": "Brier score, nested cross-validation",
}


def procedure_table(procedure: pd.DataFrame) -> PublicationTable:
    """Return what bootstraps of the whole procedure found, beside the interval given the scores.

    Parameters
    ----------
    procedure : DataFrame
        The audit's table: quantity, estimate, lower, upper, how; frames_per_caller where it was thinned.
    """
    need(procedure, ["quantity", "estimate", "lower", "upper", "how"], "whole procedure")
    names = [_QUANTITIES.get(str(name), str(name)) for name in procedure["quantity"]]
    cells = pd.DataFrame({"Quantity": names})
    cells["Estimate (95% interval)"] = [
        estimate(row["estimate"], row["lower"], row["upper"], 3) for row in procedure.to_dict("records")
    ]
    cells["How"] = procedure["how"].astype(str).to_numpy(dtype=object)
    notes = [COVERAGE, *_thinning(procedure)]
    return PublicationTable("procedure", "The whole procedure, learned anew", cells, tuple(notes))


def whole_procedure_line(procedure: pd.DataFrame) -> str:
    """Say the AUROC with the interval that has the variance of learning; '' where there is none."""
    rows = procedure[procedure["quantity"] == WHOLE_PROCEDURE]
    if rows.empty or rows["lower"].isna().all():
        return ""
    row = rows.iloc[0]
    thinned = " ".join(_thinning(procedure))
    shown = estimate(row["estimate"], row["lower"], row["upper"])
    return (
        "Nested protocol, one split of grouped k-fold, with the variance of learning (whole procedure, "
        f"bootstrapped): AUROC of calls {shown}. {thinned}".strip()
    )


def _thinning(table: pd.DataFrame) -> list[str]:
    if "frames_per_caller" not in table or str(table["frames_per_caller"].iloc[0]) == "all":
        return []
    return [f"Thinned: {table['frames_per_caller'].iloc[0]} frames a caller, evenly spaced."]


def _with_interval(table: pd.DataFrame, value: str, lower: str, upper: str) -> list[str]:
    return [estimate(*row) for row in table[[value, lower, upper]].itertuples(index=False, name=None)]


def findings_list(findings: pd.DataFrame) -> PublicationTable:
    """Return what the audit found, with evidence and remedy, leaks first.

    Parameters
    ----------
    findings : DataFrame
        Columns severity ('leak', 'bias', 'note'), finding, evidence, remedy, and where known concerns ('the
        study' or 'the ladder', whose rules the audit relaxed on purpose).
    """
    need(findings, ["severity", "finding", "evidence", "remedy"], "audit findings")
    order = findings["severity"].map({"leak": 0, "bias": 1}).fillna(2)
    heads = {"severity": "Kind", "finding": "Finding", "evidence": "Evidence", "remedy": "Remedy"}
    if "concerns" in findings:
        order = order + 10 * (findings["concerns"] != "the study")
        heads = {"concerns": "Concerns", **heads}
    rows = findings.iloc[order.argsort(kind="stable")]
    cells = rows[list(heads)].astype("string").fillna(MISSING)
    cells.columns = pd.Index(heads.values())
    notes = (
        "Leak: the held-out caller's outcome, or who they are, entered. Bias: the number is not what it "
        "says, without any leak.",
    )
    title = "Findings of the audit"
    return PublicationTable("findings", title, cells.astype(object).reset_index(drop=True), notes)
