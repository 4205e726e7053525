"""One model on one split, honestly or as the paper did it: who learns, who stops, who is measured.

`nested` (ours): weights, vocabulary and penalty from the fit part, oversampled; the validation part, as it
is,
chooses the epoch and recalibrates; the test part, as it is, is looked at once.

`published` (the paper's): the whole training part, oversampled, teaches; the test part, oversampled too,
chooses
the epoch by accuracy and is then measured. Repetitions of a test session stand in the column `weight`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from voicerisk.callers.provenance import seen_record
from voicerisk.deep.chats.models import Lesson, TextModel, fit_message_model, fit_word_model, tokens_of
from voicerisk.deep.networks.cache import CachedEncoder
from voicerisk.deep.networks.training import seed_of
from voicerisk.text.sessions import TextCohort
from voicerisk.text.settings import MODELS, TextSettings
from voicerisk.text.splits import Split, oversample
from voicerisk.text.tfidf import GRID, TfidfModel, fit_tfidf
from voicerisk.text.vectors import WordVectors
from voicerisk.validation.metrics.classes.recalibration import recalibrate_classes

NESTED, PUBLISHED = "nested", "published"
DESIGN = "holdout"
TARGET = "text_class"


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What models were given before they saw a session.

    Attributes
    ----------
    encoder : CachedEncoder or None
        For T-MLP.
    vectors : WordVectors or None
        For W2V-MLP.
    """

    encoder: CachedEncoder | None = None
    vectors: WordVectors | None = None

    @property
    def encoder_identity(self) -> str:
        """Hash of the encoder, '' without one."""
        return self.encoder.encoder.identity if self.encoder is not None else ""


@dataclass(frozen=True, slots=True)
class Fitted:
    """One model on one split.

    Attributes
    ----------
    model : TextModel
    predictions : DataFrame
        Rows of the predictions table.
    history : DataFrame
        protocol, model, repeat, step (epoch, or penalty), what was measured, chosen.
    seen : dict
        Learned object -> `seen_record` of its users.
    facts : dict
        What notes are made of: rows of each part after oversampling, recalibration, coverage.
    """

    model: TextModel
    predictions: pd.DataFrame
    history: pd.DataFrame
    seen: dict[str, Any]
    facts: dict[str, Any]


def fit_on_split(
    name: str,
    protocol: str,
    cohort: TextCohort,
    split: Split,
    repeat: int,
    settings: TextSettings,
    pretrained: Pretrained,
) -> Fitted:
    """Fit one model on one split and score the test part.

    Parameters
    ----------
    name : {'tfidf', 't_mlp', 'w2v_mlp'}
    protocol : {'nested', 'published'}
    cohort : TextCohort
    split : Split
    repeat : int
    settings : TextSettings
    pretrained : Pretrained

    Returns
    -------
    Fitted
    """
    labels = cohort.sessions["label"].to_numpy(dtype=str)
    codes = np.array([cohort.classes.index(label) for label in labels])
    place = np.random.SeedSequence(settings.seed, spawn_key=(repeat, 1 + (protocol == PUBLISHED)))
    rng = np.random.default_rng(place)
    honest = protocol == NESTED
    learned = split.fit if honest else split.train
    watched = split.validation if honest else oversample(labels, split.test, rng)
    rows = oversample(labels, learned, rng)
    model, history = _fit(
        name, cohort, Lesson(
            codes, rows, watched, "log_loss" if honest else "accuracy",
            seed_of(settings.seed, repeat, 1 + MODELS.index(name), int(honest)),
        ), settings, pretrained,
    )  # fmt: skip

    test = split.test
    p_raw = softmax(model.logits([cohort.texts[k] for k in test]), axis=1)
    facts: dict[str, Any] = {
        "fit_sessions": len(learned), "fit_rows": len(rows), "test_sessions": len(test),
        "test_rows": len(test) if honest else len(watched),
        "train_and_test_users_shared": len(set(_users(cohort, split.train)) & set(_users(cohort, test))),
    }  # fmt: skip
    if honest:
        inner = softmax(model.logits([cohort.texts[k] for k in split.validation]), axis=1)
        users = _users(cohort, split.validation)
        _, of_user, counts = np.unique(users, return_inverse=True, return_counts=True)
        fit = recalibrate_classes(inner, codes[split.validation], 1.0 / counts[of_user])
        p, weight = fit(p_raw), np.ones(len(test))
        facts |= {"recalibration_slope": fit.slope, "recalibration_at_bound": fit.at_bound}
    else:
        p = p_raw
        weight = np.array([(watched == k).sum() for k in test], dtype=np.float64)
    everyone = set(cohort.sessions["user_id"])
    stopping = _users(cohort, split.validation if honest else test)
    teaching = seen_record(_users(cohort, learned), everyone)
    seen = {"vocabulary": teaching, "weights": teaching, "stopping": seen_record(stopping, everyone)}
    if honest:
        seen["recalibration"] = seen["stopping"]
    if isinstance(model, TfidfModel):
        facts |= {"penalty_c": model.penalty_c, "penalty_at_edge": model.penalty_c in (GRID[0], GRID[-1])}
    if name == "w2v_mlp":
        facts["vector_coverage_test"] = _coverage(model, cohort, test)
        facts["sessions_cut_to_max_words"] = sum(
            len(tokens_of(texts)) > settings.max_words for texts in cohort.texts
        )
    predictions = _table(protocol, name, repeat, cohort, test, p_raw, p, weight)
    history = history.assign(protocol=protocol, model=name, repeat=repeat)
    return Fitted(model, predictions, history, seen, facts)


