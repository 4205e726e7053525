"""The plain baseline: word and word-pair frequencies, and a penalised multinomial logistic model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from voicerisk.errors import ModelError
from voicerisk.files import PRIVATE, write_json
from voicerisk.text.cleaning import words_of
from voicerisk.text.ridge import GRID, Choice, Ridge, choice, choose_penalty, class_weights, fit_path

MIN_SESSIONS = 2
FORMAT = 1
Texts = Sequence[Sequence[str]]


def terms_of(texts: Sequence[str]) -> list[str]:
    """Return the words and pairs of neighbouring words of a session; pairs do not cross messages."""
    found: list[str] = []
    for text in texts:
        words = words_of(text)
        found += words
        found += [f"{a} {b}" for a, b in pairwise(words)]
    return found


@dataclass(frozen=True, slots=True)
class TfidfModel:
    """A fitted baseline.

    Parameters
    ----------
    classes : tuple of str
    vocabulary : tuple of str
        Terms of at least 2 training sessions.
    idf : ndarray, shape (v,)
        log((1 + n) / (1 + sessions with the term)) + 1.
    coefficients : ndarray, shape (k, v)
    intercepts : ndarray, shape (k,)
    penalty_c : float
        Inverse strength of the ridge penalty, chosen on the validation part.
    """

    classes: tuple[str, ...]
    vocabulary: tuple[str, ...]
    idf: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    penalty_c: float

    def logits(self, sessions: Texts) -> np.ndarray:
        """Return the linear predictors of sessions.

        Parameters
        ----------
        sessions : sequence of sequence of str
            Cleaned messages.

        Returns
        -------
        ndarray, shape (n, k)
            Their softmax is the probability of each class. A session without a known term gets the
            intercepts.
        """
        x = weigh(sessions, {term: k for k, term in enumerate(self.vocabulary)}, self.idf)
        return np.asarray(x @ self.coefficients.T + self.intercepts)

    def save(self, folder: Path) -> None:
        """Write the model as JSON, for its owner alone: a vocabulary can name a person."""
        write_json(
            folder / "model.json",
            {
                "format": FORMAT, "kind": "tfidf", "classes": list(self.classes),
                "terms": list(self.vocabulary),
                "idf": self.idf.tolist(), "coefficients": self.coefficients.tolist(),
                "intercepts": self.intercepts.tolist(), "penalty_c": self.penalty_c,
            },
            PRIVATE,
        )  # fmt: skip


def load_tfidf(folder: Path) -> TfidfModel:
    """Read what `TfidfModel.save` wrote.

    Raises
    ------
    ModelError
        If the file is missing or not of this kind.
    """
    path = folder / "model.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["kind"] != "tfidf" or content["format"] != FORMAT:
            raise ModelError(f"{path} holds no TF-IDF model of format {FORMAT}.")
        classes, terms = (tuple(map(str, content[key])) for key in ("classes", "terms"))
        numbers = [np.array(content[key], dtype=np.float64) for key in ("idf", "coefficients", "intercepts")]
        shapes = [(len(terms),), (len(classes), len(terms)), (len(classes),)]
        if [one.shape for one in numbers] != shapes or not all(np.isfinite(one).all() for one in numbers):
            raise ValueError("numbers that do not belong to its classes and terms")
        idf, coefficients, intercepts = numbers
        penalty_c = float(content["penalty_c"])
        return TfidfModel(classes, terms, idf, coefficients, intercepts, penalty_c)
    except FileNotFoundError:
        raise ModelError(f"There is no {path}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{path} is not readable as a TF-IDF model.") from None


def fit_tfidf(
    sessions: Texts,
    labels: np.ndarray,
    rows: np.ndarray,
    validation: np.ndarray,
    classes: tuple[str, ...],
    monitor: str = "log_loss",
) -> tuple[TfidfModel, list[dict[str, float]]]:
    """Fit the baseline.

    Parameters
    ----------
    sessions : sequence of sequence of str
        Cleaned messages of all sessions; only those of `rows` and `validation` are looked at.
    labels : ndarray of str, shape (n,)
    rows : ndarray of int
        Training rows, oversampled ones repeated. Vocabulary and idf come from each row once.
    validation : ndarray of int
        Chooses the penalty.
    classes : tuple of str
    monitor : {'log_loss', 'accuracy'}
        Class-balanced log loss, or plain accuracy with ties broken by the log loss.

    Returns
    -------
    model : TfidfModel
    tried : list of dict
        penalty_c, log_loss, accuracy and converged (0 or 1; 0 is never chosen) of each penalty.

    Raises
    ------
    ModelError
        If no term occurs in two training sessions, or the solver converged for no penalty.
    """
    once, counts = np.unique(rows, return_counts=True)
    place, idf = _vocabulary(sessions, once)
    x, inner = (weigh([sessions[k] for k in part], place, idf) for part in (once, validation))
    codes = np.array([classes.index(name) for name in labels])
    path = fit_path(x, codes[once], counts.astype(np.float64), GRID)
    logits = np.stack([inner @ one.coefficients.T + one.intercepts for one in path])
    converged = np.array([one.converged for one in path])
    chosen = choice(logits, codes[validation], converged, monitor)
    return _model(classes, place, idf, path[GRID.index(chosen.penalty_c)], chosen.penalty_c), chosen.tried


def fit_tfidf_nested(
    sessions: Texts,
    codes: np.ndarray,
    rows: np.ndarray,
    users: Sequence[str],
    classes: tuple[str, ...],
    rng: np.random.Generator,
) -> tuple[TfidfModel, Choice]:
    """Fit the baseline to all training rows, its penalty chosen on whole users left out of them.

    Parameters
    ----------
    sessions : sequence of sequence of str
        Cleaned messages of all sessions; only those of `rows` are looked at.
    codes : ndarray of int, shape (n,)
    rows : ndarray of int
        Training rows, each once. Every class counts alike.
    users : sequence of str
        The user of each of `rows`.
    classes : tuple of str
    rng : numpy.random.Generator

    Returns
    -------
    model : TfidfModel
    chosen : Choice
        Its logits are of `rows`, by models that saw nothing of the user: vocabulary, idf and weights.

    Raises
    ------
    ModelError
        If no term occurs in two training sessions, or the solver converged for no penalty.
    """

    def design(inside: np.ndarray, outside: np.ndarray) -> tuple[Any, Any]:
        place, idf = _vocabulary(sessions, inside)
        first, second = (weigh([sessions[k] for k in part], place, idf) for part in (inside, outside))
        return first, second

    chosen = choose_penalty(design, codes, rows, users, rng)
    place, idf = _vocabulary(sessions, rows)
    x = weigh([sessions[k] for k in rows], place, idf)
    (fitted,) = fit_path(x, codes[rows], class_weights(codes[rows]), [chosen.penalty_c])
    return _model(classes, place, idf, fitted, chosen.penalty_c), chosen


def _vocabulary(sessions: Texts, rows: np.ndarray) -> tuple[dict[str, int], np.ndarray]:
    """Return the terms of at least 2 of some sessions, by their column, and their idf."""
    counts: dict[str, int] = {}
    for k in rows:
        for term in set(terms_of(sessions[k])):
            counts[term] = counts.get(term, 0) + 1
    terms = sorted(term for term, n in counts.items() if n >= MIN_SESSIONS)
    if not terms:
        raise ModelError(
            f"No word occurs in {MIN_SESSIONS} training sessions, so that nothing can be learned."
        )
    seen = np.array([counts[term] for term in terms], dtype=np.float64)
    idf = np.log((1.0 + len(rows)) / (1.0 + seen)) + 1.0
    return {term: k for k, term in enumerate(terms)}, idf


def _model(
    classes: tuple[str, ...], place: dict[str, int], idf: np.ndarray, fitted: Ridge, penalty_c: float
) -> TfidfModel:
    return TfidfModel(classes, tuple(place), idf, fitted.coefficients, fitted.intercepts, penalty_c)


def weigh(sessions: Texts, place: dict[str, int], idf: np.ndarray) -> Any:
    """Return sublinear tf times idf, each session of length 1, as a sparse matrix."""
    from scipy.sparse import csr_matrix

    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for number, texts in enumerate(sessions):
        counts: dict[int, int] = {}
        for term in terms_of(texts):
            k = place.get(term)
            if k is not None:
                counts[k] = counts.get(k, 0) + 1
        found = np.array(sorted(counts), dtype=np.int64)
        weight = (1.0 + np.log([counts[k] for k in found])) * idf[found]
        length = float(np.sqrt((weight**2).sum()))
        rows += [number] * len(found)
        columns += found.tolist()
        values += (weight / length).tolist() if length > 0 else []
    return csr_matrix((values, (rows, columns)), shape=(len(sessions), len(place)), dtype=np.float64)
