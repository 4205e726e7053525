"""CSV, HTML, LaTeX and Word hold text as text."""

import html
import re
import sys

import pandas as pd
import pytest

from voicerisk import report
from voicerisk.errors import ReportError
from voicerisk.report.tables.writers import latex_text


@pytest.fixture
def hostile(made):
    cells = pd.DataFrame(
        {"Call": list(made.HOSTILE), "<b>Head</b>": ["a\x00b", "\u22121.5", "x|y", "~", '"q"']}
    )
    return report.PublicationTable("calls", "Calls & <i>more</i>", cells, ("Note with <script>.",))


def test_html_is_escaped_and_has_header_cells(hostile):
    text = report.to_html(hostile)
    assert "<script" not in text and "<b>" not in text and "<i>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert text.count('<th scope="col">') == 2 and text.count('<th scope="row">') == 5
    assert "<caption>Calls &amp; &lt;i&gt;more&lt;/i&gt;</caption>" in text
    cells = [html.unescape(cell) for cell in re.findall(r'<th scope="row">(.*?)</th>', text)]
    assert cells == list(hostile.cells["Call"])


def test_csv_cannot_run_in_a_spreadsheet(hostile, tmp_path):
    (path,) = report.write_table(hostile, tmp_path, ("csv",))
    back = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert back["Call"].tolist() == [
        made if made != "=cmd()" else "'=cmd()" for made in hostile.cells["Call"]
    ]
    assert not [cell for cell in back.to_numpy().ravel() if cell[:1] in "=+-@" and cell]


def test_latex_is_escaped(hostile):
    text = report.to_latex(hostile)
    assert r"\$a\_1\$ \& 100\%" in text and r"\_under\_\textasciicircum{}\{2\}" in text
    assert r"$-$1.5" in text and "\x00" not in text
    assert len(re.findall(r" \\\\$", text, re.M)) == 6
    assert latex_text("\\") == r"\textbackslash{}"


def test_latex_sets_long_texts_as_paragraphs():
    cells = pd.DataFrame({"Name": ["a"], "Definition": ["word " * 30], "Source": ["book " * 12]})
    text = report.to_latex(report.PublicationTable("t", "T", cells))
    kinds = re.search(r"begin\{tabular\}\{(.*)\}$", text, re.M)[1]
    widths = [float(width) for width in re.findall(r"p\{([\d.]+)\\linewidth\}", kinds)]
    assert kinds.startswith("lp{") and len(widths) == 2 and 0.4 <= sum(widths) <= 0.95


def test_html_page_stands_alone(hostile, tmp_path):
    (path,) = report.write_table(hostile, tmp_path, ("html",))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and '<meta charset="utf-8">' in text
    assert "<title>Calls &amp; &lt;i&gt;more&lt;/i&gt;</title>" in text and "<script" not in text


def test_word_holds_every_cell(hostile, tmp_path):
    docx = pytest.importorskip("docx")
    report.write_docx([hostile, hostile], tmp_path / "t.docx")
    document = docx.Document(str(tmp_path / "t.docx"))
    assert len(document.tables) == 2
    grid = document.tables[0]
    shown = [[cell.text for cell in row.cells] for row in grid.rows]
    assert shown[0] == ["Call", "<b>Head</b>"]
    assert [row[0] for row in shown[1:]] == list(hostile.cells["Call"]) and shown[1][1] == "a b"
    assert "tblHeader" in grid.rows[0]._tr.xml
    assert document.paragraphs[0].text == "Table 1. Calls & <i>more</i>"


def test_missing_python_docx_names_the_extra(hostile, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(ReportError, match=r"pip install 'voicerisk\[report\]'"):
        report.write_docx([hostile], tmp_path / "t.docx")
    assert list(tmp_path.iterdir()) == []


def test_all_formats_and_modes(made, tmp_path):
    pytest.importorskip("docx")
    table = report.performance_table(made.metrics())
    written = report.write_table(table, tmp_path)
    assert [path.name for path in written] == [
        f"performance.{name}" for name in ("csv", "html", "tex", "docx")
    ]
    private = report.PublicationTable("p", "p", table.cells, private=True)
    for path in report.write_table(private, tmp_path):
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ReportError, match="table format 'xls' is not known"):
        report.write_table(table, tmp_path, ("xls",))
