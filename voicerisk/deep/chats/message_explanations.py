"""What each message of a session adds to its logits, for any of the text models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax

from voicerisk.deep.chats.models import TextModel
from voicerisk.errors import TextError
from voicerisk.text.probabilities import contrasts
from voicerisk.text.settings import BASELINES
from voicerisk.text.shapley import Shapley, shapley_values

EVALUATIONS = 2048


@dataclass(frozen=True, slots=True)
class Background:
    """What stands in the place of a hidden message.

    Parameters
    ----------
    kind : {'drop', 'background', 'mask'}
        Nothing; a message of `messages` drawn anew for every order; `messages[0]`, the encoder's mask token.
    messages : tuple of str
        Training messages of the reference class, or the mask token; () for 'drop'.
    """

    kind: str = "drop"
    messages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in BASELINES:
            raise TextError(f"The baseline must be one of {', '.join(BASELINES)}, not {self.kind!r}.")
        if self.kind != "drop" and not self.messages:
            raise TextError(f"The baseline {self.kind!r} needs messages.")


def explain_messages(
    model: TextModel,
    texts: Sequence[str],
    permutations: int,
    rng: np.random.Generator,
    background: Background | None = None,
) -> Shapley:
    """Return the Shapley values of the messages of one session.

    Explained is not the probability but the logit of each class against the reference class (for the
    reference
    class: against the mean of the others), which adds up and does not saturate.

    Parameters
    ----------
    model : TextModel
    texts : sequence of str
        Cleaned messages.
    permutations : int
        Even.
    rng : numpy.random.Generator
    background : Background, optional
        Default: hidden messages are dropped.

    Returns
    -------
    Shapley
        values of shape (messages, classes).
    """
    hidden = background or Background()
    m = len(texts)
    draws = rng.integers(0, max(len(hidden.messages), 1), size=(permutations, m))

    def sessions(shown: np.ndarray, order: np.ndarray) -> list[list[str]]:
        if hidden.kind == "drop":
            return [[texts[int(j)] for j in np.flatnonzero(row)] for row in shown]
        return [
            [texts[j] if row[j] else hidden.messages[draws[number, j]] for j in range(m)]
            for row, number in zip(shown, order, strict=True)
        ]

    def value(shown: np.ndarray, order: np.ndarray) -> np.ndarray:
        # Many orders share their first and last sets; each distinct set is computed once.
        keys = np.column_stack([shown, order if hidden.kind == "background" else np.zeros_like(order)])
        _, first, back = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        parts = [
            model.logits(sessions(shown[rows], order[rows]))
            for rows in np.array_split(first, max(len(first) // EVALUATIONS, 1))
        ]
        return contrasts(np.concatenate(parts))[back.ravel()]

    return shapley_values(value, m, permutations, rng, exact=False if hidden.kind == "background" else None)


def background_of(kind: str, reference_messages: Sequence[str], mask_token: str | None) -> Background:
    """Return the baseline of the study's settings."""
    if kind == "mask":
        return Background("mask", (str(mask_token),))
    return Background(kind, tuple(reference_messages) if kind == "background" else ())


def message_table(
    session_id: str, texts: Sequence[str], found: Shapley, classes: Sequence[str], show_text: bool
) -> pd.DataFrame:
    """Return one row a message and class.

    Returns
    -------
    DataFrame
        session_id, message (1 is the first), n_words, class, contribution, monte_carlo_se, base, full,
        permutations, and text where it is to be shown.
    """
    rows = []
    for number, text in enumerate(texts):
        for k, name in enumerate(classes):
            rows.append(
                {
                    "session_id": session_id, "message": number + 1, "n_words": len(text.split()),
                    "class": name,
                    "contribution": found.values[number, k], "monte_carlo_se": found.errors[number, k],
                    "base": found.base[k], "full": found.full[k], "permutations": found.permutations,
                    **({"text": text} if show_text else {}),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def sessions_to_explain(
    model: TextModel, sessions: Sequence[Sequence[str]], labels: np.ndarray, each: int
) -> list[int]:
    """Choose held-out sessions of each class: those of highest probability for it first, ties by position."""
    p = softmax(model.logits(sessions), axis=1)
    chosen: list[int] = []
    for k, name in enumerate(model.classes):
        mine = np.flatnonzero(labels == name)
        chosen += mine[np.argsort(-p[mine, k], kind="stable")][:each].tolist()
    return chosen
