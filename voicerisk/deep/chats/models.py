"""The text classifiers as one kind of thing: fit on rows, logits for sessions, saved without pickle."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from voicerisk.deep.extra import require_deep
from voicerisk.deep.networks.training import TrainingSettings, deterministic, train
from voicerisk.errors import ModelError
from voicerisk.files import PRIVATE, replacing, write_json
from voicerisk.text.cleaning import word_spans
from voicerisk.text.linear import Embeds, load_linear
from voicerisk.text.probabilities import balanced_log_loss
from voicerisk.text.settings import NetworkSettings
from voicerisk.text.vectors import WordVectors

FORMAT = 1
LOGIT_BATCH = 256
Texts = Sequence[Sequence[str]]


class TextModel(Protocol):
    """A fitted classifier of sessions."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the reference first."""
        ...

    def logits(self, sessions: Texts) -> np.ndarray:
        """Return logits, shape (n, k); a session may be empty."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model into a folder."""
        ...


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a network is taught: rows of the sessions, and when to stop.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Class number of every session.
    rows : ndarray of int
        Training rows, oversampled ones repeated.
    validation : ndarray of int
        Rows that choose the epoch.
    monitor : {'log_loss', 'accuracy'}
        Class-balanced log loss, or plain accuracy (the paper's).
    seed : int
    """

    codes: np.ndarray
    rows: np.ndarray
    validation: np.ndarray
    monitor: str
    seed: int


@dataclass(frozen=True, slots=True)
class MessageModel:
    """T-MLP, fitted.

    Parameters
    ----------
    classes : tuple of str
    network : MessageNetwork
    encoder : Embeds
        Turns messages into vectors; not part of the file.
    encoder_identity : str
    settings : NetworkSettings
    """

    classes: tuple[str, ...]
    network: Any
    encoder: Embeds
    encoder_identity: str
    settings: NetworkSettings

    def logits(self, sessions: Texts) -> np.ndarray:
        """Return logits, shape (n, k), of sessions of messages."""
        return _logits(
            self.network, lambda part: message_tensors(part, self.encoder), sessions, len(self.classes)
        )

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and settings (JSON); the encoder stays where it is."""
        about = {"kind": "t_mlp", "encoder": self.encoder_identity, "dimension": self.encoder.dimension}
        _save(folder, self.network, self.classes, self.settings, about)


@dataclass(frozen=True, slots=True)
class WordModel:
    """W2V-MLP, fitted.

    The vectors are frozen, so that a word that no training session used has one, too.

    Parameters
    ----------
    classes : tuple of str
    network : WordNetwork
    vectors : WordVectors
        Rows 1.. of the network's vectors; not part of the file.
    max_words : int
    settings : NetworkSettings
    """

    classes: tuple[str, ...]
    network: Any
    vectors: WordVectors
    max_words: int
    settings: NetworkSettings

    def logits(self, sessions: Texts) -> np.ndarray:
        """Return logits, shape (n, k), of sessions of messages."""
        place = {word: k for k, word in enumerate(self.vectors.words, start=1)}
        return _logits(
            self.network, lambda part: word_tensors(part, place, self.max_words), sessions, len(self.classes)
        )

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and settings (JSON); the word vectors stay where they are."""
        about = {
            "kind": "w2v_mlp", "max_words": self.max_words, "dimension": self.vectors.matrix.shape[1],
        }  # fmt: skip
        _save(folder, self.network, self.classes, self.settings, about)


@dataclass(frozen=True, slots=True)
class GivenScores:
    """Scores that another program gave: nothing was learned, and no text can be scored.

    Parameters
    ----------
    classes : tuple of str
    """

    classes: tuple[str, ...]

    def logits(self, sessions: Texts) -> np.ndarray:
        """Raise: the scores of a session come from a table."""
        raise ModelError("This model is a table of scores; give it a table of the new sessions' scores.")

    def save(self, folder: Path) -> None:
        """Write which classes the scores are of."""
        content = {"format": FORMAT, "kind": "scores", "classes": list(self.classes)}
        write_json(folder / "model.json", content, PRIVATE)


def tokens_of(texts: Sequence[str]) -> list[str]:
    """Return the words of a session in their own case, over all messages."""
    return [text[a:b] for text in texts for a, b in word_spans(text)]


def message_tensors(sessions: Texts, encoder: Embeds) -> tuple[Any, Any]:
    """Return embeddings, padded to (n, most messages, dimension), and the number of messages."""
    import torch

    lengths = [len(texts) for texts in sessions]
    vectors = encoder.embed([text for texts in sessions for text in texts])
    padded = np.zeros((len(sessions), max([*lengths, 1]), encoder.dimension), dtype=np.float32)
    start = 0
    for number, length in enumerate(lengths):
        padded[number, :length] = vectors[start : start + length]
        start += length
    return torch.from_numpy(padded), torch.tensor(lengths)


def word_tensors(sessions: Texts, place: dict[str, int], max_words: int) -> tuple[Any, Any]:
    """Return word numbers, padded with 0 to (n, most words), and the number of words."""
    import torch

    numbers = [
        [place.get(word, place.get(word.lower(), 0)) for word in tokens_of(texts)[:max_words]]
        for texts in sessions
    ]
    lengths = [len(one) for one in numbers]
    longest = max([*lengths, 1])
    return torch.tensor([one + [0] * (longest - len(one)) for one in numbers]), torch.tensor(lengths)


def _logits(network: Any, tensors: Any, sessions: Texts, k: int) -> np.ndarray:
    import torch

    if not len(sessions):
        return np.zeros((0, k))
    # Sorted by length so that little is padded; the order of the answer is that of the question.
    order = np.argsort([sum(len(text) for text in texts) for texts in sessions], kind="stable")
    out = np.empty((len(sessions), k))
    network.eval()
    with deterministic(0), torch.inference_mode():
        for start in range(0, len(order), LOGIT_BATCH):
            part = order[start : start + LOGIT_BATCH]
            out[part] = network(*tensors([sessions[j] for j in part])).double().numpy()
    return out


def fit_message_model(
    sessions: Texts,
    classes: tuple[str, ...],
    lesson: Lesson,
    encoder: Embeds,
    encoder_identity: str,
    settings: NetworkSettings,
) -> tuple[MessageModel, pd.DataFrame]:
    """Train T-MLP; return it with the history of its training."""
    from voicerisk.deep.networks.architectures import MessageNetwork

    messages, lengths = message_tensors(sessions, encoder)
    with deterministic(lesson.seed):
        network = MessageNetwork(encoder.dimension, len(classes), settings)
        history = _teach(network, (messages, lengths), lesson, settings)
    return MessageModel(classes, network, encoder, encoder_identity, settings), history


def fit_word_model(
    sessions: Texts,
    classes: tuple[str, ...],
    lesson: Lesson,
    vectors: WordVectors,
    max_words: int,
    settings: NetworkSettings,
) -> tuple[WordModel, pd.DataFrame]:
    """Train W2V-MLP on the words of its training sessions; return it with the history of its training."""
    from voicerisk.deep.networks.architectures import WordNetwork

    place = {word: k for k, word in enumerate(vectors.words, start=1)}
    seen = {word for row in np.unique(lesson.rows) for word in tokens_of(sessions[row])[:max_words]}
    if not any(word in place or word.lower() in place for word in seen):
        raise ModelError(
            "No word of the training sessions has a vector; are the vectors of another language?"
        )
    with deterministic(lesson.seed):
        network = WordNetwork(_with_padding(vectors), len(classes), settings)
        history = _teach(network, word_tensors(sessions, place, max_words), lesson, settings)
    return WordModel(classes, network, vectors, max_words, settings), history


def _with_padding(vectors: WordVectors) -> Any:
    import torch

    none = np.zeros((1, vectors.matrix.shape[1]), dtype=np.float32)
    return torch.from_numpy(np.vstack([none, vectors.matrix]))


def _teach(network: Any, tensors: tuple[Any, Any], lesson: Lesson, settings: NetworkSettings) -> pd.DataFrame:
    import torch

    inputs, lengths = tensors
    target = torch.from_numpy(lesson.codes)
    rows, inner = torch.from_numpy(lesson.rows), lesson.validation

    def batch_loss(batch: np.ndarray) -> Any:
        chosen = rows[torch.from_numpy(batch)]
        longest = max(int(lengths[chosen].max()), 1)
        logits = network(inputs[chosen, :longest], lengths[chosen])
        return torch.nn.functional.cross_entropy(logits, target[chosen])

    def validate() -> dict[str, float]:
        logits = np.concatenate(
            [
                network(inputs[part], lengths[part]).double().numpy()
                for part in np.array_split(inner, max(len(inner) // LOGIT_BATCH, 1))
            ]
        )
        codes = lesson.codes[inner]
        accuracy = float((logits.argmax(axis=1) == codes).mean())
        return {"log_loss": balanced_log_loss(logits, codes), "accuracy": accuracy}

    training = TrainingSettings(
        epochs=settings.epochs,
        patience=settings.patience,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        gradient_clip=settings.gradient_clip,
        monitor=lesson.monitor,
    )
    return train(network, len(lesson.rows), batch_loss, validate, training, lesson.seed).history


def _save(
    folder: Path, network: Any, classes: tuple[str, ...], settings: NetworkSettings, about: dict[str, Any]
) -> None:
    from safetensors.torch import save_file

    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with replacing(folder / "model.safetensors", PRIVATE) as temporary:
        save_file(weights, temporary)
    content = {"format": FORMAT, "classes": list(classes), "network": asdict(settings), **about}
    write_json(folder / "model.json", content, PRIVATE)


def load_text_model(
    folder: Path,
    encoder: Embeds | None = None,
    encoder_identity: str = "",
    vectors: WordVectors | None = None,
) -> TextModel:
    """Read a model that was saved: TF-IDF, linear, T-MLP, W2V-MLP or ready scores.

    Parameters
    ----------
    folder : Path
        Holds model.json and, for networks, model.safetensors.
    encoder : Embeds, optional
        Of T-MLP and the linear model; it must be the one of training.
    encoder_identity : str
        `TextEncoder.identity` of it.
    vectors : WordVectors, optional
        Of W2V-MLP, from the file of training, for the words of the sessions to score.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or the encoder is another one.
    """
    from voicerisk.text.tfidf import load_tfidf

    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        kind, classes = about["kind"], tuple(about["classes"])
    except FileNotFoundError:
        raise ModelError(f"There is no {folder / 'model.json'}.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"{folder / 'model.json'} is not readable as a text model.") from None
    if kind == "tfidf":
        return load_tfidf(folder)
    if kind == "linear":
        return load_linear(folder, encoder, encoder_identity)
    if kind == "scores":
        return GivenScores(classes)
    require_deep("A network", "torch", "safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from voicerisk.deep.networks.architectures import MessageNetwork, WordNetwork

    if about.get("format") != FORMAT or kind not in ("t_mlp", "w2v_mlp"):
        raise ModelError(
            f"{folder / 'model.json'} is of kind {kind!r}, format {about.get('format')!r}: not known."
        )
    try:
        settings = NetworkSettings(**about["network"])
        weights = load_file(folder / "model.safetensors")
        if kind == "t_mlp":
            network: Any = MessageNetwork(about["dimension"], len(classes), settings)
        else:
            if vectors is None or vectors.matrix.shape[1] != about["dimension"]:
                raise ModelError(
                    f"The W2V-MLP in {folder.name} needs the word vectors of its training, of "
                    f"{about['dimension']} numbers."
                )
            network = WordNetwork(_with_padding(vectors), len(classes), settings)
        network.load_state_dict(weights)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, OSError) as problem:
        raise ModelError(
            f"{folder / 'model.safetensors'} (or model.json beside it) cannot be loaded: {problem}"
        ) from problem
    network.eval()
    if vectors is not None and kind == "w2v_mlp":
        return WordModel(classes, network, vectors, about["max_words"], settings)
    if encoder is None or encoder_identity != about["encoder"]:
        raise ModelError(
            f"The T-MLP in {folder.name} was trained with another encoder (or other max_tokens or "
            f"pooling); name "
            "that one."
        )
    return MessageModel(classes, network, encoder, encoder_identity, settings)
