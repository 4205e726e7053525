"""What one model learns from one training part, honestly or as the paper did it.

`nested` (ours), networks: weights from the fit part, oversampled; the validation part, as it is, chooses the
epoch and recalibrates. TF-IDF and the linear model need no epoch: they learn from both parts together, and
users left out in turn choose the penalty and recalibrate.

`published` (the paper's): the whole training part, oversampled, teaches; the test part, oversampled too,
chooses the epoch by accuracy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from voicerisk.callers.provenance import seen_record
from voicerisk.deep.chats.models import GivenScores, Lesson, TextModel, fit_message_model, fit_word_model
from voicerisk.deep.chats.procedure import Procedure, preparation_of
from voicerisk.deep.networks.cache import CachedEncoder
from voicerisk.deep.networks.training import seed_of
from voicerisk.text.linear import TABLE, LinearModel, fit_linear, fit_linear_nested
from voicerisk.text.ridge import GRID
from voicerisk.text.sessions import TextCohort
from voicerisk.text.settings import MODELS, TextSettings
from voicerisk.text.splits import Split, hold_out, oversample
from voicerisk.text.tfidf import TfidfModel, fit_tfidf, fit_tfidf_nested
from voicerisk.text.vectors import WordVectors
from voicerisk.validation.metrics.classes.recalibration import ClassRecalibration, recalibrate_classes

NESTED, PUBLISHED = "nested", "published"
RIDGES = ("tfidf", "linear")


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What models were given before they saw a session.

    Attributes
    ----------
    encoder : CachedEncoder or None
        For T-MLP, and for the linear model without ready embeddings.
    vectors : WordVectors or None
        For W2V-MLP.
    vectors_hash : str
        SHA-256 of their file.
    sessions : ndarray, shape (n, d), or None
        A vector of each session of the cohort, for the linear model.
    scores : mapping of str to ndarray, shape (n, k)
        Ready scores of each session of the cohort, by model.
    """

    encoder: CachedEncoder | None = None
    vectors: WordVectors | None = None
    vectors_hash: str = ""
    sessions: np.ndarray | None = None
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def encoder_identity(self) -> str:
        """Hash of the encoder, '' without one."""
        return self.encoder.encoder.identity if self.encoder is not None else ""


