"""What each switch of the audit puts into a gamboost refit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import GAMBOOST, marker_frames
from voicerisk.screening import ScreeningSettings
from voicerisk.study import load_study
from voicerisk.study.audit import fits as audit_fits
from voicerisk.study.audit.fits import CALLER_EFFECT, AuditFits, CallerEffectFitter
from voicerisk.study.fitting import screening
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.fitters import GamboostFitter
from voicerisk.validation import TrainingSet
from voicerisk.validation.audit.climb import audit_ladder, ladder
from voicerisk.validation.audit.ladder import FitSwitches


@pytest.fixture
def make_fits(write_study, tmp_path):
    """Return what makes the refits of an audit of a study with a unit of screening, and its calls.

    `sizes` are the frames to be kept of each call.
    """

    def make(unit: str, sizes: Sequence[int] = (40,) * 12):
        calls, frames = marker_frames()
        place = frames.groupby("call_id").cumcount()
        frames = frames[place < frames["call_id"].map(dict(zip(calls["call_id"], sizes, strict=True)))]
        study = load_study(write_study(calls, frames, f'{GAMBOOST}\n[screening]\nunit = "{unit}"\n'))
        frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id")
        frames["time_s"] = 0.0
        calls = calls.rename(columns={"outcome": "y"}).assign(n_frames=sizes).drop(columns="file")
        segments = frames.groupby(["call_id", "caller_id", "segment"], as_index=False)[["x", "noise"]].mean()
        tables = ModelTables(calls, frames, segments, ("x", "noise"))
        return AuditFits(study, tables, tmp_path / unit, 1, lambda: None), calls, study.validation

    return make


def watch(monkeypatch, kind):
    """Record what each fitter of this class lays out: training set, markers and fit."""
    laid = {}
    real = kind.lane

    def watched(self, asked, chosen, rows):
        lane = real(self, asked, chosen, rows)
        laid[asked.key] = asked, chosen, lane
        return lane

    monkeypatch.setattr(kind, "lane", watched)
    return laid


@pytest.mark.parametrize("unit", ["none", "segment", "frame"])
@pytest.mark.parametrize("global_screening", [False, True])
def test_the_caller_effect_enters_once_and_linearly(make_fits, monkeypatch, unit, global_screening):
    """Not as splines by sex beside the linear learner, and never through the Lasso."""
    fits, calls, how = make_fits(unit)
    laid = watch(monkeypatch, CallerEffectFitter)
    (rung,) = [rung for rung in ladder() if rung.name == "caller_effect"]
    switches = FitSwitches(global_screening=global_screening, caller_effect="all_data")
    table = audit_ladder(calls, fits, how, rungs=[replace(rung, fit=switches)]).table
    assert len(laid) == len(calls)
    for _, chosen, lane in laid.values():
        own = [(one.kind, one.by) for one in lane.learners if one.variable == CALLER_EFFECT]
        assert own == [("bols", None)] and set(chosen.markers) <= {"x", "noise"}
    leaked = set(table["leaked"].iloc[0].split(", "))
    assert CALLER_EFFECT in leaked and ("screening" in leaked) == (global_screening and unit != "none")


def test_caller_weights_reach_boosting_and_lasso_without_the_class_factor(make_fits, monkeypatch):
    """Every caller weighs 1 on the rung of the shifting prior, every row on that of the row weights."""
    fits, calls, how = make_fits("segment", [40, 10] * 6)
    calls = calls[["call_id", "caller_id", "y", "n_frames", "sex"]]
    lassos = []
    for module in (screening, audit_fits):

        def watched(values, markers, y, folds, weights=None, real=module.screen, **settings):
            lassos.append((len(values), weights, settings["prior"]))
            return real(values, markers, y, folds, weights=weights, **settings)

        monkeypatch.setattr(module, "screen", watched)
    laid = watch(monkeypatch, GamboostFitter)
    for row_lambda in (False, True):
        for name in ("shifting_prior", "row_weights"):
            (rung,) = [rung for rung in ladder() if rung.name == name]
            fit = replace(rung.fit, row_lambda=row_lambda)
            lassos.clear()
            laid.clear()
            audit_ladder(calls, fits, how, rungs=[replace(rung, fit=fit)])
            # Screened once, on the segments of all callers: 4 or 1 of each.
            (one,) = lassos
            assert one[0] == 30 and one[2] is None
            # The steps are chosen on rows of everyone, then one model a caller left out.
            assert len(laid) == 13
            if name == "row_weights":
                assert one[1] is None
            else:
                assert sorted(set(one[1])) == [0.25, 1.0] and one[1].sum() == len(calls)
            frames = fits.tables.frames["caller_id"].to_numpy()
            for asked, _, lane in laid.values():
                train = np.isin(frames, asked.train)
                size = pd.Series(frames).map(pd.Series(frames).value_counts()).to_numpy()
                expected = np.where(train, 1.0 if name == "row_weights" else 1.0 / size, 0.0)
                np.testing.assert_allclose(lane.weights, expected, rtol=1e-15)


def test_the_lasso_inside_a_training_set_takes_its_weights(make_fits, monkeypatch):
    """Training sets of the same callers that differ in their weights alone have Lassos of their own."""
    fits, calls, _ = make_fits("segment", [40, 10] * 6)
    callers = tuple(calls["caller_id"])
    seen = []
    real = screening.screen

    def watched(values, markers, y, folds, weights=None, **settings):
        seen.append((settings["prior"], None if weights is None else sorted(set(weights.round(12)))))
        return real(values, markers, y, folds, weights=weights, **settings)

    monkeypatch.setattr(screening, "screen", watched)
    weights = {"a": (None, True), "b": (None, False), "c": (None, True), "d": (0.5, False)}
    sets = [
        TrainingSet(key, callers, (), prior, 0, caller_weights)
        for key, (prior, caller_weights) in weights.items()
    ]
    rows = screening.screening_rows(fits.tables, ScreeningSettings())
    found = screening.screen_training_sets(rows, sets, fits.study.screening, 3, 1, False, 1)
    assert len(found) == 4 and found[0] == found[2]
    assert seen == [(None, None), (None, [0.25, 1.0]), (0.5, [0.25, 1.0])]
