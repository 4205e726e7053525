"""What a model file may hold: a wrong part is refused in one sentence, and never by a raw exception."""

import copy
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.models import AdditiveModel, Procedure, read_model, write_model
from voicerisk.models.saved.additive import Effect
from voicerisk.models.splines import Grid

LINE = np.zeros((5, 4))
LINE[:2, 1] = 1.0  # rises by 1 in each of two intervals
LINE[1, 0] = 1.0


def curve(level: str, marker: str = "dom", polynomials: np.ndarray = LINE) -> Effect:
    return Effect(marker, level, Grid(0.0, 2.0, 2), polynomials)


def model(**changes) -> AdditiveModel:
    parts = {
        "offset": -0.5,
        "level_effect": {"F": 0.0, "M": 0.25, "X": 0.5},
        "effects": (curve("all"), curve("X")),
        "markers": ("dom", "never"),
        "moderator": Moderator("gender", ("F", "M", "X")),
        "outside": "clamp",
        "availability": frozenset(["never"]),
        "ranges": {"dom": (0.0, 2.0)},
        "procedure": Procedure("nested", 0.5, 2.0, 0.4, 0.3),
        "unit": "frame",
        "notes": {"steps": 7},
    }
    return AdditiveModel(**(parts | changes))


def signed(content: object, version: int = 2) -> dict:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    name = {1: "voicerisk-gamboost", 2: "voicerisk-model"}[version]
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"format": name, "version": version, "sha256": digest, "model": content}


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("good") / "model.json"
    write_model(path, model())
    return json.loads(path.read_text())["model"]


def read(content: object, folder: Path, version: int = 2) -> AdditiveModel:
    path = folder / "changed.json"
    path.write_text(json.dumps(signed(content, version)))
    return read_model(path)


def test_levels_come_from_the_file_and_every_part_returns(tmp_path):
    path = tmp_path / "model.json"
    write_model(path, model())
    again = read_model(path)
    assert again.moderator == Moderator("gender", ("F", "M", "X"))
    assert again.procedure == Procedure("nested", 0.5, 2.0, 0.4, 0.3)
    rows = pd.DataFrame({"dom": [1.0, 1.0, 3.0], "never": np.nan, "gender": ["M", "X", "F"]})
    scored = again.score(rows)
    # offset + level + curve (twice where X has one of its own); 3 is clamped to 2.
    np.testing.assert_allclose(scored["log_odds"], [-0.5 + 0.25 + 1, -0.5 + 0.5 + 2, -0.5 + 2], atol=1e-15)
    assert scored["n_outside"].tolist() == [0, 0, 1]
    with pytest.raises(ModelError, match="row 1: gender is 'D'; it must be one of F, M, X"):
        again.score(rows.assign(gender=["M", "D", "F"]))


def test_a_model_without_markers_scores_every_row(tmp_path):
    bare = model(effects=(), markers=(), ranges={}, availability=frozenset())
    write_model(tmp_path / "model.json", bare)
    scored = read_model(tmp_path / "model.json").score(pd.DataFrame({"gender": ["F", "X"]}))
    np.testing.assert_allclose(scored["log_odds"], [-0.5, 0.0])
    assert scored["n_outside"].tolist() == [0, 0]


def test_risk_moves_with_prevalence_by_bayes_rule():
    use = Procedure("nested", 0.2, 1.5, 0.4, 0.3)
    score = np.array([0.05, 0.4, 0.9])
    at_home, rare = use.risk(score), use.risk(score, prevalence=0.02)
    odds = lambda p: p / (1 - p)  # noqa: E731
    np.testing.assert_allclose(odds(rare) / odds(at_home), odds(0.02) / odds(0.3), rtol=1e-12)
    np.testing.assert_allclose(np.log(odds(at_home)), 0.2 + 1.5 * np.log(odds(score)), rtol=1e-12)
    assert use.flagged(score).tolist() == [False, True, True]
    # A score that differs from the cut by floating point alone reaches it, as it does in validation.
    assert use.flagged(np.array([0.4 - 1e-14])).all()
    assert not Procedure("nested", 0.0, 1.0, None, 0.3).flagged(score).any()
    for wrong in (0.0, 1.0, np.nan, -1.0):
        with pytest.raises(ModelError, match="must be a share"):
            use.risk(score, prevalence=wrong)
    with pytest.raises(ModelError, match="no recalibration"):
        Procedure("published", cut=0.4).risk(score)


