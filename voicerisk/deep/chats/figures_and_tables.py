"""Which table of a study of text becomes which figure and which publication table."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import pandas as pd

from voicerisk.deep.chats.results import PAPER_WARNING, shown_predictions
from voicerisk.deep.pictures import of_class, series_pictures
from voicerisk.deep.results import read_results
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table
from voicerisk.study.output.figures import Picture
from voicerisk.text.sessions import TextCohort
from voicerisk.text.settings import TextSettings
from voicerisk.validation.metrics.classes.one_against_rest import (
    at_class_prevalence,
    class_decision_curves,
    likeliest_class,
    one_against_rest,
)

TITLES = {
    "tfidf": "TF-IDF", "linear": "Linear", "t_mlp": "T-MLP", "w2v_mlp": "W2V-MLP",
    "nested": "nested protocol",
    "published": "published protocol", "call": "session", "caller": "user",
}  # fmt: skip
# Thresholds of the paper, for the middle and for the severe one of three classes.
RELEVANT = {1: (0.30, 0.50), 2: (0.15, 0.30)}
CURVE_BOOTSTRAPS = 300
FLOW_STEPS = {"table": "Sessions", "label": "With a label", "age": "Old enough", "complete": "Not ended "
"early",
              "length": "Long enough", "copy": "No copies"}  # fmt: skip


def write_figures(
    folder: ResultsFolder, settings: TextSettings, cohort: TextCohort, move: Callable[[int, int], None]
) -> list[str]:
    """Draw every figure into `figures/` as PDF, SVG and PNG, its tables beside it."""
    from voicerisk.figures import make

    place = folder.file("figures")
    for stale in place.glob("*") if place.is_dir() else ():
        stale.unlink()
    pictures = list(_pictures(folder, settings, cohort))
    written = []
    for number, one in enumerate(pictures, start=1):
        labels = TITLES | FLOW_STEPS
        written += make(one.name, one.table, place, parts=one.parts, labels=labels, constants=one.constants)
        move(number, len(pictures))
    tables = [file for file in place.glob("*.csv") if file not in written]
    return [file.relative_to(folder.path).as_posix() for file in [*written, *tables]]


def _pictures(folder: ResultsFolder, settings: TextSettings, cohort: TextCohort) -> Iterator[Picture]:
    yield Picture("exclusion_flow", cohort.flow, {"groups": _groups(cohort)})
    read = [pd.read_parquet(folder.file(f"predictions_{name}.parquet")) for name in settings.protocols]
    repeats, metrics = (read_results(folder.file(f"{name}.csv")) for name in ("repeats", "metrics"))
    shown = shown_predictions(pd.concat(read, ignore_index=True), repeats)
    for (protocol, model), table in shown.groupby(["protocol", "model"], sort=False):
        suffix = "_".join([str(protocol), str(model)])
        own = metrics[(metrics["protocol"] == protocol) & (metrics["model"] == model)]
        of_classes = own[own["class"].isin(cohort.classes)]
        areas = of_classes.assign(protocol=of_classes["class"])
        yield from series_pictures(_by_class(table, cohort.classes), areas, suffix)
    for protocol, table in shown.groupby("protocol", sort=False):
        yield Picture("confusion--" + str(protocol), _confusion(table, cohort.classes))
        yield from _decision_curves(str(protocol), table, cohort.classes, settings)
    history = read_results(folder.file("tuning.csv"))
    if "train_loss" in history:
        yield Picture("training_curves", history[history["train_loss"].notna()])


def _groups(cohort: TextCohort) -> pd.DataFrame:
    rows = []
    for name in cohort.classes:
        part = cohort.sessions[cohort.sessions["label"] == name]
        rows.append((name, "session", len(part)))
        if cohort.users_known:
            rows.append((name, "user", part["user_id"].nunique()))
    return pd.DataFrame(rows, columns=["group", "unit", "n"])


def _by_class(table: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Stack the binary tables of all classes; the class stands in `protocol`, which parts series."""
    parts = [one_against_rest(table, name).assign(protocol=name) for name in classes]
    return pd.concat(parts, ignore_index=True)


def _confusion(table: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return counts of true against likeliest classes, a mean over the repeats that are shown."""
    parts = []
    for model, rows in table.groupby("model", sort=False):
        n = rows["repeat"].nunique()
        rows = rows.loc[rows.index.repeat(rows["weight"].to_numpy().astype(np.int64))]
        score = {name: rows[f"p_raw_{name}"].to_numpy(dtype=np.float64) for name in classes}
        counts = likeliest_class(rows["y"].to_numpy(), score)
        parts.append(counts.assign(model=model, n=counts["n"] / n))
    return pd.concat(parts, ignore_index=True)


def _decision_curves(
    protocol: str, table: pd.DataFrame, classes: tuple[str, ...], settings: TextSettings
) -> Iterator[Picture]:
    tables = {"": table}
    if settings.prevalence and protocol == "nested":
        tables["_at_prevalence"] = at_class_prevalence(table, settings.prevalence)
    for number, name in enumerate(classes):
        if number == 0:
            continue
        low, high = RELEVANT.get(number, (None, None)) if len(classes) == 3 else (None, None)
        for suffix, rows in tables.items():
            curve = class_decision_curves(rows, name, n_boot=CURVE_BOOTSTRAPS, seed=settings.seed)
            curve = curve.assign(
                protocol=curve["model"].map(lambda name: TITLES.get(name, name)),
                relevant_low=low,
                relevant_high=high,
            )
            yield Picture(f"decision_curves--{protocol}_{name}{suffix}", of_class(curve, name))


def write_tables(folder: ResultsFolder, settings: TextSettings) -> tuple[list[str], list[str]]:
    """Write the publication tables into `tables/` as CSV, HTML, LaTeX and, with python-docx, Word."""
    from dataclasses import replace

    from voicerisk.report import write_table
    from voicerisk.report.tables.agreement import rater_agreement_table
    from voicerisk.report.tables.classes import (
        any_table,
        at_prevalence_table,
        brier_table,
        characteristics_table,
        class_table,
        repeats_table,
    )

    metrics, repeats, parts = (
        read_results(folder.file(f"{name}.csv")) for name in ("metrics", "repeats", "brier_parts")
    )
    tables = [
        class_table(metrics, TITLES), brier_table(parts, metrics, TITLES), repeats_table(repeats, TITLES)
    ]  # fmt: skip
    any_class = read_results(folder.file("any_class.csv"))
    tables.insert(1, any_table(any_class, TITLES))
    if "published" in settings.protocols:
        tables = [replace(table, notes=(*table.notes, PAPER_WARNING)) for table in tables]
    if settings.prevalence and "nested" in settings.protocols:
        moved = read_results(folder.file("metrics_at_prevalence.csv"))
        tables.append(at_prevalence_table(moved, settings.prevalence, TITLES))
    described, differences = (
        read_results(folder.file(f"{name}.csv")) for name in ("characteristics", "group_differences")
    )
    tables.append(characteristics_table(described, differences, TITLES))
    if folder.file("agreement.csv").is_file():
        agreement = read_table(folder.path, "agreement")
        tables.append(rater_agreement_table(agreement, TITLES))
    word = find_spec("docx") is not None
    formats = ("csv", "html", "tex", "docx") if word else ("csv", "html", "tex")
    written = [
        file.relative_to(folder.path).as_posix()
        for table in tables
        for file in write_table(table, folder.file("tables"), formats)
    ]
    return written, [] if word else ["Tables in Word need: pip install 'voicerisk[report]'."]
