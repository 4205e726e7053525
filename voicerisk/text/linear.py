"""The plain neural model: frozen embeddings, their mean over messages, a ridge logistic model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voicerisk.errors import ModelError
from voicerisk.files import PRIVATE, write_json
from voicerisk.text.ridge import GRID, Choice, Ridge, choice, choose_penalty, class_weights, fit_path
from voicerisk.types import Progress

FORMAT = 1
TABLE = "table"


class Embeds(Protocol):
    """Whatever turns texts into vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Return one vector a text."""
        ...


def session_vectors(
    sessions: Sequence[Sequence[str]], encoder: Embeds, empty: np.ndarray | None = None
) -> np.ndarray:
    """Return the mean of the messages' embeddings of each session.

    Parameters
    ----------
    sessions : sequence of sequence of str
    encoder : Embeds
    empty : ndarray, shape (d,), optional
        Stands for a session without messages; zeros without it.

    Returns
    -------
    ndarray of float64, shape (n, d)
    """
    vectors = encoder.embed([text for texts in sessions for text in texts]).astype(np.float64)
    out = np.zeros((len(sessions), encoder.dimension))
    start = 0
    for number, texts in enumerate(sessions):
        if len(texts):
            out[number] = vectors[start : start + len(texts)].mean(axis=0)
        elif empty is not None:
            out[number] = empty
        start += len(texts)
    return out


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A fitted linear model of session vectors.

    Parameters
    ----------
    classes : tuple of str
    mean : ndarray, shape (d,)
        Of the training sessions; what a session without messages gets.
    coefficients : ndarray, shape (k, d)
        Of the vectors as they are, unscaled.
    intercepts : ndarray, shape (k,)
    penalty_c : float
        Inverse strength of the ridge penalty on standardised vectors, chosen on users left out.
    source : str
        `TextEncoder.identity`, or 'table' where ready embeddings were given.
    encoder : Embeds or None
        Turns messages into vectors; not part of the file.
    """

    classes: tuple[str, ...]
    mean: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    penalty_c: float
    source: str
    encoder: Embeds | None = None

    def of_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Return logits, shape (n, k), of session vectors of shape (n, d).

        Raises
        ------
        ModelError
            Where they have another length than those of training.
        """
        if vectors.shape[1] != len(self.mean):
            raise ModelError(
                f"The embeddings have {vectors.shape[1]} numbers a session; the model was trained with "
                f"{len(self.mean)}."
            )
        return np.asarray(vectors @ self.coefficients.T + self.intercepts)

    def logits(self, sessions: Sequence[Sequence[str]]) -> np.ndarray:
        """Return logits, shape (n, k), of sessions of messages.

        Raises
        ------
        ModelError
            Where the model was learned from a table of embeddings: no text gives one.
        """
        if self.encoder is None:
            raise ModelError("The linear model was learned from ready embeddings; give it a table of them.")
        return self.of_vectors(session_vectors(sessions, self.encoder, self.mean))

    def save(self, folder: Path) -> None:
        """Write the model as JSON, for its owner alone; the encoder stays where it is."""
        write_json(
            folder / "model.json",
            {
                "format": FORMAT, "kind": "linear", "classes": list(self.classes), "encoder": self.source,
                "mean": self.mean.tolist(), "coefficients": self.coefficients.tolist(),
                "intercepts": self.intercepts.tolist(), "penalty_c": self.penalty_c,
            },
            PRIVATE,
        )  # fmt: skip


def load_linear(folder: Path, encoder: Embeds | None = None, identity: str = "") -> LinearModel:
    """Read what `LinearModel.save` wrote.

    Parameters
    ----------
    folder : Path
    encoder : Embeds, optional
        The one of training; none for a model of ready embeddings.
    identity : str
        `TextEncoder.identity` of it.

    Raises
    ------
    ModelError
        If the file is missing or not of this kind, or the encoder is another one.
    """
    path = folder / "model.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["kind"] != "linear" or content["format"] != FORMAT:
            raise ModelError(f"{path} holds no linear model of format {FORMAT}.")
        source, classes = str(content["encoder"]), tuple(map(str, content["classes"]))
        mean, coefficients, intercepts = (
            np.array(content[key], dtype=np.float64) for key in ("mean", "coefficients", "intercepts")
        )
        numbers = mean, coefficients, intercepts
        shapes = [mean.shape, (len(classes), mean.size), (len(classes),)]
        if [one.shape for one in numbers] != shapes or not all(np.isfinite(one).all() for one in numbers):
            raise ValueError("numbers that do not belong to its classes")
        penalty_c = float(content["penalty_c"])
        own = None if source == TABLE else encoder
        model = LinearModel(classes, mean, coefficients, intercepts, penalty_c, source, own)
    except FileNotFoundError:
        raise ModelError(f"There is no {path}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{path} is not readable as a linear model.") from None
    if source not in (TABLE, identity):
        raise ModelError(
            f"The linear model in {folder.name} was trained with another encoder (or other max_tokens or "
            "pooling); name that one."
        )
    return model


def fit_linear_nested(
    vectors: np.ndarray,
    codes: np.ndarray,
    rows: np.ndarray,
    users: Sequence[str],
    classes: tuple[str, ...],
    rng: np.random.Generator,
    source: str,
    encoder: Embeds | None = None,
) -> tuple[LinearModel, Choice]:
    """Fit the model to all training rows, its penalty chosen on whole users left out of them.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Of all sessions; only those of `rows` are looked at.
    codes : ndarray of int, shape (n,)
    rows : ndarray of int
        Training rows, each once. Every class counts alike.
    users : sequence of str
        The user of each of `rows`.
    classes : tuple of str
    rng : numpy.random.Generator
    source, encoder
        As in `LinearModel`.

    Returns
    -------
    model : LinearModel
    chosen : Choice
        Its logits are of `rows`, by models that saw nothing of the user, scaling included.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> codes = np.arange(60) % 2
    >>> vectors = rng.normal(size=(60, 4)) + 2 * codes[:, None]
    >>> users = [f"u{k}" for k in range(60)]
    >>> model, _ = fit_linear_nested(vectors, codes, np.arange(60), users, ("NS", "SI"), rng, "table")
    >>> bool((model.of_vectors(vectors).argmax(axis=1) == codes).mean() > 0.9)
    True
    """

    def design(inside: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, scale = _scaling(vectors[inside])
        return (vectors[inside] - mean) * scale, (vectors[outside] - mean) * scale

    chosen = choose_penalty(design, codes, rows, users, rng)
    mean, scale = _scaling(vectors[rows])
    weights = class_weights(codes[rows])
    (fitted,) = fit_path((vectors[rows] - mean) * scale, codes[rows], weights, [chosen.penalty_c])
    return _unscaled(classes, mean, scale, fitted, chosen.penalty_c, source, encoder), chosen


def fit_linear(
    vectors: np.ndarray,
    codes: np.ndarray,
    rows: np.ndarray,
    watched: np.ndarray,
    classes: tuple[str, ...],
    monitor: str,
    source: str,
    encoder: Embeds | None = None,
) -> tuple[LinearModel, list[dict[str, float]]]:
    """Fit the model to some rows, its penalty chosen on others, as the published protocol stops networks.

    Parameters
    ----------
    vectors, codes, classes, source, encoder
        As in `fit_linear_nested`.
    rows : ndarray of int
        Training rows, oversampled ones repeated.
    watched : ndarray of int
        Rows that choose the penalty.
    monitor : {'log_loss', 'accuracy'}

    Returns
    -------
    model : LinearModel
    tried : list of dict
    """
    once, counts = np.unique(rows, return_counts=True)
    mean, scale = _scaling(vectors[once])
    path = fit_path((vectors[once] - mean) * scale, codes[once], counts.astype(np.float64), GRID)
    inner = (vectors[watched] - mean) * scale
    logits = np.stack([inner @ one.coefficients.T + one.intercepts for one in path])
    chosen = choice(logits, codes[watched], np.array([one.converged for one in path]), monitor)
    fitted = path[GRID.index(chosen.penalty_c)]
    return _unscaled(classes, mean, scale, fitted, chosen.penalty_c, source, encoder), chosen.tried


def _scaling(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and factor of each column: rows then have a length of about 1, whatever the encoder."""
    sd = vectors.std(axis=0)
    still = sd <= 1e-12 * max(float(sd.max(initial=0.0)), 1e-300)
    scale = np.where(still, 0.0, 1.0 / np.where(still, 1.0, sd)) / np.sqrt(vectors.shape[1])
    return vectors.mean(axis=0), scale


def _unscaled(
    classes: tuple[str, ...],
    mean: np.ndarray,
    scale: np.ndarray,
    fitted: Ridge,
    penalty_c: float,
    source: str,
    encoder: Embeds | None,
) -> LinearModel:
    coefficients = fitted.coefficients * scale
    return LinearModel(
        classes, mean, coefficients, fitted.intercepts - coefficients @ mean, penalty_c, source, encoder
    )
