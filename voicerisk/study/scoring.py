"""Scores of new calls by a saved model, with what each marker adds."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voicerisk.audio import AudioSettings, read_recording
from voicerisk.biomarkers import BiomarkerSettings, extract_call, preset_audio
from voicerisk.errors import StudyError
from voicerisk.models import ScoringModel, read_model


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of frames, segments and calls.

    Attributes
    ----------
    frames : DataFrame
        call_id, segment, frame, time_s, p_raw, log_odds, base (offset and sex), what each marker adds to the
        log-odds under its name, n_outside, `<marker>_outside`. Silent frames have no row.
    segments, calls : DataFrame
        Mean of p_raw and of what each marker adds, n_frames.
    outside : DataFrame
        marker, share: share of values beyond the range of the training data.
    """

    frames: pd.DataFrame
    segments: pd.DataFrame
    calls: pd.DataFrame
    outside: pd.DataFrame


def score(model: Path | ScoringModel, source: Path, sex: str | None = None) -> Scores:
    """Score a recording or a table of frames.

    Parameters
    ----------
    model : Path or ScoringModel
        `boost/model.json` of a study.
    source : Path
        A sound file (analysed whole, with the audio settings of the model's study), or a Parquet or CSV table
        of frames with `call_id` and the model's markers, as `voicerisk extract` or a study writes it.
    sex : {'female', 'male'}, optional
        The caller's sex; needed by a model of both sexes unless the table has a column `sex`.

    Returns
    -------
    Scores

    Raises
    ------
    StudyError
        If there is no table, no frame, or nothing that says the sex.
    ModelError
        If a marker is missing from the table, or the sex is not female or male.
    """
    scorer = read_model(model) if isinstance(model, Path) else model
    frames = _frames(source, scorer)
    if sex is not None:
        frames["sex"] = sex
    if scorer.needs_sex and "sex" not in frames:
        raise StudyError(
            f"The model is one of both sexes, but {source.name} does not say whose voice it is; add --sex."
        )
    scored = scorer.score(frames)
    keys = [name for name in ("call_id", "segment", "frame", "time_s") if name in frames]
    scored = pd.concat([frames[keys], scored], axis=1)
    flags = [name for name in scored if str(name).endswith("_outside") and name != "n_outside"]
    shares = scored[flags].mean().rename(lambda name: str(name).removesuffix("_outside"))
    return Scores(
        scored,
        _means(scored, ["call_id", "segment"], scorer.markers),
        _means(scored, ["call_id"], scorer.markers),
        shares.rename_axis("marker").reset_index(name="share"),
    )


def _frames(source: Path, scorer: ScoringModel) -> pd.DataFrame:
    if source.suffix in (".parquet", ".csv"):
        if not source.is_file():
            raise StudyError(f"{source} is not there.")
        table = pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_csv(source)
        if "call_id" not in table:
            raise StudyError(f"{source.name} has no column call_id.")
        table = table.astype({"call_id": str})
    else:
        kept = scorer.notes.get("audio")
        audio = AudioSettings(**kept) if kept else preset_audio("published")
        preset = str(scorer.notes.get("preset", "published"))
        settings = BiomarkerSettings(preset=preset, set=scorer.markers or "named")
        recording = read_recording(source, channel=audio.channel, resample_hz=audio.resample_hz)
        table = extract_call(recording, None, audio, settings, name=str(source)).frames
        table.insert(0, "call_id", source.stem)
    if "silent" in table:
        table = table[~table["silent"].astype(bool)]
    if table.empty:
        raise StudyError(f"{source.name} holds no frame with speech.")
    return table.assign(segment=table.get("segment", 0)).reset_index(drop=True)


def _means(frames: pd.DataFrame, keys: list[str], markers: tuple[str, ...]) -> pd.DataFrame:
    grouped = frames.groupby(keys, sort=False)
    return grouped[["p_raw", *markers]].mean().assign(n_frames=grouped.size()).reset_index()
