"""Style files, formats, and the tables beside the figures."""

import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from voicerisk import figures
from voicerisk.errors import ReportError
from voicerisk.figures.saving import guard, unguard
from voicerisk.figures.text import number, plain


@pytest.fixture(scope="module")
def figure(made):
    return figures.score_dots(figures.call_scores(made.predictions()), width_mm=183)


def test_all_formats_are_written_with_exact_sizes(made, figure, tmp_path):
    from PIL import Image

    table = figures.call_scores(made.predictions())
    written = figures.save(figure, table, tmp_path / "scores", ("pdf", "svg", "png", "tiff"), dpi=100)
    assert [path.name for path in written] == [
        "scores.pdf",
        "scores.svg",
        "scores.png",
        "scores.tiff",
        "scores.csv",
    ]
    for name in ("png", "tiff"):
        with Image.open(tmp_path / f"scores.{name}") as image:
            assert image.width == pytest.approx(183 / 25.4 * 100, abs=1)
            assert image.info["dpi"][0] == pytest.approx(100, abs=0.1)
    pdf = (tmp_path / "scores.pdf").read_bytes()
    assert b"/FontFile2" in pdf or b"/Type /ObjStm" in pdf
    assert b"/Subtype /Type3" not in pdf and b"CreationDate" not in pdf


def test_pdf_fonts_are_embedded_as_truetype(figure, tmp_path):
    import zlib

    figures.save(figure, pd.DataFrame({"a": [1]}), tmp_path / "f", ("pdf",))
    pdf = (tmp_path / "f.pdf").read_bytes()
    streams = [pdf]
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            streams.append(zlib.decompress(match.group(1)))
        except zlib.error:
            continue
    text = b"".join(streams)
    assert b"/CIDFontType2" in text or b"/TrueType" in text
    assert b"/Type3" not in text


def test_svg_is_well_formed_with_hostile_ids_as_text(made, tmp_path):
    scores = pd.DataFrame({"protocol": "nested", "call_id": list(made.HOSTILE), "y": 1,
                           "p_raw": np.linspace(0.1, 0.4, 5), "threshold": 0.5, "wrong": True})  # fmt: skip
    figures.save(figures.score_dots(scores), scores, tmp_path / "f", ("svg",))
    raw = (tmp_path / "f.svg").read_text(encoding="utf-8")
    assert "<script" not in raw
    tree = ElementTree.parse(io.StringIO(raw))
    texts = {"".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"$a_1$ & 100 %", "=cmd()", "_under_^{2}", "007"} <= texts
    assert not any(node.tag.endswith("script") for node in tree.iter())


def test_same_table_gives_the_same_bytes(made, tmp_path):
    for name in ("one", "two"):
        figure = figures.threshold_distribution(made.thresholds())
        figures.save(figure, made.thresholds(), tmp_path / name, dpi=72)
    for suffix in ("pdf", "svg", "png", "csv"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_tables_come_back_as_they_were(made, tmp_path):
    table = figures.call_scores(made.predictions())
    table["decision"] = table["decision"].astype(float)
    figures.save(figures.score_dots(table), table, tmp_path / "t", ("png",), parts={"extra": made.flow()})
    raw = (tmp_path / "t.csv").read_text(encoding="utf-8")
    assert "'=cmd()" in raw and ",=cmd()" not in raw
    back = figures.read_table(tmp_path / "t.csv")
    assert list(back["call_id"]) == list(table["call_id"])
    np.testing.assert_array_equal(back["p_raw"], table["p_raw"])
    assert back["wrong"].dtype == bool and (back["wrong"] == table["wrong"]).all()
    assert len(figures.read_table(tmp_path / "t.extra.csv")) == len(made.flow())


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-2", "@a", "\tx", "'=1", "''-1", "plain", "", "'plain", "\uff1dx"]
)
def test_guard_is_undone_exactly(text):
    assert unguard(guard(text)) == text
    assert not re.match("[=+\\-@\t\r\n\uff1d]", guard(text))


def test_unknown_format_and_resolution_are_refused(figure, tmp_path):
    with pytest.raises(ReportError, match="format 'jpg' is not known"):
        figures.save(figure, pd.DataFrame({"a": [1]}), tmp_path / "f", ("jpg",))
    with pytest.raises(ReportError, match="dpi is 5"):
        figures.save(figure, pd.DataFrame({"a": [1]}), tmp_path / "f", dpi=5)
    assert list(tmp_path.iterdir()) == []


def test_private_figures_are_private(figure, tmp_path):
    for path in figures.save(figure, pd.DataFrame({"a": [1]}), tmp_path / "f", ("png",), mode=0o600):
        assert path.stat().st_mode & 0o777 == 0o600


def test_style_files_change_and_refuse(tmp_path):
    path = tmp_path / "style.toml"
    figures.STYLES["nature"].write(path)
    assert figures.read_style(path) == figures.STYLES["nature"]
    path.write_text('base = "nature"\nfemale = "#000000"\none_column_mm = 80\n')
    style = figures.read_style(str(path))
    assert style.female == "#000000" and style.one_column_mm == 80 and style.font_pt == 6.5
    path.write_text("font_pts = 3\n")
    with pytest.raises(ReportError, match="unknown style key 'font_pts'; did you mean font_pt"):
        figures.read_style(path)
    path.write_text('female = "puce-ish"\n')
    with pytest.raises(ReportError, match="female is 'puce-ish', which is no colour"):
        figures.read_style(path)
    with pytest.raises(ReportError, match="neither a style"):
        figures.read_style("naturre")


def test_a_style_changes_the_figure(made):
    style = figures.Style(female="#123456", font_pt=9)
    figure = figures.gamm_curves(made.curves(), made.LABELS, style=style)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 100]
    assert lines[0].get_color() == "#123456"
    assert figure.axes[0].xaxis.label.get_fontsize() == 9


def test_plain_and_number():
    assert plain("a$b\n\x00") == r"a\$b  "
    assert plain("x" * 30, 10) == "x" * 9 + "\u2026"
    assert number(-0.001) == "0.00" and number(-1.5, 1) == "\u22121.5" and number(np.nan) == "–"


def test_default_colours_differ_in_grey_or_in_form():
    from voicerisk.figures.style import DEFAULT, look

    for names in (("female", "male"), ("published", "nested"), ("0", "1")):
        first, second = (look(name, DEFAULT) for name in names)
        assert first.line != second.line and first.marker != second.marker and first.filled != second.filled
