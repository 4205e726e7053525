"""Every figure by name: drawn from its tables, written beside them, and drawn again from them."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from voicerisk.errors import ReportError
from voicerisk.figures.captions import caption, caption_path
from voicerisk.figures.gallery_drawings import DRAWINGS, LEAST_MM, Drawing
from voicerisk.figures.saving import FORMATS, guarded, part_path, read_table, save, write_figure
from voicerisk.figures.style import DEFAULT, Style, read_style
from voicerisk.figures.wording import in_units
from voicerisk.files import PRIVATE, PUBLIC, as_written, write_csv, write_text

LABELS_FILE = "labels.csv"


def drawing_of(name: str) -> tuple[str, Drawing]:
    """Return the figure that a name stands for; what follows `--` tells figures of one kind apart.

    Raises
    ------
    ReportError
        If there is no such figure.
    """
    kind = name.split("--")[0]
    if kind not in DRAWINGS:
        raise ReportError(f"figure {name!r} is not known; choose from {', '.join(DRAWINGS)}.")
    return kind, DRAWINGS[kind]


def draw(
    name: str,
    table: pd.DataFrame,
    parts: Mapping[str, pd.DataFrame] | None = None,
    labels: Mapping[str, str] | None = None,
    *,
    style: str | Path | Style = DEFAULT,
    width_mm: float | None = None,
    options: Mapping[str, object] | None = None,
) -> Figure:
    """Draw a figure by name from its main table and its parts; see the function of that name.

    Where the labels name `call` and `caller` (as sessions and users), the figure says these. Of the options
    it takes those that it has.

    Examples
    --------
    >>> import pandas as pd
    >>> cuts = pd.DataFrame({"protocol": "nested", "threshold": [0.41, 0.44, 0.43, 0.47]})
    >>> len(draw("threshold_distribution", cuts).axes)
    1
    """
    kind, known = drawing_of(name)
    unknown = sorted(set(parts or {}) - set(known.parts))
    if unknown:
        raise ReportError(
            f"figure {name}: it has no part {unknown[0]!r}; parts: {', '.join(known.parts) or 'none'}."
        )
    function: Callable[..., Figure] = getattr(import_module(f"voicerisk.figures.{known.module}"), kind)
    if width_mm is not None and width_mm < known.least_mm:
        raise ReportError(
            f"figure {name}: {width_mm:g} mm is too narrow to be read; it needs {known.least_mm:g} mm or "
            "more. Leave it out by naming the others (--only), or give it a width of its own."
        )
    takes = signature(function).parameters
    given = {key: value for key, value in (options or {}).items() if key in takes}
    given |= {} if width_mm is None else {"width_mm": width_mm}
    figure = function(table, labels or {}, style=read_style(style), **(parts or {}), **given)
    for text in figure.findobj(Text) if labels and {"call", "caller"} & set(labels) else ():
        text.set_text(in_units(text.get_text(), labels or {}))
    return figure


def make(
    name: str,
    table: pd.DataFrame,
    folder: Path,
    *,
    parts: Mapping[str, pd.DataFrame] | None = None,
    labels: Mapping[str, str] | None = None,
    constants: Mapping[str, float] | None = None,
    style: str | Path | Style = DEFAULT,
    width_mm: float | None = None,
    formats: Sequence[str] = ("pdf", "svg", "png"),
    dpi: int = 300,
) -> list[Path]:
    """Draw a figure and write it with its tables, so that `redraw` can draw it again.

    Parameters
    ----------
    name : str
        A key of `DRAWINGS`, with `--suffix` where there are several of a kind.
    table : DataFrame
        Its main table.
    folder : Path
        The study's `figures` folder.
    parts : mapping of str to DataFrame, optional
        Further tables by keyword (for example `observed`).
    labels : mapping of str to str, optional
        Marker to label with unit; kept in `labels.csv` of the folder, for all of its figures.
    constants : mapping of str to float, optional
        Numbers the figure marks (`lambda_min`, `lambda_1se`), kept as columns of the table.
    style, width_mm, formats, dpi
        As in `redraw`.

    Returns
    -------
    list of Path
        The files written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> cuts = pd.DataFrame({"protocol": "nested", "threshold": [0.41, 0.44, 0.43, 0.47]})
    >>> folder = Path(tempfile.mkdtemp())
    >>> [file.name for file in make("threshold_distribution", cuts, folder, formats=["svg"])]
    ['threshold_distribution.svg', 'threshold_distribution.csv', 'threshold_distribution.caption.txt']
    """
    chosen = read_style(style)
    _, known = drawing_of(name)
    table = as_written(table.assign(**constants) if constants else table)
    parts = {key: as_written(part) for key, part in (parts or {}).items() if part is not None and len(part)}
    if labels:
        _keep_labels(folder, labels)
    figure = draw(name, table, parts, read_labels(folder), style=chosen, width_mm=width_mm)
    mode = PRIVATE if known.private else PUBLIC
    written = save(figure, table, folder / name, formats, dpi, parts=parts, style=chosen, mode=mode)
    return [*written, _write_caption(name, table, parts, read_labels(folder), folder)]


def _write_caption(
    name: str,
    table: pd.DataFrame,
    parts: Mapping[str, pd.DataFrame],
    labels: Mapping[str, str],
    folder: Path,
) -> Path:
    kind, known = drawing_of(name)
    path = caption_path(folder / name)
    text = caption(kind, known, table, labels, parts) + "\n"
    write_text(path, text, PRIVATE if known.private else PUBLIC)
    return path


def _keep_labels(folder: Path, labels: Mapping[str, str]) -> None:
    path = folder / LABELS_FILE
    known = read_labels(folder)
    if any(known.get(key) != value for key, value in labels.items()):
        merged = {**known, **labels}
        shown = pd.DataFrame({"marker": list(merged), "label": list(merged.values())})
        write_csv(path, guarded(shown), guarded=True)


def read_labels(folder: Path) -> dict[str, str]:
    """Return the labels kept beside a study's figures; empty where there are none."""
    path = folder / LABELS_FILE
    if not path.is_file():
        return {}
    table = read_table(path)
    return dict(zip(table["marker"], table["label"], strict=True))


