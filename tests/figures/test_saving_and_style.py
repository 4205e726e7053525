"""Style files, formats, and the tables beside the figures."""

import io
import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from voicerisk import figures
from voicerisk.errors import ReportError
from voicerisk.figures.saving import guard, unguard
from voicerisk.figures.wording import as_text, number


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
    assert {"$a_1$ & 100%", "=cmd()", "_under_^{2}", "007"} <= texts
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
    np.testing.assert_allclose(back["p_raw"], table["p_raw"], rtol=1e-11)  # twelve digits are written
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
    assert as_text("a$b\n\x00") == r"a\$b  "
    assert as_text("x" * 30, 10) == "x" * 9 + "\u2026"
    assert number(-0.001) == "0.00" and number(-1.5, 1) == "\u22121.5" and number(np.nan) == "–"


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SEES = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def _lab(colour: str, sees: object) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as somebody sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    xyz = np.array(to_xyz) @ np.clip(np.asarray(sees) @ linear, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("name", SEES)
def test_colours_stay_apart_however_somebody_sees(name):
    from voicerisk.figures.style import DEFAULT

    def apart(one: str, other: str) -> float:
        return float(np.linalg.norm(_lab(one, SEES[name]) - _lab(other, SEES[name])))

    # A difference of about 2.3 is just noticed; lines and markers want ten times that.
    for one, other in (("female", "male"), ("published", "nested"), ("positive", "negative")):
        assert apart(getattr(DEFAULT, one), getattr(DEFAULT, other)) >= 25, (one, other)
    # The first four of the sequence also differ in line style, marker and filling.
    assert min(apart(*pair) for pair in combinations(DEFAULT.sequence[:4], 2)) >= 14
    for colour in ("female", "male", "published", "nested", "positive", "accent"):
        assert apart(getattr(DEFAULT, colour), "white") >= 40


def test_text_in_colour_can_be_read():
    from voicerisk.figures.style import DEFAULT, ink

    for colour in (DEFAULT.female, DEFAULT.male, DEFAULT.published, DEFAULT.accent, *DEFAULT.sequence):
        linear = ((_lab(ink(colour), np.eye(3))[0] + 16) / 116) ** 3
        assert 1.05 / (linear + 0.05) >= 4.49


def test_default_colours_differ_in_grey_or_in_form():
    from voicerisk.figures.style import DEFAULT, series_style

    for names in (("female", "male"), ("published", "nested"), ("0", "1")):
        first, second = (series_style(name, DEFAULT) for name in names)
        assert first.line != second.line and first.marker != second.marker and first.filled != second.filled


def test_panels_beyond_the_alphabet_have_two_letters():
    import matplotlib.pyplot as plt

    from voicerisk.figures.layout import letter
    from voicerisk.figures.style import read_style

    sheet, axes = plt.subplots()
    for index in (0, 25, 26, 51, 52):
        letter(axes, index, read_style("default"))
    plt.close(sheet)
    assert [text.get_text() for text in axes.texts] == ["a", "z", "aa", "az", "ba"]
