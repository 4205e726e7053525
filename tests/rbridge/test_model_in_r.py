"""The boosted model's file, read and applied by plain R, gives what Python gives; a bad file is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import RBridgeError
from voicerisk.models import GamBoost, Procedure, read_model, write_model
from voicerisk.study.saved_model.scoring import score as score_calls

pytestmark = pytest.mark.r


def rows(n: int, seed: int, spread: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "dom": spread * rng.normal(size=n),
            "if": spread * rng.gamma(2.0, size=n),
            "voiced": rng.integers(0, 2, n).astype(float),
            "sex": np.array(["F", "m", " Male", "female"])[rng.integers(0, 4, n)],
        }
    )
    table.loc[rng.random(n) < 0.2, "dom"] = np.nan
    return table


@pytest.fixture(scope="module", params=["extrapolate", "clamp"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = rows(400, 1)
    link = np.nan_to_num(table["dom"]) + 0.5 * table["if"] + 0.3 * table["voiced"] - 1.0
    y = (np.random.default_rng(2).random(400) < 1 / (1 + np.exp(-link))).astype(int)
    path = tmp_path_factory.mktemp("model") / "model.json"
    model = GamBoost(mstop=40, outside=request.param).fit(table, y)
    notes = model.scoring_model()
    assert {effect.marker for effect in notes.effects} == {"dom", "if", "voiced"}
    model.save(path)
    return path


def score(worker, path: Path, table: pd.DataFrame) -> pd.DataFrame:
    return worker.call("bridge_score", path=path, newdata=table).value


def test_r_scores_as_python_does(worker, saved):
    new = rows(300, 3, spread=1.7)  # many values beyond the knots, some missing
    ours, theirs = read_model(saved).score(new), score(worker, saved, new)
    assert theirs.columns.tolist() == ours.columns.tolist()
    for name in ours.columns:
        expected = ours[name].to_numpy(float)
        np.testing.assert_allclose(theirs[name].to_numpy(float), expected, rtol=1e-10, atol=1e-14)
    assert ours["n_outside"].max() >= 1


def test_a_model_without_sex_and_with_odd_text_in_its_notes(worker, tmp_path):
    from voicerisk.models import scoring_model

    table = rows(300, 4).drop(columns=["sex", "dom"])
    y = np.random.default_rng(5).integers(0, 2, 300)
    model = GamBoost(mstop=5, moderator=None).fit(table, y)
    odd = {'é \\ "q"': ["a\tb\n", None, True, 1e-05, -3, 2.5e17, {"B": 1, "a": {}, "Z": []}]}
    write_model(tmp_path / "model.json", scoring_model(model.path_, notes=odd))
    ours = read_model(tmp_path / "model.json").score(table)
    theirs = score(worker, tmp_path / "model.json", table)
    np.testing.assert_allclose(theirs["log_odds"], ours["log_odds"], rtol=1e-10)


@pytest.mark.parametrize(("prevalence", "unit"), [(None, "frame"), (0.04, "frame"), (None, "call")])
def test_r_gives_the_risk_and_the_decision_that_python_gives(worker, saved, tmp_path, prevalence, unit):
    use = Procedure("nested", intercept=0.3, slope=1.7, cut=0.5, prevalence=0.3)
    notes = {"shortest_call_frames": 10 if prevalence is None else 5}  # of the calls three have 9 rows
    write_model(tmp_path / "model.json", replace(read_model(saved), procedure=use, unit=unit, notes=notes))
    new = rows(300, 3, spread=1.3).assign(call_id=np.repeat([f"{i:03d}" for i in range(20)], 15))
    new["sex"] = np.repeat(["F", "m"], 150)
    new = new[(new.groupby("call_id").cumcount() < 9) | (new["call_id"] > "002")].reset_index(drop=True)
    new.to_parquet(tmp_path / "new.parquet")
    ours = score_calls(tmp_path / "model.json", tmp_path / "new.parquet", prevalence=prevalence).calls
    parts = {"path": tmp_path / "model.json", "newdata": new, "call": "call_id", "prevalence": prevalence}
    theirs = worker.call("bridge_risk", **parts).value
    assert theirs["call_id"].tolist() == ours["call_id"].tolist()
    for name in ("p_raw", "risk", "prevalence", "cut", "most_outside"):
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-10)
    for name in ("flagged", "beyond_training", "too_short"):
        said = [[None if pd.isna(one) else bool(one) for one in table[name]] for table in (theirs, ours)]
        assert said[0] == said[1]
    assert 0 < ours["flagged"].sum() < 20 and 0 < ours["beyond_training"].sum() < 20
    assert ours["too_short"].sum() == 3 * (prevalence is None)
    untrusted = ours["too_short"] | ours["beyond_training"]
    assert ours["risk"].isna().equals(untrusted) and ours["flagged"].isna().equals(untrusted)


def test_r_gives_no_risk_where_the_file_holds_none(worker, saved):
    with pytest.raises(RBridgeError, match="holds no recalibration"):
        worker.call("bridge_risk", path=saved, newdata=rows(5, 1).assign(call_id="a"), call="call_id")


def test_levels_that_are_no_sexes(worker, saved, tmp_path):
    first = read_model(saved)
    names = {"female": "line", "male": "000"}
    effects = tuple(replace(effect, level=names.get(effect.level, effect.level)) for effect in first.effects)
    shift = {names[level]: value for level, value in first.level_effect.items()}
    other = replace(
        first, moderator=Moderator("service", ("line", "000")), effects=effects, level_effect=shift
    )
    write_model(tmp_path / "model.json", other)
    new = rows(60, 3).drop(columns="sex").assign(service=np.tile(["000", "line"], 30))
    ours = read_model(tmp_path / "model.json").score(new)
    np.testing.assert_allclose(score(worker, tmp_path / "model.json", new)["log_odds"], ours["log_odds"])
    with pytest.raises(RBridgeError, match='service is "x" in row 1; it must be one of line, 000'):
        score(worker, tmp_path / "model.json", new.assign(service="x"))


def changed(path: Path, folder: Path, edit) -> Path:
    file = folder / "changed.json"
    stored = json.loads(path.read_text())
    edit(stored)
    file.write_text(json.dumps(stored, indent=2))
    return file


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s["model"]["member"].update(offset=1e-12), "damaged or was edited"),
        (lambda s: s["model"]["notes"].update(steps=1), "damaged or was edited"),
        (lambda s: s.update(sha256="0" * 64), "damaged or was edited"),
        (lambda s: s.pop("model"), "damaged or was edited"),
        (lambda s: s.update(version=3), "has version 3; this package reads version 2 of voicerisk-model"),
        (lambda s: s.update(format="other"), "is no model of voicerisk"),
    ],
)
def test_a_changed_file_is_refused(worker, saved, tmp_path, edit, message):
    with pytest.raises(RBridgeError, match=message):
        score(worker, changed(saved, tmp_path, edit), rows(3, 1))


@pytest.mark.parametrize("text", ["", "{", '{"format": }', "[1, 2", '{"a": 1} tail', "not json", '["a" "b"]'])
def test_what_is_no_json_is_named(worker, tmp_path, text):
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(RBridgeError, match="is no JSON file, or it is damaged"):
        score(worker, tmp_path / "broken.json", rows(3, 1))


def test_half_a_file_and_a_foreign_one_are_refused(worker, saved, tmp_path):
    (tmp_path / "half.json").write_text(saved.read_text()[:4000])
    with pytest.raises(RBridgeError, match="is no JSON file, or it is damaged"):
        score(worker, tmp_path / "half.json", rows(3, 1))
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(RBridgeError, match="is no model of voicerisk"):
        score(worker, tmp_path / "list.json", rows(3, 1))
    with pytest.raises(RBridgeError, match="there is no model file"):
        score(worker, tmp_path / "absent.json", rows(3, 1))


def test_rows_that_cannot_be_scored_are_named(worker, saved):
    new = rows(5, 1)
    with pytest.raises(RBridgeError, match='new rows have no column "if"'):
        score(worker, saved, new.drop(columns="if"))
    with pytest.raises(RBridgeError, match='sex is "diverse" in row 2; it must be one of female, male'):
        score(worker, saved, new.assign(sex=["F", "diverse", "M", "M", "M"]))
    with pytest.raises(RBridgeError, match=r"if is missing in 2 rows \(first: row 4\)"):
        score(worker, saved, new.assign(**{"if": [1.0, 1.0, 1.0, np.nan, np.nan]}))
