"""How long a caller must speak: against sums by hand, and on calls whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.settling import settled_after, settling

SLOPE, INTERCEPT = 1.5, -0.2


def _predictions(odds: dict[str, np.ndarray], log_odds: bool = True) -> pd.DataFrame:
    rows = []
    for number, (call, values) in enumerate(odds.items()):
        p = 1 / (1 + np.exp(-values))
        whole = 1 / (1 + np.exp(-values.mean())) if log_odds else p.mean()
        place = {"design": "loco", "fold": number, "call_id": call, "y": number % 2, "threshold": 0.5}
        rows.append({**place, "unit": "call", "p_raw": whole})
        rows += [
            {**place, "unit": "frame", "segment": i // 50, "frame": i % 50, "p_raw": one}
            for i, one in enumerate(p)
        ]
    # The order of rows must not matter: frames are put in the order in which they were spoken.
    return pd.DataFrame(rows).sample(frac=1.0, random_state=0)


def _lines(n: int) -> pd.DataFrame:
    return pd.DataFrame({"design": "loco", "fold": range(n), "slope": SLOPE, "intercept": INTERCEPT})


def _calls(n_calls=10, n_frames=400, sd=1.0):
    rng = np.random.default_rng(0)
    level = np.where(np.arange(n_calls) % 2, 1.0, -1.0)
    return {f"c{i:02d}": level[i] + sd * rng.normal(size=n_frames) for i in range(n_calls)}


def test_differences_are_those_by_hand():
    odds = _calls()
    table = settling(_predictions(odds), _lines(10), 0.02, (1.0, 2.0, 9.0))
    # 9 s are 450 frames: no call is twice that long.
    assert table["seconds"].tolist() == [1.0, 2.0] and (table["n_calls"] == 10).all()

    def risk(x):
        return 1 / (1 + np.exp(-(INTERCEPT + SLOPE * x)))

    change = [abs(risk(v[:50].mean()) - risk(v[50:].mean())) for v in odds.values()]
    row = table.iloc[0]
    assert row["median_change"] == pytest.approx(np.median(change), abs=1e-9)
    assert row["q90_change"] == pytest.approx(np.quantile(change, 0.9), abs=1e-9)
    within = [risk(v.reshape(8, 50).mean(axis=1)).var(ddof=1) for v in odds.values()]
    assert row["within_call_sd"] == pytest.approx(np.sqrt(np.mean(within)), abs=1e-9)
    assert row["same_decision"] == np.mean(
        [(v[:50].mean() >= 0) == (v[50:].mean() >= 0) for v in odds.values()]
    )
    assert row["n_events"] == 5 and row["auroc_whole"] == 1.0


def test_scores_that_are_means_of_probabilities_are_averaged_as_such():
    odds = _calls(sd=3.0)
    table = settling(_predictions(odds, log_odds=False), _lines(10), 0.02, (1.0,))
    p = {call: 1 / (1 + np.exp(-v)) for call, v in odds.items()}

    def risk(score):
        return 1 / (1 + np.exp(-(INTERCEPT + SLOPE * np.log(score / (1 - score)))))

    change = [abs(risk(v[:50].mean()) - risk(v[50:].mean())) for v in p.values()]
    assert table["median_change"].iloc[0] == pytest.approx(np.median(change), abs=1e-9)


def test_longer_speech_settles_the_score():
    table = settling(_predictions(_calls(40, 1600)), _lines(40), 0.02, (1.0, 4.0, 16.0))
    # Independent frames: the spread of a stretch falls with the square root of its length. The bend of
    # the logistic curve takes up to a tenth of it.
    ratio = table["within_call_sd"].iloc[0] / table["within_call_sd"].iloc[1]
    assert ratio == pytest.approx(2.0, rel=0.15)
    assert table["median_change"].is_monotonic_decreasing
    assert settled_after(table, 1.0) == 1.0 and settled_after(table, 0.0) is None
    # What comes back above the line later is not settled before.
    back = pd.DataFrame({"seconds": [1.0, 2.0, 3.0], "q90_change": [0.05, 0.2, 0.05]})
    assert settled_after(back) == 3.0


def test_scores_without_any_level_of_a_call_do_not_settle():
    """Noise that drifts: against the whole call it would settle, against the rest it never does."""
    rng = np.random.default_rng(5)
    drift = {f"c{i:02d}": np.cumsum(rng.normal(scale=0.15, size=600)) for i in range(40)}
    table = settling(_predictions(drift), _lines(40), 0.02, (1.0, 2.0, 4.0, 6.0))
    assert table["seconds"].tolist() == [1.0, 2.0, 4.0, 6.0] and settled_after(table) is None
    assert table["q90_change"].iloc[-1] > 0.5


def test_what_cannot_be_told_is_left_out():
    few = _predictions(dict(list(_calls().items())[:5]))
    assert settling(few, _lines(5), 0.02, (1.0,)).empty
    no_frames = _predictions(_calls())
    assert settling(no_frames[no_frames["unit"] == "call"], _lines(10), 0.02).empty
    with pytest.raises(ValidationError, match="above 0"):
        settling(no_frames, _lines(10), float("nan"))
    without = _predictions(_calls()).assign(threshold=np.nan)
    assert np.isnan(settling(without, _lines(10), 0.02, (1.0,))["same_decision"].iloc[0])
