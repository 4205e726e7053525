"""Fusion of calibrated risks: what is added, whom it finds, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from voicerisk.errors import ValidationError
from voicerisk.validation.fusion.join import FUSED, fused_predictions, join_sources
from voicerisk.validation.fusion.rescue import compare_sources, false_alarm_rate
from voicerisk.validation.fusion.sources import read_source
from voicerisk.validation.metrics.discrimination import auroc


def table_of(p, y, *, p_raw=None, threshold=0.5, ids=None, model="m", callers=None):
    ids = [f"c{k:03d}" for k in range(len(y))] if ids is None else ids
    return pd.DataFrame(
        {
            "protocol": "nested", "model": model, "target": "outcome", "design": "loco", "repeat": 0,
            "fold": range(len(y)), "unit": "call", "call_id": ids,
            "caller_id": ids if callers is None else callers, "segment": np.nan, "frame": np.nan,
            "time_s": np.nan, "y": y, "p_raw": p if p_raw is None else p_raw, "p": p,
            "threshold": threshold, "weight": 1.0,
        }
    )  # fmt: skip


def cohort(n, shift_voice, shift_text, seed):
    """Two normal scores that are independent given the outcome, and their true risks at prior one half."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    risks = []
    for shift in (shift_voice, shift_text):
        x = rng.normal(size=n) + shift * y
        risks.append(expit(shift * (x - shift / 2)))
    return y, *risks


def test_log_odds_beyond_the_prior_are_added():
    y = np.array([0, 1, 0, 1, 0])
    first, second = np.array([0.2, 0.6, 0.3, 0.7, 0.5]), np.array([0.4, 0.9, 0.1, 0.5, 0.5])
    table, notes = join_sources(
        [read_source(table_of(first, y), "voice"), read_source(table_of(second, y), "text")]
    )
    assert notes == ()
    prior = logit(0.4)
    # Bayes' rule for sources that are independent given the outcome.
    assert table[FUSED].to_numpy() == pytest.approx(logit(first) + logit(second) - prior, abs=1e-12)


def test_scale_of_raw_scores_does_not_matter():
    y, voice, text = cohort(400, 1.6, 0.6, seed=3)
    squeezed = expit(0.1 * logit(voice))  # same ranks, other scale
    tables = [
        join_sources(
            [read_source(table_of(voice, y, p_raw=raw), "voice"), read_source(table_of(text, y), "text")]
        )[0]
        for raw in (voice, squeezed)
    ]
    pd.testing.assert_frame_equal(*tables)


def test_fusion_beats_both_where_sources_are_independent():
    y, voice, text = cohort(2000, 1.6, 0.6, seed=4)
    table, _ = join_sources(
        [read_source(table_of(voice, y), "voice"), read_source(table_of(text, y), "text")]
    )
    area = auroc(table["y"].to_numpy(), table[FUSED].to_numpy())
    # d' of the sum is sqrt(1.6**2 + 0.6**2) = 1.709: AUROC 0.887, standard error 0.007 at 2,000 calls.
    assert area == pytest.approx(0.887, abs=0.021)
    compared = compare_sources(table, ["voice", "text"], 0.1, n_boot=200).set_index("model")
    assert compared.loc["fused", "auroc_lower"] > 0 > compared.loc["text", "auroc_upper"]


def test_fused_risk_is_calibrated_though_sources_repeat_each_other():
    y, voice, _ = cohort(2000, 1.2, 0.5, seed=5)
    table, _ = join_sources([read_source(table_of(voice, y), "one"), read_source(table_of(voice, y), "two")])
    fused = fused_predictions(table, ["one", "two"]).query("model == 'fused'")
    from voicerisk.validation.metrics.calibration import calibration_line

    raw = calibration_line(fused["y"].to_numpy(), fused["p_raw"].to_numpy())
    mended = calibration_line(fused["y"].to_numpy(), fused["p"].to_numpy())
    # The same evidence counted twice spreads log-odds by 2; standard error of a slope here about 0.05.
    assert raw.slope == pytest.approx(0.5, abs=0.1)
    assert mended.slope == pytest.approx(1.0, abs=0.15)


