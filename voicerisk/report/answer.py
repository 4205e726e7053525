"""The answer of a study in two sentences: whom the honest model finds, what the published recipe claims."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from voicerisk.callers.schema import NO_VOICE
from voicerisk.figures.wording import number, one_interval, only_rivals, rival_name, whole_group

DESIGN_ORDER = ("grouped_kfold", "loco")
ALIKE = 0.02  # difference of two AUROCs that nobody would act on
LEARNED_NOTHING = 0.55
FOLDS_CONSTANT = "folds_constant"
TOO_MANY = 0.2  # share of folds that learn nothing, above which a study is too small for the procedure


def answer(metrics: pd.DataFrame, ladder: pd.DataFrame | None = None) -> list[str]:
    """Say what a study found, in sentences that a reader who knows no statistics understands.

    Parameters
    ----------
    metrics : DataFrame
        `metrics.csv` of a study with two classes.
    ladder : DataFrame, optional
        `audit/ladder.csv`: columns `label` and `auroc`, a row a rung, the nested protocol first.

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
    sentences = []
    if honest is not None:
        sentences.append(_whom("the honest model", honest))
        share = _share_constant(metrics)
        if share > TOO_MANY:
            sentences.append(_too_small(share, metrics))
    if recipe is not None:
        subject = "the published recipe on the same calls" if honest is not None else "the published recipe"
        claim = _whom(subject, recipe)
        sentences.append(f"{claim[:-1]}; {_difference(honest, recipe, ladder)}." if honest else claim)
    return sentences


def _found(calls: pd.DataFrame) -> dict[str, float] | None:
    """Return n, events and the metrics of the design that is shown first, None where there is none."""
    for design in DESIGN_ORDER:
        rows = calls[calls["design"] == design].drop_duplicates("metric")
        values = rows.set_index("metric")["estimate"]
        if "auroc" in values.index:
            first = rows.iloc[0]
            return {
                # Where no fold found a cut no decision was measured.
                "sensitivity": np.nan,
                "specificity": np.nan,
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


def _whom(who: str, found: Mapping[str, float]) -> str:
    events, others = round(found["events"]), round(found["n"] - found["events"])
    if found["sensitivity"] != found["sensitivity"]:
        return f"Of {events} calls with the outcome {who} found none: it learned no cut."
    hit = round(found["sensitivity"] * events)
    false = round((1.0 - found["specificity"]) * others)
    said = (
        f"Of {events} calls with the outcome {who} found {hit} and missed {events - hit}; it also flagged "
        f"{false} of {others} others (AUROC {number(found['auroc'])})."
    )
    if found["auroc"] < LEARNED_NOTHING:
        return f"{said[:-1]}, which is no better than chance."
    return said


def _difference(honest: Mapping[str, float], recipe: Mapping[str, float], ladder: pd.DataFrame | None) -> str:
    gap = recipe["auroc"] - honest["auroc"]
    if abs(gap) < ALIKE:
        return "here the two agree"
    if ladder is None or ladder.empty:
        return "`voicerisk audit` says what made the difference"
    steps = np.diff(ladder["auroc"].to_numpy(dtype=np.float64)) * np.sign(gap)
    if not np.nanmax(steps, initial=0.0) > 0.0:
        return "no single step of the audit's ladder explains the difference"
    return f"what made the difference most: {ladder['label'].iloc[int(np.nanargmax(steps)) + 1]}"
