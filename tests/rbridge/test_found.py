"""R or rpy2 missing, or unfit for each other: messages that say what to do, without starting R."""

import pytest

from voicerisk.errors import RBridgeError
from voicerisk.rbridge import check, doctor, found


def fake_r(folder, version):
    base = folder / "library" / "base"
    base.mkdir(parents=True)
    (base / "DESCRIPTION").write_text(f"Package: base\nVersion: {version}\n")
    return folder


def test_r_missing_names_the_install_lines(monkeypatch, tmp_path):
    monkeypatch.delenv("R_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RBridgeError, match=r"R was not found.*apt install r-base-core r-cran-mgcv.*conda"):
        found.require()
    lines = check()
    assert [(line.name, line.ok, line.required) for line in lines] == [("R", False, True)]
    assert "apt install" in lines[0].message


def test_r_home_without_r_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("R_HOME", str(tmp_path))
    with pytest.raises(RBridgeError, match=r"R_HOME is .*where there is no R"):
        found.require()


@pytest.mark.parametrize(
    ("r", "rpy2", "message"),
    [
        ("4.2.2", "3.6.7", r"R 4\.2\.2 is too old for rpy2-rinterface 3\.6\.7.*'rpy2-rinterface==3\.6\.5'"),
        ("4.4.3", "3.6.6", r"R 4\.4\.3 is too old for rpy2-rinterface 3\.6\.6.*'rpy2-rinterface==3\.6\.5'"),
        ("4.6.0", "3.6.5", r"R 4\.6\.0 is too new for rpy2-rinterface 3\.6\.5.*'rpy2-rinterface>=3\.6\.7'"),
        ("4.0.5", "3.6.5", r"R 4\.0\.5 is too old: voicerisk needs R 4\.1"),
        ("3.6.3", "3.6.5", r"R 3\.6\.3 is too old: voicerisk needs R 4\.1"),
    ],
)
def test_misfit_prints_the_exact_pin(monkeypatch, tmp_path, r, rpy2, message):
    monkeypatch.setenv("R_HOME", str(fake_r(tmp_path, r)))
    monkeypatch.setattr(found, "rpy2_version", lambda: rpy2)
    with pytest.raises(RBridgeError, match=message):
        found.require()
    lines = check()
    assert lines[-1].name == "rpy2"
    assert not lines[-1].ok


def test_rpy2_missing_prints_the_pin_for_this_r(monkeypatch, tmp_path):
    monkeypatch.setenv("R_HOME", str(fake_r(tmp_path, "4.2.2")))
    monkeypatch.setattr(found, "rpy2_version", lambda: None)
    with pytest.raises(RBridgeError, match=r"not installed; for the R 4\.2\.2 .*'rpy2-rinterface==3\.6\.5'"):
        found.require()


@pytest.mark.parametrize(
    ("r", "rpy2"), [("4.2.2", "3.6.5"), ("4.5.1", "3.6.7"), ("4.6.0", "3.6.8"), ("4.4.0", "3.5.17")]
)
def test_fitting_pairs_pass(r, rpy2):
    assert found.misfit(r, rpy2) is None


def test_what_the_r_package_needs_is_read_from_its_description(monkeypatch):
    assert (found.oldest("R"), found.oldest("mgcv"), found.oldest("knitr")) == ("4.1.0", "1.8-40", "0")


def test_a_version_below_the_description_is_named(monkeypatch):
    line = doctor._package("mgcv", "1.8.33", "", True)
    assert not line.ok
    assert "'mgcv' is version 1.8.33; voicerisk needs 1.8-40 or newer" in line.message
    assert doctor._package("mgcv", "1.8.41", "", True).ok
