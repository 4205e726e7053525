"""The commands report, figures and share: what they write, and what they say of bad input."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from voicerisk.cli import app
from voicerisk.errors import VoiceriskError


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_report_is_written_where_asked(study, tmp_path):
    done = run("report", study, "--out", tmp_path / "r.html", "--title", "A <b>title</b>")
    assert done.exit_code == 0, done.output
    assert "r.html" in done.output.replace("\n", "")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<h1>A &lt;b&gt;title&lt;/b&gt;</h1>" in text and "<audio" not in text


def test_figures_are_drawn_again_at_a_width(study, tmp_path):
    import shutil

    from PIL import Image

    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    names = "protocols_compared,roc"
    done = run("figures", copy, "--style", "nature", "--width", 183, "--formats", "png,tiff", "--dpi", 254,
               "--only", names)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "6 files written." in done.output  # two formats and a caption each
    for name in names.split(","):
        for end in ("png", "tiff"):
            with Image.open(copy / "figures" / f"{name}.{end}") as image:
                assert abs(image.width - 1830) <= 1, "183 mm at 10 pixels a mm"
                assert image.info["dpi"][0] == pytest.approx(254, abs=0.1)


def test_a_figure_that_needs_more_width_does_not_stop_the_others(study, tmp_path):
    import shutil

    copy = tmp_path / "figures"
    copy.mkdir()
    for name in ("protocols_compared", "roc"):
        for file in (study / "figures").glob(f"{name}*.csv"):
            shutil.copy(file, copy)
    done = run("figures", copy, "--width", 89, "--formats", "svg")
    said = " ".join(done.output.split())
    assert done.exit_code == 0 and "as wide as they need: protocols_compared (150 mm)." in said
    assert 'width="252' in (copy / "roc.svg").read_text()[:1500]  # 89 mm in points
    alone = run("figures", copy, "--width", 89, "--only", "protocols_compared")
    assert alone.exit_code != 0 and "it needs 150 mm or more" in str(alone.exception)


def test_a_style_is_written_changed_and_used(study, tmp_path):
    import shutil

    place = tmp_path / "mine.toml"
    assert run("figures", study, "--style", "jmir", "--write-style", place).exit_code == 0
    text = place.read_text(encoding="utf-8")
    place.write_text(text.replace('female = "#D55E00"', 'female = "#123456"'), encoding="utf-8")
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    assert run("figures", copy, "--style", place, "--formats", "svg", "--only", "gamm_curves").exit_code == 0
    assert "#123456" in (copy / "figures" / "gamm_curves.svg").read_text(encoding="utf-8")


def test_share_copies_and_warns(study, tmp_path):
    done = run("share", study, "--out", tmp_path / "copy")
    assert done.exit_code == 0 and "not anonymous" in done.output
    assert (tmp_path / "copy" / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["report", "{empty}"], "there is no manifest.json here; run the study"),
        (["report", "{study}", "--audio"], "--audio needs --call"),
        (
            ["report", "{study}", "--call", "x"],
            "does not say where its study file lies",
        ),
        (["report", "{study}", "--style", "unknown"], "is neither a style"),
        (["figures", "{empty}"], "there is no table of a figure here"),
        (["figures", "{study}", "--width", "5"], "5 mm is too narrow to be read; it needs 55 mm or more"),
        (["figures", "{study}", "--formats", "bmp"], "format 'bmp' is not known"),
        (["figures", "{study}", "--only", "rock"], "there is no table of figure 'rock'"),
        (["figures", "{study}", "--call", "x", "--protocol", "best"], "--protocol best is not known"),
        (["figures", "{study}", "--call", "x", "--study", "{empty}/no.toml"], "There is no study file"),
        (["share", "{empty}", "--out", "{empty}/../new"], "there is no manifest.json here"),
        (["share", "{study}", "--out", "{study}/inside"], "lies inside the study"),
        (["share", "{study}", "--out", "{study}/../o", "--column", "height"], "no column 'height'"),
        (["share", "{study}", "--out", "{study}/../p", "--column", "file"], "is never shared"),
    ],
)
def test_bad_input_is_one_clear_sentence(study, tmp_path, words, says):
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run(*[word.format(study=study, empty=empty) for word in words])
    assert done.exit_code == 1 and isinstance(done.exception, VoiceriskError), done.output
    assert says in str(done.exception)


def test_an_error_reaches_the_shell_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "voicerisk", "report", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
