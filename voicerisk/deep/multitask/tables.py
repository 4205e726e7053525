"""Publication tables: Tables 2 to 5 of the paper, results by class, missing modalities, fusion."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.figures import PERCENTILE
from voicerisk.deep.multitask.model import TABLE_4
from voicerisk.deep.multitask.settings import NetworkSettings
from voicerisk.figures.wording import GIVEN_MODELS, in_units
from voicerisk.report.tables.formats import count, estimate, interval, p_value, share
from voicerisk.report.tables.publication import PublicationTable

GIVEN = in_units(GIVEN_MODELS, {"caller": "person"})
TASK_NAMES = {"severity": "Depression severity", "risk": "Suicide risk"}
BEST = (
    "The highest AUROC of a task is the largest of several measured on the same predictions: it is too high "
    "by what choosing adds, and no model is marked as best."
)


def _name(combination: str, labels: Mapping[str, str]) -> str:
    return " + ".join(labels.get(part, part) for part in combination.split("+"))


def transfer_publication(table: pd.DataFrame, labels: Mapping[str, str]) -> PublicationTable:
    """Return Table 5: AUROC of single- and multitask models, their difference with interval and tests."""
    rows = [
        (
            row["protocol"],
            TASK_NAMES[str(row["target"])],
            _name(str(row["first"]).split(":")[1], labels),
            f"{row['auroc_first']:.3f}",
            f"{row['auroc_second']:.3f}",
            f"{row['difference']:+.3f}",
            interval(row["lower"], row["upper"], 3),
            p_value(row["p_value"]),
            p_value(row["p_holm"]),
            row["verdict"],
        )
        for row in table.to_dict("records")
    ]
    heads = (
        "Protocol", "Task", "Input", "Single-task AUROC", "Multitask AUROC", "Difference", "95% CI", "P",
        "P (Holm)", "Shown",
    )  # fmt: skip
    tests = f"Holm over all {len(table) // max(table['protocol'].nunique(), 1)} comparisons of a protocol."
    paired = "Differences: paired bootstrap of persons on pooled out-of-fold predictions of the same folds."
    notes = (f"{paired} {tests}", GIVEN, BEST)
    return PublicationTable(
        "table5_transfer", "Single-task and multitask learning compared", _cells(heads, rows), notes
    )


def demographics_publication(
    groups: pd.DataFrame, target: str, classes: Sequence[str], number: int
) -> PublicationTable:
    """Return Table 2 or 3: demographics by class, with tests."""
    own = groups[groups["target"] == target]
    rows = []
    for (variable, value), part in own.groupby(["variable", "value"], sort=False):
        line = part.set_index("class").to_dict("index")
        one = part.iloc[0]
        cells = []
        for label in classes:
            of_class = line[label]
            if np.isfinite(of_class["mean"]):
                cells.append(f"{of_class['mean']:.1f} ({of_class['sd']:.1f})")
            else:
                total = int(own.loc[(own["variable"] == variable) & (own["class"] == label), "n"].sum())
                cells.append(share(int(of_class["n"]), total))
        name = f"{variable}, mean (SD)" if value == "" else f"{variable}: {value}"
        missing = int(part["missing"].sum())
        rows.append(
            (
                name,
                *cells,
                count(missing),
                one["test"],
                p_value(one["p_value"]),
                p_value(one["p_permutation"]),
            )
        )
    heads = ("Variable", *classes, "Missing", "Test", "P", "P (permutation)")
    notes = (
        "Chi-square without continuity correction; where a count of less than 5 is expected, a permutation "
        "test of the same statistic stands beside it. Numbers: Welch's t test or one-way ANOVA.",
        "Cases are counted; tests take them as independent and are not adjusted for their number.",
    )
    title = f"Demographics by class of {TASK_NAMES[target].lower()}"
    return PublicationTable(f"table{number}_{target}", title, _cells(heads, rows), notes)


def settings_publication(settings: NetworkSettings) -> PublicationTable:
    """Return Table 4: what each kind of model was trained with."""
    kinds = list(TABLE_4.values())
    rows: list[tuple[str, ...]] = []
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in ("warmup", "dropout"):
            at = 1 if field.name == "warmup" else 2
            rows.append((field.name, *(f"{one[at] if value is None else value:g}" for one in kinds)))
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            rows.append((field.name, *[shown] * len(kinds)))
    heads = ("Parameter", *(one[0] for one in kinds))
    note = (
        "SM, MM: one modality, several; STL, MTL: one task, two. Warm-up and dropout by kind are the "
        "paper's, which had no inner loop to choose them, so that they are tuned to its folds. Depth, width "
        "and weight decay are not given in the paper."
    )
    return PublicationTable("table4_settings", "Settings of training", _cells(heads, rows), (note,))


def class_publication(metrics: pd.DataFrame) -> PublicationTable:
    """Return the results of every class of every model (the paper's Table S3)."""
    shown = {
        "sensitivity": "Recall", "ppv": "Precision", "specificity": "Specificity", "f1": "F1",
        "auroc": "AUROC",
    }  # fmt: skip
    own = metrics[(metrics["method"] == PERCENTILE) & (metrics["class"] != "macro")]
    rows = []
    for (protocol, model, target, label), part in own.groupby(
        ["protocol", "model", "target", "class"], sort=False
    ):
        found = part.drop_duplicates("metric").set_index("metric").to_dict("index")
        ends = [[float(found[m][end]) for end in ("estimate", "lower", "upper")] for m in shown if m in found]
        cells = [estimate(value, low, high) for value, low, high in ends]
        n = f"{count(part['n_events'].iloc[0])}/{count(part['n'].iloc[0])}"
        rows.append((str(protocol), str(model), TASK_NAMES[str(target)], str(label), n, *cells))
    heads = ("Protocol", "Model", "Task", "Class", "n", *shown.values())
    return PublicationTable("by_class", "Results by class", _cells(heads, rows), (GIVEN,))


def fold_publication(
    metrics: pd.DataFrame, fold_means: pd.DataFrame, classes: Mapping[str, Sequence[str]]
) -> PublicationTable:
    """Return AUROCs of pooled predictions beside means of folds, of every model and baseline."""
    keys = ["protocol", "model", "target"]
    own = metrics[(metrics["metric"] == "auroc") & (metrics["method"] == PERCENTILE)]
    rows = []
    for row in fold_means[fold_means["metric"] == "auroc"].to_dict("records"):
        same = own[np.logical_and.reduce([own[key] == row[key] for key in keys])]
        names = classes[str(row["target"])]
        pooled = same[same["class"] == (names[-1] if len(names) == 2 else "macro")].iloc[0]
        rows.append(
            (
                str(row["protocol"]), TASK_NAMES[str(row["target"])], str(row["model"]),
                estimate(pooled["estimate"], pooled["lower"], pooled["upper"]),
                f"{row['mean']:.2f} ({row['sd']:.2f})", f"{row['undefined']} of {row['n_folds']}",
            )
        )  # fmt: skip
    heads = (
        "Protocol", "Task", "Model", "Pooled AUROC (95% CI)", "Mean of folds (SD)", "Folds without a value",
    )  # fmt: skip
    notes = (
        "A fold with more cases of a class leaves fewer of it to learn from, which draws the pooled AUROC of "
        "a model that knows nothing below 0.5; within a fold there is no such thing. A fold without cases of "
        "a class has no AUROC. Of two classes AUROCs are those of the last, of more means over classes.",
        GIVEN,
    )
    return PublicationTable("folds", "AUROC pooled and within folds", _cells(heads, rows), notes)


def difference_publication(
    table: pd.DataFrame, name: str, title: str, extra: Sequence[str] = (), notes: Sequence[str] = ()
) -> PublicationTable:
    """Return any table of `compare_models` for print, with further columns first."""
    rows = [
        (
            *(str(row[key]) for key in extra),
            row["protocol"],
            TASK_NAMES[str(row["target"])],
            row["first"],
            row["second"],
            f"{row['auroc_first']:.3f}",
            f"{row['auroc_second']:.3f}",
            f"{row['difference']:+.3f}",
            interval(row["lower"], row["upper"], 3),
            p_value(row["p_holm"]),
        )
        for row in table.to_dict("records")
    ]
    heads = (
        *(key.capitalize() for key in extra), "Protocol", "Task", "First", "Second", "AUROC of first",
        "AUROC of second", "Difference", "95% CI", "P (Holm)",
    )  # fmt: skip
    return PublicationTable(name, title, _cells(heads, rows), (*notes, GIVEN))


def fusion_publication(table: pd.DataFrame) -> PublicationTable:
    """Return what each network, alone and with the voice score, finds at the same rate of false alarms."""
    rows = [
        (
            row["model"],
            f"{row['auroc']:.3f}",
            estimate(row["sensitivity_difference"], row["sensitivity_lower"], row["sensitivity_upper"]),
            f"{row['rescued']}/{row['missed']}",
            str(row["lost"]),
            f"{row['false_alarms']:.2f}",
        )
        for row in table[table["model"] != "voice"].to_dict("records")
    ]
    heads = (
        "Model", "AUROC", "Sensitivity above voice (95% CI)", "Found of those voice misses",
        "Missed of those voice finds", "False alarms",
    )  # fmt: skip
    notes = (
        "Log-odds of calibrated risks are added; nothing is learned. All models are cut at the rate of false "
        "alarms of the voice score.",
        GIVEN,
    )
    return PublicationTable("fusion", "Late fusion with the voice score", _cells(heads, rows), notes)


def _cells(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    return pd.DataFrame([list(row) for row in rows], columns=list(heads))
