"""Text as figures show it: names, units and ids, never read as markup."""

import re
from collections.abc import Iterable, Mapping, Sequence
from unicodedata import category

import pandas as pd

from voicerisk.callers.schema import NO_VOICE, RIVAL
from voicerisk.errors import ReportError

NO_LABELS: Mapping[str, str] = {}  # markers keep their own names
SAVED = "saved"
PROTOCOLS = {"published": "published protocol", "nested": "nested protocol", SAVED: "saved model, as it is"}
RIVALS = {
    "ridge_means": "ridge on call means",
    "elastic_net": "elastic net on call summaries",
    "ridge_segments": "ridge on segments",
    NO_VOICE: "covariates without voice",
}
DESIGNS = {
    "loco": "leave one caller out",
    "grouped_kfold": "grouped k-fold",
    "holdout": "held-out callers",
    "external": "external callers",
}
UNITS = {
    "caller": "callers",
    "call": "calls",
    "frame_by_call": "frames, decided by call",
    "frame": "frames, each by itself",
}
UNIT_NOUNS = {"call": "calls", "caller": "callers", "span": "spans", "frame": "frames", "segment": "segments",
              "session": "sessions", "user": "users"}  # fmt: skip
METRICS = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "pr_integral": "Area under the precision-recall curve",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "youden_j": "Youden J",
    "brier": "Brier score",
    "brier_skill": "Brier skill score",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "calibration_in_the_large": "Calibration in the large",
    "observed_expected": "Observed/expected",
    "ici": "Integrated calibration index",
    "net_benefit": "Net benefit",
    "f1": "F1",
    "folds_constant": "Folds that learned nothing",
    "log_loss": "Log loss",
}
MINUS = "\u2212"
MISSING = "–"


def as_text(value: object, longest: int | None = None) -> str:
    r"""Return a value as literal text for matplotlib.

    Dollar signs are escaped so that nothing is read as mathematics, control characters become spaces, and
    text longer than `longest` characters ends in an ellipsis.

    Examples
    --------
    >>> as_text("call_$1$")
    'call_\\$1\\$'
    >>> as_text("a very long name", longest=7)
    'a very\u2026'
    """
    text = "".join(" " if category(c)[0] == "C" or category(c) in ("Zl", "Zp") else c for c in str(value))
    if longest is not None and len(text) > longest:
        text = text[: longest - 1].rstrip() + "\u2026"
    return text.replace("$", r"\$")


def name_of(key: object, names: Mapping[str, str], longest: int | None = None) -> str:
    """Return the label of a marker (or other key) as literal text; the key itself where there is none."""
    return as_text(names.get(str(key), str(key)), longest)


def ordered(values: Iterable[object]) -> list[str]:
    """Return the distinct values as text, in order of first appearance."""
    return list(dict.fromkeys(str(value) for value in values))


def number(value: float, digits: int = 2) -> str:
    """Return a number with a proper minus sign and `digits` decimals; an en dash where it is missing."""
    if pd.isna(value):
        return MISSING
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def p_value(p: float) -> str:
    """Return a P value as AMA and JMIR print it.

    Two digits from .01 on, three below, three also where two would carry it over .05; never 0 or 1.

    Examples
    --------
    >>> [p_value(p) for p in (1e-9, 0.0014, 0.0123, 0.0496, 0.25, 0.9996)]
    ['<.001', '.001', '.01', '.0496', '.25', '>.99']
    """
    if pd.isna(p):
        return MISSING
    if not 0 <= p <= 1:
        raise ValueError(f"{p} is not a P value")
    if p < 0.001:
        return "<.001"
    if p > 0.99:
        return ">.99"
    for digits in (2, 3, 4, 5):
        text = f"{p:.{digits}f}"
        if (digits >= 3 or p >= 0.01) and (float(text) < 0.05) == (p < 0.05):
            break
    return text[1:]


def inside(value: float, digits: int = 2) -> str:
    """Return a number as `number` does, but never 0 or 1 for what lies between them.

    An AUROC of 0.997 is not 1.00.

    Examples
    --------
    >>> [inside(value) for value in (0.997, 1.0, 0.82, 0.0004, -0.5)]
    ['0.997', '1.00', '0.82', '0.0004', '−0.50']
    """
    text = number(value, digits)
    while 0 < value < 1 and float(text) in (0.0, 1.0) and digits < 6:
        digits += 1
        text = number(value, digits)
    return text


