"""What turns messages into risks beside the model: how they are read, recalibration, shares of classes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voicerisk.errors import ModelError
from voicerisk.files import PRIVATE, write_json
from voicerisk.pipeline.study_file import as_json
from voicerisk.text.settings import TextSettings
from voicerisk.validation.metrics.classes.recalibration import ClassRecalibration

FILE = "procedure.json"
FORMAT = 1
# Read another way, a session would be another one than those that the model learned from.
PREPARATION = (
    "session", "user", "time", "time_format", "text", "role", "age", "roles", "min_age",
    "min_messages", "min_words", "keep_emoji", "max_messages", "max_tokens", "max_words", "truncate",
    "pooling", "prefix",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Procedure:
    """Everything that a saved model needs to give the risks that were reported.

    Parameters
    ----------
    model : str
        Its name in the study.
    protocol : str
    classes : tuple of str
    recalibration : ClassRecalibration or None
        Learned on sessions that the model did not learn from; None in the published protocol.
    shares : mapping of class to float
        At which shares of the classes the risks hold.
    preparation : mapping
        Settings of `[text]` by which messages are read, cleaned and cut.
    vectors : str
        SHA-256 of the file of word vectors, '' without one.
    learned_from : mapping of str to int
        'sessions' and 'users'.
    """

    model: str
    protocol: str
    classes: tuple[str, ...]
    recalibration: ClassRecalibration | None
    shares: Mapping[str, float]
    preparation: Mapping[str, Any]
    vectors: str
    learned_from: Mapping[str, int]

    def risks(self, p_raw: np.ndarray, prevalence: Mapping[str, float] | None = None) -> np.ndarray:
        """Return risks, shape (n, k), of raw scores of that shape.

        Parameters
        ----------
        p_raw : ndarray, shape (n, k)
        prevalence : mapping of class to float, optional
            Shares of the classes where sessions are scored; risks move by Bayes' rule. Default: the study's.

        Raises
        ------
        ModelError
            If the shares do not name every class, each above 0 and together 1.
        """
        p = p_raw if self.recalibration is None else self.recalibration(p_raw)
        if prevalence is None:
            return p
        asked = np.array([float(prevalence.get(name, 0.0)) for name in self.classes])
        if set(prevalence) != set(self.classes) or (asked <= 0).any() or abs(asked.sum() - 1.0) > 1e-6:
            raise ModelError(
                f"The prevalence must give {', '.join(self.classes)} each a share above 0, together 1."
            )
        moved = p * (asked / np.array([self.shares[name] for name in self.classes]))
        return np.asarray(moved / moved.sum(axis=1, keepdims=True))

    def settings(self, messages: str, **own: Any) -> TextSettings:
        """Return settings of `[text]` that read a table of messages as the model's study did."""
        taken = {key: tuple(v) if isinstance(v, list) else v for key, v in self.preparation.items()}
        return TextSettings(**{"messages": messages, "classes": self.classes, **taken, **own})

    def save(self, folder: Path) -> None:
        """Write `procedure.json` beside the model; it holds no id and no word of a message."""
        fit = self.recalibration
        content = {
            "format": FORMAT, "model": self.model, "protocol": self.protocol, "classes": list(self.classes),
            "recalibration": None if fit is None else
            {"slope": fit.slope, "offsets": fit.offsets.tolist(), "at_bound": fit.at_bound},
            "shares": dict(self.shares), "preparation": dict(self.preparation), "vectors": self.vectors,
            "learned_from": dict(self.learned_from),
        }  # fmt: skip
        write_json(folder / FILE, content, PRIVATE)


def preparation_of(settings: TextSettings) -> dict[str, Any]:
    """Return the settings by which messages are read, as plain values."""
    return {key: as_json(getattr(settings, key)) for key in PREPARATION}


def load_procedure(folder: Path) -> Procedure:
    """Read what `Procedure.save` wrote.

    Raises
    ------
    ModelError
        If the file is missing, damaged or of another format.
    """
    path = folder / FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ModelError(f"{path} has format {content['format']!r}; this version reads format {FORMAT}.")
        fit = content["recalibration"]
        classes = tuple(str(name) for name in content["classes"])
        recalibration = None
        if fit is not None:
            offsets = np.array(fit["offsets"], dtype=np.float64)
            recalibration = ClassRecalibration(float(fit["slope"]), offsets, bool(fit["at_bound"]))
            if offsets.shape != (len(classes),):
                raise ValueError
        shares = {name: float(content["shares"][name]) for name in classes}
        return Procedure(
            str(content["model"]),
            str(content["protocol"]),
            classes,
            recalibration,
            shares,
            content["preparation"],
            str(content["vectors"]),
            content["learned_from"],
        )
    except FileNotFoundError:
        raise ModelError(
            f"{folder} holds no {FILE}; name the folder of a text model, such as results/models/final/tfidf."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{path} is not readable as the procedure of a text model.") from None
