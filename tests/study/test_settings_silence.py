"""Every rule for silence can be named in the study file."""

import pytest

from voicerisk.errors import VoiceriskError
from voicerisk.study import load_study

HEAD = '[cohort]\ncalls = "calls.csv"\noutcome = "outcome"\n[audio]\n'


@pytest.mark.parametrize(
    ("line", "rule", "threshold"),
    [
        ('silence = "soundgen"', "soundgen", 0.04),
        ('silence = "energy"', "energy", -50.0),
        ('silence = { rule = "energy", threshold = -42.5 }', "energy", -42.5),
        ('silence = "noise-floor"', "noise-floor", 10.0),
        ('silence = "vad"', "vad", 2.0),
        ('silence = { rule = "vad", threshold = 3 }', "vad", 3.0),
        ('silence = "none"', "none", 0.0),
    ],
)
def test_a_rule_by_name_or_with_its_threshold(tmp_path, line, rule, threshold):
    (tmp_path / "study.toml").write_text(HEAD + line + "\n", encoding="utf-8")
    found = load_study(tmp_path / "study.toml").audio.rule
    assert (found.rule, found.value) == (rule, threshold)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('silence = "energ"', r"silence = 'energ' is not a known rule.*did you mean 'energy'"),
        ('silence = { rule = "vad", threshold = 4 }', r"threshold = 4 for the rule 'vad'"),
    ],
)
def test_an_unknown_rule_is_named(tmp_path, line, says):
    (tmp_path / "study.toml").write_text(HEAD + line + "\n", encoding="utf-8")
    with pytest.raises(VoiceriskError, match=says):
        load_study(tmp_path / "study.toml")