def need(table: pd.DataFrame, columns: Sequence[str], what: str) -> pd.DataFrame:
    """Return `table` if it has rows and the columns, else raise.

    Raises
    ------
    ReportError
        Naming the figure or table (`what`) and the columns that are missing.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ReportError(
            f"{what}: the table has no column {', '.join(missing)}; "
            f"it has {', '.join(map(str, table.columns))}."
        )
    if table.empty:
        raise ReportError(f"{what}: the table has no rows, so there is nothing to draw.")
    return table


def only(table: pd.DataFrame, column: str, what: str) -> float | None:
    """Return the one value of a constant column, or None where the column is absent or empty.

    Raises
    ------
    ReportError
        If the column holds more than one value.
    """
    if column not in table.columns:
        return None
    values = table[column].dropna().unique()
    if len(values) > 1:
        raise ReportError(f"{what}: column {column} should hold one value and holds {len(values)}.")
    return float(values[0]) if len(values) else None


def in_units(text: str, labels: Mapping[str, str]) -> str:
    """Say what a study's calls and callers are, where its labels name them otherwise.

    Examples
    --------
    >>> in_units("Callers and calls", {"call": "session", "caller": "user"})
    'Users and sessions'
    """
    for unit in ("caller", "call"):
        if unit in labels:
            name = labels[unit]
            text = re.sub(rf"\b{unit}(s?)\b", rf"{name}\1", text)
            text = re.sub(rf"\b{unit.capitalize()}(s?)\b", rf"{name.capitalize()}\1", text)
    return text


def metric_name(metric: str) -> str:
    """Return a metric's display name; `_auto` means that the direction was chosen from the same scores."""
    base = metric.removesuffix("_auto")
    name = METRICS.get(base, as_text(base))
    return f"{name}, automatic direction" if base != metric else name


PERCENTILE = "caller_bootstrap_percentile_given_scores"
WIDENED = "caller_bootstrap_widened_given_scores"
WILSON = "wilson_callers"
IDENTITY = ("protocol", "model", "target", "design", "unit", "class", "subgroup", "metric")
# Designs in the order in which they are told: leave-one-out leans against what it holds out.
HEADLINE = ["grouped_kfold", "loco", "holdout", "external"]


# Measured by benchmarks/evidence/intervals.py; docs/coverage.md has the cohorts and the Monte Carlo errors.
COVERAGE = (
    "Measured on AUROCs, 95% intervals given these scores cover 79 to 91%, those of the whole procedure "
    "94 to 98% (docs/coverage.md)."
)
GIVEN_SCORES = f"Intervals resample callers, given these scores. {COVERAGE}"
GIVEN_SHORT = "Intervals resample callers, given these scores."  # inside a figure; its caption says the rest
WIDER = "Intervals resample callers and are widened for what learning adds (coverage: docs/coverage.md)."
WIDER_SHORT = "Intervals resample callers and are widened for what learning adds."
# COVERAGE is of cross-validated scores of one outcome; for models of several classes none was measured.
GIVEN_MODELS = (
    "Intervals: bootstrap of callers that takes the fitted models as given; what learning anew would add is "
    "left out, and no coverage was measured for them."
)
FIXED_MODEL = "Intervals: bootstrap of callers; the model is fixed and learned nothing from them."


def given_scores(table: pd.DataFrame) -> str:
    """Return the sentence on intervals that take the scores as given, where the table's methods say so.

    On another study the model is fixed: nothing is left out there.
    """
    if "method" not in table:
        return ""
    methods = table.loc[table["lower"].notna(), "method"].dropna().astype(str)
    if not methods.str.contains("given_scores").any():
        return ""
    fixed = "design" in table and table["design"].eq("external").all()
    if fixed:
        return FIXED_MODEL
    return WIDER if methods.eq(WIDENED).any() else interval_note(table)


