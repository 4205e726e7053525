"""Publication tables of several classes: performance by class, and the parts of the Brier score."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from voicerisk.errors import ReportError
from voicerisk.figures.wording import (
    GIVEN_MODELS,
    NO_LABELS,
    PERCENTILE,
    WILSON,
    in_units,
    metric_name,
    need,
    number,
    ordered,
    whole_group,
)
from voicerisk.report.tables.formats import MISSING, count, estimate, interval, p_value
from voicerisk.report.tables.publication import PublicationTable

MACRO = "macro"
OF_CLASS = ("ppv", "sensitivity", "f1", "auroc")
OF_ALL = ("auroc", "ppv", "sensitivity", "f1", "accuracy", "brier", "log_loss")


def has_classes(metrics: pd.DataFrame | None) -> bool:
    """Say whether a metrics table is one of several classes."""
    return metrics is not None and "class" in metrics and bool((metrics["class"] == MACRO).any())


def class_table(
    metrics: pd.DataFrame, labels: Mapping[str, str] = NO_LABELS, method: str = PERCENTILE
) -> PublicationTable:
    """Return precision, recall, F1 and AUROC of each class, and what belongs to all classes together.

    Parameters
    ----------
    metrics : DataFrame
        metrics.csv of several classes.
    labels : mapping of str to str
        Display names of models and classes.
    method : str
        Which intervals to print.

    Returns
    -------
    PublicationTable
        One row a protocol, model and class.

    Raises
    ------
    ReportError
        If columns are missing or there is no row.
    """
    need(
        metrics, ["protocol", "model", "unit", "class", "metric", "estimate", "lower", "upper"], "class table"
    )
    rows = whole_group(metrics)
    rows = rows[(rows["unit"] == "call") & (rows["method"] == method)]
    if rows.empty:
        raise ReportError("class table: the metrics hold no sessions with these intervals.")
    lines = []
    for (protocol, model), part in rows.groupby(["protocol", "model"], sort=False):
        for name in ordered(part["class"]):
            rows_of = part[part["class"].astype(str) == name].drop_duplicates("metric").to_dict("records")
            here: dict[str, dict[Hashable, Any]] = {str(row["metric"]): row for row in rows_of}
            every = name == MACRO
            cells = [_cell(here.get(metric)) for metric in (*OF_CLASS, "accuracy", "brier", "log_loss")]
            n = MISSING if every else count(rows_of[0]["n_events"])
            title = "all, unweighted mean" if every else labels.get(name, name)
            lines.append([str(protocol).capitalize(), labels.get(str(model), str(model)), title, n, *cells])
    heads = [
        "Protocol", "Model", "Class", "n", "Precision", "Recall", "F1", "AUROC", "Accuracy", "Brier score",
        "Log loss",
    ]  # fmt: skip
    notes = (
        "Each class against the rest; decisions are for the class with the highest score. Means over "
        "the repeats that are shown; n is of the first one. 95% intervals in brackets. "
        + in_units(GIVEN_MODELS, labels),
        "The Brier score of all classes is the mean of the classes', not their sum.",
    )
    return PublicationTable("classes", "Performance by class", pd.DataFrame(lines, columns=heads), notes)


def any_table(metrics: pd.DataFrame, labels: Mapping[str, str] = NO_LABELS) -> PublicationTable:
    """Return how well any class is told from the reference class, by subgroup where there are some.

    Parameters
    ----------
    metrics : DataFrame
        any_class.csv.
    labels : mapping of str to str
        Display names of models.
    """
    of = ("auroc", "sensitivity", "specificity", "ppv", "npv")
    rows = metrics[(metrics["unit"] == "call") & metrics["method"].isin([PERCENTILE, WILSON])]
    lines = []
    for (protocol, model, group), part in rows.groupby(["protocol", "model", "subgroup"], sort=False):
        # Where resamples end at 0 or 1 they give no interval, and Wilson's stands beside them.
        part = part.sort_values("lower", key=lambda values: values.isna(), kind="stable")
        here = {str(row["metric"]): row for row in part.drop_duplicates("metric").to_dict("records")}
        first = next(iter(here.values()))
        cells = [_cell(here.get(name)) for name in of]
        n = f"{count(first['n_events'])} of {count(first['n'])}"
        lines.append([str(protocol).capitalize(), labels.get(str(model), str(model)), str(group), n, *cells])
    heads = ["Protocol", "Model", "Group", "Any class", *(metric_name(name) for name in of)]
    notes = (
        "Any class but the first against the first. AUROC of the risk of any; all others of decisions: "
        "flagged is whoever has another likeliest class than the first. 1 \u2212 sensitivity is the "
        "share of those in need who are taken for nobody in need. 95% intervals in brackets. "
        + in_units(GIVEN_MODELS, labels),
    )
    return PublicationTable("any_class", "Any class against none", pd.DataFrame(lines, columns=heads), notes)


def brier_table(
    parts: pd.DataFrame, metrics: pd.DataFrame, labels: Mapping[str, str] = NO_LABELS
) -> PublicationTable:
    """Return the parts of the Brier score by class, and the skill against the baseline.

    Parameters
    ----------
    parts : DataFrame
        protocol, model, class, reliability, resolution, uncertainty, within_bins, brier.
    metrics : DataFrame
        metrics.csv; its `brier_skill_against_*` rows.
    labels : mapping of str to str

    Returns
    -------
    PublicationTable
    """
    columns = ["reliability", "resolution", "uncertainty", "within_bins", "brier"]
    need(parts, ["protocol", "model", "class", *columns], "Brier table")
    skills = metrics[metrics["metric"].astype(str).str.startswith("brier_skill_against_")]
    skill_of = {(row["protocol"], row["model"]): row for row in skills.to_dict("records")}
    lines = []
    for row in parts.to_dict("records"):
        every = row["class"] == MACRO
        found = skill_of.get((row["protocol"], row["model"])) if every else None
        skill = estimate(found["estimate"], found["lower"], found["upper"]) if found else MISSING
        title = "all, unweighted mean" if every else labels.get(str(row["class"]), str(row["class"]))
        model = labels.get(str(row["model"]), str(row["model"]))
        cells = [number(float(row[column]), 4) for column in columns]
        lines.append([str(row["protocol"]).capitalize(), model, title, *cells, skill])
    heads = [
        "Protocol", "Model", "Class", "Reliability", "Resolution", "Uncertainty", "Within bins",
        "Brier score",
    ]  # fmt: skip
    against = str(skills["metric"].iloc[0]).removeprefix("brier_skill_against_") if len(skills) else ""
    last = f"Skill against {labels.get(against, against)}" if against else "Skill"
    notes = (
        "Brier score = reliability \u2212 resolution + uncertainty + within bins (variance less "
        "covariance inside "
        "the ten bins, without which the parts do not add up).",
        *([in_units(GIVEN_MODELS, labels)] if len(skills) else []),
    )
    return PublicationTable(
        "brier", "Parts of the Brier score", pd.DataFrame(lines, columns=[*heads, last]), notes
    )


def repeats_table(repeats: pd.DataFrame, labels: Mapping[str, str] = NO_LABELS) -> PublicationTable:
    """Return mean, standard deviation and range over all repeats, never the best alone.

    Parameters
    ----------
    repeats : DataFrame
        repeats.csv: protocol, model, repeat and metrics.
    labels : mapping of str to str
    """
    lines = []
    for (protocol, model), part in repeats.groupby(["protocol", "model"], sort=False):
        cells = [
            f"{number(part[metric].mean())} (SD {number(part[metric].std())}; "
            f"{number(part[metric].min())} to "
            f"{number(part[metric].max())})"
            for metric in OF_ALL
            if metric in part
        ]
        lines.append([str(protocol).capitalize(), labels.get(str(model), str(model)), str(len(part)), *cells])
    heads = ["Protocol", "Model", "Repeats", *(metric_name(name) for name in OF_ALL if name in repeats)]
    notes = ("Mean over all repeats (standard deviation; smallest to largest). Macro means over classes.",)
    return PublicationTable("repeats", "All repeats", pd.DataFrame(lines, columns=heads), notes)


def at_prevalence_table(
    metrics: pd.DataFrame, shares: Mapping[str, float], labels: Mapping[str, str] = NO_LABELS
) -> PublicationTable:
    """Return performance by class where the classes have other shares.

    Parameters
    ----------
    metrics : DataFrame
        metrics_at_prevalence.csv.
    shares : mapping of class to float
    labels : mapping of str to str
    """
    table = class_table(metrics, labels)
    stated = ", ".join(f"{name} {share:g}" for name, share in shares.items())
    note = f"At the shares {stated}: risks and weights moved by Bayes' rule."
    title = "Performance by class where the model is to be used"
    return replace(table, name="classes_at_prevalence", title=title, notes=(*table.notes, note))


def characteristics_table(
    table: pd.DataFrame, differences: pd.DataFrame | None = None, labels: Mapping[str, str] = NO_LABELS
) -> PublicationTable:
    """Return who wrote and how much, all together and by class.

    Parameters
    ----------
    table : DataFrame
        characteristics.csv: class, variable, unit, n, missing, mean, sd, median, q1, q3, lower, upper, units.
    differences : DataFrame, optional
        group_differences.csv: variable, left_out, f, df_between, df_within, p_value.
    labels : mapping of str to str

    Raises
    ------
    ReportError
        If columns are missing, or the tables are of a version that took sessions of one user as independent.
    """
    need(table, ["class", "variable", "n", "missing", "mean", "lower", "upper"], "characteristics")
    if "units" not in table or (differences is not None and "left_out" not in differences):
        raise ReportError(
            "characteristics: the tables were written by a version that took the sessions of one user as "
            "independent; run `voicerisk text run` again."
        )
    groups = ordered(table["class"])
    of = {(str(row["class"]), str(row["variable"])): row for row in table.to_dict("records")}
    tests = (
        {} if differences is None else {str(row["variable"]): row for row in differences.to_dict("records")}
    )
    lines: list[list[str]] = []

    def line(name: str, cell: Callable[[Mapping[Hashable, Any]], str], variable: str, test: str = "") -> None:
        lines.append([name, *(cell(of[group, variable]) for group in groups), _anova(tests.get(test))])

    line("Sessions, n", lambda row: count(row["n"]), "words")
    users_known = ("all", "sessions a user") in of
    if users_known:
        line("Users, n", lambda row: count(row["n"]), "sessions a user")
        line("Sessions a user, mean (95% CI)", _mean, "sessions a user")
    line("Age in years, mean (95% CI)", _mean, "age", "age")
    line(
        f"{'Users' if users_known else 'Sessions'} without an age, n",
        lambda row: count(row["missing"]),
        "age",
    )
    line("Messages a session, median (IQR)", _median, "messages")
    line("Words a session, mean (95% CI)", _mean, "words", "n_words")
    line("Words a session, median (IQR)", _median, "words")
    line("Sessions cut, n", lambda row: count(round(row["mean"] * row["n"])), "sessions cut")
    heads = ["Characteristic", *("All" if name == "all" else labels.get(name, name) for name in groups)]
    left_out = 0 if differences is None else int(differences["left_out"].max())
    notes = (
        *(_OF_USERS if users_known else _OF_SESSIONS),
        *(
            [f"Users with sessions of several classes, left out of the analysis of variance: {left_out}."]
            if left_out
            else []
        ),
        "Words and messages are counted after cleaning and before cutting. IQR: first to third quartile.",
    )
    cells = pd.DataFrame(lines, columns=[*heads, "Difference"])
    return PublicationTable("characteristics", "Sessions and users by class", cells, notes)


_OF_USERS = (
    "Ages are of users; a user with sessions of several classes is in each. Intervals are t intervals with "
    "the variance between users: sessions of one user are not taken as independent.",
    "Difference: One-way analysis of variance of users with sessions of one class, each user once, by the "
    "mean of their sessions.",
)
_OF_SESSIONS = (
    "Which sessions are one user's is not known: sessions are the units of ages, t intervals and tests, and "
    "those of one user are taken as independent.",
    "Difference: One-way analysis of variance of sessions.",
)


def _mean(row: Mapping[Hashable, Any]) -> str:
    if pd.isna(row["mean"]):
        return MISSING
    return f"{number(row['mean'], 1)} ({interval(row['lower'], row['upper'], 1)})"


def _median(row: Mapping[Hashable, Any]) -> str:
    return f"{number(row['median'], 1)} ({interval(row['q1'], row['q3'], 1)})"


def _anova(row: Mapping[Hashable, Any] | None) -> str:
    if row is None or pd.isna(row["p_value"]):
        return MISSING
    return (
        f"F({count(row['df_between'])}, {count(row['df_within'])}) = {number(row['f'])}, "
        f"P {p_value(row['p_value'])}"
    )


def in_short(metrics: pd.DataFrame, labels: Mapping[str, str] = NO_LABELS) -> list[str]:
    """Return what a hurried reader must know of a study of several classes.

    Parameters
    ----------
    metrics : DataFrame
        metrics.csv of several classes.
    labels : mapping of str to str
    """
    rows = whole_group(metrics)
    rows = rows[(rows["class"] == MACRO) & (rows["method"] == PERCENTILE)]
    lines = []
    for (protocol, model), part in rows.groupby(["protocol", "model"], sort=False):
        found = {str(row["metric"]): row for row in part.drop_duplicates("metric").to_dict("records")}
        if "auroc" not in found or "f1" not in found:
            continue
        lines.append(
            f"{str(protocol).capitalize()} protocol, {labels.get(str(model), str(model))}: AUROC, mean "
            f"of classes, "
            f"{_cell(found['auroc'])}; F1, mean of classes, {_cell(found['f1'])}; "
            f"{count(found['auroc']['n'])} held-out sessions a repeat."
        )
    return [*lines, in_units(GIVEN_MODELS, labels)] if lines else lines


def _cell(row: Mapping[Hashable, Any] | None) -> str:
    return MISSING if row is None else estimate(row["estimate"], row["lower"], row["upper"])
