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
from voicerisk.report.tables.formats import estimate
from voicerisk.report.tables.publication import PublicationTable

HEADS = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
}

COUNTS = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six"}
NO_ORDER = 0.5  # AUROC of scores that know nothing


def rivals_line(metrics: pd.DataFrame, comparisons: pd.DataFrame | None = None) -> str:
    """Say the AUROC of the simple models on the headline's folds, and what is shown of the nested model.

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
    'A simple model, ridge on call means, had AUROC 0.70 on the same folds (leave one caller out).'
    """
    calls = _of_calls(metrics)
    if calls.empty:
        return ""
    areas = calls[calls["metric"] == "auroc"].drop_duplicates("model").set_index("model")["estimate"]
    if areas.empty:
        return ""
    design = str(calls["design"].iloc[0])
    said = []
    voices = areas.drop(NO_VOICE, errors="ignore")
    if len(voices):
        said += _voices(metrics, comparisons, design, voices)
    if NO_VOICE in areas:
        said.append(_no_voice(comparisons, design, float(areas[NO_VOICE])))
    return " ".join(said)


def _voices(
    metrics: pd.DataFrame, comparisons: pd.DataFrame | None, design: str, areas: pd.Series
) -> list[str]:
    """Say how far the models of the voice came, and the nested one beside the best of them."""
    where, values = f"on the same folds ({DESIGNS[design]})", [number(value) for value in areas]
    names = ", ".join(rival_name(name) for name in areas.index)
    if len(areas) == 1:
        told, best = f"A simple model, {names}, had AUROC {values[0]} {where}", "it"
    else:
        many = COUNTS.get(len(areas), str(len(areas)))
        listed = f"{', '.join(values[:-1])} and {values[-1]}"
        kind = "simple models" if set(areas.index) <= set(RIVALS) else "models"
        told = f"{many} {kind} {where} had AUROC {listed} ({names})"
        best = f"the best of them, {rival_name(areas.idxmax())}"
    rows = _nested(metrics, design)
    nested = rows.loc[rows["metric"] == "auroc", "estimate"].to_numpy(dtype=float)
    gap = _gap(comparisons, design, areas.idxmax())
    if not len(nested) or gap is None:
        return [f"{told}."]
    _, lower, upper = gap
    if lower > 0:
        shown = f"better than {best}"
    elif upper < 0:
        shown = f"worse than {best}"
    elif lower <= 0 <= upper:
        shown = f"neither shown to be better nor shown to be worse than {best}"
    else:
        shown = f"beside {best}"
    lines = [f"{told}; the nested model had {number(nested[0])}, {shown} ({_ends(*gap)})."]
    return lines if len(areas) == 1 else [*lines, "The best was chosen on the same calls, which flatters it."]


def _no_voice(comparisons: pd.DataFrame | None, design: str, area: float) -> str:
    """Say what the voice adds to what else the nested model is given, where that is shown."""
    told = (
        f"Without the voice, the nested model's other columns alone had AUROC {number(area)} on these folds"
    )
    if area < NO_ORDER:
        return (
            f"{told}, which is below one half by chance or by the design of the folds: compare the nested "
            "model with 0.5; no difference from it is taken."
        )
    gap = _gap(comparisons, design, NO_VOICE)
    if gap is None:
        return f"{told}."
    difference, lower, upper = gap
    if lower > 0:
        return f"{told}; the voice adds about {number(difference)} ({_interval(lower, upper)})."
    if upper < 0:
        return f"{told}; with the voice the nested model does worse ({_ends(*gap)})."
    if lower <= 0 <= upper:
        return f"{told}; no gain over the covariates is shown ({_ends(*gap)})."
    return f"{told} ({_ends(*gap)})."


def _gap(comparisons: pd.DataFrame | None, design: str, model: object) -> tuple[float, float, float] | None:
    """Return nested minus another model in AUROC, with its interval; None where nothing compares them."""
    if comparisons is None or comparisons.empty:
        return None
    gap = one_difference(comparisons)
    gap = gap[
        (gap["other_protocol"] == RIVAL)
        & (gap["other_model"] == model)
        & (gap["design"] == design)
        & (gap["metric"] == "auroc")
    ]
    if gap.empty:
        return None
    row = gap.iloc[0]
    return float(row["difference"]), float(row["lower"]), float(row["upper"])


def _ends(difference: float, lower: float, upper: float) -> str:
    said = f"difference {number(difference)}"
    return said if lower != lower else f"{said}, {_interval(lower, upper)}"


def _interval(lower: float, upper: float) -> str:
    return f"95% interval {number(lower)} to {number(upper)}"


def _nested(metrics: pd.DataFrame, design: str) -> pd.DataFrame:
    """Return the rows of calls of the nested protocol in a design."""
    rows = one_interval(whole_group(without_rivals(metrics)))
    return rows[(rows["protocol"] == "nested") & (rows["design"] == design) & (rows["unit"] == "call")]


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
    rows = [["Nested protocol", *_cells(_nested(metrics, design))]]
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
