"""Models of bootstrapped callers: an audit keeps what they said, and scoring says it again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.saved_model.test_models import table_for_scoring
from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.cohort import load_cohort
from voicerisk.errors import StudyError
from voicerisk.models import write_model
from voicerisk.models.calls.features import INTERVALS
from voicerisk.models.calls.refits import of_tables
from voicerisk.pipeline.progress import Silent
from voicerisk.study import load_study
from voicerisk.study.audit import refits as kept_by_audit
from voicerisk.study.audit.fits import AuditFits
from voicerisk.study.audit.refits import ALL_CALLERS, drawn_models, record_of
from voicerisk.study.audit.run import _write_drawn
from voicerisk.study.fitting.family import call_frames, level_of_calls
from voicerisk.study.output.audit_figures import with_bands
from voicerisk.study.protocols import procedure_of
from voicerisk.study.saved_model import refits as for_scoring
from voicerisk.study.saved_model.models import learn_model
from voicerisk.study.saved_model.scoring import score
from voicerisk.study.stages import StudyStages, open_results
from voicerisk.validation import full_procedure

BOOTSTRAPS = 6


@pytest.fixture
def made(write_study, tmp_path, monkeypatch):
    """Return a results folder with a model and its refits, the refits' own risks, and the frames to score."""
    monkeypatch.setattr(kept_by_audit, "LEAST_BOOTSTRAPS", 3)
    monkeypatch.setattr(for_scoring, "LEAST_BOOTSTRAPS", 3)
    calls, frames = marker_frames(callers=20, effect=0.5, seed=4)
    study = load_study(write_study(calls, frames, SETTINGS + '\n[screening]\nunit = "none"\n'))
    folder = open_results(study, tmp_path / "out")
    with folder.locked():
        tables, _ = StudyStages(study, folder, 1, Silent()).extract(load_cohort(study.cohort, study.folder))
    fits = AuditFits(study, tables, tmp_path / "fits", 1, lambda: None)
    table = tables.calls[["call_id", "caller_id", "y", "n_frames", "sex"]]
    risks, models = {}, {}

    def keep(number, found):
        name = ALL_CALLERS if number is None else f"{number:05d}"
        risks[name], models[name] = found.risk.tolist(), record_of(found)

    full_procedure(table, fits.honest, study.validation, BOOTSTRAPS, keep_refit=keep)
    drawn = drawn_models(risks, models, table, tables, 0.5)
    _write_drawn(folder, drawn, None)
    fitter = procedure_of(study, "nested", tables, (), tmp_path / "own", 1)
    _, model, _ = learn_model(study, "nested", tables, fitter)
    cuts = {"level": 0.9, "groups": {"female": {"0": 0.6, "1": 0.4}, "male": {"0": None, "1": None}}}
    model = replace(model, notes={**model.notes, "conformal": cuts})
    folder.file("boost").mkdir(exist_ok=True)
    write_model(folder.file("boost/model.json"), model)
    source = tmp_path / "frames.csv"
    table_for_scoring(calls, frames).to_csv(source, index=False)
    return folder, tables, drawn, {name: np.array(one) for name, one in risks.items()}, source