def sizes_said(metrics: pd.DataFrame) -> str:
    """Say how many calls, events and callers stand behind the metrics of calls of one outcome.

    Returns
    -------
    str
        '' where the table does not know, and for several classes.

    Examples
    --------
    >>> sizes_said(pd.DataFrame([{"unit": "call", "n": 60, "n_events": 15, "n_callers": 48}]))
    '60 calls, 15 with the outcome, of 48 callers.'
    """
    if not {"unit", "n", "n_events", "n_callers"} <= set(metrics):
        return ""
    calls = whole_group(metrics)
    calls = calls[calls["unit"] == "call"]
    if calls.empty or ("class" in calls and calls["class"].astype(str).ne("1").any()):
        return ""
    row = calls.iloc[0]
    return f"{row['n']:.0f} calls, {row['n_events']:.0f} with the outcome, of {row['n_callers']:.0f} callers."


def interval_note(table: pd.DataFrame) -> str:
    """Return what intervals given the scores leave out: of models of several classes, or of one outcome.

    Curves of a class have a column `class`; metrics always have one, which of one outcome is 1.
    """
    if "class" in table and ("metric" not in table or table["class"].astype(str).ne("1").any()):
        return GIVEN_MODELS
    return GIVEN_SCORES


def in_figure(note: str) -> str:
    """Return the sentence that stands inside a figure; its caption has the whole."""
    return {GIVEN_SCORES: GIVEN_SHORT, WIDER: WIDER_SHORT}.get(note, note)


def rival_name(model: object) -> str:
    """Return what a model that stands beside the nested protocol is called in text."""
    return RIVALS.get(str(model), str(model).replace("_", " "))


def without_rivals(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a metrics table that are of the study's own protocols."""
    return metrics[metrics["protocol"] != RIVAL]


def only_rivals(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a metrics table that are of models beside the nested protocol."""
    return metrics[metrics["protocol"] == RIVAL]


def one_design(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of leave-one-caller-out where it is there, else of the first design."""
    loco = predictions["design"] == "loco"
    return predictions[loco if loco.any() else predictions["design"] == predictions["design"].iloc[0]]


def designs(rows: pd.DataFrame) -> list[str]:
    """Return what the designs of some rows are called in a figure; none where the table does not say."""
    return (
        [DESIGNS.get(str(name), as_text(name)) for name in rows["design"].unique()]
        if "design" in rows
        else []
    )


def whole_group(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a metrics table that are about all callers, not about a subgroup."""
    if "subgroup" not in metrics:
        return metrics
    return metrics[metrics["subgroup"].isna() | metrics["subgroup"].astype(str).isin(["", "all"])]


def one_interval(metrics: pd.DataFrame, method: str = PERCENTILE) -> pd.DataFrame:
    """Return the rows of one interval method, where a metrics table has several for the same estimate.

    Of a percentile interval of cross-validated scores the wider one is taken, where the table has it.
    A proportion whose bootstrap ends at 0 or 1 gets Wilson's interval over callers, where the table has it:
    no resample of callers who were all right holds one who was wrong.
    """
    if "method" not in metrics or not (metrics["method"] == method).any():
        return metrics
    shown = metrics[metrics["method"] == method]
    if method == PERCENTILE:
        shown = _replaced(shown, metrics[metrics["method"] == WIDENED], WIDENED)
    others = metrics[metrics["method"] == WILSON]
    agree = shown["lower"].isna() & shown["estimate"].isin([0.0, 1.0])  # in every resample
    ends = (shown["lower"] <= 0.0) | (shown["upper"] >= 1.0) | agree
    return _replaced(shown, others, WILSON, ends)


def _replaced(
    shown: pd.DataFrame, others: pd.DataFrame, named: str, where: pd.Series | None = None
) -> pd.DataFrame:
    """Return rows of metrics with the ends of other rows about the same estimate."""
    if others.empty:
        return shown
    key = [name for name in (*IDENTITY, "threshold") if name in shown]
    rows = shown if where is None else shown[where]
    found = rows.reset_index().merge(others[[*key, "lower", "upper"]], on=key, suffixes=("_open", ""))
    shown = shown.copy()
    shown.loc[found["index"], ["lower", "upper"]] = found[["lower", "upper"]].to_numpy()
    shown.loc[found["index"], "method"] = named
    return shown
