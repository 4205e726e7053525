"""wav2vec 2.0, HuBERT and the like from a local folder: windows of sound to pooled, cached embeddings."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicerisk.deep.multitask.sound import RATE, SHORTEST
from voicerisk.deep.networks.cache import EmbeddingCache, content_key
from voicerisk.deep.networks.encoders import folder_identity, load_model, quiet_transformers
from voicerisk.errors import MultitaskError
from voicerisk.types import Progress

# Raised whenever the same folder and windows would give other numbers.
AUDIO_VERSION = 1


class AudioEncoder:
    """A pretrained speech model that turns windows of sound into mean embeddings.

    Windows are padded with zeros to one length, as the paper has it; frames of padding never enter the mean.
    Each window is encoded alone, so that its numbers do not depend on its neighbours.

    Parameters
    ----------
    folder : Path
        Holds config.json, weights as safetensors, preprocessor_config.json.
    window_s : float
    device : {'cpu', 'cuda'}
    """

    def __init__(self, folder: Path, window_s: float = 6.25, device: str = "cpu") -> None:
        self.folder = Path(folder)
        self.size = round(window_s * RATE)
        self.device = device

    @cached_property
    def identity(self) -> str:
        """Hash of the model folder and of the length of a window."""
        asked = f"{folder_identity(self.folder)} audio {AUDIO_VERSION} {self.size}"
        return hashlib.sha256(asked.encode()).hexdigest()

    @cached_property
    def model(self) -> Any:
        """The model, loaded when first needed."""
        model = load_model(self.folder).to(self.device)
        if not hasattr(model.config, "conv_kernel"):
            raise MultitaskError(f"{self.folder} holds no speech model of the wav2vec 2.0 family.")
        return model

    @cached_property
    def extractor(self) -> Any:
        """What scales sound for the model, loaded when first needed."""
        with quiet_transformers() as transformers:
            try:
                extractor = transformers.AutoFeatureExtractor.from_pretrained(
                    str(self.folder), local_files_only=True, trust_remote_code=False
                )
            except (OSError, ValueError, KeyError) as problem:
                raise MultitaskError(
                    f"{self.folder} holds no preprocessor_config.json that can be loaded: {problem}"
                ) from problem
        if extractor.sampling_rate != RATE:
            raise MultitaskError(
                f"The model in {self.folder} hears {extractor.sampling_rate} Hz; it must be {RATE} Hz."
            )
        return extractor

    @cached_property
    def dimension(self) -> int:
        """Length of an embedding."""
        return int(self.model.config.hidden_size)

    def frames(self, n_samples: int) -> int:
        """Return how many frames the model makes of a number of samples, by its convolutions."""
        config = self.model.config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            n_samples = (n_samples - kernel) // stride + 1
        return max(n_samples, 0)

    def encode(self, window: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return the embedding of one window: the mean over the frames that hold sound.

        Parameters
        ----------
        window : float64 (m,)
            16 kHz, at least 25 ms and at most one window long.

        Returns
        -------
        float32 (dimension,)
        """
        import torch

        if not SHORTEST <= len(window) <= self.size:
            raise MultitaskError(
                f"A window holds {len(window)} samples; {SHORTEST} to {self.size} can be encoded."
            )
        asked = self.extractor(
            [window.astype(np.float32)],
            sampling_rate=RATE,
            padding="max_length",
            max_length=self.size,
            return_attention_mask=True,
            return_tensors="pt",
        )
        # Models with group norm were trained without a mask and say so; all others must not hear padding.
        mask = {"attention_mask": asked["attention_mask"].to(self.device)}
        given = mask if self.extractor.return_attention_mask else {}
        with torch.inference_mode():
            hidden = self.model(asked["input_values"].to(self.device), **given).last_hidden_state[0]
        heard = max(self.frames(len(window)), 1)
        return np.asarray(hidden[:heard].mean(dim=0).float().cpu().numpy())


def embed_sounds(
    encoder: AudioEncoder,
    n: int,
    windows_of: Callable[[int], Sequence[npt.NDArray[np.float64]]],
    cache_folder: Path | None,
    progress: Progress | None = None,
) -> npt.NDArray[np.float64]:
    """Return one embedding a case: the mean over its windows, each weighted by its seconds.

    Parameters
    ----------
    encoder : AudioEncoder
    n : int
        Number of cases.
    windows_of : callable
        Takes the number of a case, returns its windows, float64 (m,) each; none without a recording.
    cache_folder : Path or None
        Windows that were encoded before are read from there; those of a case are on disk before the next.
    progress : callable, optional
        Called as progress(done, total), in cases.

    Returns
    -------
    float64 (n, dimension)
        NaN for a case without windows.
    """
    cache = None if cache_folder is None else EmbeddingCache(cache_folder, encoder.identity)
    rows: list[np.ndarray | None] = []
    for number in range(n):
        parts = windows_of(number)
        keys = [content_key(np.ascontiguousarray(window, dtype="<f8").tobytes()) for window in parts]
        known = {} if cache is None else {key: cache.read([key])[0] for key in keys if key in cache}
        new = {key: encoder.encode(part) for key, part in zip(keys, parts, strict=True) if key not in known}
        if cache is not None and new:
            cache.write(list(new), np.stack(list(new.values())))
        known |= new
        seconds = [len(window) for window in parts]
        vectors = [known[key].astype(np.float64) for key in keys]
        rows.append(np.average(vectors, axis=0, weights=seconds) if vectors else None)
        if progress is not None:
            progress(number + 1, n)
    length = next((len(row) for row in rows if row is not None), None)
    if length is None:
        raise MultitaskError("No case has a recording, so there is nothing to encode.")
    return np.stack([np.full(length, np.nan) if row is None else row for row in rows])
