"""Planning a study: how many callers, as a table and a paragraph."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.files import write_csv, write_text
from voicerisk.validation.sample_size import (
    Precision,
    design_effect,
    development_plan,
    expected_interval,
    validation_plan,
)

SIZES = (20, 40, 80, 160, 320, 640)


@dataclass(frozen=True, slots=True, eq=False)
class StudyPlan:
    """How many callers a study needs.

    Attributes
    ----------
    table : DataFrame
        purpose ('develop' or 'validate'), criterion, callers, events, calls.
    intervals : DataFrame
        callers, lower, upper: the 95% interval that an AUROC would have at that many callers.
    paragraph : str
    """

    table: pd.DataFrame
    intervals: pd.DataFrame
    paragraph: str


def plan_study(
    prevalence: float,
    auroc: float,
    parameters: float,
    *,
    nagelkerke: float = 0.15,
    precision: Precision | None = None,
    threshold: float | None = None,
    sensitivity: float | None = None,
    specificity: float | None = None,
    calls_per_caller: float = 1.0,
    icc: float = 0.5,
) -> StudyPlan:
    """Plan a study of callers with a binary outcome.

    Parameters
    ----------
    prevalence : float
        Share of callers with the outcome, in (0, 1).
    auroc : float
        AUROC that an honest validation is expected to show, in (0.5, 1).
    parameters : float
        Candidate parameters: effective degrees of freedom of every candidate term, before any selection.
        A smooth of one marker in each of two sexes has about 8; 12 markers have about 96.
    nagelkerke : float
        Anticipated Nagelkerke R2; 0.15 where nothing is known.
    precision : Precision, optional
    threshold, sensitivity, specificity : float, optional
        For the criterion of net benefit.
    calls_per_caller : float
        Calls of a caller on average.
    icc : float
        Correlation of the outcome, or of the error of the risk, between calls of one caller. With several
        calls a caller, `calls` = callers x calls_per_caller; their information is that of
        calls / (1 + (m - 1) ICC) independent ones.

    Returns
    -------
    StudyPlan

    Raises
    ------
    ValidationError
        For values out of range.

    Examples
    --------
    >>> plan_study(0.27, 0.8, 24).table["callers"].max() > 1000
    True
    """
    learn = development_plan(parameters, prevalence, nagelkerke).assign(purpose="develop")
    judge = validation_plan(
        auroc, prevalence, precision, threshold=threshold, sensitivity=sensitivity, specificity=specificity
    ).assign(purpose="validate")
    effect = design_effect(calls_per_caller, icc)
    table = pd.concat([learn, judge], ignore_index=True)
    # m calls of a caller are worth m / effect callers with one call each.
    for column in ("callers", "events"):
        needed = table[column].to_numpy(dtype=np.float64) * effect / calls_per_caller
        table[column] = np.ceil(needed - 1e-9).astype(np.int64)
    table["calls"] = np.ceil(table["callers"] * calls_per_caller - 1e-9).astype(np.int64)
    ends = [expected_interval(n * calls_per_caller / effect, auroc, prevalence) for n in SIZES]
    intervals = pd.DataFrame(ends, columns=["lower", "upper"]).assign(callers=SIZES)
    most = table.groupby("purpose")["callers"].max()
    paragraph = (
        f"To learn a model with {parameters:g} candidate parameters where {prevalence:.0%} of callers have "
        f"the outcome, {most['develop']} callers are needed (Riley et al. 2020; anticipated Nagelkerke R2 "
        f"{nagelkerke:g}). To validate a model with an AUROC of {auroc:g} on new callers, "
        f"{most['validate']} are needed (Riley et al. 2021)."
    )
    if calls_per_caller > 1.0:
        paragraph += (
            f" Both count {calls_per_caller:g} calls a caller with a correlation of {icc:g} between them "
            f"(design effect {effect:.2f})."
        )
    columns = ["purpose", "criterion", "callers", "events", "calls"]
    return StudyPlan(table[columns], intervals[["callers", "lower", "upper"]], paragraph)


def write_plan(plan: StudyPlan, out: Path, power: pd.DataFrame | None = None) -> None:
    """Write `plan.csv`, `intervals.csv` and `plan.md`, and `power.csv` of a simulation where there is one."""
    write_csv(out / "plan.csv", plan.table)
    write_csv(out / "intervals.csv", plan.intervals)
    if power is not None:
        write_csv(out / "power.csv", power)
    write_text(out / "plan.md", f"# How many callers\n\n{plan.paragraph}\n")
