"""How figures look: sizes in mm, fonts, colours, and the line style and marker that go with each colour.

Colours come from Okabe and Ito's set, which people with the common colour-vision deficiencies can tell apart.
No figure depends on colour alone: whatever differs in colour also differs in line style and marker.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
from matplotlib.figure import Figure

from voicerisk.callers.schema import NO_VOICE
from voicerisk.errors import ReportError

MM_PER_INCH = 25.4
POINTS_PER_MM = 72 / MM_PER_INCH

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Style:
    """Settings of a figure; a TOML file with the same keys changes them.

    Attributes
    ----------
    one_column_mm, two_columns_mm : float
        Widths a figure may have, in mm (89 and 183 fit most journals).
    max_height_mm : float
        No figure grows taller than this, in mm, except the exclusion flow and lists with many rows.
    fonts : tuple of str
        Sans-serif fonts in order of preference. The first one installed is used.
    font_pt, small_pt, title_pt : float
        Sizes of axis text, of tick labels and notes, and of panel titles, in points.
    line_pt, thin_pt, marker_pt : float
        Widths of curves and of axes, and the size of markers, in points.
    band_alpha : float
        Opacity of interval bands, in (0, 1).
    female, male, published, nested, positive, negative, accent, neutral : str
        Colours as matplotlib reads them. `positive` and `negative` are outcomes 1 and 0, `accent` marks wrong
        calls and reference cuts, `neutral` is for reference lines.
    sequence : tuple of str
        Colours for anything else, in order.
    """

    one_column_mm: float = 89.0
    two_columns_mm: float = 183.0
    max_height_mm: float = 235.0
    fonts: tuple[str, ...] = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")
    font_pt: float = 7.0
    small_pt: float = 6.0
    title_pt: float = 7.5
    line_pt: float = 1.1
    thin_pt: float = 0.5
    marker_pt: float = 4.0
    band_alpha: float = 0.2
    female: str = "#D55E00"
    male: str = "#0072B2"
    published: str = "#B34A92"
    nested: str = "#005A43"
    positive: str = "#1A1A1A"
    negative: str = "#7A7A7A"
    accent: str = "#D55E00"
    neutral: str = "#8A8A8A"
    sequence: tuple[str, ...] = ("#0072B2", "#D55E00", "#009E73", "#AA4488", "#B07D00", "#56B4E9", "#1A1A1A")

    def __post_init__(self) -> None:
        """Convert lists to tuples and check sizes and colours."""
        from matplotlib.colors import is_color_like

        for name in ("fonts", "sequence"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not getattr(self, name):
                raise ReportError(f"style: {name} is empty; name at least one.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith(("_mm", "_pt")) and not (
                isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2000
            ):
                raise ReportError(
                    f"style: {field.name} is {value!r}; give a positive number (mm for _mm, points for _pt)."
                )
            if field.type in (str, "str") and not is_color_like(value):
                raise ReportError(f"style: {field.name} is {value!r}, which is no colour; use '#rrggbb'.")
        for colour in self.sequence:
            if not is_color_like(colour):
                raise ReportError(f"style: sequence has {colour!r}, which is no colour; use '#rrggbb'.")
        if not 0 < self.band_alpha < 1:
            raise ReportError(f"style: band_alpha is {self.band_alpha}; give a number between 0 and 1.")

    def rc(self) -> dict[str, Any]:
        """Return matplotlib settings for drawing and saving (PDF text stays text, in TrueType)."""
        return {
            "font.family": "sans-serif",
            "font.sans-serif": list(self.fonts),
            "font.size": self.font_pt,
            "axes.labelsize": self.font_pt,
            "axes.titlesize": self.title_pt,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.linewidth": self.thin_pt,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.labelpad": 2.0,
            "axes.titlepad": 3.5,
            "axes.unicode_minus": True,
            "axes.formatter.use_mathtext": False,
            "xtick.labelsize": self.small_pt,
            "ytick.labelsize": self.small_pt,
            "xtick.major.width": self.thin_pt,
            "ytick.major.width": self.thin_pt,
            "xtick.major.size": 2.2,
            "ytick.major.size": 2.2,
            "xtick.major.pad": 1.8,
            "ytick.major.pad": 1.8,
            "xtick.minor.size": 0.0,
            "ytick.minor.size": 0.0,
            "legend.fontsize": self.font_pt,
            "legend.frameon": False,
            "legend.handlelength": 2.6,
            "legend.borderaxespad": 0.0,
            "legend.columnspacing": 1.6,
            "lines.linewidth": self.line_pt,
            "lines.markersize": self.marker_pt,
            "patch.linewidth": self.thin_pt,
            "hatch.linewidth": self.thin_pt,
            "figure.dpi": 150,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": False,
            "pdf.fonttype": 42,
            "ps.fonttype": 42,
            "svg.fonttype": "none",
            "svg.hashsalt": "voicerisk",
        }

    def context(self) -> AbstractContextManager[None]:
        """Return a context in which matplotlib uses these settings, and after which it has its own back."""
        import matplotlib

        return matplotlib.rc_context(self.rc())  # type: ignore[arg-type]

    def write(self, path: Path) -> None:
        """Write the style as TOML, to be changed and read back with `read_style`."""
        from voicerisk.files import write_text

        def literal(value: Any) -> str:
            if isinstance(value, tuple):
                return "[" + ", ".join(literal(item) for item in value) + "]"
            if isinstance(value, str):
                return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            return repr(value)

        write_text(path, "".join(f"{key} = {literal(value)}\n" for key, value in asdict(self).items()))


STYLES: Mapping[str, Style] = {
    "default": Style(),
    "nature": Style(font_pt=6.5, small_pt=6.0, title_pt=7.0, line_pt=1.0, max_height_mm=170.0),
    "jmir": Style(one_column_mm=110.0, two_columns_mm=183.0, font_pt=8.0, small_pt=7.0, title_pt=8.5),
    "lecture": Style(
        one_column_mm=160.0,
        two_columns_mm=300.0,
        max_height_mm=400.0,
        font_pt=13.0,
        small_pt=11.0,
        title_pt=14.0,
        line_pt=2.2,
        thin_pt=0.9,
        marker_pt=7.5,
    ),
}


def read_style(source: str | Path | Style) -> Style:
    """Return a style: by name (default, nature, jmir, lecture), from a TOML file, or as given.

    A TOML file may start from a named style with the key `base`.

    Raises
    ------
    ReportError
        If there is no such style or file, or a key or value is unknown; the message names it.

    Examples
    --------
    >>> read_style("nature").one_column_mm
    89.0
    """
    import difflib

    if isinstance(source, Style):
        return source
    if str(source) in STYLES:
        return STYLES[str(source)]
    path = Path(source)
    if not path.is_file():
        raise ReportError(f"style: {source!s} is neither a style ({', '.join(STYLES)}) nor a TOML file.")
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: not a TOML file of style settings ({error}).") from error
    base = given.pop("base", "default")
    if base not in STYLES:
        raise ReportError(f"{path}: base is {base!r}; known styles are {', '.join(STYLES)}.")
    known = [field.name for field in fields(Style)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}."
            raise ReportError(f"{path}: unknown style key {key!r}; {hint}")
    return replace(STYLES[base], **given)


DEFAULT = STYLES["default"]


def drawing(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a figure function inside the matplotlib settings of its `style` argument."""

    @wraps(function)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        style = read_style(kwargs.get("style", DEFAULT))  # type: ignore[arg-type]
        kwargs["style"] = style
        with style.context():
            return function(*args, **kwargs)

    return drawn


