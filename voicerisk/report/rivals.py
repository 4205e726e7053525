"""What simple models found on the folds of the nested protocol: a sentence, and a publication table."""

import pandas as pd

from voicerisk.callers.schema import NO_VOICE, RIVAL
from voicerisk.figures.differences import one_difference
from voicerisk.figures.wording import (
    DESIGNS,
    GIVEN_SCORES,
    HEADLINE,
    RIVALS,
    given_scores,
    number,
    one_interval,
    only_rivals,
    rival_name,
    whole_group,
    without_rivals,
)
from voicerisk.report.formats import estimate
from voicerisk.report.tables import PublicationTable

HEADS = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
}


def rivals_line(metrics: pd.DataFrame, comparisons: pd.DataFrame | None = None) -> str:
    """Say the AUROC of the simple models on the headline's folds, and how far nested lies from the best.

    Parameters
    ----------
    metrics : DataFrame
        `metrics.csv`.
    comparisons : DataFrame, optional
        `comparisons.csv`; without it nothing is said of differences.

    Returns
    -------
    str
        Empty where the table has no simple models.

    Examples
    --------
    >>> row = {"protocol": "rival", "model": "ridge_means", "design": "loco", "unit": "call",
    ...     "subgroup": "all", "metric": "auroc", "estimate": 0.7, "lower": 0.5, "upper": 0.9}
    >>> rivals_line(pd.DataFrame([row]))
    'On the same folds (leave one caller out) ridge on call means had AUROC 0.70.'
    """
    calls = _of_calls(metrics)
    if calls.empty:
        return ""
    areas = calls[calls["metric"] == "auroc"].drop_duplicates("model").set_index("model")["estimate"]
    if areas.empty:
        return ""
    design = str(calls["design"].iloc[0])
    compared = None if comparisons is None or comparisons.empty else comparisons
    voices = areas.drop(NO_VOICE, errors="ignore")
    said = []
    if len(voices):
        told = [f"{rival_name(name)} had AUROC {number(value)}" for name, value in voices.items()]
        listed = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
        best = voices.idxmax()
        whom = "it" if len(voices) == 1 else f"the best of them, {rival_name(best)}"
        said.append(f"On the same folds ({DESIGNS[design]}) {listed}{_gap(compared, design, best, whom)}.")
    if NO_VOICE in areas:
        gap = _gap(compared, design, NO_VOICE, "that: so much the voice adds")
        said.append(
            f"{rival_name(NO_VOICE).capitalize()} had AUROC {number(areas[NO_VOICE])} on these folds{gap}."
        )
    return " ".join(said)


def _gap(comparisons: pd.DataFrame | None, design: str, model: object, whom: str) -> str:
    """Say how far the nested model lies from another; empty where nothing compares them."""
    if comparisons is None:
        return ""
    gap = one_difference(comparisons)
    gap = gap[
        (gap["other_protocol"] == RIVAL)
        & (gap["other_model"] == model)
        & (gap["design"] == design)
        & (gap["metric"] == "auroc")
    ]
    if gap.empty:
        return ""
    row = gap.iloc[0]
    side = "above" if row["difference"] >= 0 else "below"
    ends = (
        ""
        if pd.isna(row["lower"])
        else f" (95% interval of the difference {number(row['lower'])} to {number(row['upper'])})"
    )
    return f"; the nested model lies {number(abs(row['difference']))} {side} {whom}{ends}"


def rivals_table(metrics: pd.DataFrame) -> PublicationTable | None:
    """Return the simple models beside the nested protocol, a row each; None where there are none.

    Parameters
    ----------
    metrics : DataFrame
        `metrics.csv`.
    """
    calls = _of_calls(metrics)
    if calls.empty:
        return None
    design = str(calls["design"].iloc[0])
    nested = one_interval(whole_group(without_rivals(metrics)))
    nested = nested[
        (nested["protocol"] == "nested") & (nested["design"] == design) & (nested["unit"] == "call")
    ]
    rows = [["Nested protocol", *_cells(nested)]]
    rows += [
        [rival_name(name).capitalize(), *_cells(part)] for name, part in calls.groupby("model", sort=False)
    ]
    notes = (
        f"{DESIGNS[design].capitalize()}, the same folds for all. Penalties are chosen, and risks "
        "recalibrated, inside the folds.",
        given_scores(calls) or GIVEN_SCORES,
    )
    cells = pd.DataFrame(rows, columns=["Model", *HEADS.values()])
    return PublicationTable(
        "simple_models", "Simple models on the folds of the nested protocol", cells, notes
    )


def _of_calls(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of calls of simple models, in the design that is told first."""
    table = one_interval(whole_group(only_rivals(metrics)))
    table = table[table["unit"] == "call"]
    if table.empty:
        return table
    designs = [one for one in HEADLINE if (table["design"] == one).any()]
    known = list(RIVALS)
    order = table["model"].map(lambda name: known.index(name) if name in known else len(known))
    table = table.iloc[order.argsort(kind="stable")]
    return table[table["design"] == designs[0]] if designs else table


def _cells(rows: pd.DataFrame) -> list[str]:
    found = rows.drop_duplicates("metric").set_index("metric").to_dict("index")
    return [
        estimate(found[name]["estimate"], found[name]["lower"], found[name]["upper"])
        if name in found
        else "–"
        for name in HEADS
    ]
