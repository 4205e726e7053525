"""Tables and sentences of a study of ordered grades or of a number."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from voicerisk.figures.wording import DESIGNS, number
from voicerisk.report.answer import NOT_SHOWN, not_shown
from voicerisk.report.tables.formats import count, estimate, share
from voicerisk.report.tables.publication import PublicationTable

NAMES = {
    "ordinal_c": "Ordinal C",
    "rps": "Ranked probability score",
    "rps_of_shares": "Ranked probability score of the grades' shares",
    "kappa_linear": "Weighted kappa, linear",
    "kappa_quadratic": "Weighted kappa, quadratic",
    "r2": "R²",
    "rmse": "Root mean squared error",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "within_callers_c": "Concordance of a caller's own calls",
}
INTERVALS = (
    "95% intervals over bootstrapped callers, widened for what learning adds; repeats of the folds are "
    "averaged."
)
HEADLINE = ("grouped_kfold", "loco")


def scale_performance(metrics: pd.DataFrame) -> PublicationTable:
    """Return the performance on callers left out, one column a design.

    Parameters
    ----------
    metrics : DataFrame
        `scale/metrics.csv`.

    Returns
    -------
    PublicationTable
    """
    first = metrics.iloc[0]
    cells = pd.DataFrame({"Measure": [NAMES[name] for name in dict.fromkeys(metrics["metric"])]})
    for design in _designs(metrics):
        part = metrics[metrics["design"] == design]
        cells[DESIGNS.get(design, design)] = [
            estimate(row["estimate"], row["lower"], row["upper"]) for row in part.to_dict("records")
        ]
    size = f"{count(first['n'])} calls of {count(first['n_callers'])} callers. {INTERVALS}"
    return PublicationTable(
        "scale_performance", "Performance of the nested protocol on callers left out", cells, (size,)
    )


def grade_table(calibration: pd.DataFrame) -> PublicationTable:
    """Return discrimination and calibration of each P(grade >= k), one row a grade and design.

    Parameters
    ----------
    calibration : DataFrame
        `scale/calibration.csv`.
    """
    rows = [
        {
            "Grade or more": f"{row['grade']:g}, {DESIGNS.get(row['design'], row['design'])}",
            "Calls, n": f"{count(row['n_events'])} of {count(row['n'])}",
            "AUROC": estimate(row["auroc"], row["lower"], row["upper"]),
            "Observed share": number(row["observed"]),
            "Mean predicted": number(row["expected"]),
            "Calibration slope": number(row["slope"]),
        }
        for row in calibration.to_dict("records")
    ]
    notes = (
        INTERVALS,
        "Each row reads a study of two classes off the same scores: calls of this grade or more against all "
        "others.",
    )
    return PublicationTable("grades", "Each grade as a cut between two classes", pd.DataFrame(rows), notes)


def spectrum_effect_table(spectrum: pd.DataFrame) -> PublicationTable:
    """Return the AUROC without the middle of the scale beside that with everyone.

    Parameters
    ----------
    spectrum : DataFrame
        `scale/spectrum.csv`, or `spectrum.csv` of a study of two classes.
    """
    rows = [
        {
            "Calls": f"{row['calls'].capitalize()}, {DESIGNS.get(row['design'], row['design'])}",
            "AUROC": estimate(row["auroc"], row["lower"], row["upper"]),
            "Calls with the outcome": f"{count(row['n_events'])} of {count(row['n'])}",
        }
        for row in spectrum.to_dict("records")
    ]
    notes = (
        "The same scores of the same model. A study that leaves the middle out compares the ends of the "
        "scale; in practice the middle calls too.",
        INTERVALS,
    )
    return PublicationTable("spectrum", "The spectrum effect", pd.DataFrame(rows), notes)


def decisions_table(decisions: pd.DataFrame, flagged: pd.DataFrame) -> PublicationTable:
    """Return what the cuts decide without the middle and with everyone, and what they flag of each rating.

    Parameters
    ----------
    decisions, flagged : DataFrame
        `also/decisions.csv` and `also/flagged.csv`.
    """
    names = {"sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV"}
    columns = {"without the middle": "Without the middle", "everyone": "Everyone"}
    shown = {
        (row["calls"], row["metric"]): estimate(row["estimate"], row["lower"], row["upper"])
        for row in decisions.to_dict("records")
    }
    rows = [
        {"": title, **{column: shown[calls, metric] for calls, column in columns.items()}}
        for metric, title in names.items()
    ]
    rows += [
        {
            "": f"Rating {row['rating']:g}: flagged of calls",
            "Without the middle": "",
            "Everyone": share(int(row["n_flagged"]), int(row["n"])),
        }
        for row in flagged.to_dict("records")
    ]
    notes = (
        "The middle was not learned from: each of its calls is decided by a model of the nested protocol "
        "that never saw its caller. With everyone, what is not high on the scale is without the outcome.",
        INTERVALS,
    )
    return PublicationTable(
        "with_the_middle", "Decisions with the middle of the scale", pd.DataFrame(rows), notes
    )


def middle_sentence(spectrum: pd.DataFrame, decisions: pd.DataFrame) -> str:
    """Say what the middle does to AUROC and positive predictive value.

    Parameters
    ----------
    spectrum, decisions : DataFrame
        `also/spectrum.csv` and `also/decisions.csv`.
    """
    own = spectrum.set_index("calls")["auroc"]
    ppv = decisions[decisions["metric"] == "ppv"].set_index("calls")["estimate"]
    return (
        f"With the middle scored too (never learned from) the AUROC is {number(own['everyone'])} in place of "
        f"{number(own['without the middle'])}, and of 100 flagged calls {100 * ppv['everyone']:.0f} have the "
        f"outcome in place of {100 * ppv['without the middle']:.0f}."
    )


def scale_answer(
    metrics: pd.DataFrame, spectrum: pd.DataFrame | None = None, of: str = "callers left out"
) -> list[str]:
    """Say what a study of grades or of a number found, in plain sentences.

    Parameters
    ----------
    metrics : DataFrame
        `scale/metrics.csv`.
    spectrum : DataFrame, optional
    of : str
        Whose calls they are.

    Returns
    -------
    list of str

    Examples
    --------
    >>> rows = [("r2", 0.21), ("rmse", 5.2)]
    >>> table = pd.DataFrame(
    ...     [{"design": "loco", "metric": name, "estimate": value, "n": 40, "n_callers": 40}
    ...      for name, value in rows]
    ... )
    >>> scale_answer(table)[0][:73]
    'On 40 calls of callers left out the model explains 21% of the variance of'
    """
    design = _designs(metrics)[0]
    own_rows = metrics[metrics["design"] == design].set_index("metric")
    found = own_rows["estimate"]
    first = metrics.iloc[0]
    calls = f"On {count(first['n'])} calls of {of}"
    if "r2" in found:
        r2, off = float(found["r2"]), f"off by {number(found['rmse'])} units (root mean squared error)"
        if not r2 > 0:
            return [
                f"{calls} the model tells no more than the mean of all does (R² {number(r2)}); it is {off}."
            ]
        return [
            f"{calls} the model explains {100 * r2:.0f}% of the variance of the outcome (R² {number(r2)}); "
            f"it is {off}."
        ]
    c = float(found["ordinal_c"])
    better = "less" if found["rps"] < found["rps_of_shares"] else "no less"
    chance = f", {NOT_SHOWN}" if not_shown(c, float(own_rows.at["ordinal_c", "lower"])) else ""
    said = [
        f"Of two calls of unlike grades the one with the higher grade had the higher score in {100 * c:.0f} "
        f"of 100 pairs{chance} (ordinal C {number(c)}, {count(first['n'])} calls of {of}); the "
        f"probabilities are {better} wrong than the grades' shares (ranked probability score "
        f"{number(found['rps'], 3)} against {number(found['rps_of_shares'], 3)})."
    ]
    if spectrum is not None and len(spectrum):
        own = spectrum[spectrum["design"] == design].set_index("calls")["auroc"]
        said.append(
            "Without the middle of the scale the same scores have an AUROC of "
            f"{number(own['without the middle'])}, with everyone {number(own['everyone'])}: that is what "
            "leaving the middle out is worth."
        )
    return said


def scale_tables(tables: Mapping[str, pd.DataFrame]) -> list[PublicationTable]:
    """Return the tables that a study's own tables give.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        metrics, and of grades calibration and spectrum.
    """
    made = [scale_performance(tables["metrics"])] if "metrics" in tables else []
    if "calibration" in tables:
        made.append(grade_table(tables["calibration"]))
    if "spectrum" in tables:
        made.append(spectrum_effect_table(tables["spectrum"]))
    return made


def _designs(table: pd.DataFrame) -> list[Any]:
    present = list(dict.fromkeys(table["design"]))
    return sorted(present, key=lambda name: HEADLINE.index(name) if name in HEADLINE else len(HEADLINE))