@dataclass(frozen=True, slots=True)
class SeriesStyle:
    """What tells one series from another: colour, line style, marker, and whether the marker is filled."""

    colour: str
    line: Any
    marker: str
    filled: bool = True

    def point(self, size: float, alpha: float = 1.0) -> dict[str, Any]:
        """Return keywords of `Axes.plot` for a marker without a line."""
        return {
            "linestyle": "none",
            "marker": self.marker,
            "markersize": size,
            "color": self.colour,
            "markerfacecolor": self.colour if self.filled else "white",
            "markeredgecolor": self.colour,
            "markeredgewidth": max(0.7, size * 0.18),
            "alpha": alpha,
        }


def ink(colour: str) -> str:
    """Return a colour dark enough for small text on white: a contrast of 4.5 or more (WCAG 2, level AA).

    Examples
    --------
    >>> ink("#000000"), ink("#D55E00") < "#D55E00"
    ('#000000', True)
    """
    from matplotlib.colors import to_hex, to_rgb

    shade = np.array(to_rgb(colour))
    while True:
        linear = np.where(shade <= 0.04045, shade / 12.92, ((shade + 0.055) / 1.055) ** 2.4)
        if 1.05 / (float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05) >= 4.5:
            return str(to_hex(tuple(shade))).upper()
        shade = shade * 0.97


