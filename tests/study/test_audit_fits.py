"""What each switch of the audit puts into a gamboost refit."""

from dataclasses import replace

import pytest
from small_study import SETTINGS, marker_frames

from voicerisk.study import load_study
from voicerisk.study.audit_fits import CALLER_EFFECT, AuditFits, CallerEffectFitter
from voicerisk.study.design import ModelTables
from voicerisk.validation.audit import audit_ladder, ladder
from voicerisk.validation.rungs import FitSwitches


@pytest.fixture
def make_fits(write_study, tmp_path):
    """Return what makes the refits of an audit of a study with a unit of screening, and its calls."""

    def make(unit: str):
        calls, frames = marker_frames()
        study = load_study(write_study(calls, frames, f'{SETTINGS}\n[screening]\nunit = "{unit}"\n'))
        frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id")
        frames["time_s"] = 0.0
        calls = calls.rename(columns={"outcome": "y"}).assign(n_frames=40).drop(columns="file")
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