def test_scoring_gives_each_call_the_spread_of_the_refits(made):
    folder, tables, drawn, risks, source = made
    every = np.vstack([risks[name] for name in sorted(risks) if name != ALL_CALLERS])
    assert len(every) >= 3 and np.ptp(every, axis=0).max() > 0.01
    found = of_tables(drawn.curves, drawn.lines, INTERVALS)
    again = found.risks(call_frames(tables), level_of_calls(tables))
    np.testing.assert_allclose(again, np.vstack([risks[ALL_CALLERS], every]), atol=1e-9)
    assert drawn.instability["risk"].to_numpy() == pytest.approx(risks[ALL_CALLERS])
    assert set(drawn.calibration["refit"]) == set(range(len(every) + 1))

    scores = score(folder.file("boost/model.json"), source)
    calls = scores.calls.set_index("call_id").loc[tables.calls["call_id"]]
    # Refits have the prevalence of their own bag; the interval is at that of the study.
    same = np.quantile(
        found.risks(call_frames(tables), level_of_calls(tables), 0.5)[1:], [0.025, 0.975], axis=0
    )
    np.testing.assert_allclose(calls[["risk_lower", "risk_upper"]].to_numpy().T, same, atol=1e-6)
    # What the cuts of the file leave open: women's by theirs, nothing ruled out of men.
    risk, men = calls["risk"].to_numpy(), (tables.calls["sex"] == "male").to_numpy()
    open_ = np.where(risk < 0.4, "0", np.where(risk > 0.6, "1", "0 or 1"))
    assert calls["outcomes"].tolist() == np.where(men, "0 or 1", open_).tolist()
    assert score(folder.file("boost/model.json"), source, prevalence=0.05).calls["outcomes"].tolist() == (
        scores.calls["outcomes"].tolist()
    )
    assert any(f"95% of {len(every)} models" in note for note in scores.notes)


def test_a_call_that_cannot_be_trusted_gets_no_risk_and_no_decision(made, tmp_path):
    folder, _, _, _, source = made
    frames = pd.read_csv(source)
    first, second, third = frames["call_id"].unique()[:3]
    short = frames[(frames["call_id"] != first) | (frames["segment"] == 0)]
    strange = short.assign(x=short["x"] + 50 * (short["call_id"] == second))
    strange.to_csv(tmp_path / "strange.csv", index=False)
    calls = score(folder.file("boost/model.json"), tmp_path / "strange.csv").calls.set_index("call_id")
    gone = calls.loc[[first, second]]
    assert gone[["risk", "risk_lower", "risk_upper", "flagged"]].isna().all(axis=None)
    assert gone["p_raw"].notna().all() and calls.loc[third, ["risk", "flagged"]].notna().all()
    assert calls["too_short"].tolist()[:2] == [True, False] and (gone["outcomes"] == "").all()


def test_refits_that_are_missing_few_of_another_model_or_damaged_are_told(made, monkeypatch, tmp_path):
    folder, _, drawn, _, source = made
    model = folder.file("boost/model.json")
    monkeypatch.setattr(for_scoring, "LEAST_BOOTSTRAPS", 90)
    assert any("90 are needed" in note for note in score(model, source).notes)
    monkeypatch.setattr(for_scoring, "LEAST_BOOTSTRAPS", 3)
    lines = pd.read_csv(folder.file("audit/refit_lines.csv"))
    lines.assign(prevalence=0.1).to_csv(folder.file("audit/refit_lines.csv"), index=False)
    assert any("of another model" in note for note in score(model, source).notes)
    drawn.curves.iloc[1:].to_parquet(folder.file("audit/refits.parquet"))
    with pytest.raises(StudyError, match="knots of its kind"):
        score(model, source)
    folder.file("audit/refits.parquet").unlink()
    scores = score(model, source)
    assert "risk_lower" not in scores.calls and any("no refits beside" in note for note in scores.notes)


def test_bands_are_quantiles_of_the_curves_of_the_refits(made):
    folder, _, drawn, _, _ = made
    bands = drawn.bands
    assert (bands["lower"] <= bands["upper"]).all() and (bands["upper"] - bands["lower"]).max() > 0.01
    effects = bands[["marker", "sex", "x", "estimate"]].sample(frac=1.0, random_state=1)
    drawn_on = with_bands(folder, effects)
    pd.testing.assert_frame_equal(
        drawn_on[["lower", "upper"]], bands.loc[effects.index, ["lower", "upper"]], atol=1e-9
    )
    unknown = effects.assign(marker="another")
    assert with_bands(folder, unknown) is unknown
    saved = pd.read_csv(folder.file("audit/effect_bands.csv")).assign(frames_per_caller=10)
    saved.to_csv(folder.file("audit/effect_bands.csv"), index=False)
    assert "lower" not in with_bands(folder, effects)
