"""Late fusion of the networks' risk with the score of the voice pipeline."""

from pathlib import Path

import pandas as pd

from voicerisk.errors import MultitaskError
from voicerisk.files import read_parquet
from voicerisk.validation.fusion.join import FUSED, join_sources
from voicerisk.validation.fusion.rescue import compare_sources, false_alarm_rate
from voicerisk.validation.fusion.sources import Source, read_source

VOICE = "voice"
CALIBRATED = "nested"


def read_voice_scores(path: Path, protocol: str) -> Source:
    """Read the calibrated call risks of the main pipeline.

    Parameters
    ----------
    path : Path
        `predictions_<protocol>.parquet` of a results folder.
    protocol : str

    Returns
    -------
    Source

    Raises
    ------
    MultitaskError
        For a missing file.
    ValidationError
        For one that holds no calibrated risks of calls.
    """
    if not path.is_file():
        raise MultitaskError(f"There is no predictions file {path}; check [multitask] voice_scores.")
    try:
        table = read_parquet(path)
    except (OSError, ValueError) as problem:
        said = str(problem).split("\n")[0]
        raise MultitaskError(
            f"{path} is no Parquet file ({said}); check [multitask] voice_scores."
        ) from problem
    return read_source(table, VOICE, protocol=protocol)


def late_fusion(
    predictions: pd.DataFrame, voice: Source, n_boot: int, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Fuse the risk of every network with the voice score, at the voice score's rate of false alarms.

    Parameters
    ----------
    predictions : DataFrame
        Of the task risk. Only the nested protocol is fused: the published one does not recalibrate.
    voice : Source
    n_boot, seed : int

    Returns
    -------
    fusion : DataFrame
        As `compare_sources`, three rows a network: voice, the network, and both; with protocol and network.
    notes : list of str

    Raises
    ------
    ValidationError
        Where no case has a voice score (case ids must be the call ids), or outcomes differ.
    """
    networks = predictions[predictions["model"].str.contains(":", regex=False)]
    own = networks[networks["protocol"] == CALIBRATED]
    if own.empty:
        return pd.DataFrame(), ["The voice score is fused in the nested protocol only; it was not run."]
    found, notes = [], []
    for name in own["model"].unique():
        network = read_source(own, str(name), protocol=CALIBRATED, model=str(name))
        table, said = join_sources([voice, network])
        rate = false_alarm_rate(voice, table)
        rows = compare_sources(table, [VOICE, str(name)], rate, n_boot=n_boot, seed=seed)
        rows["model"] = rows["model"].replace(FUSED, f"{name} + {VOICE}")
        found.append(rows.assign(protocol=CALIBRATED, network=name))
        notes += [note for note in said if note not in notes]
    return pd.concat(found, ignore_index=True), notes
