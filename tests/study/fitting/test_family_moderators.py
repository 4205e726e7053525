"""Call models with any moderator: three levels, one that is too small or was not learned from, and none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import marker_frames
from voicerisk.callers.moderator import Moderator
from voicerisk.models.calls.additive import additive_model
from voicerisk.models.calls.model import COMMON, mixed
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, call_frames, members_of
from voicerisk.validation import TrainingSet, ValidationSettings, run_nested

SETTINGS = ValidationSettings(designs=["grouped_kfold"], repeats=1, inner_folds=3, threshold="youden")
SERVICES = ("chat", "line", "text")


def tables(levels: tuple[str, ...] = SERVICES, callers: int = 36, seed: int = 3) -> ModelTables:
    """Calls of three services; `x` is high with the outcome in two of them, without it in the third."""
    calls, frames = marker_frames(callers, 12, 0.0, seed)
    calls = calls.assign(y=np.arange(callers) // 3 % 2, service=[levels[i % 3] for i in range(callers)])
    frames = frames.merge(calls[["call_id", "caller_id", "y", "service"]], on="call_id")
    frames["x"] += np.where(frames["service"] == levels[2], 1 - frames["y"], frames["y"])
    frames = frames.drop(columns=["y", "service"]).assign(time_s=0.0)
    calls = calls.assign(n_frames=12)[["call_id", "caller_id", "sex", "y", "n_frames", "service"]]
    return ModelTables(calls, frames, frames.iloc[:0], ("x", "noise"), Moderator("service", levels))


def scores(made: ModelTables, members: tuple[str, ...] | None = None) -> pd.Series:
    members = members or members_of(SETTINGS.family, made.moderator)
    calls = made.calls[["call_id", "caller_id", "y", "n_frames", "sex"]]
    rows = run_nested(calls, FamilyFitter(made, members), SETTINGS).predictions
    return rows.query("unit == 'call'").set_index("call_id")["p_raw"].sort_index()


def auroc(made: ModelTables, score: pd.Series) -> float:
    y = made.calls.set_index("call_id")["y"][score.index].to_numpy()
    one, zero = score.to_numpy()[y == 1], score.to_numpy()[y == 0]
    return float((one[:, None] > zero[None]).mean())


def test_three_levels_have_curves_of_their_own() -> None:
    made = tables()
    found = auroc(made, scores(made))
    without = auroc(made, scores(replace(made, moderator=None)))
    assert found > 0.85 and found > without + 0.1


def test_names_of_levels_and_the_order_of_calls_change_no_score() -> None:
    first = scores(tables())
    renamed = scores(tables(("zulu", "bravo", "alpha")))
    np.testing.assert_allclose(renamed, first, atol=1e-9)  # sums in another order
    made = tables()
    turned = replace(made, calls=made.calls.iloc[::-1].reset_index(drop=True))
    np.testing.assert_allclose(scores(turned), first, atol=1e-9)


def test_one_level_is_none() -> None:
    made = tables()
    none = replace(made, moderator=None)
    assert members_of(SETTINGS.family, None) == ("linear", "spread", "sparse_spread", "sparse", "curves")
    alone = replace(made, calls=made.calls.assign(service="chat"), moderator=Moderator("service", ("chat",)))
    members = members_of(SETTINGS.family, None)
    np.testing.assert_allclose(scores(alone, members), scores(none, members), atol=1e-9)


def test_a_level_with_too_few_callers_is_scored_by_what_the_others_share() -> None:
    made = tables()
    service = made.calls["service"].where(made.calls["call_id"] != "call00", "post")
    made = replace(
        made,
        calls=made.calls.assign(service=service),
        moderator=Moderator("service", (*SERVICES, "post"), shared=("post",)),
    )
    found = scores(made)
    assert len(found) == 36 and found.between(0, 1, inclusive="neither").all()
    fitter = FamilyFitter(made, members_of(SETTINGS.family, made.moderator))
    assert fitter.level[0] == COMMON


@pytest.mark.parametrize("name", ["linear", "by_level", "curves_by_level", "spread"])
def test_a_level_that_nobody_learned_from_is_scored_by_the_common_part(name: str) -> None:
    made = tables()
    callers = made.calls.loc[made.calls["service"] != "text", "caller_id"]
    fitter = FamilyFitter(made, (name,))
    asked = TrainingSet("k", tuple(callers), tuple(made.calls["caller_id"]), 0.5, 1)
    fit = fitter.fit(asked)
    model = mixed(fit.models, [1.0])
    assert "text" not in model.level_effect
    saved = additive_model(model, made.moderator, call_frames(made))
    rows = made.frames.assign(service=made.of_frames("service"))
    calls = saved.of_calls(rows, saved.score(rows), ["call_id"]).set_index("call_id")
    np.testing.assert_allclose(calls["log_odds"][made.calls["call_id"]], fit.link[:, 0], atol=1e-9)
    level = np.full(len(made.calls), COMMON, dtype=object)
    common = model.call_link(call_frames(made), level)
    text = (made.calls["service"] == "text").to_numpy()
    np.testing.assert_allclose(fit.link[text, 0], common[text], atol=1e-9)
