"""The nested protocol of grades and numbers: what a fold may see, and what it says."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings
from voicerisk.validation.contract import Member
from voicerisk.validation.metrics.scale import grades_of, probabilities, scale_metrics, spectrum_table
from voicerisk.validation.protocols.choice import mixing_weights
from voicerisk.validation.protocols.scale import GradeScale, NumberScale, _unseen_scores, halves, run_scale

SETTINGS = ValidationSettings(designs=["loco"], inner_folds=3, repeats=1)
MEMBERS = (Member("linear", 0), Member("curves", 1))


def calls_of(y, n_frames: int = 10) -> pd.DataFrame:
    names = [f"c{i:03d}" for i in range(len(y))]
    return pd.DataFrame({"call_id": names, "caller_id": names, "y": y, "n_frames": n_frames})


def marker_fit(calls: pd.DataFrame, x: np.ndarray):
    """A model that scores by its marker, in the direction that the training callers show."""

    def fit(asked):
        train = calls["caller_id"].isin(asked.train).to_numpy()
        slope = np.polyfit(x[train], calls["y"].to_numpy(float)[train], 1)[0]
        return np.column_stack([slope * x, np.zeros(len(x))])

    return fit


def graded(n: int = 60, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return calls_of(np.digitize(2.0 * x + rng.logistic(size=n), [-1.5, 0.0, 1.5])), x


def test_probabilities_are_distributions_and_the_truth_is_found() -> None:
    calls, x = graded(300)
    scale = GradeScale.of(calls["y"].to_numpy())
    settings = ValidationSettings(designs=["grouped_kfold"], inner_folds=3, repeats=1)
    found = run_scale(calls, scale, marker_fit(calls, x), MEMBERS, settings)
    p = probabilities(found.predictions)
    assert p.shape == (300, 4) and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(found.predictions["predicted"], p @ grades_of(found.predictions), atol=1e-12)
    # P(y >= 2) by the model that drew the grades; 300 callers fix slope and thresholds to about 10%
    truth = 1.0 / (1.0 + np.exp(-(2.0 * x)))
    own = found.predictions.set_index("call_id")["at_least_2"].loc[calls["call_id"]].to_numpy()
    assert np.abs(own - truth).mean() < 0.05
    assert found.notes["member_weights"]["linear"] > 0.9


def test_a_caller_does_not_move_their_own_fold() -> None:
    calls, x = graded()
    scale = GradeScale.of(calls["y"].to_numpy())
    before = run_scale(calls, scale, marker_fit(calls, x), MEMBERS, SETTINGS).predictions
    row = int(np.flatnonzero(calls["y"] == 3)[0])
    changed = calls.copy()
    changed.loc[row, "y"] = 2  # of the same half, so that the same folds are dealt
    after = run_scale(changed, scale, marker_fit(changed, x), MEMBERS, SETTINGS).predictions
    told = [column for column in before if column not in ("y",)]
    mine = before["call_id"] == calls["call_id"][row]
    pd.testing.assert_frame_equal(before.loc[mine, told], after.loc[mine, told])
    assert (before.loc[~mine, "score"] != after.loc[~mine, "score"]).all()


def test_a_grade_that_training_lacks_is_told_as_the_next_higher_one() -> None:
    scale = GradeScale((0, 1, 2, 5), np.full(4, 0.25))
    score = np.linspace(-1, 1, 30)
    y = np.where(score + 0.3 * np.sin(9 * score) > 0, 5, 0)
    y[14:17] = 2
    line, _ = scale.line(score, y, scale.weights(np.arange(30).astype(str), y))
    above = line.at_least(score)
    np.testing.assert_array_equal(above[:, 0], above[:, 1])  # nobody had 1: as 2
    y[y == 5] = 2
    line, _ = scale.line(score, y, scale.weights(np.arange(30).astype(str), y))
    assert (line.at_least(score)[:, 2] == 0.0).all()  # nobody had 5 or more


def test_weights_hold_the_grades_of_the_study() -> None:
    scale = GradeScale((0, 1, 2), np.array([0.5, 0.3, 0.2]))
    y = np.array([0, 0, 1, 2, 2, 2])
    w = scale.weights(np.array(list("abcdef")), y)
    np.testing.assert_allclose(np.bincount(y, w) / w.sum(), [0.5, 0.3, 0.2])
    assert w.sum() == pytest.approx(6)


def test_scores_against_the_outcome_are_flat_and_level() -> None:
    y = np.arange(20.0)
    scale = NumberScale(float(y.mean()))
    line, _ = scale.line(-y, y, np.ones(20))
    assert line.flat and line.columns(np.zeros(3))["predicted"].tolist() == [9.5] * 3
    # a training set below the study's mean is level with it
    line, _ = scale.line(np.zeros(19), y[:-1], np.ones(19))
    assert line.intercept == pytest.approx(9.5)


def test_noise_gives_no_concordance_and_no_lean() -> None:
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        calls = calls_of(rng.integers(0, 4, 32))
        x = rng.normal(size=32)
        scale = GradeScale.of(calls["y"].to_numpy())
        table = run_scale(calls, scale, marker_fit(calls, x), MEMBERS, SETTINGS).predictions
        found.append(scale_metrics(table, n_boot=2).set_index("metric")["estimate"]["ordinal_c"])
    # the standard error of one is about 0.07; models that lean against those held out are at 0.2 and below
    assert np.mean(found) == pytest.approx(0.5, abs=0.12)


def test_the_middle_is_what_makes_the_spectrum_effect() -> None:
    y = np.repeat([0, 1, 2, 3, 4], 20)
    rng = np.random.default_rng(1)
    rows = calls_of(y).assign(design="loco", repeat=0, fold=0, score=y + rng.normal(size=100))
    table = spectrum_table(rows, (0, 1), (3, 4), n_boot=50).set_index("calls")
    assert table.loc["without the middle", "n"] == 80 and table.loc["everyone", "n"] == 100
    assert table.loc["without the middle", "auroc"] > table.loc["everyone", "auroc"]
    gap = table.loc["without the middle", "auroc"] - table.loc["everyone", "auroc"]
    assert table.loc["difference", "auroc"] == pytest.approx(gap)
    assert table.loc["difference", "lower"] < gap < table.loc["difference", "upper"]
    with pytest.raises(ValidationError, match="high grades"):
        spectrum_table(rows, (0, 1), (9,), n_boot=2)


def test_intervals_of_cross_validated_grades_are_widened() -> None:
    y = np.repeat([0, 1, 2], 20)
    rng = np.random.default_rng(1)
    rows = calls_of(y).assign(repeat=0, fold=np.tile(np.arange(5), 12), score=y + rng.normal(size=60))
    rows = rows.assign(
        at_least_1=np.clip(rows["score"] / 4 + 0.5, 0, 1), at_least_2=np.clip(rows["score"] / 4, 0, 1)
    )
    rows["at_least_1"] = rows[["at_least_1", "at_least_2"]].max(axis=1)
    rows["predicted"] = rows["at_least_1"] + rows["at_least_2"]
    given, wide = (
        scale_metrics(rows.assign(design=design), n_boot=200).set_index("metric")
        for design in ("external", "grouped_kfold")
    )
    factor = np.sqrt(1 + 5 / 4)
    for end in ("lower", "upper"):
        arm = [
            _log_odds(t.loc["ordinal_c", end]) - _log_odds(t.loc["ordinal_c", "estimate"])
            for t in (given, wide)
        ]
        assert arm[1] == pytest.approx(factor * arm[0])
    # nothing is learned in the loss of the shares alone
    assert given.loc["rps_of_shares", "upper"] == wide.loc["rps_of_shares", "upper"]


def _log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def test_weights_of_members_had_not_seen_who_learns_the_line() -> None:
    # Two members of noise: each is best on the callers that chose it. Mixed by weights that had seen them,
    # the line would be steeper.
    slopes = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        y = rng.normal(size=30)
        inner, fold, caller = rng.normal(size=(30, 20)), np.arange(30) % 5, np.arange(30).astype(str)
        members = [Member(f"m{j}", 0) for j in range(20)]
        scale = NumberScale.of(y, caller)
        w = scale.weights(caller, y)
        mixed = mixing_weights(members, np.array([scale.line(one, y, w)[1] for one in inner.T]))
        seen, unseen = inner @ mixed, _unseen_scores(inner, fold, y, caller, scale, members, mixed)
        slopes.append([np.corrcoef(score, y)[0, 1] for score in (seen, unseen)])
    seen, unseen = np.mean(slopes, axis=0)
    assert seen > 0.2
    assert abs(unseen) < 0.15  # standard error 0.07


def test_bad_input_is_named() -> None:
    with pytest.raises(ValidationError, match="same outcome"):
        halves(calls_of([1, 1, 1, 1]))
    with pytest.raises(ValidationError, match="at least 4 callers"):
        halves(calls_of([0, 1, 1, 2]))
    calls, _ = graded(20)
    with pytest.raises(ValidationError, match="2 finite scores for each of 20 calls"):
        run_scale(
            calls, GradeScale.of(calls["y"].to_numpy()), lambda asked: np.zeros((3, 2)), MEMBERS, SETTINGS
        )
