"""Publication tables as CSV, HTML, LaTeX and Word. Whatever text a table holds stays text."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unicodedata import category

from voicerisk.errors import ReportError
from voicerisk.figures.saving import guarded
from voicerisk.files import PRIVATE, PUBLIC, replacing, write_csv, write_text
from voicerisk.report.tables.publication import PublicationTable

TABLE_FORMATS = ("csv", "html", "tex", "docx")
LONG_TEXT = 32  # letters that a LaTeX column holds on one line
_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\u2212": r"$-$",
    "\u2009": r"\,",
    "–": "--",
    "λ": r"$\lambda$",
    '"': r"\textquotedbl{}",
    "|": r"\textbar{}",
}
_HTML = """<table class="publication">
<caption>{{ table.title }}</caption>
<thead><tr>{% for head in table.cells.columns %}<th scope="col">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.cells.itertuples(index=False, name=None) -%}
<tr>{% for cell in row %}{% if loop.first %}<th scope="row">{{ cell }}</th>{% else %}<td>{{ cell }}</td>
{%- endif %}{% endfor %}</tr>
{% endfor -%}
</tbody>
</table>
{% for note in table.notes %}<p class="note">{{ note }}</p>
{% endfor %}"""


# A page of its own, so that a browser shows a table as it is meant, and Word takes it over as a table.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ table.title }}</title>
<style>
body { font: 11pt/1.4 "Times New Roman", Times, serif; margin: 2em; color: #000; background: #fff; }
table { border-collapse: collapse; border-top: 1.5px solid; border-bottom: 1.5px solid; }
caption { text-align: left; font-weight: bold; padding-bottom: .4em; }
th, td { text-align: left; vertical-align: top; padding: .2em 1em .2em 0; }
thead th { border-bottom: 1px solid; } tbody th { font-weight: normal; }
.note { font-size: .9em; margin: .3em 0; }
</style>
</head>
<body>
{{ fragment }}
</body>
</html>
"""


def latex_text(value: object) -> str:
    r"""Return a value as literal LaTeX text.

    Examples
    --------
    >>> latex_text("a_1 & 5 %")
    'a\\_1 \\& 5 \\%'
    """
    return "".join(_LATEX.get(character, character) for character in _visible(value))


def _visible(value: object) -> str:
    """Return text without characters that XML and TeX cannot hold."""
    return "".join(" " if category(character) in ("Cc", "Cs") else character for character in str(value))


def to_html(table: PublicationTable) -> str:
    """Return a table as an HTML fragment, escaped, with a caption and header cells that name their scope.

    Examples
    --------
    >>> import pandas as pd
    >>> from voicerisk.report import PublicationTable
    >>> table = PublicationTable("a", "A table", pd.DataFrame({"metric": ["AUROC"], "nested": ["0.74"]}))
    >>> "<caption>A table" in to_html(table)
    True
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(_HTML).render(table=table)


def to_html_page(table: PublicationTable) -> str:
    """Return a table as a page of its own, with three rules as journals set tables."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(_PAGE).render(table=table, fragment=Markup(to_html(table)))


def _columns(table: PublicationTable) -> str:
    """Return LaTeX's column types: long texts are set as paragraphs that share what the others leave."""
    heads = [str(head) for head in table.cells.columns]
    longest = [
        max([len(head), *(len(str(cell)) for cell in table.cells.iloc[:, place])])
        for place, head in enumerate(heads)
    ]
    long = [size for size in longest if size > LONG_TEXT]
    if not long:
        return "l" * len(heads)
    left = max(0.4, 0.94 - 0.014 * sum(size for size in longest if size <= LONG_TEXT))
    shares = sum(size**0.5 for size in long)
    return "".join(
        rf"p{{{left * size**0.5 / shares:.2f}\linewidth}}" if size > LONG_TEXT else "l" for size in longest
    )


