"""Captions that stand alone: what is drawn, what marks and bands mean, how many, and what is left out."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from voicerisk.figures.gallery_drawings import Drawing
from voicerisk.figures.wording import GIVEN_SCORES, SAVED, given_scores, in_units, interval_note, one_interval

# What a reader must know beside the one sentence of the figure; abbreviations are spelled out here.
NO_PARTS: Mapping[str, pd.DataFrame] = {}
READ: Mapping[str, str] = {
    "exclusion_flow": "Boxes at the left say what stays, boxes at the right what leaves and why. A frame is "
    "a short piece of sound of fixed length; a span is a stretch of the caller's speech.",
    "missing_values": "Each mark is the share of frames in which the marker has no value. Markers without a "
    "missing value are not shown.",
    "lasso_path": "Left: coefficients of standardised markers in log-odds for each standard deviation; the "
    "largest have a colour. Right: deviance over folds of whole callers, mean and standard error. Vertical "
    "lines: the penalty of least deviance (solid) and the largest within one standard error of it (dashed).",
    "selection_frequencies": "A marker that is chosen in few folds depends on who is in the sample.",
    "gamm_curves": "A curve is the effect of one marker with all others held fixed, in log-odds, and has "
    "mean 0 over its level. EDF: effective degrees of freedom, 1 for a line. P: test that the curve is flat; "
    "in brackets, adjusted for all tests (Holm). Ticks at the bottom: where values were observed.",
    "difference_curves": "Shaded stretches: the band excludes 0.",
    "partial_effects": "A curve is what a marker adds to the log-odds, minus its mean over the calls of the "
    "level. Ticks at the bottom: where values were observed. Curves of a prediction model are no effects. "
    "A band, where there is one, holds the curves of 95% of the models of bootstrapped callers: the "
    "spread of learning; true bends often lie outside.",
    "risk_path": "Thin lines are folds, the thick one their mean. Ticks at the bottom: how often a number of "
    "steps was chosen.",
    "protocols_compared": "Marks are estimates, lines 95% intervals, grey ticks what a model without "
    "information reaches. AUROC: area under the receiver operating characteristic curve.",
    "roc": "Each step is a cut on the score of calls. The diagonal is chance. AUROC: area under the receiver "
    "operating characteristic (ROC) curve, with its 95% interval.",
    "precision_recall": "Each step is a cut on the score of calls. The horizontal line is the share of calls "
    "with the outcome, which chance reaches. AP: average precision, with its 95% interval.",
    "calibration": "On the diagonal, risks are right. Line: lowess (span 2/3). Squares: groups of calls of "
    "equal size. Below: how many calls have which risk, with the outcome (up) and without (down). A slope "
    "below 1 says that risks are too extreme; an intercept above 0 that they are too low.",
    "decision_curves": "Net benefit: share of calls with the outcome found, minus the share flagged in vain, "
    "weighed by the odds of the threshold probability. Differences are drawn as far as the panel shows them.",
    "threshold_distribution": "A cut is the score from which a call is flagged. Widely scattered cuts say "
    "that decisions depend on who is in the sample.",
    "score_dots": "Each mark is a call that its model did not learn from. Rings: calls decided wrongly.",
    "subgroup_forest": "Marks are estimates, lines 95% intervals. Groups of few callers have wide ones.",
    "confusion": "Each row sums to 1.",
    "training_curves": "A gap between the two curves says that the network learns its own rows by heart.",
    "audit_ladder": "Each rung relaxes one further rule of the honest protocol, down to the published one. "
    "Shaded rungs have parts that have seen held-out callers. Small ticks: mean over shuffled outcomes, "
    "which is 0.5 for an honest AUROC (area under the receiver operating characteristic curve).",
    "permutation_null": "Outcomes were shuffled and everything was learned anew. Line: the observed value. "
    "P: share of shuffles that reach it, the observed one counted.",
    "predicted_observed": "Each mark is a call that its model did not learn from. On the diagonal, "
    "predictions are right.",
    "grade_calibration": "On the diagonal, probabilities are right. One curve for each grade or more.",
    "settling": "Left: how far the risk after some seconds of speech is from that of the rest of the call. "
    "Right: share of calls decided as the rest of the call is.",
    "instability": "Each mark is a call. Models of bootstrapped callers that scatter widely say that a "
    "single risk depends on who was in the sample. The cut is the study's share of events. Calibration "
    "curves are of these models on the study's own calls: how far they move counts, not where they lie.",
    "listening": "Contributions are in log-odds. Grey stretches are not the caller's speech.",
}


def caption(
    kind: str,
    known: Drawing,
    table: pd.DataFrame,
    labels: Mapping[str, str],
    parts: Mapping[str, pd.DataFrame] = NO_PARTS,
) -> str:
    """Return the caption of a figure as text.

    Parameters
    ----------
    kind : str
        A key of `DRAWINGS`.
    known : Drawing
    table : DataFrame
        What the figure is drawn from.
    labels : mapping of str to str
        Where they name `call` and `caller`, the caption says these.
    parts : mapping of str to DataFrame
        The figure's further tables.
    """
    said = [f"{known.title}.", known.says, READ[kind], _sizes(table), _intervals(kind, table, parts)]
    if "note" in table and table["note"].notna().any():
        said.append(str(table["note"].dropna().iloc[0]))
    return in_units(" ".join(one for one in said if one), labels)


def _sizes(table: pd.DataFrame) -> str:
    """Say how many calls a figure of calls is of, where its table knows."""
    if not {"n", "n_events"} <= set(table) or table[["n", "n_events"]].drop_duplicates().shape[0] != 1:
        return ""
    row = table.iloc[0]
    return f"{row['n']:.0f} calls, {row['n_events']:.0f} with the outcome."


def _intervals(kind: str, table: pd.DataFrame, parts: Mapping[str, pd.DataFrame]) -> str:
    """Say what the intervals of a figure leave out; those of curves' numbers are the metrics' own."""
    if kind in ("roc", "precision_recall"):
        metric = "auroc" if kind == "roc" else "average_precision"
        used = parts["metrics"][parts["metrics"]["metric"] == metric] if "metrics" in parts else table
        return given_scores(one_interval(used)) if {"method", "lower"} <= set(used) else ""
    if kind in ("calibration", "decision_curves") and "lower" in table and not _is_fixed(table):
        return interval_note(table)
    if kind == "audit_ladder" and "lower" in table:
        return GIVEN_SCORES
    return given_scores(table) if {"method", "lower"} <= set(table) else ""


def _is_fixed(table: pd.DataFrame) -> bool:
    return "protocol" in table and bool((table["protocol"] == SAVED).all())


def caption_path(stem: Path) -> Path:
    """Return where the caption of a figure lies: `<stem>.caption.txt`."""
    return stem.with_name(f"{stem.name}.caption.txt")
