"""Nothing that stands in a results folder runs as code in the script `fit.R`."""

import subprocess

import pytest

from voicerisk.errors import RBridgeError
from voicerisk.rbridge.fit_script import boost_part, gamm_part, r_name, r_text

HOSTILE = 'a"; system("touch x"); "\\'
BOOST = {"brandom": False, "by_sex": False, "mstop": 20, "nu": 0.1, "df": 4.0, "knots": 20}
SPEC = {
    "y": "outcome",
    "sex": "sex",
    "groups": {"caller": "caller_id", "call": "call_id", "segment": "segment"},
    "random": [],
    "covariates": [HOSTILE],
    "markers": ["dom"],
    "linear": [],
    "engine": "bam",
    "discrete": False,
    "method": "fREML",
    "k": [5],
    "covariance": "caller_jackknife",
    "formula": "outcome ~ sex + s(dom, by = sex)",
    "names": {HOSTILE: "a...system"},
}


@pytest.mark.r
@pytest.mark.parametrize("text", [HOSTILE, "Zürich\n\t'", "𝄞 \\u0041", "plain"])
def test_a_text_comes_back_from_r_as_it_was(text):
    ran = subprocess.run(
        ["Rscript", "--vanilla", "-e", f"cat(utf8ToInt(enc2utf8({r_text(text)})))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [int(code) for code in ran.stdout.split()] == [ord(sign) for sign in text]


def test_a_zero_byte_is_refused():
    with pytest.raises(RBridgeError, match="zero byte"):
        r_text("a\0b")


@pytest.mark.parametrize("name", [HOSTILE, "a b", "if", ".1", "1a", "", "a`b", "...", "a\nb"])
def test_only_names_enter_as_names(name):
    with pytest.raises(RBridgeError, match="not a name in R"):
        r_name(name)


@pytest.mark.parametrize("name", ["dom", "x.1", ".x", "höhe", "a_b"])
def test_names_stay_as_they_are(name):
    assert r_name(name) == name


def test_a_hostile_column_is_a_string_of_the_script():
    text = gamm_part(SPEC, "without_random_intercepts", "segments", True)
    outside = text.replace(r_text(HOSTILE), "")
    assert "system(" not in outside
    assert f"a...system = {r_text(HOSTILE)}" in text
    with pytest.raises(RBridgeError, match="has no script"):
        gamm_part({**SPEC, "method": 'REML"); system("touch x'}, "m", "segments", True)
    with pytest.raises(RBridgeError, match="not a name"):
        gamm_part({**SPEC, "names": {HOSTILE: HOSTILE}}, "m", "segments", True)


@pytest.mark.parametrize("name", ["mstop", "nu", "df", "knots"])
def test_settings_of_a_foreign_manifest_are_numbers_or_refused(name):
    with pytest.raises(RBridgeError, match=rf"settings\.boost\.{name} in manifest\.json is"):
        boost_part({**BOOST, name: '1); system("touch x'}, ["dom"], [], ["female", "male"])


def test_an_odd_marker_is_renamed_in_the_script():
    text = boost_part(BOOST, ["dom", HOSTILE], [HOSTILE], ["female", "male"])
    assert "system(" not in text.replace(r_text(HOSTILE), "")
    assert "bbs(marker_2, by = marker_2_male, df = 4, knots = 20)" in text
    assert "bbs(dom, by = female, df = 4, knots = 20)" in text
