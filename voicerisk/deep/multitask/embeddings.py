"""Every input of every case: audio embeddings, text embeddings, voice biomarkers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.inputs import Features
from voicerisk.deep.multitask.settings import BIOMARKERS, MultitaskSettings
from voicerisk.deep.multitask.sound import Denoiser, load_sound, windows
from voicerisk.errors import MultitaskError
from voicerisk.pipeline.kept_steps import keep_step, kept_step
from voicerisk.types import Floats, Progress


def embed_cases(
    cases: pd.DataFrame,
    settings: MultitaskSettings,
    folder: Path,
    cache_folder: Path | None,
    denoiser: Denoiser | None = None,
    progress: Callable[[str], Progress] | None = None,
) -> tuple[Features, list[str]]:
    """Turn cases into embeddings.

    Parameters
    ----------
    cases : DataFrame
        From `load_cases`.
    settings : MultitaskSettings
    folder : Path
        Of the study file, from which the encoders' folders resolve.
    cache_folder : Path or None
        Where embeddings are kept (private); None keeps nothing.
    denoiser : callable, optional
        In place of the one that the settings name.
    progress : callable, optional
        Takes an input's symbol, returns the callback (done, total) for it.

    Returns
    -------
    Features, list of str
        And notes: how many transcripts were cut.
    """
    from voicerisk.deep.networks.encoders import device_of

    device_of(
        settings.device
    )  # where a GPU is asked for and there is none, it is said before anything is read
    move = progress or (lambda symbol: lambda done, total: None)
    blocks: dict[str, np.ndarray] = {}
    notes: list[str] = []
    used = {symbol for combination in settings.combinations for symbol in combination.split("+")}
    for symbol, kind in settings.modalities.items():
        if symbol not in used:
            continue
        if symbol == BIOMARKERS and settings.biomarkers:
            blocks[symbol] = voice_biomarkers(cases, settings.sound.channel, cache_folder, move(symbol))
        elif kind == "audio":
            blocks[symbol] = _audio(symbol, cases, settings, folder, cache_folder, denoiser, move(symbol))
        else:
            blocks[symbol], note = _text(symbol, cases, settings, folder, cache_folder, move(symbol))
            notes += note
    return Features(blocks, settings.modalities), notes


def _audio(
    symbol: str,
    cases: pd.DataFrame,
    settings: MultitaskSettings,
    folder: Path,
    cache_folder: Path | None,
    denoiser: Denoiser | None,
    move: Progress,
) -> np.ndarray:
    from voicerisk.deep.multitask.audio_encoder import AudioEncoder, embed_sounds
    from voicerisk.deep.networks.encoders import device_of

    files = cases["audio"].tolist()

    def windows_of(number: int) -> Sequence[Floats]:
        # One case at a time, so that an hour of sound never lies in memory at once.
        if not files[number]:
            return ()
        sound = load_sound(Path(files[number]), settings.sound, denoiser)
        return windows(sound, settings.crop, settings.sound.window_s)

    place = Path(folder, settings.audio_encoders[symbol])
    encoder = AudioEncoder(place, settings.sound.window_s, device_of(settings.device))
    return embed_sounds(encoder, len(files), windows_of, cache_folder, move)


def _text(
    symbol: str,
    cases: pd.DataFrame,
    settings: MultitaskSettings,
    folder: Path,
    cache_folder: Path | None,
    move: Progress,
) -> tuple[np.ndarray, list[str]]:
    from voicerisk.deep.networks.cache import CachedEncoder
    from voicerisk.deep.networks.encoders import EncoderSettings, TextEncoder

    place = Path(folder, settings.text_encoders[symbol])
    encoder = TextEncoder(
        EncoderSettings(place, settings.max_tokens, settings.pooling, batch=4, device=settings.device)
    )
    texts = cases["transcript"]
    given = texts != ""
    if not given.any():
        raise MultitaskError("No case has a transcript, so there is nothing to encode.")
    found = CachedEncoder(encoder, cache_folder).embed(texts[given].tolist(), move)
    block = np.full((len(cases), found.shape[1]), np.nan)
    block[given.to_numpy()] = found
    _, cut = encoder.tokens(texts[given].tolist())
    note = f"{symbol}: {cut} of {int(given.sum())} transcripts are longer than {settings.max_tokens} tokens"
    return block, [f"{note} and were cut."] if cut else []


def voice_biomarkers(
    cases: pd.DataFrame, channel: int | None, cache_folder: Path | None, progress: Progress | None = None
) -> np.ndarray:
    """Return the 36 voice biomarkers of each case: the mean over its frames with speech.

    Parameters
    ----------
    cases : DataFrame
        case_id, audio.
    channel : int or None
    cache_folder : Path or None
        Keeps each recording's numbers, by content.
    progress : callable, optional

    Returns
    -------
    float64 (n, 36)
        In the order of the catalogue; NaN where a marker is never available, or there is no recording.
    """
    from voicerisk.audio import read_recording
    from voicerisk.biomarkers import DEFINITION_VERSION, extract
    from voicerisk.biomarkers.catalogue import select_markers

    names = select_markers("all")
    rows = []
    for done, file in enumerate(cases["audio"]):
        row = dict.fromkeys(names, np.nan)
        if file:
            recording = read_recording(file, channel=channel)
            kept = None if cache_folder is None else _marker_file(cache_folder, recording.sha256)
            stored = None if kept is None else kept_step(kept)
            if stored is None:
                frames = extract(recording.samples, recording.sample_rate)
                means = frames.loc[~frames["silent"].to_numpy(dtype=bool)].mean(numeric_only=True)
                values = {name: float(means.get(name, np.nan)) for name in names}
                stored = {name: None if np.isnan(value) else value for name, value in values.items()}
                stored["version"] = DEFINITION_VERSION
                if kept is not None:
                    keep_step(kept, stored)
            row |= {name: np.nan if stored.get(name) is None else stored[name] for name in names}
        rows.append([row[name] for name in names])
        if progress is not None:
            progress(done + 1, len(cases))
    return np.asarray(rows, dtype=np.float64)


def _marker_file(cache_folder: Path, digest: str) -> Path:
    from voicerisk.biomarkers import DEFINITION_VERSION

    place = Path(cache_folder) / f"biomarkers-{DEFINITION_VERSION}"
    place.mkdir(parents=True, exist_ok=True)
    Path(cache_folder).chmod(0o700)
    place.chmod(0o700)
    return place / f"{digest}.json"
