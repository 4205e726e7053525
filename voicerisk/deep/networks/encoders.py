"""Pretrained encoders from a local folder: no network, no code of the model's own, safetensors only."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from voicerisk.errors import ModelError
from voicerisk.files import sha256_file
from voicerisk.types import Progress

POOLINGS = ("mean", "first", "last")
# Raised whenever the same folder and settings would give other numbers.
ENCODING_VERSION = 1


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How texts become vectors.

    Parameters
    ----------
    folder : Path
        Holds config.json, model.safetensors (or its shards) and the tokenizer's files.
    max_tokens : int
        Longer texts are cut after so many tokens, special tokens included; the cut texts are counted.
    pooling : {'mean', 'first', 'last'}
        Mean over the tokens of the text, or the first or last token's vector.
    batch : int
        Texts a batch.
    prefix : str
        Written before every text, as some models ask for (E5: "query: ").
    device : {'cpu', 'gpu', 'auto'}
        Where the model runs; 'auto' takes a GPU where torch finds one. Vectors of a GPU differ from those of
        the CPU in their last digits.
    """

    folder: Path
    max_tokens: int = 64
    pooling: str = "mean"
    batch: int = 32
    prefix: str = ""
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ModelError(f"pooling must be one of {', '.join(POOLINGS)}, not {self.pooling!r}.")
        if self.max_tokens < 4 or self.batch < 1:
            raise ModelError(
                f"An encoder needs max_tokens of at least 4 and a batch of at least 1, not {self.max_tokens} "
                f"and {self.batch}."
            )


def device_of(asked: str) -> str:
    """Return torch's name of the device that settings call cpu, gpu or auto.

    Raises
    ------
    ModelError
        If a GPU is asked for and torch finds none.
    """
    import torch

    if asked == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if asked == "gpu":
        raise ModelError('device = "gpu" is asked for, but torch finds none; use "cpu" or "auto".')
    return "cpu"


def folder_identity(folder: Path) -> str:
    """Return a hash of every configuration, tokenizer and weight file of a model folder.

    Raises
    ------
    ModelError
        If the folder is missing, holds no weights as safetensors, or asks for code of its own.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json; name the local folder of a pretrained model.")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} holds no weights as .safetensors; weights stored by pickle can "
            "run code and are refused."
        )
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).is_file() and "auto_map" in _json(folder / name):
            raise ModelError(
                f"{folder}: {name} asks for code of the model's own (auto_map), which is refused."
            )
    digest = hashlib.sha256(f"encoding {ENCODING_VERSION}".encode())
    suffixes = {".json", ".safetensors", ".txt", ".model"}
    for file in sorted(path for path in folder.iterdir() if path.suffix in suffixes):
        digest.update(f"{file.name}\0{sha256_file(file)}\0".encode())
    return digest.hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise ModelError(f"{path} is not readable as JSON ({problem}).") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no table of names and values.")
    return content


@contextmanager
def quiet_transformers() -> Iterator[Any]:
    """Yield the transformers module with the hub switched off, and without its bars and remarks."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import transformers
    except ImportError:
        raise ModelError("Pretrained encoders need the extra: pip install 'voicerisk[deep]'.") from None
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        transformers.logging.set_verbosity(before)


def load_model(folder: Path) -> Any:
    """Load a pretrained model (any AutoModel) for reading only: eval mode, float32, no gradients.

    Raises
    ------
    ModelError
        As `folder_identity`, or where the weights do not fit the configuration.
    """
    import torch

    folder_identity(folder)
    with quiet_transformers() as transformers:
        try:
            model = transformers.AutoModel.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
        except (OSError, ValueError, KeyError, RuntimeError) as problem:
            raise ModelError(f"{folder} cannot be loaded as a pretrained model: {problem}") from problem
    return model.eval().requires_grad_(False)