LINES: tuple[Any, ...] = ("-", (0, (4, 1.6)), (0, (1.2, 1.2)), (0, (5, 1.4, 1.2, 1.4)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def series_style(name: str, style: Style, position: int = 0) -> SeriesStyle:
    """Return how a series is drawn: fixed for sexes, protocols and outcomes, else by its position."""
    fixed = {
        "female": SeriesStyle(style.female, LINES[0], "o"),
        "male": SeriesStyle(style.male, LINES[1], "s", filled=False),
        "men minus women": SeriesStyle(style.positive, LINES[0], "o"),
        "women minus men": SeriesStyle(style.positive, LINES[0], "o"),
        "published": SeriesStyle(style.published, LINES[1], "D", filled=False),
        "nested": SeriesStyle(style.nested, LINES[0], "o"),
        NO_VOICE: SeriesStyle(style.neutral, LINES[2], "X"),
        "1": SeriesStyle(style.positive, LINES[0], "^"),
        "0": SeriesStyle(style.negative, LINES[1], "o", filled=False),
    }
    if name in fixed:
        return fixed[name]
    return _by_position(style, position)


def series_styles(names: Sequence[str], style: Style) -> dict[str, SeriesStyle]:
    """Return how several series are drawn side by side, no two alike.

    Parameters
    ----------
    names : sequence of str
        For example the levels of a moderator: female and male look as everywhere, others take what is left.
    style : Style

    Examples
    --------
    >>> shown = series_styles(["X", "female", "male"], DEFAULT)
    >>> len({(one.colour, str(one.line)) for one in shown.values()})
    3
    """
    found: dict[str, SeriesStyle] = {}
    known = [name for name in names if series_style(name, style, 0) == series_style(name, style, 1)]
    taken = [series_style(name, style) for name in known]
    position = 0
    for name in names:
        if name in known:
            found[name] = series_style(name, style)
            continue
        free = [n for n in range(position, position + 64) if _is_apart(_by_position(style, n), taken)]
        position = free[0] if free else position
        found[name] = _by_position(style, position)
        position += 1
    return found


def _is_apart(one: SeriesStyle, others: Sequence[SeriesStyle]) -> bool:
    """Whether neither colour nor mark is one of the others': hues alone can be too near."""
    marks = [(other.marker, other.filled) for other in others]
    return one.colour not in [other.colour for other in others] and (one.marker, one.filled) not in marks


def _by_position(style: Style, position: int) -> SeriesStyle:
    # With more series than colours the second round has other lines and marks.
    turn = position // len(style.sequence)
    return SeriesStyle(
        style.sequence[position % len(style.sequence)],
        LINES[(position + turn) % len(LINES)],
        MARKERS[(position + turn) % len(MARKERS)],
        filled=position % 2 == 0,
    )
