"""Apparent performance of a study's procedures, always beside the validated one."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from voicerisk.files import write_csv, write_json
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table
from voicerisk.study.design import ModelTables
from voicerisk.study.protocols import fitter_of
from voicerisk.study.settings import Study
from voicerisk.validation import NESTED, PUBLISHED
from voicerisk.validation.protocols.apparent import apparent_scores, optimism_table

STAGE = "apparent"
SWITCHES = {"published": PUBLISHED, "nested": NESTED}


def write_apparent(
    study: Study,
    tables: ModelTables,
    chosen: tuple[str, ...],
    folder: ResultsFolder,
    protocols: Sequence[str],
    mark: str,
    jobs: int,
    move: Callable[[int, int], None],
) -> tuple[list[str], list[str]]:
    """Learn each protocol on all callers, score them, and write `optimism.csv` and `apparent.json`.

    Parameters
    ----------
    study : Study
    tables : ModelTables
    chosen : tuple of str
        Markers of the published protocol.
    folder : ResultsFolder
        With `metrics.csv`.
    protocols : sequence of {'published', 'nested'}
    mark : str
        Fingerprint of the stage.
    jobs : int
    move : callable

    Returns
    -------
    outputs, notes : list of str
    """
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", *study.cohort.groups]]
    metrics = read_table(folder.path, "metrics")
    parts, learned = [], {}
    for name in protocols:
        place = folder.checkpoints(STAGE, mark)
        fitter = fitter_of(study, name, tables, chosen, place, jobs)
        scores, learned[name] = apparent_scores(calls, fitter, study.validation, SWITCHES[name], move)
        parts.append(optimism_table(metrics, scores, name))
    folder.drop_checkpoints(STAGE)
    write_csv(folder.file("optimism.csv"), pd.concat(parts, ignore_index=True))
    write_json(folder.file("apparent.json"), learned)
    return ["optimism.csv", "apparent.json"], []


def spoken_optimism(folder: Path) -> str:
    """Say the apparent AUROC of calls beside the validated one, for the console; '' where it is not known."""
    file = folder / "optimism.csv"
    if not file.is_file():
        return ""
    table = read_table(folder, "optimism").query("metric == 'auroc'").drop_duplicates("protocol")
    said = [
        f"{row['protocol']} {row['apparent']:.2f} apparent, {row['validated']:.2f} validated"
        for row in table.to_dict("records")
    ]
    return f"AUROC on the callers learned from, and on callers held out: {'; '.join(said)}." if said else ""