class TextEncoder:
    """A pretrained language model that turns texts into pooled embeddings.

    Parameters
    ----------
    settings : EncoderSettings

    Examples
    --------
    >>> encoder = TextEncoder(EncoderSettings(Path("xlm-roberta-base")))  # doctest: +SKIP
    >>> encoder.embed(["I wish I was dead", "thank you"]).shape  # doctest: +SKIP
    (2, 768)
    """

    def __init__(self, settings: EncoderSettings) -> None:
        self.settings = settings

    @cached_property
    def identity(self) -> str:
        """Hash of the model folder and of the settings that change an embedding."""
        asked = f"{self.settings.max_tokens} {self.settings.pooling}"
        if self.settings.prefix:
            asked += f" {self.settings.prefix}"
        return hashlib.sha256(f"{folder_identity(self.settings.folder)} {asked}".encode()).hexdigest()

    @cached_property
    def model(self) -> Any:
        """The model, loaded when first needed."""
        return load_model(self.settings.folder).to(device_of(self.settings.device))

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded when first needed."""
        folder = str(self.settings.folder)
        with quiet_transformers() as transformers:
            try:
                return transformers.AutoTokenizer.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
            except (OSError, ValueError, KeyError) as problem:
                raise ModelError(f"{folder} holds no tokenizer that can be loaded: {problem}") from problem

    @cached_property
    def dimension(self) -> int:
        """Length of an embedding."""
        config = _json(Path(self.settings.folder) / "config.json")
        size = config.get("hidden_size", config.get("dim", config.get("d_model")))
        return int(size) if size else int(self.model.config.hidden_size)

    @property
    def mask_token(self) -> str:
        """Text of the tokenizer's mask token.

        Raises
        ------
        ModelError
            If it has none.
        """
        token = self.tokenizer.mask_token
        if token is None:
            raise ModelError(
                f"The tokenizer of {self.settings.folder} has no mask token; choose another baseline."
            )
        return str(token)

    def tokens(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        """Return token ids, cut to `max_tokens`, and how many texts were cut."""
        most = self.settings.max_tokens
        if not texts:
            return [], 0
        with quiet_transformers():
            asked = [self.settings.prefix + text for text in texts]
            kept = self.tokenizer(asked, truncation=True, max_length=most)["input_ids"]
            full = self.tokenizer(asked)["input_ids"]
        cut = sum(len(long) > len(short) for long, short in zip(full, kept, strict=True))
        return kept, cut

    def batches(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the batches in which texts are encoded, as positions in `texts`.

        Texts of one batch have the same number of tokens, so that nothing is padded and no text's numbers
        depend on its neighbours beyond float rounding. The plan depends on the texts alone.
        """
        lengths = np.array([len(ids) for ids in self.tokens(texts)[0]], dtype=np.int64)
        order = sorted(range(len(texts)), key=lambda k: (lengths[k], texts[k]))
        plan: list[np.ndarray] = []
        for length in np.unique(lengths):
            same = np.array([k for k in order if lengths[k] == length])
            plan += [same[k : k + self.settings.batch] for k in range(0, len(same), self.settings.batch)]
        return plan

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings of one batch, padding where lengths differ.

        Returns
        -------
        ndarray of float32, shape (n, dimension)
        """
        import torch

        ids, _ = self.tokens(texts)
        longest = max(len(one) for one in ids)
        pad = self.tokenizer.pad_token_id or 0
        tokens = torch.tensor([one + [pad] * (longest - len(one)) for one in ids])
        mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in ids])
        with torch.inference_mode():
            device = self.model.device
            hidden = self.model(input_ids=tokens.to(device), attention_mask=mask.to(device))
            hidden = hidden.last_hidden_state[:, :longest].cpu()
            if self.settings.pooling == "first":
                pooled = hidden[:, 0]
            elif self.settings.pooling == "last":
                pooled = hidden[torch.arange(len(ids)), mask.sum(1) - 1]
            else:
                weight = mask.unsqueeze(-1).to(hidden.dtype)
                pooled = (hidden * weight).sum(1) / weight.sum(1)
        return np.asarray(pooled.float().numpy())

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Return the embeddings of texts, each distinct text encoded once.

        Parameters
        ----------
        texts : sequence of str
        progress : callable, optional
            Called as progress(done, total) after each batch, in distinct texts.

        Returns
        -------
        ndarray of float32, shape (n, dimension)
        """
        distinct = sorted(set(texts))
        found = np.zeros((len(distinct), self.dimension), dtype=np.float32)
        done = 0
        for rows in self.batches(distinct):
            found[rows] = self.encode([distinct[k] for k in rows])
            done += len(rows)
            if progress is not None:
                progress(done, len(distinct))
        place = {text: k for k, text in enumerate(distinct)}
        return found[[place[text] for text in texts]] if len(texts) else found
