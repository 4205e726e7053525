"""One model on one split: what it learned is in `learning`; here the test part is scored, once.

`nested` takes the test part as it is. `published` oversamples it: repetitions of a test session stand in the
column `weight`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.deep.chats.learning import PUBLISHED, Learned, Pretrained, learn, raw_scores, users_of
from voicerisk.deep.chats.models import tokens_of
from voicerisk.text.sessions import TextCohort
from voicerisk.text.settings import TextSettings
from voicerisk.text.splits import Split, oversample

DESIGN = "holdout"
TARGET = "text_class"


@dataclass(frozen=True, slots=True)
class Fitted:
    """One model on one split.

    Attributes
    ----------
    learned : Learned
    predictions : DataFrame
        Rows of the predictions table.
    facts : dict
        Those of `learned`, and what is known of the test part.
    """

    learned: Learned
    predictions: pd.DataFrame
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
    name, protocol, cohort, split, repeat, settings, pretrained
        As in `learn`.

    Returns
    -------
    Fitted
    """
    learned = learn(name, protocol, cohort, split, repeat, settings, pretrained)
    test = split.test
    p_raw = raw_scores(name, learned.model, cohort, test, pretrained)
    weight = np.ones(len(test))
    if protocol == PUBLISHED:
        labels = cohort.sessions["label"].to_numpy(dtype=str)
        place = np.random.SeedSequence(settings.seed, spawn_key=(repeat, 2))
        # The same first draw as in `learn`: which test sessions were repeated.
        drawn = oversample(labels, test, np.random.default_rng(place))
        weight = np.array([(drawn == k).sum() for k in test], dtype=np.float64)
    decided = p_raw.argmax(axis=1)
    facts = {
        **learned.facts, "test_sessions": len(test),
        "train_and_test_users_shared": len(set(users_of(cohort, split.train)) & set(users_of(cohort, test))),
        "never_decided": [one for k, one in enumerate(cohort.classes) if not (decided == k).any()],
    }  # fmt: skip
    facts.setdefault("test_rows", len(test))
    if name == "w2v_mlp":
        facts["vector_coverage_test"] = _coverage(learned.model, cohort, test)
        facts["sessions_cut_to_max_words"] = sum(
            len(tokens_of(texts)) > settings.max_words for texts in cohort.texts
        )
    p = learned.procedure.risks(p_raw)
    return Fitted(learned, prediction_table(protocol, name, repeat, cohort, test, p_raw, p, weight), facts)


def _coverage(model: Any, cohort: TextCohort, rows: np.ndarray) -> float:
    """Share of the running words of some sessions that have a vector in the model."""
    known = set(model.vectors.words)
    words = [word for k in rows for word in tokens_of(cohort.texts[k])[: model.max_words]]
    return float(np.mean([word in known or word.lower() in known for word in words])) if words else 0.0


def prediction_table(
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
    strata = {name: sessions[name].to_numpy() for name in cohort.sessions if name in cohort.subgroups}
    return pd.DataFrame(
        {
            "protocol": protocol, "model": model, "target": TARGET, "design": DESIGN, "repeat": repeat,
            "fold": 0, "unit": "call", "call_id": sessions["session_id"].to_numpy(),
            "caller_id": sessions["user_id"].to_numpy(), "segment": none, "frame": none, "time_s": np.nan,
            "y": sessions["label"].to_numpy(), **scores, **risks, "threshold": np.nan, "weight": weight,
            **strata,
        }
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shared:
    """What all models of a study share: sessions, their splits, settings, and what is pretrained."""

    cohort: TextCohort
    splits: tuple[Split, ...]
    settings: TextSettings
    pretrained: Pretrained


def run_protocol(
    protocol: str,
    name: str,
    shared: Shared,
    checkpoints: Path,
    models: Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], list[dict[str, Any]]]:
    """Run all repeats of one model, going on from finished ones.

    Parameters
    ----------
    protocol, name
        As in `fit_on_split`.
    shared : Shared
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
    cohort = shared.cohort
    for repeat, split in enumerate(shared.splits):
        done = checkpoints / f"{repeat}.json"
        tables = checkpoints / f"{repeat}.parquet", checkpoints / f"{repeat}_history.parquet"
        record = kept_step(done)
        if record is None:
            fitted = fit_on_split(name, protocol, cohort, split, repeat, shared.settings, shared.pretrained)
            fitted.learned.save(models / f"repeat_{repeat}")
            write_parquet(tables[0], fitted.predictions)
            write_parquet(tables[1], fitted.learned.history)
            held_out = sorted(set(users_of(cohort, split.test)))
            record = {"held_out": held_out, "seen": fitted.learned.seen, "facts": fitted.facts}
            keep_step(done, record, *tables)
        predictions.append(pd.read_parquet(tables[0]))
        histories.append(pd.read_parquet(tables[1]))
        folds[str(repeat)] = {"0": {"held_out": record["held_out"], "seen": record["seen"]}}
        facts.append(record["facts"])
        if progress is not None:
            progress(repeat + 1, len(shared.splits))
    return pd.concat(predictions, ignore_index=True), pd.concat(histories, ignore_index=True), folds, facts
