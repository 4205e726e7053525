"""The whole procedure on bootstrapped callers: copies of a caller are apart in weight, together in folds."""

import numpy as np
import pandas as pd

from tests.study.small_study import GAMBOOST, marker_frames
from voicerisk.callers.schema import check_calls
from voicerisk.cohort import load_cohort
from voicerisk.pipeline.progress import Silent
from voicerisk.screening import ScreeningSettings
from voicerisk.study import load_study
from voicerisk.study.audit.fits import AuditFits
from voicerisk.study.fitting import screening
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.stages import StudyStages, open_results
from voicerisk.validation import full_procedure
from voicerisk.validation.protocols.whole_procedure import bootstrap_calls


def _person(caller: str) -> str:
    """A copy is named by its caller and a number behind a tilde."""
    return str(caller).partition("~")[0]


def test_no_caller_straddles_any_fold_of_a_bootstrap(write_study, tmp_path, monkeypatch):
    calls, frames = marker_frames(callers=20)
    study = load_study(write_study(calls, frames, GAMBOOST.replace("mstop = 10", "mstop = 3")))
    folder = open_results(study, tmp_path / "out")
    tables, _ = StudyStages(study, folder, 1, Silent()).extract(load_cohort(study.cohort, study.folder))
    table = tables.calls[["call_id", "caller_id", "y", "n_frames", "sex"]]

    lassos = []
    screen_rows = screening.screen_all

    def watched_rows(rows, *settings):
        lassos.append(rows)
        return screen_rows(rows, *settings)

    screen_folds = screening.screen

    def watched_folds(values, markers, y, folds, weights=None, **settings):
        rows = lassos[-1]
        of_row = pd.DataFrame({"person": [_person(one) for one in rows.caller], "fold": folds})
        assert of_row.groupby("person")["fold"].nunique().max() == 1
        # Without names: copies of a segment have the same values, and must lie in one fold.
        of_values = values.assign(fold=folds).groupby(list(markers))["fold"]
        assert of_values.nunique().max() == 1
        # Each copy weighs as much as any other caller of its class.
        of_copy = pd.DataFrame({"caller": rows.caller, "y": y, "weight": weights})
        sums = of_copy.groupby(["y", "caller"])["weight"].sum().groupby(level=0)
        assert sums.agg(np.ptp).max() < 1e-9 * sums.max().max()
        lassos[-1] = bool(of_values.size().max() > 1)
        return screen_folds(values, markers, y, folds, weights=weights, **settings)

    monkeypatch.setattr(screening, "screen_all", watched_rows)
    monkeypatch.setattr(screening, "screen", watched_folds)
    fits = AuditFits(study, tables, tmp_path / "fits", 1, lambda: None)
    asked = []

    def make(drawn):
        fit = fits.honest(drawn)

        def watched(sets, progress):
            asked.extend(sets)
            return fit(sets, progress)

        return watched

    found = full_procedure(table, make, study.validation, n_boot=3)
    assert len(found.out_of_bag) == 3 and found.skipped == 0
    inner = [one for one in asked if not one.key.endswith("outer")]
    assert len(inner) >= 3 * 3
    for one in inner:
        assert not {_person(caller) for caller in one.train} & {_person(caller) for caller in one.assess}
    assert any(len({_person(c) for c in one.train}) < len(one.train) for one in inner)
    # The Lassos did meet copies.
    assert sum(lassos) >= 9


def _noise(seed: int, callers: int = 40, segments: int = 4, markers: int = 12) -> ModelTables:
    """Markers that know who speaks (intra-caller correlation 0.5) and nothing of the outcome."""
    rng = np.random.default_rng(seed)
    ids = np.arange(callers)
    calls = pd.DataFrame(
        {"call_id": [f"k{i:02d}" for i in ids], "caller_id": [f"c{i:02d}" for i in ids],
         "sex": np.where(ids % 2 == 0, "female", "male"), "y": (ids // 2) % 2, "n_frames": segments}
    )  # fmt: skip
    row = np.repeat(ids, segments)
    own = rng.normal(size=(callers, markers))[row]
    values = np.sqrt(0.5) * (own + rng.normal(size=own.shape))
    names = tuple(f"x{j}" for j in range(markers))
    table = calls.loc[row, ["call_id", "caller_id"]].reset_index(drop=True)
    table = table.assign(segment=np.tile(np.arange(segments), callers), n_frames=1)
    table = pd.concat([table, pd.DataFrame(values, columns=list(names))], axis=1)
    return ModelTables(calls, table, table, names)


def test_on_noise_the_lasso_of_a_bootstrap_keeps_as_few_markers_as_without_copies():
    """Where copies of a caller lie in two folds the Lasso keeps about 4 of 12 markers of noise here."""
    kept = []
    for seed in range(12):
        tables = _noise(seed)
        counts = np.random.default_rng([seed, 1]).multinomial(40, np.full(40, 1 / 40))
        bag = bootstrap_calls(check_calls(tables.calls), counts)
        drawn = AuditFits(None, tables, None, 1, lambda: None)._tables_of(bag)
        rows = screening.screening_rows(drawn, ScreeningSettings())
        kept.append(len(screening.screen_all(rows, ScreeningSettings(), 10, 0.5, 1).selected))
    assert np.median(kept) <= 1 and np.mean(kept) < 2
