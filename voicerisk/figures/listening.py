"""The listening figure: what was said when, what the microphone heard, and why the score is what it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voicerisk.errors import ReportError
from voicerisk.figures.layout import new_figure
from voicerisk.figures.style import DEFAULT, Style, drawing
from voicerisk.figures.wording import NO_LABELS, PROTOCOLS, as_text, name_of, need, number, only, ordered
from voicerisk.types import Floats

GAP_S = 0.05  # frames farther apart than this are not joined (the usual hop is 0.02 s)


def sound_tables(
    samples: Floats, sample_rate: int, *, columns: int = 900, bands: int = 96, floor_db: float = -70.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return envelope and spectrogram of a recording, small enough to be kept beside a figure.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Full scale is 1.
    sample_rate : int
        In Hz.
    columns, bands : int
        Most columns in time, and bands in frequency.
    floor_db : float
        Levels below this, re the loudest cell, are set to it.

    Returns
    -------
    envelope : DataFrame
        Columns time_s, low, high: smallest and largest sample of each column.
    spectrogram : DataFrame
        Columns time_s, frequency_hz, level_db (re the loudest cell; mean power of a cell, Hann window of 32
        ms).
    """
    if samples.ndim != 1 or len(samples) < 2:
        raise ReportError(
            f"listening figure: samples have shape {samples.shape}; give one channel with sound."
        )
    edges = np.linspace(0, len(samples), min(columns, len(samples)) + 1).astype(int)
    low, high = (function.reduceat(samples, edges[:-1]) for function in (np.minimum, np.maximum))
    envelope = pd.DataFrame({"time_s": (edges[:-1] + edges[1:]) / 2 / sample_rate, "low": low, "high": high})

    window = min(len(samples), max(16, round(0.032 * sample_rate)))
    hop = max(1, (len(samples) - window) // columns, window // 4)
    starts = np.arange(0, len(samples) - window + 1, hop)
    shape = np.hanning(window + 1)[:-1]
    power = np.stack(
        [np.abs(np.fft.rfft(samples[start : start + window] * shape)) ** 2 for start in starts], axis=1
    )
    cuts = np.unique(np.linspace(0, power.shape[0], bands + 1).astype(int))
    cells = np.add.reduceat(power, cuts[:-1], axis=0) / np.diff(cuts)[:, None]
    top = cells.max()
    level = np.full(cells.shape, floor_db)
    if top > 0:
        level = np.maximum(floor_db, 10 * np.log10(np.maximum(cells, 1e-300) / top))
    times = (starts + window / 2) / sample_rate
    middle = (cuts[:-1] + cuts[1:] - 1) / 2 * sample_rate / window
    spectrogram = pd.DataFrame(
        {
            "time_s": np.tile(times, len(middle)),
            "frequency_hz": np.repeat(middle, len(times)),
            "level_db": np.round(level, 1).ravel(),
        }
    )
    return envelope, spectrogram


def frame_tracks(frames: pd.DataFrame, markers: Sequence[str]) -> pd.DataFrame:
    """Return the tracks of some markers, as the listening figure takes them.

    Parameters
    ----------
    frames : DataFrame
        Column time_s (middle of the frame, in s) and one column a marker; rows of silent frames (a column
        `silent` that is true) are left out.
    markers : sequence of str
        Columns of `frames`.

    Returns
    -------
    DataFrame
        Columns marker, time_s, value.

    Raises
    ------
    ReportError
        If a column is missing or no frame is left.

    Examples
    --------
    >>> frames = pd.DataFrame({"time_s": [0.02, 0.04], "silent": [True, False], "loudness": [1.0, 9.0]})
    >>> frame_tracks(frames, ["loudness"]).to_dict("records")
    [{'marker': 'loudness', 'time_s': 0.04, 'value': 9.0}]
    """
    need(frames, ["time_s", *markers], "marker tracks")
    if "silent" in frames:
        frames = frames[~frames["silent"].astype(bool)]
    need(frames, ["time_s"], "marker tracks")
    long = frames.melt("time_s", list(markers), var_name="marker")
    return long[["marker", "time_s", "value"]]


@drawing
def listening(
    envelope: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    spectrogram: pd.DataFrame | None = None,
    spans: pd.DataFrame | None = None,
    tracks: pd.DataFrame | None = None,
    contributions: pd.DataFrame | None = None,
    scores: pd.DataFrame | None = None,
    title: str = "",
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw one call over time: sound, marker tracks, contributions to the score, and the score.

    Parameters
    ----------
    envelope : DataFrame
        Columns time_s, low, high (`sound_tables`).
    labels : mapping of str to str
        Marker to label with unit.
    spectrogram : DataFrame, optional
        Columns time_s, frequency_hz, level_db (`sound_tables`).
    spans : DataFrame, optional
        Columns start_s, end_s, label: stretches of the caller's speech (labels are shown where not empty).
    tracks : DataFrame, optional
        Columns marker, time_s, value.
    contributions : DataFrame, optional
        Columns term, time_s, value: additive contributions in log-odds. Beyond the six largest terms, the
        rest is summed as 'other terms'.
    scores : DataFrame, optional
        Columns time_s, p_raw; a constant column call_score is drawn as the call's score (without it the mean
        of its frames, named so), threshold as the cut; protocol names the protocol whose
        leave-one-caller-out model it is.
    title : str
        Name of the call, as it may be shown.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        Panels share the time axis; only what was given is drawn.

    Raises
    ------
    ReportError
        If columns are missing or a table is empty.
    """
    need(envelope, ["time_s", "low", "high"], "listening figure")
    markers = (
        [] if tracks is None else ordered(need(tracks, ["marker", "time_s", "value"], "tracks")["marker"])
    )
    heights = [
        1.0,
        *([1.6] if spectrogram is not None else []),
        *[0.7] * len(markers),
        *([1.7] if contributions is not None else []),
        *([1.2] if scores is not None else []),
    ]
    figure = new_figure(width_mm or style.two_columns_mm, 16.0 + 17.0 * sum(heights))
    axes = list(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    rest = iter(axes)
    wave = next(rest)
    wave.fill_between(envelope["time_s"], envelope["low"], envelope["high"], color="black", linewidth=0)
    most = float(np.abs(envelope[["low", "high"]].to_numpy()).max()) or 1.0
    wave.set_ylim(-1.1 * most, 1.1 * most)
    _side(wave, "waveform", style)
    if title:
        wave.set_title(as_text(title, 80))
    if spectrogram is not None:
        _spectrogram(
            next(rest), need(spectrogram, ["time_s", "frequency_hz", "level_db"], "spectrogram"), style
        )
    for marker in markers:
        panel = next(rest)
        rows = tracks[tracks["marker"].astype(str) == marker]  # type: ignore[index]
        x, y = _with_gaps(rows["time_s"].to_numpy(float), rows["value"].to_numpy(float))
        panel.plot(x, y, color=style.sequence[0], linewidth=style.line_pt * 0.8, marker=".", markersize=1.2)
        _side(panel, name_of(marker, labels), style)
    if contributions is not None:
        _contributions(
            next(rest), need(contributions, ["term", "time_s", "value"], "contributions"), labels, style
        )
    if scores is not None:
        panel = next(rest)
        _scores(panel, need(scores, ["time_s", "p_raw"], "scores"), style)
        if "protocol" in scores:
            protocol = str(scores["protocol"].iloc[0])
            name = PROTOCOLS.get(protocol, as_text(protocol))
            of = axes[-2] if contributions is not None else panel
            of.set_title(
                f"{name}, out-of-fold: the model fitted without this caller, not the saved one",
                fontsize=style.font_pt,
            )
    if spans is not None:
        _spans(axes, spans, style)
    middle = envelope["time_s"].to_numpy(float)
    half = float(middle[1] - middle[0]) / 2 if len(middle) > 1 else 0.0
    axes[-1].set_xlim(0, float(middle.max()) + half)
    axes[-1].set_xlabel("time (s)")
    return figure


def _side(panel: Axes, text: str, style: Style) -> None:
    panel.set_ylabel(_two_lines(text), rotation=0, ha="right", va="center", fontsize=style.small_pt)
    panel.locator_params(axis="y", nbins=3)


def _two_lines(text: str) -> str:
    at = text.rfind(" (")
    return text if at < 0 else text[:at].replace(" ", "\n", 1) + "\n" + text[at + 1 :]


def _with_gaps(time: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Put a missing value between frames that are not neighbours, so that no line bridges silence."""
    order = np.argsort(time, kind="stable")
    time, values = time[order], values[order]
    after = np.flatnonzero(np.diff(time) > GAP_S) + 1
    return np.insert(time, after, time[after - 1] + 1e-6), np.insert(values, after, np.nan)


def _spectrogram(panel: Axes, table: pd.DataFrame, style: Style) -> None:
    time, frequency = (np.unique(table[name].to_numpy(float)) for name in ("time_s", "frequency_hz"))
    level = np.full((len(frequency), len(time)), np.nan)
    row, column = np.searchsorted(frequency, table["frequency_hz"]), np.searchsorted(time, table["time_s"])
    level[row, column] = table["level_db"].to_numpy(float)
    # Cells are equally wide: as an image a hundred thousand of them draw fast, each in its place.
    half_time, half_frequency = (float(np.ptp(x)) / max(len(x) - 1, 1) / 2 for x in (time, frequency))
    panel.imshow(
        level,
        cmap="Greys",
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        extent=(
            time[0] - half_time,
            time[-1] + half_time,
            (frequency[0] - half_frequency) / 1000,
            (frequency[-1] + half_frequency) / 1000,
        ),
    )
    _side(panel, "frequency (kHz)", style)


def _spans(axes: Sequence[Axes], spans: pd.DataFrame, style: Style) -> None:
    need(spans, ["start_s", "end_s"], "spans")
    wave = axes[0]
    texts = spans["label"].fillna("").astype(str) if "label" in spans else pd.Series("", index=spans.index)
    if texts.str.strip().any():
        low, high = wave.get_ylim()
        wave.set_ylim(low, high + 0.45 * (high - low))
    for start, end, text in zip(spans["start_s"], spans["end_s"], texts, strict=True):
        for panel in axes:
            strength = 0.35 if panel is wave else 0.12
            panel.axvspan(start, end, color=style.sequence[5], alpha=strength, linewidth=0, zorder=0)
        if text.strip():
            wave.annotate(
                as_text(text, 18),
                (start, 0.97),
                xycoords=("data", "axes fraction"),
                xytext=(1, 0),
                textcoords="offset points",
                va="top",
                fontsize=style.small_pt,
                clip_on=True,
            )


def _contributions(panel: Axes, table: pd.DataFrame, labels: Mapping[str, str], style: Style) -> None:
    wide = (
        table.pivot_table(index="time_s", columns="term", values="value", aggfunc="sum")
        .sort_index()
        .fillna(0.0)
    )
    size = wide.abs().mean().sort_values(ascending=False)
    size = size[size > 1e-12] if (size > 1e-12).any() else size[:1]
    wide = wide[list(size.index)]
    top = list(size.index[:6])
    if len(size) > 6:
        wide["other terms"] = wide[[term for term in wide if term not in top]].sum(axis=1)
        top.append("other terms")
    time = wide.index.to_numpy(float)
    above, below = np.zeros(len(time)), np.zeros(len(time))
    hatches = ("", "////", "", "....", "", "xxxx", "")
    entries: list[tuple[Any, str]] = []
    for position, term in enumerate(top):
        values = wide[term].to_numpy(float)
        base = np.where(values >= 0, above, below)
        x, low = _with_gaps(time, base)
        _, high = _with_gaps(time, base + values)
        area = panel.fill_between(
            x,
            low,
            high,
            step="mid",
            linewidth=0,
            facecolor=style.neutral
            if term == "other terms"
            else style.sequence[position % len(style.sequence)],
            hatch=hatches[position],
            edgecolor="white",
        )
        entries.append((area, name_of(term, labels, 26)))
        above, below = np.where(values >= 0, base + values, above), np.where(values < 0, base + values, below)
    x, total = _with_gaps(time, wide[top].sum(axis=1).to_numpy(float))
    entries.append(
        (panel.plot(x, total, color="black", linewidth=style.line_pt * 0.8, label="sum")[0], "sum")
    )
    panel.axhline(0, color="black", linewidth=style.thin_pt)
    _side(panel, "contribution (log-odds)", style)
    panel.legend(
        [handle for handle, _ in entries],
        [name for _, name in entries],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        fontsize=style.small_pt,
        handlelength=1.4,
    )


def _scores(panel: Axes, table: pd.DataFrame, style: Style) -> None:
    x, y = _with_gaps(table["time_s"].to_numpy(float), table["p_raw"].to_numpy(float))
    panel.plot(
        x, y, color=style.nested, linewidth=style.line_pt * 0.8, marker=".", markersize=1.2, label="frame"
    )
    own = only(table, "call_score", "scores")
    score, name = (float(table["p_raw"].mean()), "mean of frames") if own is None else (own, "call score")
    panel.axhline(score, color="black", linewidth=style.line_pt, label=f"{name} {number(score)}")
    cut = only(table, "threshold", "scores")
    if cut is not None:
        panel.axhline(
            cut,
            color=style.accent,
            linewidth=style.line_pt,
            linestyle=(0, (3, 2)),
            label=f"cut {number(cut)}",
        )
    panel.set_ylim(-0.03, 1.03)
    _side(panel, "frame score", style)
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=style.small_pt, handlelength=1.4)
