"""Models fitted side by side: permutations packed are each alone, and a kill loses nothing that was done."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import GAMBOOST, marker_frames, quick_settings
from voicerisk.screening import ScreeningSettings
from voicerisk.study import load_study
from voicerisk.study.audit.fits import AuditFits
from voicerisk.study.fitting import fit_queue as wanted
from voicerisk.study.fitting import fitters
from voicerisk.study.fitting.design import ModelTables
from voicerisk.validation import permutation_test, run_nested
from voicerisk.validation.audit.climb import audit_ladder
from voicerisk.validation.audit.ladder import FitSwitches
from voicerisk.validation.resume import Resume


class KilledError(Exception):
    """Stands for a kill at an awkward time."""


UNSCREENED = GAMBOOST + '\n[screening]\nunit = "none"\n'


@pytest.fixture
def audit(write_study, tmp_path):
    """Return what makes the refits of an audit in a folder of their own, and its calls."""
    calls, frames = marker_frames()
    study = load_study(write_study(calls, frames, UNSCREENED))
    frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id")
    frames["time_s"] = 0.0
    calls = calls.rename(columns={"outcome": "y"}).assign(n_frames=40).drop(columns="file")
    segments = frames.groupby(["call_id", "caller_id", "segment"], as_index=False)[["x", "noise"]].mean()
    tables = ModelTables(calls, frames, segments, ("x", "noise"))

    def make(name: str, jobs: int = 1):
        ticks: list[int] = []
        return AuditFits(study, tables, tmp_path / name, jobs, lambda: ticks.append(1)), ticks

    return make, calls, study.validation


def packs(monkeypatch) -> list[int]:
    """Record how many models are fitted in one go."""
    sizes: list[int] = []
    real = wanted.fit_wanted

    def counting(models, data, fitted):
        sizes.append(len(models))
        real(models, data, fitted)

    monkeypatch.setattr(wanted, "fit_wanted", counting)
    monkeypatch.setattr(fitters, "fit_wanted", counting)
    return sizes


def test_permutations_of_the_ladder_packed_are_each_alone(audit, monkeypatch):
    make, calls, how = audit
    alone, few = make("alone")
    plain = audit_ladder(calls, alone, how, "grouped_kfold", 3)
    packed, ticks = make("packed", jobs=2)
    sizes = packs(monkeypatch)
    together = audit_ladder(calls, packed, how, "grouped_kfold", 3, resume=Resume(ahead=packed.ahead))
    pd.testing.assert_frame_equal(together.permutations, plain.permutations, check_exact=True)
    pd.testing.assert_frame_equal(together.table, plain.table, check_exact=True)
    assert plain.permutations["auroc_kfold"].nunique() > 5
    assert len(ticks) == len(few)  # each model is counted once
    # the models of four permutations and several rungs in one go
    assert max(sizes) > 4 * 3 * 16


def test_a_permutation_test_packed_and_gone_on_with(audit, monkeypatch):
    make, calls, how = audit
    fits, _ = make("alone")
    plain = permutation_test(calls, fits.honest, how, 5)
    packed, _ = make("packed")

    def ahead(tables):
        packed.ahead([(FitSwitches(), *one) for one in tables])

    # Killed after the second permutation is kept, with the models of two more on disk ...
    kept: dict[int, float] = {}

    def keep(b: int, value: float) -> None:
        kept[b] = value
        if len(kept) == 2:
            raise KilledError

    with pytest.raises(KilledError):
        permutation_test(calls, packed.honest, how, 5, resume=Resume(keep=keep, ahead=ahead))
    assert kept == {b: plain.null[b] for b in (0, 1)}
    # ... which the next run finds: it fits but those of the fifth.
    again, _ = make("packed")
    sizes = packs(monkeypatch)

    def ahead_again(tables):
        again.ahead([(FitSwitches(), *one) for one in tables])

    resumed = permutation_test(calls, again.honest, how, 5, resume=Resume(kept, ahead=ahead_again))
    np.testing.assert_array_equal(resumed.null, plain.null)
    one_permutation = len(list((again.place).glob("*/grouped_kfold/*/*/*.npz"))) // 3
    # ... and the outcomes as they are, whose models made room for the permutations.
    assert sum(sizes) == 2 * one_permutation


def test_each_lasso_and_each_fit_is_kept_as_soon_as_it_is_done(fitter, tmp_path, monkeypatch):
    calls = fitter.tables.calls
    segments = fitter.tables.frames.groupby(["call_id", "caller_id", "segment"], as_index=False)
    tables = replace(fitter.tables, segments=segments[["x", "noise"]].mean())
    screened = replace(fitter, tables=tables, screening=ScreeningSettings(), checkpoints=tmp_path / "whole")
    bar: list[tuple[int, int]] = []
    whole = run_nested(calls, screened, quick_settings(), lambda *at: bar.append(at))
    assert bar == [(done, 64) for done in range(1, 65)]

    stopped = replace(screened, checkpoints=tmp_path / "stopped")
    real = wanted.Wanted.keep
    done: list[str] = []

    def dying(self, path):
        if len(done) == 20:
            raise KilledError
        done.append(self.asked.key)
        real(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(wanted.Wanted, "keep", dying)
        with pytest.raises(KilledError):
            run_nested(calls, stopped, quick_settings())
    place = tmp_path / "stopped"
    assert len(list(place.rglob("*.npz"))) == 20
    assert len(list(place.rglob("*.lasso.json"))) == 64
    with monkeypatch.context() as patch:
        patch.setattr(fitters, "screen_training_sets", None)  # no Lasso is run again
        bar.clear()
        again = run_nested(calls, stopped, quick_settings(), lambda *at: bar.append(at))
    # two parts of three of the 20 that were fitted: their scores are still to come
    assert bar[0] == (13, 64) and bar[-1] == (64, 64)
    pd.testing.assert_frame_equal(again.predictions, whole.predictions, check_exact=True)
    pd.testing.assert_frame_equal(again.tuning, whole.tuning, check_exact=True)
