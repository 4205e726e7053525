"""Fusing predictions tables of several models, from files to a folder of results."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voicerisk.errors import StudyError
from voicerisk.files import PRIVATE, read_parquet, write_csv, write_json, write_parquet, write_text
from voicerisk.validation import ValidationSettings, compute_metrics
from voicerisk.validation.fusion.join import fused_predictions, join_sources
from voicerisk.validation.fusion.rescue import compare_sources, false_alarm_rate, rescue_sentences
from voicerisk.validation.fusion.sources import Source, read_source

NAME = re.compile(r"(?:(?P<name>[A-Za-z][\w-]*)=)?(?P<file>.+?)(?:::(?P<model>.+))?")


@dataclass(frozen=True, slots=True, eq=False)
class FusionResult:
    """What `fuse_files` found.

    Attributes
    ----------
    compared : DataFrame
        See `compare_sources`.
    sentences : tuple of str
        The answer in words.
    notes : tuple of str
    folder : Path
    """

    compared: pd.DataFrame
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    folder: Path


def fuse_files(
    given: Sequence[str],
    out: Path,
    *,
    protocol: str = "nested",
    positive: Sequence[str] = (),
    false_alarms: float | None = None,
    bootstraps: int = 2000,
    seed: int = 1,
) -> FusionResult:
    """Fuse two or more predictions tables and compare each with the first.

    Parameters
    ----------
    given : sequence of str
        `FILE`, `NAME=FILE` or `NAME=FILE::MODEL`, each a predictions table in Parquet. The name defaults
        to that of the results folder.
    out : Path
        Receives `predictions.parquet` (private), `compared.csv`, `metrics.csv`, `fusion.md` and
        `fusion.json` (settings).
    protocol : str
    positive : sequence of str
        For tables with several classes: the classes that count as the event.
    false_alarms : float, optional
        Share of calls without the event that may be flagged; default: what the first source flags at its
        own cuts.
    bootstraps : int
    seed : int

    Returns
    -------
    FusionResult

    Raises
    ------
    StudyError
        For a file that is missing or no predictions table.
    ValidationError
        Where the tables cannot be joined; see `read_source` and `join_sources`.
    """
    sources = [_source(one, protocol, positive) for one in given]
    table, notes = join_sources(sources)
    names = [source.name for source in sources]
    rate = false_alarm_rate(sources[0], table) if false_alarms is None else false_alarms
    compared = compare_sources(table, names, rate, n_boot=bootstraps, seed=seed)
    predictions = fused_predictions(table, names, seed)
    metrics = compute_metrics(
        predictions, ValidationSettings(seed=seed), n_boot=bootstraps, units=("call", "caller")
    )
    sentences = tuple(rescue_sentences(compared, rate))
    out.mkdir(parents=True, exist_ok=True)
    write_parquet(out / "predictions.parquet", predictions, PRIVATE)
    write_csv(out / "compared.csv", compared)
    write_csv(out / "metrics.csv", metrics)
    write_json(
        out / "fusion.json",
        {
            "sources": [{"name": source.name, "design": source.design} for source in sources],
            "protocol": protocol,
            "positive": list(positive),
            "false_alarms": rate,
            "bootstraps": bootstraps,
            "seed": seed,
            "notes": list(notes),
        },
    )
    write_text(out / "fusion.md", _page(sentences, notes))
    return FusionResult(compared, sentences, notes, out)


def _source(given: str, protocol: str, positive: Sequence[str]) -> Source:
    found = NAME.fullmatch(given)
    if found is None:
        raise StudyError(f"{given!r} names no predictions table; write FILE, NAME=FILE or NAME=FILE::MODEL.")
    path = Path(found["file"])
    name = found["name"] or path.absolute().parent.name or path.stem
    if not path.is_file():
        raise StudyError(f"There is no predictions table {path}.")
    try:
        table = read_parquet(path)
    except (OSError, ValueError) as problem:
        raise StudyError(f"{path} is no Parquet file: {str(problem).splitlines()[0]}.") from None
    several = any(str(column).startswith("p_raw_") for column in table.columns)
    return read_source(
        table, name, protocol=protocol, model=found["model"], positive=positive if several else ()
    )


def _page(sentences: Sequence[str], notes: Sequence[str]) -> str:
    remarks = [
        "Log-odds of calibrated risks are added; no weight is learned.",
        "All models are cut at the same rate of false alarms.",
        "Intervals come from a paired bootstrap of callers that takes the scores as given.",
        *notes,
    ]
    lines = ["# Fusion", "", *sentences, "", *[f"- {remark}" for remark in remarks]]
    return "\n".join([*lines, "", "A research tool: never the sole basis of a clinical decision.", ""])