def _fit(
    name: str, cohort: TextCohort, lesson: Lesson, settings: TextSettings, pretrained: Pretrained
) -> tuple[TextModel, pd.DataFrame]:
    if name == "tfidf":
        labels = cohort.sessions["label"].to_numpy(dtype=str)
        model, tried = fit_tfidf(
            cohort.texts, labels, lesson.rows, lesson.validation, cohort.classes, lesson.monitor
        )
        table = pd.DataFrame(tried).rename(columns={"penalty_c": "step"})
        return model, table.assign(chosen=table["step"] == model.penalty_c)
    if name == "t_mlp":
        assert pretrained.encoder is not None
        fitted, history = fit_message_model(
            cohort.texts, cohort.classes, lesson, pretrained.encoder, pretrained.encoder_identity,
            settings.network,
        )  # fmt: skip
        return fitted, history.rename(columns={"epoch": "step"})
    assert pretrained.vectors is not None
    of_words, history = fit_word_model(
        cohort.texts, cohort.classes, lesson, pretrained.vectors, settings.max_words, settings.network
    )
    return of_words, history.rename(columns={"epoch": "step"})


def _users(cohort: TextCohort, rows: np.ndarray) -> list[str]:
    return list(cohort.sessions["user_id"].to_numpy()[rows])


def _coverage(model: Any, cohort: TextCohort, rows: np.ndarray) -> float:
    """Share of the running words of some sessions that have a vector in the model."""
    known = set(model.words)
    words = [word for k in rows for word in tokens_of(cohort.texts[k])[: model.max_words]]
    return float(np.mean([word in known or word.lower() in known for word in words])) if words else 0.0


def _table(
    protocol: str,
    model: str,
    repeat: int,
    cohort: TextCohort,
    rows: np.ndarray,
    p_raw: np.ndarray,
    p: np.ndarray,
    weight: np.ndarray,
) -> pd.DataFrame:
    """Arrange scores as the predictions table: a session is a call, a user a caller."""
    sessions = cohort.sessions.iloc[rows]
    scores = {f"p_raw_{name}": p_raw[:, k] for k, name in enumerate(cohort.classes)}
    risks = {f"p_{name}": p[:, k] for k, name in enumerate(cohort.classes)}
    none = pd.array([None] * len(rows), dtype="Int64")
    return pd.DataFrame(
        {
            "protocol": protocol, "model": model, "target": TARGET, "design": DESIGN, "repeat": repeat,
            "fold": 0, "unit": "call", "call_id": sessions["session_id"].to_numpy(),
            "caller_id": sessions["user_id"].to_numpy(), "segment": none, "frame": none, "time_s": np.nan,
            "y": sessions["label"].to_numpy(), **scores, **risks, "threshold": np.nan, "weight": weight,
        }
    )  # fmt: skip


def run_protocol(
    protocol: str,
    name: str,
    cohort: TextCohort,
    splits: tuple[Split, ...],
    settings: TextSettings,
    pretrained: Pretrained,
    checkpoints: Path,
    models: Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], list[dict[str, Any]]]:
    """Run all repeats of one model, going on from finished ones.

    Parameters
    ----------
    protocol, name
        As in `fit_on_split`.
    cohort : TextCohort
    splits : tuple of Split
    settings : TextSettings
    pretrained : Pretrained
    checkpoints : Path
        Folder for finished repeats.
    models : Path
        Each repeat's model is saved into `repeat_<number>` below.
    progress : callable, optional

    Returns
    -------
    predictions, history : DataFrame
    folds : dict
        Repeat -> held-out users and what each learned object saw, as `provenance.json` has it.
    facts : list of dict
        One a repeat.
    """
    from voicerisk.files import write_parquet
    from voicerisk.pipeline.kept_steps import keep_step, kept_step

    predictions, histories, folds, facts = [], [], {}, []
    for repeat, split in enumerate(splits):
        done = checkpoints / f"{repeat}.json"
        tables = checkpoints / f"{repeat}.parquet", checkpoints / f"{repeat}_history.parquet"
        record = kept_step(done)
        if record is None:
            fitted = fit_on_split(name, protocol, cohort, split, repeat, settings, pretrained)
            fitted.model.save(models / f"repeat_{repeat}")
            write_parquet(tables[0], fitted.predictions)
            write_parquet(tables[1], fitted.history)
            held_out = sorted(set(_users(cohort, split.test)))
            record = {"held_out": held_out, "seen": fitted.seen, "facts": fitted.facts}
            keep_step(done, record, *tables)
        predictions.append(pd.read_parquet(tables[0]))
        histories.append(pd.read_parquet(tables[1]))
        folds[str(repeat)] = {"0": {"held_out": record["held_out"], "seen": record["seen"]}}
        facts.append(record["facts"])
        if progress is not None:
            progress(repeat + 1, len(splits))
    return pd.concat(predictions, ignore_index=True), pd.concat(histories, ignore_index=True), folds, facts