def test_all_models_are_cut_at_the_same_rate_and_whom_they_find_is_counted():
    y = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    voice = np.array([0.9, 0.8, 0.1, 0.85, 0.3, 0.2, 0.15, 0.12])
    text = np.array([0.2, 0.9, 0.8, 0.1, 0.85, 0.3, 0.2, 0.15])
    source = read_source(table_of(voice, y, threshold=0.5), "voice")
    table, _ = join_sources([source, read_source(table_of(text, y), "text")])
    assert false_alarm_rate(source, table) == 0.2
    compared = compare_sources(table, ["voice", "text"], 0.2, n_boot=200).set_index("model")
    assert compared["false_alarms"].tolist() == [0.2, 0.2, 0.2]
    # At one false alarm voice flags calls 0 and 1; text flags 1 and 2.
    assert compared.loc["voice", "sensitivity"] == pytest.approx(2 / 3)
    assert compared.loc["text", ["missed", "rescued", "lost"]].tolist() == [1, 1, 1]


def test_no_rate_is_exceeded_by_ties():
    y = np.array([1, 0, 0, 0, 0])
    table, _ = join_sources([read_source(table_of(np.full(5, 0.5), y), name) for name in ("a", "b")])
    compared = compare_sources(table, ["a", "b"], 0.5, n_boot=100)
    assert compared["false_alarms"].tolist() == [0.0, 0.0, 0.0]


def test_order_of_rows_does_not_matter():
    y, voice, text = cohort(60, 1.0, 1.0, seed=6)
    tables = [table_of(voice, y), table_of(text, y)]
    found = []
    for shuffle in (False, True):
        given = [one.sample(frac=1.0, random_state=1) if shuffle else one for one in tables]
        joined, _ = join_sources([read_source(given[0], "voice"), read_source(given[1], "text")])
        found.append(compare_sources(joined, ["voice", "text"], 0.2, n_boot=100))
    pd.testing.assert_frame_equal(*found)


def test_calls_that_a_source_lacks_are_counted():
    y, voice, text = cohort(20, 1.0, 1.0, seed=7)
    table, notes = join_sources(
        [read_source(table_of(voice, y), "voice"), read_source(table_of(text, y).iloc[2:], "text")]
    )
    assert len(table) == 18
    assert notes == ("text lacks 2 of 20 calls; only the 18 calls that every source has are fused.",)


def test_classes_that_count_as_the_event_add_up():
    table = table_of(np.full(3, 0.5), np.array([0, 1, 0])).drop(columns=["p_raw", "p"])
    table["y"] = ["NS", "SI", "ASE"]
    for kind in ("p_raw", "p"):
        table[f"{kind}_NS"], table[f"{kind}_SI"], table[f"{kind}_ASE"] = (
            [0.5, 0.2, 0.1],
            [0.3, 0.7, 0.3],
            [0.2, 0.1, 0.6],
        )
    last = read_source(table, "text").calls
    any_of = read_source(table, "text", positive=("SI", "ASE")).calls
    assert expit(last["log_odds"]).tolist() == pytest.approx([0.2, 0.1, 0.6])
    assert last["y"].tolist() == [0, 0, 1]
    assert expit(any_of["log_odds"]).tolist() == pytest.approx([0.5, 0.8, 0.9])
    assert any_of["y"].tolist() == [0, 1, 1]


def test_what_cannot_be_fused_is_refused_in_one_sentence():
    y, voice, text = cohort(20, 1.0, 1.0, seed=8)
    source = read_source(table_of(voice, y), "voice")
    with pytest.raises(ValidationError, match=r"p is empty .* Fusion adds calibrated risks"):
        read_source(table_of(text, y).assign(p=np.nan, p_raw=0.5), "text")
    with pytest.raises(ValidationError, match="y is 0 in voice and 1 in text"):
        join_sources([source, read_source(table_of(text, 1 - y), "text")])
    with pytest.raises(ValidationError, match="no call in common"):
        join_sources([source, read_source(table_of(text, y, ids=[f"x{k}" for k in range(20)]), "x")])
    shared = table_of(text, y, callers=["a", "a", *[f"c{k}" for k in range(18)]]).assign(fold=0)
    with pytest.raises(ValidationError, match="group calls into callers differently"):
        join_sources([source, read_source(shared, "text")])
    with pytest.raises(ValidationError, match=r"several models: m .*, n .* Say which"):
        read_source(pd.concat([table_of(voice, y), table_of(text, y, model="n")]), "both")
    with pytest.raises(ValidationError, match="no cut for 10 calls"):
        false_alarm_rate(read_source(table_of(voice, y, threshold=np.nan), "voice"), source.calls)


def test_callers_may_be_spelled_differently():
    y, voice, text = cohort(20, 1.0, 1.0, seed=9)
    other = read_source(table_of(text, y, callers=[f"P{k}" for k in range(20)]), "text")
    table, _ = join_sources([read_source(table_of(voice, y), "voice"), other])
    assert table["caller_id"].tolist() == [f"c{k:03d}" for k in range(20)]
