"""Two models on the same calls, in words: what figures and reports say of comparisons.csv."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from voicerisk.callers.schema import RIVAL
from voicerisk.figures.wording import DESIGNS, PROTOCOLS, number, rival_name

BOOTSTRAP = "paired_caller_bootstrap_given_scores"
WIDENED = "paired_caller_bootstrap_widened_given_scores"
RUNS = ("protocol", "model", "other_protocol", "other_model")


def one_difference(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return one row a pair, design and metric: with the wider interval where there is one.

    Parameters
    ----------
    comparisons : DataFrame
        comparisons.csv.
    """
    rows = comparisons[comparisons["method"].isin([BOOTSTRAP, WIDENED])]
    key = [name for name in (*RUNS, "target", "design", "metric", "threshold") if name in rows]
    kept = rows.sort_values("method", key=lambda methods: methods != WIDENED, kind="stable")
    return kept.drop_duplicates(key).sort_index()


def pair_name(row: Mapping[Any, Any]) -> str:
    """Return what is subtracted from what.

    Examples
    --------
    >>> pair_name({"protocol": "nested", "model": "m", "other_protocol": "published", "other_model": "m"})
    'Nested minus published protocol'
    """
    one, other = str(row["protocol"]), str(row["other_protocol"])
    if other == RIVAL:
        return f"{one.capitalize()} minus {rival_name(row['other_model'])}"
    if one == other:
        return f"{row['model']} minus {row['other_model']}"
    return f"{one.capitalize()} minus {PROTOCOLS.get(other, other)}"


def auroc_gap(comparisons: pd.DataFrame | None, other: str = "published") -> str:
    """Say how the AUROCs of two protocols differ on the same calls; '' where they were not compared.

    Parameters
    ----------
    comparisons : DataFrame, optional
        comparisons.csv.
    other : str
        Protocol that the reference is compared with.

    Examples
    --------
    >>> row = {"protocol": "nested", "model": "m", "other_protocol": "published", "other_model": "m",
    ...        "design": "loco", "metric": "auroc", "difference": 0.03, "lower": -0.02, "upper": 0.08,
    ...        "n": 40, "n_events": 20, "method": BOOTSTRAP}
    >>> auroc_gap(pd.DataFrame([row])).split(": ")[1]
    'AUROC 0.03 (−0.02 to 0.08), no difference is shown.'
    """
    if comparisons is None or comparisons.empty:
        return ""
    rows = one_difference(comparisons)
    rows = rows[(rows["other_protocol"] == other) & (rows["metric"] == "auroc")]
    if rows.empty:
        return ""
    row: dict[Any, Any] = rows.iloc[0].to_dict()
    design = DESIGNS.get(str(row["design"]), str(row["design"]))
    who = f"{row['n']:.0f} calls ({row['n_events']:.0f} with the outcome)"
    gap = f"AUROC {number(row['difference'])}"
    if pd.isna(row["lower"]):
        return f"{pair_name(row)}, {design}, on the same {who}: {gap}."
    shown = row["lower"] > 0 or row["upper"] < 0
    ends = f"({number(row['lower'])} to {number(row['upper'])})"
    return (
        f"{pair_name(row)}, {design}, on the same {who}: {gap} {ends}, "
        f"{'a' if shown else 'no'} difference is shown."
    )