def stored(folder: Path) -> dict[str, tuple[pd.DataFrame, dict[str, pd.DataFrame]]]:
    """Return every figure's tables in a folder: name to (table, parts), in the order of `DRAWINGS`."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        kind = path.stem.split("--")[0]
        if kind in DRAWINGS and "." not in path.stem:
            parts = {
                part: read_table(part_path(path.with_suffix(""), part))
                for part in DRAWINGS[kind].parts
                if part_path(path.with_suffix(""), part).is_file()
            }
            found[path.stem] = (read_table(path), parts)
    order = list(DRAWINGS)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0].split("--")[0]), item[0])))


def redraw(
    study_dir: Path,
    style: str | Path | Style = DEFAULT,
    width_mm: float | None = None,
    formats: Sequence[str] = ("pdf", "svg", "png"),
    dpi: int = 300,
    *,
    names: Sequence[str] | None = None,
    out: Path | None = None,
    options: Mapping[str, object] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draw the figures of a study again from the tables beside them, in another style, width or format.

    Files of the drawn figures in formats that are not asked for are removed from where it writes, so that no
    older drawing lies beside the new one.

    Parameters
    ----------
    study_dir : Path
        The study's results folder, or its `figures` folder.
    style : str, Path or Style
        'default', 'nature', 'jmir', 'lecture', a TOML file, or a `Style`.
    width_mm : float, optional
        Width of every figure in mm; by default each figure's own. Without `names`, figures that cannot be
        read so narrow are as wide as they need.
    formats : sequence of {'pdf', 'svg', 'png', 'tiff'}
        Formats to write.
    dpi : int
        Resolution of PNG and TIFF.
    names : sequence of str, optional
        Only these figures.
    out : Path, optional
        Folder to write to; default: where the tables are.
    options : mapping of str to object, optional
        Further arguments of figures that have them, such as `scales` of curves; others do without.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    list of Path
        The files written: each figure with its caption. Tables are not touched.

    Raises
    ------
    ReportError
        If the folder has no table of a figure, a name is unknown, or a style cannot be read.

    Examples
    --------
    >>> redraw("results/figures", style="nature", width_mm=89)  # doctest: +SKIP
    """
    folder = study_dir / "figures" if (study_dir / "figures").is_dir() else study_dir
    chosen = read_style(style)
    tables = stored(folder)
    if not tables:
        raise ReportError(f"{folder}: there is no table of a figure here; run the study first.")
    missing = sorted(set(names or ()) - set(tables))
    if missing:
        raise ReportError(
            f"{folder}: there is no table of figure {missing[0]!r}; there are {', '.join(tables)}."
        )
    wanted = [name for name in tables if names is None or name in names]
    labels = read_labels(folder)
    place = folder if out is None else out
    written = []
    for done, name in enumerate(wanted):
        table, parts = tables[name]
        own = width_mm
        if width_mm is not None and names is None and width_mm >= LEAST_MM:
            # One figure that needs more room does not keep the others from being drawn.
            own = max(width_mm, drawing_of(name)[1].least_mm)
        figure = draw(name, table, parts, labels, style=chosen, width_mm=own, options=options)
        mode = PRIVATE if drawing_of(name)[1].private else PUBLIC
        written += write_figure(figure, place / name, formats, dpi, style=chosen, mode=mode)
        written.append(_write_caption(name, table, parts, labels, place))
        for stale in set(FORMATS) - set(formats):
            place.joinpath(f"{name}.{stale}").unlink(missing_ok=True)
        if progress is not None:
            progress(done + 1, len(wanted))
    return written
