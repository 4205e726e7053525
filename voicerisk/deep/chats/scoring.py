"""A saved text model on sessions of others: scored without labels, or validated with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from voicerisk.deep.chats.models import load_text_model, tokens_of
from voicerisk.deep.chats.procedure import Procedure, load_procedure
from voicerisk.deep.chats.protocol import prediction_table
from voicerisk.deep.chats.study_file import TextStudy
from voicerisk.deep.extra import require_deep
from voicerisk.deep.networks.cache import CachedEncoder
from voicerisk.errors import ModelError, TextError
from voicerisk.files import PRIVATE, sha256_file, write_csv, write_json, write_parquet
from voicerisk.pipeline.setting import require_choice
from voicerisk.text.linear import TABLE, LinearModel
from voicerisk.text.ready import read_embeddings, read_scores
from voicerisk.text.sessions import load_text_cohort, read_sessions
from voicerisk.text.settings import DEVICES
from voicerisk.text.vectors import read_vectors

EXTERNAL = "external"
# How a session is read decides what the model sees; names of columns, and who speaks, are the new study's.
CLEANING = (
    "min_age", "min_messages", "min_words", "keep_emoji", "max_messages", "max_tokens", "max_words",
    "truncate", "pooling", "prefix",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """What a saved model needs beside its folder.

    Parameters
    ----------
    encoder : Path or None
        Folder of the pretrained model, for T-MLP and for a linear model of messages.
    vectors : Path or None
        File of word vectors, for W2V-MLP.
    table : Path or None
        Table of embeddings (linear model of ready embeddings) or of scores (ready scores).
    device : {'cpu', 'gpu', 'auto'}
        Where the pretrained model runs.
    """

    encoder: Path | None = None
    vectors: Path | None = None
    table: Path | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        require_choice("--device", self.device, DEVICES, ModelError)


@dataclass(frozen=True, slots=True)
class SessionScores:
    """Scores of sessions.

    Attributes
    ----------
    sessions : DataFrame
        session_id, n_messages, n_words, messages_cut, left_out, p_raw_<class>, p_<class>, likeliest; scores
        are empty where a session was left out.
    procedure : Procedure
    notes : tuple of str
    """

    sessions: pd.DataFrame
    procedure: Procedure
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextValidation:
    """What a saved text model is worth on another study.

    Attributes
    ----------
    folder : Path
    metrics : DataFrame
        The schema of metrics.csv, design 'external'.
    recalibration : DataFrame
        class, offset, mean_p, share: what new sessions would add to the model's recalibration, and how far
        mean risks are from the shares seen.
    slope : float
        1 where risks spread as they should, below 1 where they are too extreme.
    notes : tuple of str
    """

    folder: Path
    metrics: pd.DataFrame
    recalibration: pd.DataFrame
    slope: float
    notes: tuple[str, ...]


def score_sessions(
    model: Path, messages: Path, given: Given | None = None, prevalence: Mapping[str, float] | None = None
) -> SessionScores:
    """Score sessions with a saved model: the risks that its study would have reported.

    Parameters
    ----------
    model : Path
        Folder such as `results/models/final/tfidf`.
    messages : Path
        Table of messages, with the names of columns of the model's study.
    given : Given, optional
    prevalence : mapping of class to float, optional
        Shares of the classes where the sessions come from; default: those of the model's study.

    Returns
    -------
    SessionScores

    Raises
    ------
    VoiceriskError
        If the model or the table cannot be used; never with a word of a message.
    """
    procedure = load_procedure(model)
    settings = procedure.settings(messages.name)
    table, texts, notes = read_sessions(settings, messages.absolute().parent)
    kept = (table["left_out"] == "").to_numpy()
    ids = list(table["session_id"][kept])
    p_raw = _raw(model, procedure, settings.session, ids, texts, given or Given())
    p = procedure.risks(p_raw, prevalence)
    for kind, values in (("p_raw", p_raw), ("p", p)):
        for k, name in enumerate(procedure.classes):
            column = np.full(len(table), np.nan)
            column[kept] = values[:, k]
            table[f"{kind}_{name}"] = column
    table["likeliest"] = ""
    table.loc[kept, "likeliest"] = np.array(procedure.classes, dtype=object)[p_raw.argmax(axis=1)]
    return SessionScores(table, procedure, tuple(notes))


def _raw(
    folder: Path,
    procedure: Procedure,
    session: str,
    ids: Sequence[str],
    texts: Sequence[Sequence[str]],
    given: Given,
) -> np.ndarray:
    """Return raw scores, shape (n, k), of sessions by their ids or texts, as the model needs."""
    if not len(ids):
        return np.zeros((0, len(procedure.classes)))
    about = _about(folder)
    if about["kind"] == "scores":
        return read_scores(_needed(given.table, "table", about), session, ids, procedure.classes)
    encoder = vectors = None
    identity = ""
    if about.get("encoder", TABLE) != TABLE:
        require_deep("A pretrained encoder", "torch", "transformers", "safetensors")
        from voicerisk.deep.networks.encoders import EncoderSettings, TextEncoder

        asked = procedure.preparation
        place = _needed(given.encoder, "encoder", about)
        own = EncoderSettings(
            place, asked["max_tokens"], asked["pooling"], prefix=asked["prefix"], device=given.device
        )
        encoder = CachedEncoder(TextEncoder(own), None)
        identity = encoder.encoder.identity
    if about["kind"] == "w2v_mlp":
        file = _needed(given.vectors, "vectors", about)
        if file.is_file() and sha256_file(file) != procedure.vectors:
            raise ModelError(f"{file.name} is not the file of word vectors that the model was trained with.")
        vectors = read_vectors(file, {word for one in texts for word in tokens_of(one)})
    model = load_text_model(folder, encoder, identity, vectors)
    if isinstance(model, LinearModel) and model.encoder is None:
        return softmax(
            model.of_vectors(read_embeddings(_needed(given.table, "table", about), session, ids)), axis=1
        )
    return softmax(model.logits(texts), axis=1)


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return {**about, "kind": about["kind"]}
    except FileNotFoundError:
        raise ModelError(f"There is no {folder / 'model.json'}.") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{folder / 'model.json'} is not readable as a text model.") from None


def _needed(place: Path | None, option: str, about: Mapping[str, Any]) -> Path:
    if place is None:
        raise ModelError(
            f"A model of the kind {about['kind']} needs what it was trained with: --{option} PATH."
        )
    return place


def validate_sessions(
    model: Path,
    study: TextStudy,
    out: Path | str,
    given: Given | None = None,
    prevalence: Mapping[str, float] | None = None,
) -> TextValidation:
    """Score the labelled sessions of another study; the model learns nothing from them.

    Sessions are cleaned and cut as in the model's study; names of columns, roles, labels and users are read
    as the new study says.

    Parameters
    ----------
    model : Path
    study : TextStudy
    out : Path or str
        Folder for the results; written anew.
    given : Given, optional
    prevalence : mapping of class to float, optional
        Shares of the classes that the new place is known to have; default: those of the model's study.

    Returns
    -------
    TextValidation

    Raises
    ------
    VoiceriskError
    """
    from voicerisk.validation import ValidationSettings, compute_metrics
    from voicerisk.validation.metrics.classes.recalibration import recalibrate_classes

    procedure = load_procedure(model)
    if set(study.text.classes) != set(procedure.classes):
        raise TextError(
            f"{study.path.name} has the classes {', '.join(study.text.classes)}; the model knows "
            f"{', '.join(procedure.classes)}."
        )
    own = {key: procedure.preparation[key] for key in CLEANING}
    settings = replace(
        study.text, **own, classes=procedure.classes, models=("tfidf",), scores={}, baseline=None,
        explain=type(study.text.explain)(),
    )  # fmt: skip
    cohort = load_text_cohort(settings, study.folder)
    rows = np.arange(len(cohort.sessions))
    ids = list(cohort.sessions["session_id"])
    p_raw = _raw(model, procedure, settings.session, ids, cohort.texts, given or Given())
    p = procedure.risks(p_raw, prevalence)
    table = prediction_table(
        procedure.protocol, procedure.model, 0, cohort, rows, p_raw, p, np.ones(len(rows))
    ).assign(design=EXTERNAL)
    metrics = compute_metrics(
        table, ValidationSettings(seed=settings.seed), n_boot=settings.bootstraps, units=("call",)
    )
    labels = cohort.sessions["label"].to_numpy(dtype=str)
    codes = np.array([procedure.classes.index(one) for one in labels])
    users = cohort.sessions["user_id"].to_numpy(dtype=str)
    _, of_user, counts = np.unique(users, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[of_user]
    fit = recalibrate_classes(p, codes, weights)
    shares = np.bincount(codes, weights, len(procedure.classes)) / weights.sum()
    recalibration = pd.DataFrame(
        {
            "class": procedure.classes, "offset": fit.offsets,
            "mean_p": np.average(p, axis=0, weights=weights), "share": shares,
        }
    )  # fmt: skip
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_parquet(out / "predictions_external.parquet", table)
    write_csv(out / "metrics.csv", metrics)
    write_csv(out / "recalibration.csv", recalibration)
    write_csv(out / "flow.csv", cohort.flow)
    write_csv(out / "exclusions.csv", cohort.exclusions, PRIVATE)
    notes = tuple(
        dict.fromkeys([*cohort.notes, *(str(n) for n in metrics.attrs["notes"] if "a cut" not in n)])
    )
    about = {
        "kind": "text_validation", "model": procedure.model, "protocol": procedure.protocol,
        "model_sha256": sha256_file(model / "model.json"), "study_file": study.path.name,
        "study_sha256": study.digest, "slope": fit.slope, "prevalence": dict(prevalence or {}),
        "notes": notes,
    }  # fmt: skip
    write_json(out / "validation.json", about)
    return TextValidation(out, metrics, recalibration, fit.slope, notes)
