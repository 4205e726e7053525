"""Figures, publication tables and one page that holds them all, warnings first."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.util import find_spec

import pandas as pd

from voicerisk.deep.multitask import tables
from voicerisk.deep.multitask.comparisons import transfer_sentences
from voicerisk.deep.multitask.figures import curve_pictures, fullest, heatmap_table, metric_heatmap
from voicerisk.deep.multitask.study_file import MultitaskStudy
from voicerisk.deep.results import read_results
from voicerisk.files import write_text
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.report.tables.publication import PublicationTable

FIGURES = {"stl": "figure3_single_task", "mtl": "figure4_multitask"}
UNITS = {"call": "case", "caller": "person", "nested": "nested protocol", "published": "published protocol"}
TITLES = {"stl": "Single-task models", "mtl": "Multitask models"}
HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Multitask study</title><style>
body { font: 15px/1.45 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #1a1a1a }
table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto }
th, td { padding: .2em .7em; text-align: left; border-bottom: 1px solid #ccc } caption { text-align: left;
font-weight: bold } .note { font-size: .87em; margin: .2em 0 }
.warning { border: 2px solid #a33; padding: .7em }
img { max-width: 100% }
</style></head><body>
<h1>{title}</h1>
<p>A research tool: nothing here is the sole basis of a clinical decision.</p>
"""


def write_report(
    study: MultitaskStudy,
    folder: ResultsFolder,
    classes: Mapping[str, Sequence[str]],
    warnings: Sequence[str],
) -> list[str]:
    """Write `figures/`, `tables/` and `report.html` from the tables of a results folder.

    Parameters
    ----------
    study : MultitaskStudy
    folder : ResultsFolder
    classes : mapping of str to sequence of str
    warnings : sequence of str
        Shown before anything else.

    Returns
    -------
    list of str
        Names of the files, relative to the folder.
    """
    from voicerisk.figures import save
    from voicerisk.report import write_table
    from voicerisk.report.tables.writers import to_html

    labels = study.settings.labels
    metrics = read_results(folder.file("metrics.csv"))
    for stale in folder.file("figures").glob("*"):
        stale.unlink()
    written: list[str] = []
    body = [_head(classes), *(f'<p class="warning"><b>Warning.</b> {escape(one)}</p>\n' for one in warnings)]
    moved = folder.file("transfer.csv")
    if moved.is_file():
        body.append("<h2>What multitask learning does</h2>\n<ul>")
        body += [f"<li>{escape(one)}</li>\n" for one in transfer_sentences(read_results(moved))]
        body.append("</ul>\n")
    notes = [note for record in folder.records().values() for note in record["notes"]]
    body += [f'<p class="note">{escape(one)}</p>\n' for one in dict.fromkeys(notes)]
    order = {combination: number for number, combination in enumerate(study.settings.combinations)}
    fold_means = read_results(folder.file("fold_means.csv"))
    heat = heatmap_table(metrics, fold_means, classes)
    heat = heat.sort_values("input", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    for protocol in heat["protocol"].unique():
        for learning in ("stl", "mtl"):
            part = heat[(heat["protocol"] == protocol) & (heat["learning"] == learning)]
            if part.empty:
                continue
            stem = folder.file("figures") / f"{FIGURES[learning]}_{protocol}"
            files = save(metric_heatmap(part, {**labels, **tables.TASK_NAMES}), part, stem)
            written += [file.relative_to(folder.path).as_posix() for file in files]
            title = f"{TITLES[learning]}, protocol {protocol}"
            body.append(
                f'<h2>{title}</h2>\n<img src="figures/{stem.name}.svg" alt="Heatmap: {title}">\n'
                '<p class="note">Pooled out-of-fold predictions. ACC accuracy, R recall, P precision, S '
                "specificity, F1, AUC; of two classes those of the last, of more unweighted means over "
                "classes.</p>\n"
            )
    drawn, said = _curves(study, folder, metrics, classes)
    written += drawn
    body.append(said)
    formats = ("csv", "html", "tex", "docx") if find_spec("docx") else ("csv", "html", "tex")
    for table in _tables(study, folder, metrics, classes):
        files = write_table(table, folder.file("tables"), formats)
        written += [file.relative_to(folder.path).as_posix() for file in files]
        body.append(to_html(table) + "\n")
    write_text(folder.file("report.html"), "".join([*body, "</body></html>\n"]))
    return [*written, "report.html"]


def _head(classes: Mapping[str, Sequence[str]]) -> str:
    """Return the head of the page, named after the tasks."""
    tasks = " and ".join(tables.TASK_NAMES[task] for task in classes)
    title = f"{tasks.capitalize()}: one model or two?" if len(classes) > 1 else tasks
    return HEAD.replace("{title}", title)


def _curves(
    study: MultitaskStudy, folder: ResultsFolder, metrics: pd.DataFrame, classes: Mapping[str, Sequence[str]]
) -> tuple[list[str], str]:
    """Draw curves of one input; return names of files and the page's part."""
    from voicerisk.figures import make

    labels, shown = study.settings.labels, fullest(study.settings.combinations)
    title = " + ".join(labels.get(part, part) for part in shown.split("+"))
    body = [
        f'<h2>Curves: {escape(title)}</h2>\n<p class="note">Of the inputs with most modalities the first '
        "that the study names, whatever its results. Each class but the first against the rest. Risks of the "
        "protocol 'published' are as the networks give them, not recalibrated.</p>\n"
    ]
    written = []
    predictions = {task: pd.read_parquet(folder.file(f"predictions_{task}.parquet")) for task in classes}
    for one in curve_pictures(predictions, metrics, shown, study.settings.seed):
        files = make(one.name, one.table, folder.file("figures"), parts=one.parts, labels=UNITS)
        written += [file.relative_to(folder.path).as_posix() for file in files]
        body.append(f'<img src="figures/{escape(one.name)}.svg" alt="{escape(one.name)}">\n')
    return written, "".join(body)


def _tables(
    study: MultitaskStudy, folder: ResultsFolder, metrics: pd.DataFrame, classes: Mapping[str, Sequence[str]]
) -> Iterator[PublicationTable]:
    def stored(name: str) -> pd.DataFrame | None:
        file = folder.file(f"{name}.csv")
        return read_results(file) if file.is_file() else None

    if study.settings.demographics:
        groups = read_results(folder.file("demographics.csv"), ["value"]).fillna({"value": ""})
        for number, (task, names) in enumerate(classes.items(), start=2):
            yield tables.demographics_publication(groups, task, names, number)
    yield tables.settings_publication(study.settings.network)
    transfer = stored("transfer")
    if transfer is not None:
        yield tables.transfer_publication(transfer, study.settings.labels)
    yield tables.class_publication(metrics)
    yield tables.fold_publication(metrics, read_results(folder.file("fold_means.csv")), classes)
    modalities = stored("modalities")
    if modalities is not None:
        yield tables.difference_publication(
            modalities, "modalities", "What each modality is worth", ("kind",),
            ("First: the model of both modalities. Holm within protocol, task and kind.",),
        )  # fmt: skip
    demographics = stored("against_demographics")
    if demographics is not None:
        yield tables.difference_publication(
            demographics, "against_demographics", "Models against demographics alone", (),
            ("Holm within protocol and task.",),
        )  # fmt: skip
    fusion = stored("fusion")
    if fusion is not None:
        yield tables.fusion_publication(fusion)
