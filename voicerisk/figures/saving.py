"""Writing a figure in the formats of journals, and its table beside it, and reading that table back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from voicerisk.errors import ReportError
from voicerisk.figures.style import DEFAULT, Style
from voicerisk.files import PUBLIC, replacing, write_csv

FORMATS = ("pdf", "svg", "png", "tiff")
# Spreadsheets run cells that begin with these as formulas (OWASP's list, with the full-width forms).
_FORMULA = re.compile("^'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile("^'+[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
_TEXT_COLUMNS = frozenset(
    [
        "call_id",
        "caller_id",
        "label",
        "text",
        "subgroup",
        "class",
        "file",
        "marker",
        "sex",
        "level_name",
    ]
)


def guard(value: Any) -> Any:
    """Return text that a spreadsheet would run as a formula with an apostrophe before it; all else as it is.

    Examples
    --------
    >>> guard("=cmd()"), guard("call 1"), guard(-1.5)
    ("'=cmd()", 'call 1', -1.5)
    """
    return "'" + value if isinstance(value, str) and _FORMULA.match(value) else value


def unguard(value: Any) -> Any:
    """Undo `guard`."""
    return value[1:] if isinstance(value, str) and _GUARDED.match(value) else value


def guarded(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table whose text cells and column names are safe to open in a spreadsheet."""
    safe = table.copy()
    for position, dtype in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)):
            safe.isetitem(position, table.iloc[:, position].map(guard).to_numpy(dtype=object))
    safe.columns = [guard(str(column)) for column in table.columns]
    return safe


def read_table(path: Path) -> pd.DataFrame:
    """Read a table written beside a figure.

    Ids stay text ("007"); numbers and True/False become what they were.

    Raises
    ------
    ReportError
        If the file is missing or is not a table.
    """
    if not path.is_file():
        raise ReportError(f"{path}: there is no such table.")
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: not a table in CSV form ({error}).") from error
    raw.columns = [unguard(column) for column in raw.columns]
    for column in raw.columns:
        raw[column] = raw[column] if column in _TEXT_COLUMNS else _typed(raw[column])
        if raw[column].dtype.kind == "O" or isinstance(raw[column].dtype, pd.StringDtype):
            raw[column] = raw[column].map(unguard)
    return raw


def _typed(column: pd.Series) -> pd.Series:
    given = column[column != ""]
    if given.empty:
        return pd.to_numeric(column, errors="coerce")
    if given.isin(["True", "False"]).all() and len(given) == len(column):
        return column == "True"
    as_numbers = pd.to_numeric(given, errors="coerce")
    if as_numbers.notna().all():
        return pd.to_numeric(column, errors="coerce")
    return column


def part_path(stem: Path, part: str) -> Path:
    """Return where a further table of a figure lies: `<stem>.<part>.csv`."""
    return stem.with_name(f"{stem.name}.{part}.csv")


def save(
    fig: Figure,
    table: pd.DataFrame,
    stem: Path,
    formats: Sequence[str] = ("pdf", "svg", "png"),
    dpi: int = 300,
    *,
    parts: Mapping[str, pd.DataFrame] | None = None,
    style: Style = DEFAULT,
    mode: int = PUBLIC,
) -> list[Path]:
    """Write a figure and the table it was drawn from.

    PDF text is embedded as TrueType (fonttype 42), SVG text stays text, neither carries a date, so that the
    same table gives the same bytes.

    Parameters
    ----------
    fig : Figure
        What a function of this room returned.
    table : DataFrame
        Its main table, written as `<stem>.csv`.
    stem : Path
        Folder and name without suffix.
    formats : sequence of {'pdf', 'svg', 'png', 'tiff'}
        Formats to write.
    dpi : int
        Resolution of PNG and TIFF, 50 to 1200.
    parts : mapping of str to DataFrame, optional
        Further tables (a rug, a strip), written as `<stem>.<part>.csv`.
    style : Style
        The style the figure was drawn in.
    mode : int
        File mode; `voicerisk.files.PRIVATE` for figures that show calls.

    Returns
    -------
    list of Path
        The files written, tables last.

    Raises
    ------
    ReportError
        If a format is unknown or the resolution out of range.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from voicerisk.figures import threshold_distribution
    >>> cuts = pd.DataFrame({"protocol": "nested", "threshold": [0.41, 0.44, 0.43, 0.47]})
    >>> folder = Path(tempfile.mkdtemp())
    >>> written = save(threshold_distribution(cuts), cuts, folder / "cuts", formats=["svg"])
    >>> sorted(file.name for file in folder.iterdir())
    ['cuts.csv', 'cuts.svg']
    """
    written = write_figure(fig, stem, formats, dpi, style=style, mode=mode)
    tables = {stem.with_name(f"{stem.name}.csv"): table}
    tables |= {part_path(stem, part): extra for part, extra in (parts or {}).items()}
    for path, content in tables.items():
        write_csv(path, guarded(content), mode, guarded=True)
        written.append(path)
    return written


def write_figure(
    fig: Figure,
    stem: Path,
    formats: Sequence[str],
    dpi: int = 300,
    *,
    style: Style = DEFAULT,
    mode: int = PUBLIC,
) -> list[Path]:
    """Write a figure in each format, without its table; otherwise as `save`."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ReportError(f"format {unknown[0]!r} is not known; choose from {', '.join(FORMATS)}.")
    if not 50 <= dpi <= 1200:
        raise ReportError(f"dpi is {dpi}; give a resolution between 50 and 1200.")
    written = []
    with style.context(), laid_out(fig):
        for name in formats:
            path = stem.with_name(f"{stem.name}.{name}")
            metadata: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(name, {})
            options: dict[str, Any] = {"pil_kwargs": {"compression": "tiff_lzw"}} if name == "tiff" else {}
            with replacing(path, mode) as temporary:
                fig.savefig(temporary, format=name, dpi=dpi, metadata=metadata or None, **options)
            written.append(path)
    return written


@contextmanager
def laid_out(fig: Figure) -> Iterator[None]:
    """Lay a figure out once, for all formats: matplotlib does it anew, and draws twice, for each."""
    engine = fig.get_layout_engine()
    if engine is None:
        yield
        return
    fig.draw_without_rendering()
    fig.set_layout_engine(None)  # none at all: even a placeholder costs a drawing for each format
    try:
        yield
    finally:
        fig.set_layout_engine(engine)
