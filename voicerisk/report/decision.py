"""What a score or a validation means for whoever must act on it: the decision, the interval, the advice."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from voicerisk.figures.wording import number, one_interval, whole_group
from voicerisk.report.answer import DESIGN_ORDER
from voicerisk.report.tables.formats import estimate

KEPT = ("auroc", "sensitivity", "specificity")


def validated(metrics: pd.DataFrame, protocol: str) -> dict[str, Any] | None:
    """Return how a procedure did on callers left out, in a form that a model file keeps.

    Parameters
    ----------
    metrics : DataFrame
        `metrics.csv`.
    protocol : {'nested', 'published'}

    Returns
    -------
    dict or None
        design, n, n_events, and [estimate, lower, upper] of the AUROC, the sensitivity and the specificity of
        calls; None for what was not measured. None where the protocol has no AUROC of calls.
    """
    rows = one_interval(whole_group(metrics))
    rows = rows[(rows["unit"] == "call") & (rows["protocol"] == protocol)]
    for design in DESIGN_ORDER:
        mine = _by_metric(rows[rows["design"] == design])
        if "auroc" not in mine:
            continue
        found: dict[str, Any] = {
            "design": design,
            "n": int(mine["auroc"]["n"]),
            "n_events": int(mine["auroc"]["n_events"]),
        }
        for name in KEPT:
            values = [mine.get(name, {}).get(key, float("nan")) for key in ("estimate", "lower", "upper")]
            found[name] = [None if pd.isna(value) else float(value) for value in values]
        return found
    return None


def _by_metric(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    records = rows.drop_duplicates("metric").to_dict("records")
    return {str(row["metric"]): {str(key): value for key, value in row.items()} for row in records}


def of_call(row: Mapping[Hashable, Any]) -> str:
    """Say the decision about a call first, then the numbers that it rests on.

    Parameters
    ----------
    row : mapping
        A row of `Scores.calls`.

    Examples
    --------
    >>> row = {"call_id": "c1", "p_raw": 0.61, "n_frames": 250, "cut": 0.45, "flagged": True, "risk": 0.4,
    ...        "prevalence": 0.25}
    >>> of_call(row)
    'c1: flagged. Risk 0.400 where 0.250 of calls have the outcome. Score 0.610, cut 0.450, 250 frames.'
    >>> of_call({**row, "flagged": None, "risk": float("nan"), "too_short": True})
    'c1: no decision: less speech than any call learned from. Score 0.610, cut 0.450, 250 frames.'
    """
    if "predicted" in row:  # a model of grades or of a number decides nothing
        above = [str(name) for name in row if str(name).startswith("at_least_")]
        said = "".join(f", P({name.removeprefix('at_least_')} or more) {row[name]:.3f}" for name in above)
        what = "mean grade" if above else "predicted"
        return f"{row['call_id']}: {what} {row['predicted']:.2f}{said}; {row['n_frames']} frames"
    if "cut" not in row:
        decision, cut = "no decision, since the file holds no cut", ""
    elif row["cut"] != row["cut"]:
        decision, cut = "not flagged, since no cut could be learned", ""
    else:
        decision, cut = "", f", cut {row['cut']:.3f}"
    risk = ""
    if pd.isna(row.get("flagged", False)):
        why = "less speech than any call" if row.get("too_short") else "much of it lies beyond what was"
        decision = f"no decision: {why} learned from"
    elif not decision:
        decision = "flagged" if row["flagged"] else "not flagged"
    if not pd.isna(row.get("risk", float("nan"))):
        spread = ""
        if not pd.isna(row.get("risk_lower", float("nan"))):
            spread = f" [{row['risk_lower']:.3f} to {row['risk_upper']:.3f}]"
        risk = f" Risk {row['risk']:.3f}{spread} where {row['prevalence']:.3f} of calls have the outcome."
    left = f" Not ruled out at 90%: {row['outcomes']}." if row.get("outcomes") else ""
    return (
        f"{row['call_id']}: {decision}.{risk}{left} Score {row['p_raw']:.3f}{cut}, {row['n_frames']} frames."
    )


def of_model(notes: Mapping[str, Any]) -> list[str]:
    """Say how far a model's decisions can be trusted, and what to do with them.

    Parameters
    ----------
    notes : mapping
        Of a model file.

    Returns
    -------
    list of str
        One sentence where the file does not say how the model was validated.
    """
    known = notes.get("validated")
    if not isinstance(known, Mapping) or not {"n", "n_events", *KEPT} <= set(known):
        return ["The file does not say how this model did on callers left out."]
    auroc, sensitivity, specificity = (known[name] for name in KEPT)
    events, others = known["n_events"], known["n"] - known["n_events"]
    said = [f"Its procedure on callers left out of its own study: AUROC {_interval(auroc)}."]
    if sensitivity[0] is not None and specificity[0] is not None:
        hit, false = round(sensitivity[0] * events), round((1 - specificity[0]) * others)
        said[0] = (
            f"{said[0][:-1]}; it flagged {hit} of {events} calls with the outcome and {false} of {others} "
            "others."
        )
        said.append(
            "Advice: a person should hear every flagged call. A call that is not flagged is not safe: "
            f"{events - hit} of {events} with the outcome were not flagged."
        )
    return said


def of_validation(metrics: pd.DataFrame, recalibration: pd.DataFrame) -> list[str]:
    """Say what a saved model is worth on another study: decisions, interval, advice.

    Parameters
    ----------
    metrics : DataFrame
        `external/metrics.csv`.
    recalibration : DataFrame
        `external/recalibration.csv`.
    """
    rows = one_interval(whole_group(metrics))
    found = _by_metric(rows[rows["unit"] == "call"])
    auroc = found["auroc"]
    n, events = int(auroc["n"]), int(auroc["n_events"])
    shown = {name: found.get(name, {}).get("estimate", float("nan")) for name in KEPT[1:]}
    if any(value != value for value in shown.values()):
        said = ["No call is decided: there is no cut."]
    else:
        hit = round(shown["sensitivity"] * events)
        false = round((1 - shown["specificity"]) * (n - events))
        said = [
            f"Of {events} calls with the outcome the saved model flagged {hit} and missed {events - hit}; it "
            f"also flagged {false} of {n - events} others."
        ]
    said.append(f"AUROC {estimate(auroc['estimate'], auroc['lower'], auroc['upper'])}.")
    return [*said, f"Advice: {_advice(found, recalibration)}"]


def _advice(found: Mapping[str, Mapping[str, Any]], recalibration: pd.DataFrame) -> str:
    auroc = found["auroc"]
    if pd.notna(auroc["lower"]) and auroc["lower"] <= 0.5:
        return "do not use it here. The interval of the AUROC reaches 0.5, which is chance."
    whole = recalibration[(recalibration["group"] == "all") & (recalibration["method"] == "as is")]
    if whole.empty:
        return "too few callers to judge its risks; gather more."
    predicted, seen = (float(whole[name].iloc[0]) for name in ("mean_p", "prevalence"))
    if "calibration_in_the_large" in found:
        large = found["calibration_in_the_large"]
        if pd.notna(large["lower"]) and (large["lower"] > 0 or large["upper"] < 0):
            side = "too low" if large["lower"] > 0 else "too high"
            return (
                f"its risks are {side} here (mean {number(predicted)}, seen {number(seen)}): give the share "
                "of calls with the outcome by --prevalence, or recalibrate on these calls, and validate anew."
            )
    if "calibration_slope" in found:
        slope = found["calibration_slope"]
        if pd.notna(slope["upper"]) and slope["upper"] < 1:
            return (
                f"its risks are too extreme here (slope {number(slope['estimate'])}): recalibrate intercept "
                "and slope on these calls, and validate again."
            )
    return (
        f"nothing speaks against its risks here (mean {number(predicted)}, seen {number(seen)}), as far as "
        "the intervals tell. Keep comparing risks with outcomes where it is used."
    )


def _interval(three: Any) -> str:
    value, lower, upper = (float("nan") if one is None else float(one) for one in three)
    return estimate(value, lower, upper)
