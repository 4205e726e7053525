"""What each word of a session adds: of TF-IDF exactly, of other models through shap, message by message.

shap's own text masker joins everything with spaces: the model would be asked about one long message
instead of
a session. `SessionMasker` keeps the messages, and its tree joins words to messages before messages to the
session.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.deep.chats.models import TextModel
from voicerisk.errors import ModelError
from voicerisk.text.cleaning import word_spans
from voicerisk.text.probabilities import contrasts
from voicerisk.text.tfidf import TfidfModel
from voicerisk.text.word_weights import word_contributions


class SessionMasker:
    """Hides words of one session; hidden words are dropped, and a message without words is dropped too.

    Parameters
    ----------
    texts : sequence of str
        Cleaned messages.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self.words: list[str] = []
        self.message_of: list[int] = []
        self._pieces: list[str] = []
        for number, text in enumerate(self.texts):
            spans = word_spans(text)
            # What follows a word up to the next one stays and goes with it.
            ends = [start for start, _ in spans[1:]] + [len(text)]
            for k, ((start, stop), end) in enumerate(zip(spans, ends, strict=True)):
                self.words.append(text[start:stop])
                self._pieces.append(text[0 if k == 0 else start : end])
                self.message_of.append(number)
        self.shape = (None, len(self.words))

    def feature_names(self, _: Any) -> list[list[str]]:
        """Return the names of the parts, as shap asks for them."""
        return [list(self.words)]

    def mask_shapes(self, _: Any) -> list[tuple[int]]:
        """Return the shape of a mask, as shap asks for it."""
        return [(len(self.words),)]

    def __call__(self, mask: Any, _: Any = None) -> tuple[np.ndarray]:
        """Return the session with the shown words alone, as shap passes it to the model."""
        return (_boxed(self.session(mask)),)

    def session(self, mask: Any) -> tuple[str, ...]:
        """Return the messages with the shown words alone."""
        shown = np.ones(len(self.words), dtype=bool) if mask is True else np.asarray(mask, dtype=bool)
        kept: dict[int, str] = {}
        for k in np.flatnonzero(shown):
            kept[self.message_of[k]] = kept.get(self.message_of[k], "") + self._pieces[k]
        return tuple(" ".join(text.split()) for _, text in sorted(kept.items()))

    def clustering(self, _: Any) -> np.ndarray:
        """Return the tree as a linkage matrix: neighbouring words, then messages, then the session."""
        links: list[list[float]] = []
        n = len(self.words)

        def join(nodes: list[tuple[int, int]], start: float) -> tuple[int, int]:
            height = start
            while len(nodes) > 1:
                height += 1.0
                merged = []
                for k in range(0, len(nodes) - 1, 2):
                    size = nodes[k][1] + nodes[k + 1][1]
                    links.append([nodes[k][0], nodes[k + 1][0], height, size])
                    merged.append((n + len(links) - 1, size))
                nodes = merged + nodes[len(nodes) - len(nodes) % 2 :]
            return nodes[0]

        numbers = np.array(self.message_of)
        messages = [
            join([(int(k), 1) for k in np.flatnonzero(numbers == one)], 0.0) for one in np.unique(numbers)
        ]
        join(messages, float(n))
        # shap reads the heights as shares of the whole.
        table = np.array(links, dtype=np.float64).reshape(-1, 4)
        if len(table):
            table[:, 2] /= table[:, 2].max()
        return table


def explain_words(model: TextModel, texts: Sequence[str], evaluations: int) -> tuple[pd.DataFrame, float]:
    """Return what each word of a session adds to the logit of each class against the reference class.

    A TF-IDF model is a sum over words and needs no shap (`word_contributions`).

    Parameters
    ----------
    model : TextModel
    texts : sequence of str
    evaluations : int
        At most so many masked sessions; the tree is walked from the top until they are spent.

    Returns
    -------
    table : DataFrame
        message (1 is the first), position, word (lower case), and one column a class.
    gap : float
        Largest distance between the sum of the words' values and what they must add up to.
    """
    if isinstance(model, TfidfModel):
        table = word_contributions(model, texts)
        ends = contrasts(model.logits([(), texts]))
        return table, float(np.abs(table[list(model.classes)].sum() - (ends[1] - ends[0])).max())
    import logging

    try:
        import shap
    except ImportError:
        raise ModelError("Explanations of words need the extra: pip install 'voicerisk[deep]'.") from None
    logging.getLogger("shap").setLevel(logging.WARNING)
    masker = SessionMasker(texts)
    if len(masker.words) < 2:
        values = contrasts(model.logits([texts, ()]))
        return _table(masker, (values[:1] - values[1:]), model.classes), 0.0
    known: dict[tuple[str, ...], np.ndarray] = {}

    def evaluate(sessions: Any) -> np.ndarray:
        asked = [tuple(one) for one in sessions]
        new = sorted({one for one in asked if one not in known})
        if new:
            known.update(zip(new, contrasts(model.logits(new)), strict=True))
        return np.array([known[one] for one in asked])

    explainer = shap.explainers.PartitionExplainer(evaluate, masker)
    found = explainer(_boxed(tuple(texts)), max_evals=evaluations, fixed_context=1, silent=True)
    values = np.asarray(found.values[0], dtype=np.float64)
    ends = evaluate([masker.session(np.zeros(len(masker.words), dtype=bool)), masker.session(True)])
    gap = float(np.abs(values.sum(axis=0) - (ends[1] - ends[0])).max())
    return _table(masker, values, model.classes), gap


def _boxed(session: tuple[str, ...]) -> np.ndarray:
    """Return a session as an array of one object; numpy would make a table of its messages."""
    box = np.empty(1, dtype=object)
    box[0] = session
    return box


def _table(masker: SessionMasker, values: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    n = len(masker.words)
    table = pd.DataFrame(
        {
            "message": [k + 1 for k in masker.message_of], "position": np.arange(n),
            "word": [word.lower() for word in masker.words],
        }
    )  # fmt: skip
    return table.assign(**{name: values[:n, k] for k, name in enumerate(classes)})
