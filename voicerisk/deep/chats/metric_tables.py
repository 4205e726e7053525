"""From the predictions of all models to the tables of what they are worth."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from voicerisk.deep.chats.results import (
    PAPER_WARNING,
    any_metrics,
    brier_parts,
    by_repeat,
    shown_predictions,
    text_metrics,
)
from voicerisk.files import PRIVATE, write_csv, write_json, write_parquet
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.text.settings import TextSettings


def write_metric_tables(
    folder: ResultsFolder, settings: TextSettings, parts: Mapping[str, Sequence[str]], users: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Join the models' parts, measure them, and write every table; return their names and notes.

    Parameters
    ----------
    folder : ResultsFolder
    settings : TextSettings
    parts : mapping of str to sequence of str
        Protocol to the stem of each model's part, in the order of the models.
    users : sequence of str
        All users of the study.
    """
    file = folder.file
    tables, histories, provenance = [], [], {}
    written = []
    for protocol, stems in parts.items():
        table = pd.concat([pd.read_parquet(file(f"{stem}.parquet")) for stem in stems], ignore_index=True)
        write_parquet(file(f"predictions_{protocol}.parquet"), table)
        written.append(f"predictions_{protocol}.parquet")
        tables.append(table)
        histories += [pd.read_parquet(file(f"{stem}_history.parquet")) for stem in stems]
        joined = _provenance(folder, dict(zip(settings.models, stems, strict=True)))
        provenance[protocol] = {"callers": list(users), "folds": {"holdout": joined}}
    predictions = pd.concat(tables, ignore_index=True)
    repeats = by_repeat(predictions)
    shown = shown_predictions(predictions, repeats)
    metrics, moved, notes = text_metrics(shown, predictions, settings)
    write_csv(file("metrics.csv"), metrics)
    write_csv(file("any_class.csv"), any_metrics(shown, settings))
    write_csv(file("repeats.csv"), repeats)
    write_csv(file("brier_parts.csv"), brier_parts(shown))
    write_csv(file("tuning.csv"), pd.concat(histories, ignore_index=True))
    write_json(file("provenance.json"), provenance, PRIVATE)
    written += ["metrics.csv", "any_class.csv", "repeats.csv", "brier_parts.csv", "tuning.csv"]
    written.append("provenance.json")
    if moved is not None:
        write_csv(file("metrics_at_prevalence.csv"), moved)
        written.append("metrics_at_prevalence.csv")
    return written, [PAPER_WARNING, *notes] if "published" in parts else notes


def _provenance(folder: ResultsFolder, stems: Mapping[str, str]) -> dict[str, Any]:
    """Join what the models saw, as the voice study writes it: by repeat and fold."""
    joined: dict[str, Any] = {}
    for name, stem in stems.items():
        record = json.loads(folder.file(f"{stem}.json").read_text(encoding="utf-8"))
        for repeat, folds in record["folds"].items():
            for fold, one in folds.items():
                place = joined.setdefault(repeat, {}).setdefault(
                    fold, {"held_out": one["held_out"], "seen": {}}
                )
                place["seen"] |= {f"{name}: {key}": seen for key, seen in one["seen"].items()}
    return joined