def change(content: dict, place: str, value: object) -> dict:
    changed = copy.deepcopy(content)
    *way, last = place.split(".")
    part: object = changed
    for name in way:
        part = part[int(name) if name.isdigit() else name]  # type: ignore[index]
    part[last] = value  # type: ignore[index]
    return changed


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("member.outside", "clampp", r"outside: Input should be 'clamp' or 'extrapolate' \(found 'clampp'\)"),
        ("member.offset", 10**400, "member.offset: Input should be a valid number"),
        ("member.offset", "0.1", "member.offset: Input should be a valid number"),
        ("member.offset", True, "member.offset: Input should be a valid number"),
        ("member.markers", "dom", "member.markers: Input should be a valid list"),
        ("member.markers", ["dom", "never", "dom"], "the marker 'dom' is there twice"),
        ("member.may_be_missing", ["gone"], "may_be_missing names the marker 'gone'"),
        ("member.level_effect", [], "member.level_effect: Input should be a valid dictionary"),
        ("member.level_effect", {"D": 1.0}, "level_effect names the level 'D'"),
        ("member.effects.0.level", "D", "effects names the level 'D'"),
        ("member.effects.0.marker", "gone", "effects names the marker 'gone'"),
        ("member.effects.0.intervals", 3, "has 5 polynomials for 3 intervals"),
        ("member.effects.0.intervals", 10**6, "member.effects.0.intervals: Input should be less than"),
        ("member.effects.0.low", 2.0, "the knots of dom run from 2.0 to 2.0"),
        ("member.effects.0.polynomials", [[0.0] * 4] * 4 + [[0.0] * 3], "at least 4 items"),
        ("member.effects.0.polynomials", [[1e308] * 4] * 5, "less than or equal to 1000000"),
        ("member.kind", "forest", "member.kind: Input should be"),
        ("member.unit", "year", "member.unit: Input should be"),
        ("moderator.levels", ["F", "F"], "the level 'F' is there twice"),
        ("moderator.levels", ["F", "M", "X", "all"], "the level 'all' is there twice"),
        ("moderator", None, "names the level"),
        ("ranges.dom", [2.0, 1.0], "the range of dom runs from 2.0 to 1.0"),
        ("procedure.cut", 1.5, "procedure.cut: Input should be less than or equal to 1"),
        ("procedure.prevalence", 0.0, "procedure.prevalence: Input should be greater than 0"),
        ("procedure.prevalence", None, "no prevalence at which its risks hold"),
        ("procedure.recalibration.slope", -0.1, "slope: Input should be greater than or equal to 0"),
        ("procedure.protocol", "honest", "procedure.protocol: Input should be"),
        ("procedure.more", 1, "procedure.more: Extra inputs are not permitted"),
        ("notes", [], "notes: Input should be a valid dictionary"),
    ],
)  # fmt: skip
def test_a_wrong_part_is_named(content, tmp_path, place, value, message):
    with pytest.raises(ModelError, match=f"changed.json is no valid model file.*{message}"):
        read(change(content, place, value), tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": NaN}', "NaN is no number of JSON"),
        ('{"format": "a", "format": "b"}', "'format' is there twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "nested too deeply"),
        ('{"version": 1' + "0" * 5000 + "}", "not a readable model file"),
        ('{"format": ["voicerisk-model"]}', "is not a voicerisk model"),
        ('{"format": "voicerisk-model", "version": 1}', "has version 1; this voicerisk reads"),
        ('{"format": "voicerisk-model", "version": 2}', "damaged or was edited"),
        ('{"format": "voicerisk-model", "version": 2, "model": {"offset": 1e999}}', "damaged or was edited"),
        ('{"format": "voicerisk-model", "version": 2, "model": "\\ud800"}', "damaged or was edited"),
    ],
)
def test_what_no_writer_wrote_is_refused(tmp_path, text, message):
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        read_model(tmp_path / "odd.json")