def to_latex(table: PublicationTable) -> str:
    """Return a table as a LaTeX `table` environment (needs the package booktabs).

    Examples
    --------
    >>> import pandas as pd
    >>> from voicerisk.report import PublicationTable
    >>> table = PublicationTable("a", "A table", pd.DataFrame({"metric": ["AUROC"], "nested": ["0.74"]}))
    >>> "toprule" in to_latex(table)
    True
    """
    lines = [
        r"\begin{table}",
        rf"\caption{{{latex_text(table.title)}}}",
        rf"\label{{tab:{re.sub(r'[^a-z0-9]+', '-', table.name.lower())}}}",
        rf"\begin{{tabular}}{{{_columns(table)}}}",
        r"\toprule",
        " & ".join(latex_text(head) for head in table.cells.columns) + r" \\",
        r"\midrule",
    ]
    lines += [
        " & ".join(latex_text(cell) for cell in row) + r" \\"
        for row in table.cells.itertuples(index=False, name=None)
    ]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {latex_text(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}", ""])


def write_docx(tables: Sequence[PublicationTable], path: Path, mode: int = PUBLIC) -> None:
    """Write tables into one Word document, each with its caption, a repeated header row and its notes.

    Raises
    ------
    ReportError
        If python-docx is not installed.
    """
    try:
        from docx import Document
        from docx.enum.section import WD_ORIENT
        from docx.oxml import OxmlElement
        from docx.oxml.ns import qn
        from docx.shared import Pt
    except ImportError as error:
        raise ReportError(
            "Word tables need python-docx: pip install 'voicerisk[report]', or choose csv, html or tex."
        ) from error
    document = Document()
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width
    for number, table in enumerate(tables, start=1):
        # A table that stands alone is numbered by whoever puts it into a manuscript.
        numbered = f"Table {number}. " if len(tables) > 1 else ""
        document.add_paragraph(_visible(f"{numbered}{table.title}"), style="Caption")
        rows = [tuple(table.cells.columns), *table.cells.itertuples(index=False, name=None)]
        grid = document.add_table(rows=len(rows), cols=table.cells.shape[1], style="Light List")
        for position, row in enumerate(rows):
            cells = grid.rows[position].cells
            for cell, value in zip(cells, row, strict=True):
                run = cell.paragraphs[0].add_run(_visible(value))
                run.font.size = Pt(8)
                run.font.bold = position == 0
        header = OxmlElement("w:tblHeader")
        header.set(qn("w:val"), "true")
        grid.rows[0]._tr.get_or_add_trPr().append(header)
        for note in table.notes:
            document.add_paragraph().add_run(_visible(note)).font.size = Pt(8)
    with replacing(path, mode) as temporary:
        document.save(str(temporary))


def write_table(table: PublicationTable, folder: Path, formats: Sequence[str] = TABLE_FORMATS) -> list[Path]:
    """Write a table as `<folder>/<name>.<format>` in each format.

    Parameters
    ----------
    table : PublicationTable
        What a function of `voicerisk.report` returned.
    folder : Path
        Made when missing.
    formats : sequence of {'csv', 'html', 'tex', 'docx'}
        In CSV, text that a spreadsheet would run as a formula has an apostrophe before it.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ReportError
        If a format is unknown, or Word is asked for without python-docx.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from voicerisk.report import PublicationTable
    >>> table = PublicationTable("a", "A table", pd.DataFrame({"metric": ["AUROC"], "nested": ["0.74"]}))
    >>> [file.name for file in write_table(table, Path(tempfile.mkdtemp()), ["csv", "html"])]
    ['a.csv', 'a.html']
    """
    mode = PRIVATE if table.private else PUBLIC
    writers: dict[str, Callable[[Path], None]] = {
        "csv": lambda path: write_csv(path, guarded(table.cells.astype(object)), mode, guarded=True),
        "html": lambda path: write_text(path, to_html_page(table), mode),
        "tex": lambda path: write_text(path, to_latex(table), mode),
        "docx": lambda path: write_docx([table], path, mode),
    }
    unknown = [name for name in formats if name not in writers]
    if unknown:
        raise ReportError(
            f"table format {unknown[0]!r} is not known; choose from {', '.join(TABLE_FORMATS)}."
        )
    written = []
    for name in formats:
        path = folder / f"{table.name}.{name}"
        writers[name](path)
        written.append(path)
    return written
