"""The answer of a study in two sentences: whom the honest model finds, what the published recipe claims."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.schema import NO_VOICE
from voicerisk.figures.differences import one_difference
from voicerisk.figures.wording import (
    DESIGNS,
    number,
    one_interval,
    only_rivals,
    rival_name,
    whole_group,
)

DESIGN_ORDER = ("grouped_kfold", "loco")
CHANCE = 0.5
WHOLE = 1e-3  # a mean over repeats that lies nearer a whole number is one
NOT_SHOWN = "which is not shown to be better than chance"
FOLDS_CONSTANT = "folds_constant"
TOO_MANY = 0.2  # share of folds that learn nothing, above which a study is too small for the procedure


def answer(
    metrics: pd.DataFrame, ladder: pd.DataFrame | None = None, comparisons: pd.DataFrame | None = None
) -> list[str]:
    """Say what a study found, in sentences that a reader who knows no statistics understands.

    Parameters
    ----------
    metrics : DataFrame
        `metrics.csv` of a study with two classes.
    ladder : DataFrame, optional
        `audit/ladder.csv`: columns `label` and `auroc`, a row a rung, the nested protocol first.
    comparisons : DataFrame, optional
        `comparisons.csv`: the two protocols on the same calls and in the same design. Without it nothing is
        said of their difference, for the two AUROCs that are told first may be of two designs.

    Returns
    -------
    list of str
        A sentence for the nested protocol, one more where many of its folds learned nothing, and one that
        sets the published protocol beside it. A protocol that was not run gives none.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("auroc", 0.88), ("sensitivity", 0.8), ("specificity", 0.9)]
    >>> metrics = pd.DataFrame([
    ...     {"protocol": "nested", "design": "loco", "unit": "call", "metric": name, "estimate": value,
    ...      "n": 40, "n_events": 20}
    ...     for name, value in rows
    ... ])
    >>> answer(metrics)[0][:60]
    'Of 20 calls with the outcome the honest model found 16 and m'
    """
    calls = one_interval(whole_group(metrics))
    calls = calls[calls["unit"] == "call"]
    honest, recipe = (_found(calls[calls["protocol"] == name]) for name in ("nested", "published"))
    gap = None if honest is None else _difference(comparisons, ladder)
    sentences = []
    if honest is not None:
        sentences.append(_whom("the honest model", honest))
        share = _share_constant(metrics)
        if share > TOO_MANY:
            sentences.append(_too_small(share, metrics))
    if recipe is not None:
        subject = "the published recipe on the same calls" if honest is not None else "the published recipe"
        claim = _whom(subject, recipe)
        sentences.append(f"{claim[:-1]}; {gap}." if gap else claim)
    return sentences


def _found(calls: pd.DataFrame) -> dict[str, Any] | None:
    """Return n, events and the metrics of the design that is shown first, None where there is none."""
    for design in DESIGN_ORDER:
        rows = calls[calls["design"] == design].drop_duplicates("metric")
        values = rows.set_index("metric")["estimate"]
        lower = rows.set_index("metric").get("lower", pd.Series(dtype=float))
        if "auroc" in values.index:
            first = rows.iloc[0]
            return {
                # Where no fold found a cut no decision was measured.
                "sensitivity": np.nan,
                "specificity": np.nan,
                "design": design,
                "lower": float(lower.get("auroc", np.nan)),
                "n": float(first["n"]),
                "events": float(first["n_events"]),
                **{str(name): float(value) for name, value in values.items()},
            }
    return None


def _share_constant(metrics: pd.DataFrame) -> float:
    """Return the share of folds that learned nothing in the design that is shown first."""
    rows = metrics[(metrics["protocol"] == "nested") & (metrics["metric"] == FOLDS_CONSTANT)]
    shares = dict(zip(rows["design"], rows["estimate"], strict=True))
    return next((float(shares[design]) for design in DESIGN_ORDER if design in shares), 0.0)


def _too_small(share: float, metrics: pd.DataFrame) -> str:
    """Say that the study is too small for the procedure, and what the best simple model found."""
    said = (
        f"In {share:.0%} of the folds it learned nothing: the study is too small for this procedure, or "
        "there is nothing to find"
    )
    rows = only_rivals(whole_group(metrics))
    areas = rows[(rows["metric"] == "auroc") & (rows["model"] != NO_VOICE)].drop_duplicates("model")
    if areas.empty:
        return f"{said}."
    best = areas.sort_values("estimate").iloc[-1]
    who, area = rival_name(best["model"]), number(best["estimate"])
    return f"{said}. Of the simple models {who} came furthest, to AUROC {area}."


def _whom(who: str, found: Mapping[str, Any]) -> str:
    events, others = round(found["events"]), round(found["n"] - found["events"])
    if found["sensitivity"] != found["sensitivity"]:
        return f"Of {events} calls with the outcome {who} found none: it learned no cut."
    hit, false = found["sensitivity"] * events, (1.0 - found["specificity"]) * others
    said = (
        f"Of {events} calls with the outcome {who} found {_calls(hit)} and missed {_calls(events - hit)}; it "
        f"also flagged {_calls(false)} of {others} others (AUROC {number(found['auroc'])}, "
        f"{DESIGNS[found['design']]})."
    )
    return f"{said[:-1]}, {NOT_SHOWN}." if not_shown(found["auroc"], found["lower"]) else said


def _calls(n: float) -> str:
    """Return a number of calls; over repeats of the folds it is a mean, and need not be whole."""
    return str(round(n)) if abs(n - round(n)) < WHOLE else f"about {math.floor(n + 0.5)}"


def not_shown(area: float, lower: float) -> bool:
    """Return whether an AUROC or ordinal C is not shown to be better than chance.

    Parameters
    ----------
    area, lower : float
        The estimate and the lower end of its interval; NaN where there is none.

    Examples
    --------
    >>> not_shown(0.62, 0.48), not_shown(0.53, 0.51)
    (True, False)
    """
    return (area if lower != lower else lower) <= CHANCE


def _difference(comparisons: pd.DataFrame | None, ladder: pd.DataFrame | None) -> str:
    """Say how the two protocols differ in one design on the same calls; '' where nothing compares them."""
    if comparisons is None or comparisons.empty:
        return ""
    rows = one_difference(comparisons)
    rows = rows[
        (rows["protocol"] == "nested") & (rows["other_protocol"] == "published") & (rows["metric"] == "auroc")
    ]
    of_designs = [rows[rows["design"] == design] for design in DESIGN_ORDER]
    row = next((part.iloc[0] for part in of_designs if len(part)), None)
    if row is None or pd.isna(row["lower"]):
        return ""
    gap = (
        f"nested minus published, {DESIGNS[row['design']]}: {number(row['difference'])}, 95% interval "
        f"{number(row['lower'])} to {number(row['upper'])}"
    )
    if row["lower"] <= 0 <= row["upper"]:
        return f"no difference between the two is shown on these calls ({gap})"
    side = "lower" if row["difference"] > 0 else "higher"
    return f"its AUROC is {side} ({gap}); {_cause(-row['difference'], ladder)}"


def _cause(gap: float, ladder: pd.DataFrame | None) -> str:
    if ladder is None or ladder.empty:
        return "`voicerisk audit` looks for what made the difference"
    steps = np.diff(ladder["auroc"].to_numpy(dtype=np.float64)) * np.sign(gap)
    if not np.nanmax(steps, initial=0.0) > 0.0:
        return "no single step of the audit's ladder explains the difference"
    return f"what made the difference most: {ladder['label'].iloc[int(np.nanargmax(steps)) + 1]}"