def first_version(outside: str = "extrapolate") -> dict:
    one = {"marker": "dom", "sex": "female", "low": 0.0, "high": 2.0, "intervals": 2}
    effects = [one | {"polynomials": LINE.tolist()}]
    return {
        "offset": 0.1, "sex_effect": {"female": 0.0, "male": -1.0}, "markers": ["dom"], "may_be_missing": [],
        "needs_sex": True, "outside": outside, "effects": effects, "notes": {},
    }  # fmt: skip


def test_version_1_is_read_and_checked_alike(tmp_path):
    old = read(first_version(), tmp_path, version=1)
    assert (
        old.procedure is None
        and old.moderator == Moderator("sex", ("female", "male"))
        and old.ranges == {"dom": (0.0, 2.0)}
    )
    scored = old.score(pd.DataFrame({"dom": [1.5, 1.5], "sex": ["F", "male"]}))
    np.testing.assert_allclose(scored["log_odds"], [0.1 + 1.5, 0.1 - 1.0], atol=1e-15)
    with pytest.raises(ModelError, match=r"outside: Input should be 'clamp' or 'extrapolate'"):
        read(first_version("clampp"), tmp_path, version=1)
    other = first_version() | {
        "moderated_by": "service",
        "sex_effect": {"line": 0.0, "000": 1.0},
        "effects": [],
    }
    assert read(other, tmp_path, version=1).moderator == Moderator("service", ("line", "000"))
    with pytest.raises(ModelError, match="needs_sex must be true or false"):
        read(first_version() | {"needs_sex": "false"}, tmp_path, version=1)
    with pytest.raises(ModelError, match="procedure"):
        read(first_version() | {"procedure": {}}, tmp_path, version=1)


def test_no_model_that_cannot_be_read_is_written(tmp_path):
    wild = np.full((5, 4), np.nan)
    with pytest.raises(ModelError, match="polynomials"):
        write_model(tmp_path / "model.json", model(effects=(curve("all", "dom", wild),)))
    assert not (tmp_path / "model.json").exists()


def test_values_far_beyond_the_knots_do_not_become_a_score_of_nan(tmp_path):
    steep = LINE.copy()
    steep[-2, 1], steep[-1, 1] = 1e6, 1e6
    wild = model(
        outside="extrapolate", ranges={"dom": (0.0, 2.0), "never": (0.0, 2.0)},
        effects=(curve("all", "dom", steep), curve("all", "never", -steep)),
    )  # fmt: skip
    rows = pd.DataFrame({"dom": [1.0, 1e305], "never": [1.0, 1e305], "gender": "F"})
    with pytest.raises(ModelError, match="Row 1 gets log-odds of nan"):
        wild.score(rows)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), version=st.sampled_from([1, 2]))
def test_any_part_may_be_anything_and_the_reader_answers_in_words(content, tmp_path, data, version):
    changed = copy.deepcopy(content if version == 2 else first_version())
    part: object = changed
    while isinstance(part, dict | list) and part:
        key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        if data.draw(st.booleans()) or not isinstance(part[key], dict | list):
            part[key] = data.draw(anything)
            break
        part = part[key]
    path = tmp_path / "fuzzed.json"
    path.write_text(json.dumps(signed(changed, version)), encoding="utf-8", errors="surrogatepass")
    try:
        found = read_model(path)
    except ModelError as error:
        assert "fuzzed.json" in str(error)
        return
    rows = pd.DataFrame({name: [0.0, 5.0] for name in found.markers}, index=[0, 1])
    if found.moderator is not None:
        rows[found.moderator.name] = found.moderator.levels[0]
    assert found.score(rows)["p_raw"].between(0, 1).all()