@dataclass(frozen=True, slots=True)
class Learned:
    """What one model learned from one training part.

    Attributes
    ----------
    model : TextModel
    procedure : Procedure
        Recalibration, and how messages are read.
    history : DataFrame
        protocol, model, repeat, step (epoch, or penalty), what was measured, chosen.
    seen : dict
        Learned object -> `seen_record` of its users.
    facts : dict
        What notes are made of: rows of each part, recalibration, penalty.
    """

    model: TextModel
    procedure: Procedure
    history: pd.DataFrame
    seen: dict[str, Any]
    facts: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write the model and `procedure.json`, from which the same risks come."""
        self.model.save(folder)
        self.procedure.save(folder)


def learn(
    name: str,
    protocol: str,
    cohort: TextCohort,
    split: Split,
    repeat: int,
    settings: TextSettings,
    pretrained: Pretrained,
) -> Learned:
    """Fit one model to the training part of a split and recalibrate it.

    `nested` never looks at the test part.

    Parameters
    ----------
    name : str
        'tfidf', 'linear', 't_mlp', 'w2v_mlp' or the name of ready scores.
    protocol : {'nested', 'published'}
    cohort : TextCohort
    split : Split
    repeat : int
        Seeds, with the study's seed, whatever is drawn.
    settings : TextSettings
    pretrained : Pretrained

    Returns
    -------
    Learned
    """
    labels = cohort.sessions["label"].to_numpy(dtype=str)
    codes = np.array([cohort.classes.index(label) for label in labels])
    place = np.random.SeedSequence(settings.seed, spawn_key=(repeat, 1 + (protocol == PUBLISHED)))
    rng = np.random.default_rng(place)
    everyone = set(cohort.sessions["user_id"])
    facts: dict[str, Any] = {}
    inner: np.ndarray | None = None
    stopping: np.ndarray | None
    if protocol == NESTED and name not in (*RIDGES, *pretrained.scores):
        taught, stopping, inner_rows = split.fit, split.validation, split.validation
        lesson = _lesson(name, codes, oversample(labels, taught, rng), stopping, NESTED, settings, repeat)
        model, history = _fit(name, cohort, lesson, settings, pretrained)
        facts["fit_rows"] = len(lesson.rows)
    elif protocol == NESTED:
        taught, stopping, inner_rows = split.train, None, split.train
        model, history, inner = _fit_nested(name, cohort, codes, taught, rng, settings, pretrained)
    else:
        taught, stopping = split.train, oversample(labels, split.test, rng)
        lesson = _lesson(name, codes, oversample(labels, taught, rng), stopping, PUBLISHED, settings, repeat)
        model, history = _fit(name, cohort, lesson, settings, pretrained)
        facts |= {"fit_rows": len(lesson.rows), "test_rows": len(stopping)}
    facts["fit_sessions"] = len(taught)
    if isinstance(model, TfidfModel | LinearModel):
        edges = (GRID[0], GRID[-1])
        facts |= {"penalty_c": model.penalty_c, "penalty_at_edge": model.penalty_c in edges}

    recalibration: ClassRecalibration | None = None
    shares = np.full(len(cohort.classes), 1.0 / len(cohort.classes))
    if protocol == NESTED:
        if inner is None:
            inner = raw_scores(name, model, cohort, inner_rows, pretrained)
        _, of_user, counts = np.unique(users_of(cohort, inner_rows), return_inverse=True, return_counts=True)
        weights = 1.0 / counts[of_user]
        recalibration = recalibrate_classes(inner, codes[inner_rows], weights)
        shares = np.bincount(codes[inner_rows], weights, len(shares)) / weights.sum()
        facts |= {
            "recalibration_slope": recalibration.slope, "recalibration_at_bound": recalibration.at_bound,
        }  # fmt: skip
    teaching = seen_record(users_of(cohort, taught), everyone)
    # Whoever made ready scores knows what they learned from; here it is recalibration alone.
    seen = {} if name in pretrained.scores else {"weights": teaching}
    if name in RIDGES:
        seen["vocabulary" if name == "tfidf" else "scaling"] = teaching
    if stopping is not None:
        seen["stopping"] = seen_record(users_of(cohort, np.unique(stopping)), everyone)
    elif name in RIDGES:
        seen["penalty"] = teaching
    if protocol == NESTED:
        seen["recalibration"] = seen_record(users_of(cohort, inner_rows), everyone)
    procedure = Procedure(
        name,
        protocol,
        cohort.classes,
        recalibration,
        {one: float(share) for one, share in zip(cohort.classes, shares, strict=True)},
        preparation_of(settings),
        pretrained.vectors_hash if name == "w2v_mlp" else "",
        {"sessions": len(split.train), "users": len(set(users_of(cohort, split.train)))},
    )
    return Learned(
        model, procedure, history.assign(protocol=protocol, model=name, repeat=repeat), seen, facts
    )


def final_split(cohort: TextCohort, settings: TextSettings) -> Split:
    """Return the split of the model that leaves: all sessions teach, and none is held out.

    Networks still need users to stop on and to recalibrate with: they are drawn as in every repeat.
    """
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(settings.repeats,)))
    inner = hold_out(cohort.sessions, cohort.classes, settings.validation_share, rng)
    return Split(np.flatnonzero(~inner), np.flatnonzero(inner), np.array([], dtype=np.int64))


def raw_scores(
    name: str, model: TextModel, cohort: TextCohort, rows: np.ndarray, pretrained: Pretrained
) -> np.ndarray:
    """Return what a model says of some sessions of the cohort before recalibration, shape (n, k)."""
    if name in pretrained.scores:
        return pretrained.scores[name][rows]
    if isinstance(model, LinearModel) and pretrained.sessions is not None:
        return softmax(model.of_vectors(pretrained.sessions[rows]), axis=1)
    return softmax(model.logits([cohort.texts[k] for k in rows]), axis=1)


def _lesson(
    name: str,
    codes: np.ndarray,
    rows: np.ndarray,
    watched: np.ndarray,
    protocol: str,
    settings: TextSettings,
    repeat: int,
) -> Lesson:
    honest = protocol == NESTED
    number = 1 + MODELS.index(name) if name in MODELS else 0
    seed = seed_of(settings.seed, repeat, number, int(honest))
    return Lesson(codes, rows, watched, "log_loss" if honest else "accuracy", seed)


def _fit_nested(
    name: str,
    cohort: TextCohort,
    codes: np.ndarray,
    rows: np.ndarray,
    rng: np.random.Generator,
    settings: TextSettings,
    pretrained: Pretrained,
) -> tuple[TextModel, pd.DataFrame, np.ndarray]:
    """Fit what needs no epoch to all training rows; also score them, by models that left them out."""
    if name in pretrained.scores:
        return GivenScores(cohort.classes), pd.DataFrame(), pretrained.scores[name][rows]
    users = users_of(cohort, rows)
    model: TextModel
    if name == "tfidf":
        model, chosen = fit_tfidf_nested(cohort.texts, codes, rows, users, cohort.classes, rng)
    else:
        assert pretrained.sessions is not None
        model, chosen = fit_linear_nested(
            pretrained.sessions, codes, rows, users, cohort.classes, rng, *_source(settings, pretrained)
        )
    return model, _penalties(chosen.tried, chosen.penalty_c), softmax(chosen.logits, axis=1)


def _fit(
    name: str, cohort: TextCohort, lesson: Lesson, settings: TextSettings, pretrained: Pretrained
) -> tuple[TextModel, pd.DataFrame]:
    """Fit a model that is stopped, or whose penalty is chosen, on the rows of the lesson."""
    if name in pretrained.scores:
        return GivenScores(cohort.classes), pd.DataFrame()
    if name == "tfidf":
        labels = cohort.sessions["label"].to_numpy(dtype=str)
        model, tried = fit_tfidf(
            cohort.texts, labels, lesson.rows, lesson.validation, cohort.classes, lesson.monitor
        )
        return model, _penalties(tried, model.penalty_c)
    if name == "linear":
        assert pretrained.sessions is not None
        linear, tried = fit_linear(
            pretrained.sessions,
            lesson.codes,
            lesson.rows,
            lesson.validation,
            cohort.classes,
            lesson.monitor,
            *_source(settings, pretrained),
        )
        return linear, _penalties(tried, linear.penalty_c)
    if name == "t_mlp":
        assert pretrained.encoder is not None
        fitted, history = fit_message_model(
            cohort.texts,
            cohort.classes,
            lesson,
            pretrained.encoder,
            pretrained.encoder_identity,
            settings.network,
        )
        return fitted, history.rename(columns={"epoch": "step"})
    assert pretrained.vectors is not None
    of_words, history = fit_word_model(
        cohort.texts, cohort.classes, lesson, pretrained.vectors, settings.max_words, settings.network
    )
    return of_words, history.rename(columns={"epoch": "step"})


def _source(settings: TextSettings, pretrained: Pretrained) -> tuple[str, CachedEncoder | None]:
    """Return where session vectors come from, by name and, for messages, the encoder."""
    if settings.embeddings is not None:
        return TABLE, None
    return pretrained.encoder_identity, pretrained.encoder


def _penalties(tried: list[dict[str, float]], chosen: float) -> pd.DataFrame:
    table = pd.DataFrame(tried).rename(columns={"penalty_c": "step"})
    return table.assign(chosen=table["step"] == chosen)


def users_of(cohort: TextCohort, rows: np.ndarray) -> list[str]:
    """Return the user of each of some sessions."""
    return list(cohort.sessions["user_id"].to_numpy()[rows])
