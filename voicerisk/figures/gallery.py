"""Every figure by name: drawn from its tables, written beside them, and drawn again from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from voicerisk.errors import ReportError
from voicerisk.figures.saving import guarded, part_path, read_table, save, write_figure
from voicerisk.figures.style import DEFAULT, Style, read_style
from voicerisk.figures.wording import in_units
from voicerisk.files import PRIVATE, PUBLIC, write_csv

LABELS_FILE = "labels.csv"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure that a study has.

    Attributes
    ----------
    module : str
        Module of this room with a function of the figure's name.
    title : str
        Heading in reports.
    says : str
        What it shows, in one sentence (alternative text and caption).
    parts : tuple of str
        Keyword arguments that take further tables.
    private : bool
        It shows single calls: its files are for their owner alone.
    """

    module: str
    title: str
    says: str
    parts: tuple[str, ...] = ()
    private: bool = False


DRAWINGS: Mapping[str, Drawing] = {
    "exclusion_flow": Drawing(
        "flow",
        "Exclusion flow",
        "What entered the study, what left at each step and why, and what remained.",
        ("groups",),
    ),
    "missing_values": Drawing(
        "missing", "Missing values", "Share of frames without a value of each marker, overall and by group."
    ),
    "lasso_path": Drawing(
        "paths",
        "Lasso path",
        "Coefficients and cross-validated deviance against the penalty, with the two choices of it.",
    ),
    "selection_frequencies": Drawing(
        "selection", "Selection frequencies", "In how many folds each marker was chosen."
    ),
    "gamm_curves": Drawing(
        "curves",
        "Markers and risk",
        "Smooth effect of each marker on risk, women and men overlaid, with bands.",
        ("observed", "smooths"),
    ),
    "difference_curves": Drawing(
        "curves",
        "Differences between two levels",
        "Difference of women's and men's curve for each marker.",
        ("observed",),
    ),
    "partial_effects": Drawing(
        "curves",
        "Partial effects of the boosted model",
        "Contribution of each marker to the score, by level of the moderator.",
        ("observed",),
    ),
    "risk_path": Drawing(
        "paths", "Risk path", "Deviance against the number of boosting steps, with the number chosen."
    ),
    "protocols_compared": Drawing(
        "protocols",
        "Metrics under both protocols",
        "Discrimination and decisions under the published and the nested protocol, with intervals.",
        ("comparisons",),
    ),
    "roc": Drawing(
        "discrimination", "ROC curves", "Sensitivity against 1 minus specificity of calls.", ("metrics",)
    ),
    "precision_recall": Drawing(
        "discrimination", "Precision-recall curves", "Precision against sensitivity of calls.", ("metrics",)
    ),
    "calibration": Drawing(
        "calibration_curve",
        "Calibration",
        "Observed share of positive calls against predicted risk.",
        ("strip",),
    ),
    "predicted_observed": Drawing(
        "grades",
        "Predicted and observed",
        "What each call was told by a model that never saw its caller, against the grade or number it had.",
        private=True,
    ),
    "grade_calibration": Drawing(
        "grades",
        "Calibration of each grade",
        "Observed share of calls of a grade or more against its predicted probability.",
    ),
    "decision_curves": Drawing(
        "net_benefit",
        "Decision curves",
        "Net benefit of acting on the model, on all and on none, by threshold.",
    ),
    "threshold_distribution": Drawing(
        "decisions", "Thresholds", "Where the cut lies in each fold and over bootstraps.", ("draws",)
    ),
    "score_dots": Drawing(
        "decisions",
        "Score of every call",
        "Scores in rising order with the cut; calls decided wrongly are ringed.",
        private=True,
    ),
    "settling": Drawing(
        "settling",
        "How long must a caller speak",
        "How far risk and decision after some seconds of speech are from those of the whole call.",
    ),
    "subgroup_forest": Drawing(
        "subgroups", "Subgroups", "Metrics with intervals for all callers and for each subgroup."
    ),
    "confusion": Drawing(
        "classes", "Confusion of classes", "True classes against the likeliest one, rows summing to 1."
    ),
    "training_curves": Drawing(
        "classes", "Training of the networks", "Loss by epoch on the rows that teach and on those that stop."
    ),
    "audit_ladder": Drawing(
        "audit",
        "Audit ladder",
        "What each liberty of the published protocol adds to the numbers of the honest one.",
    ),
    "permutation_null": Drawing(
        "audit", "Permutation null", "The metric over permuted outcomes, and the observed value."
    ),
    "instability": Drawing(
        "instability",
        "Instability of single risks",
        "What models of bootstrapped callers say of each call, against the model of all callers.",
        private=True,
    ),
    "listening": Drawing(
        "listening",
        "Listening figure",
        "One call over time: sound, markers, contributions to the score, and the score.",
        ("spectrogram", "spans", "tracks", "contributions", "scores"),
        private=True,
    ),
}


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
) -> Figure:
    """Draw a figure by name from its main table and its parts; see the function of that name.

    Where the labels name `call` and `caller` (as sessions and users), the figure says these.

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
    options = {} if width_mm is None else {"width_mm": width_mm}
    figure = function(table, labels or {}, style=read_style(style), **(parts or {}), **options)
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
    ['threshold_distribution.svg', 'threshold_distribution.csv']
    """
    chosen = read_style(style)
    _, known = drawing_of(name)
    table = table.assign(**constants) if constants else table
    parts = {key: part for key, part in (parts or {}).items() if part is not None and len(part)}
    if labels:
        _keep_labels(folder, labels)
    figure = draw(name, table, parts, read_labels(folder), style=chosen, width_mm=width_mm)
    mode = PRIVATE if known.private else PUBLIC
    return save(figure, table, folder / name, formats, dpi, parts=parts, style=chosen, mode=mode)


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
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draw the figures of a study again from the tables beside them, in another style, width or format.

    Parameters
    ----------
    study_dir : Path
        The study's results folder, or its `figures` folder.
    style : str, Path or Style
        'default', 'nature', 'jmir', 'lecture', a TOML file, or a `Style`.
    width_mm : float, optional
        Width of every figure in mm; by default each figure's own.
    formats : sequence of {'pdf', 'svg', 'png', 'tiff'}
        Formats to write.
    dpi : int
        Resolution of PNG and TIFF.
    names : sequence of str, optional
        Only these figures.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    list of Path
        The files written. Tables are not touched.

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
    written = []
    for done, name in enumerate(wanted):
        table, parts = tables[name]
        figure = draw(name, table, parts, labels, style=chosen, width_mm=width_mm)
        mode = PRIVATE if drawing_of(name)[1].private else PUBLIC
        written += write_figure(figure, folder / name, formats, dpi, style=chosen, mode=mode)
        if progress is not None:
            progress(done + 1, len(wanted))
    return written
