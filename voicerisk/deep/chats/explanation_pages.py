"""Explained sessions for reading: highlighted messages and a force plot, as one HTML file and as PDF.

Without `show_text` a message is its number and its count of words. Both files are written for their owner
alone.
"""

import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.files import PRIVATE, replacing, write_text
from voicerisk.text.cleaning import word_spans

RAISES, LOWERS = (213, 94, 0), (0, 114, 178)
WARNING = (
    "Research only: no triage device. A contribution says what the model does with a message, not what "
    "the message "
    "means; leave the text itself out of publications."
)
_CSS = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
h2{margin:2.5rem 0 .2rem} .facts{color:#555;margin:.2rem 0 .8rem}
.force{display:flex;height:1.6rem;margin:.4rem 0;border:1px solid #999}
.force div{height:100%;border-right:1px solid #999}
.key span{display:inline-block;padding:0 .6rem;border:1px solid #999}
p.message{margin:.25rem 0;padding:.3rem .6rem;border-radius:.3rem} .value{float:right;color:#333}
.note{border-left:4px solid #d55e00;padding-left:.8rem}
"""


@dataclass(frozen=True, slots=True)
class Shade:
    """One scale of colour for all sessions, messages and words of a file.

    Parameters
    ----------
    full : float
        Size of a contribution whose colour is full: the largest of any message.
    noise : mapping of class to float
        Smaller contributions of messages are not coloured.
    word_noise : mapping of class to float
        The same for words.
    """

    full: float
    noise: Mapping[str, float] = field(default_factory=dict)
    word_noise: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def over(cls, messages: pd.DataFrame, word_noise: Mapping[str, float]) -> "Shade":
        """Take the scale from all messages of a file.

        The noise of a class is twice the root of the mean variance of its contributions: between the models
        of the repeats, and of drawing orders.

        Parameters
        ----------
        messages : DataFrame
            From `message_table`, with between_models_sd (missing with one repeat).
        word_noise : mapping of class to float
        """
        between = messages["between_models_sd"].fillna(0.0) ** 2
        variance = (between + messages["monte_carlo_se"].fillna(0.0) ** 2).groupby(messages["class"]).mean()
        noise = {str(name): float(value) for name, value in (2.0 * variance**0.5).items()}
        return cls(float(messages["contribution"].abs().max()), noise, word_noise)

    def strength(self, value: float, least: float = 0.0) -> float:
        """Return how deep a colour is, 0 to 0.75; 0 below the noise."""
        if not self.full or abs(value) < least:
            return 0.0
        return 0.75 * min(abs(value) / self.full, 1.0)


def _colour(strength: float, raises: bool) -> str:
    red, green, blue = RAISES if raises else LOWERS
    return f"rgba({red},{green},{blue},{strength:.3f})"


def _shown(row: pd.Series) -> str:
    if "text" in row and isinstance(row["text"], str):
        return row["text"]
    return f"message {row['message']} ({row['n_words']} words)"


def write_html(
    path: Path, messages: pd.DataFrame, words: pd.DataFrame, about: pd.DataFrame, shade: Shade
) -> None:
    """Write explained sessions as one HTML file without scripts and without anything from elsewhere.

    Parameters
    ----------
    path : Path
    messages : DataFrame
        From `message_table`, all sessions; with `text` where it may be shown.
    words : DataFrame
        From `explain_words`; used for sessions whose text is shown. May be empty.
    about : DataFrame
        session_id, label, taken (the likeliest class), explained (whose logit), and the score of each class,
        the reference first.
    shade : Shade
    """
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">",
        f"<title>Explained sessions</title><style>{_CSS}</style><h1>Explained sessions</h1>",
        f"<p class='note'>{escape(WARNING)}</p>",
        "<p>Orange raises the logit, blue lowers it; the deeper, the more. The bar shows all messages, "
        "raising ones first.</p>",
        _key_html(shade),
    ]
    for one in about.to_dict("records"):
        session, explained = str(one["session_id"]), str(one["explained"])
        mine = messages[(messages["session_id"] == session) & (messages["class"] == explained)]
        classes = _classes(about)
        scores = ", ".join(f"{escape(name)} {one[name]:.2f}" for name in classes)
        first = mine.iloc[0]
        parts.append(f"<h2>{escape(_title(one))}</h2>")
        error = f", Monte Carlo error at most {mine['monte_carlo_se'].max():.2g}"
        exactly = ", computed exactly" if first["permutations"] == 0 else error
        least = shade.noise.get(explained, 0.0)
        parts.append(
            f"<p class='facts'>Scores as from classes of equal size, not recalibrated: {scores}. Logit of "
            f"{escape(explained)} against {escape(_against(explained, classes))}: base value "
            f"{first['base']:.2f}, this session {first['full']:.2f}{exactly}. Below {least:.2f} nothing is "
            "coloured.</p>"
        )
        parts.append(_force_html(mine, shade, least))
        of_words = words[words["session_id"] == session] if len(words) else words
        for _, row in mine.iterrows():
            text, value = _shown(row), float(row["contribution"])
            body = escape(text)
            if "text" in row and len(of_words):
                values = of_words.loc[of_words["message"] == row["message"], explained].to_numpy()
                body = _word_html(text, values, shade, shade.word_noise.get(explained, 0.0))
            background = _colour(shade.strength(value, least), value > 0)
            parts.append(
                f"<p class='message' style='background:{background}'>"
                f"<span class='value'>{value:+.2f}</span>{body}</p>"
            )
    write_text(path, "\n".join(parts) + "\n</html>\n", PRIVATE)


def _title(about: Mapping[Any, Any]) -> str:
    return f"Session {about['session_id']}: rated {about['label']}, taken for {about['taken']}"


def _key_html(shade: Shade) -> str:
    """Say what a colour means: the same in every session of the file."""
    steps = "".join(
        f"<span style='background:{_colour(shade.strength(share * shade.full), share > 0)}'>"
        f"{share * shade.full:+.2f}</span>"
        for share in (-1.0, -0.5, 0.0, 0.5, 1.0)
    )
    return (
        f"<p class='key'>{steps} One scale for all sessions, messages and words of this file, in log-odds. "
        "What is smaller than twice its standard deviation is not coloured: between the models of the "
        "repeats, and of drawing orders.</p>"
    )


def _classes(about: pd.DataFrame) -> list[str]:
    own = ("session_id", "label", "taken", "explained")
    return [str(name) for name in about.columns if name not in own]


def _against(label: str, classes: list[str]) -> str:
    """Say what the explained logit is set against (`contrasts`)."""
    return "the mean of the others" if label == classes[0] else classes[0]


def _force_html(rows: pd.DataFrame, shade: Shade, least: float) -> str:
    total = float(rows["contribution"].abs().sum())
    if total == 0:
        return ""
    bars = []
    ranked = rows.sort_values("contribution", ascending=False)
    for message, value in zip(ranked["message"], ranked["contribution"].astype(float), strict=True):
        colour = _colour(shade.strength(value, least), value > 0)
        style = f"width:{100 * abs(value) / total:.2f}%;background:{colour}"
        bars.append(f"<div title='message {message}: {value:+.3f}' style='{style}'></div>")
    return "<div class='force'>" + "".join(bars) + "</div>"


def _word_html(text: str, values: np.ndarray, shade: Shade, least: float) -> str:
    """Underline words by what they add; the message's own colour lies behind them."""
    spans = word_spans(text)
    if len(spans) != len(values):
        return escape(text)
    out, end = "", 0
    for (start, stop), value in zip(spans, values, strict=True):
        strength = shade.strength(float(value), least)
        word = escape(text[start:stop])
        if strength:
            # White behind the word, so that its line shows on a coloured message.
            style = f"background:#fff;border-bottom:3px solid {_colour(strength, value > 0)}"
            word = f"<span style='{style}'>{word}</span>"
        out += escape(text[end:start]) + word
        end = stop
    return out + escape(text[end:])


def write_pdf(path: Path, messages: pd.DataFrame, about: pd.DataFrame, shade: Shade) -> None:
    """Write explained sessions as PDF: force plot, then highlighted messages, on as many pages as needed.

    Parameters
    ----------
    path : Path
    messages, about, shade
        As for `write_html`.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = BytesIO()
    with warnings.catch_warnings(), PdfPages(buffer, metadata={"CreationDate": None}) as pages:
        # matplotlib's warning names signs of the text that its font lacks, such as an emoji.
        warnings.filterwarnings("ignore", message="Glyph")
        for one in about.to_dict("records"):
            session, explained = str(one["session_id"]), str(one["explained"])
            mine = messages[(messages["session_id"] == session) & (messages["class"] == explained)]
            for figure in session_pages(_title(one), mine, _against(explained, _classes(about)), shade):
                pages.savefig(figure)
    with replacing(path, PRIVATE) as temporary:
        temporary.write_bytes(buffer.getvalue())


def session_pages(title: str, rows: pd.DataFrame, against: str, shade: Shade) -> list[Any]:
    """Draw one session.

    Parameters
    ----------
    title : str
    rows : DataFrame
        Rows of `message_table` of this session and class.
    against : str
        What the logit is set against.
    shade : Shade

    Returns
    -------
    list of Figure
        A4 pages; the first has the force plot.
    """
    from matplotlib.figure import Figure

    from voicerisk.figures.wording import as_text

    first = rows.iloc[0]
    least = shade.noise.get(str(first["class"]), 0.0)
    exactly = "computed exactly" if first["permutations"] == 0 else (
        f"Monte Carlo error at most {rows['monte_carlo_se'].max():.2g}"
    )  # fmt: skip
    says = (
        f"logit of {first['class']} against {against}: base {first['base']:.2f}, "
        f"session {first['full']:.2f}; {exactly}"
    )
    scale = (
        f"colour is full at {shade.full:.2f}, in all sessions; below {least:.2f} (twice the noise) there is "
        "none"
    )
    pages: list[Any] = []
    y = 0.0
    for _, row in rows.iterrows():
        lines = textwrap.wrap(_shown(row), 95) or [""]
        if not pages or y - 0.016 * len(lines) < 0.06:
            figure = Figure(figsize=(8.27, 11.69))
            head = title + (", continued" if pages else "")
            figure.text(0.08, 0.95, as_text(head), fontsize=13, fontweight="bold")
            figure.text(0.08, 0.025, textwrap.fill(WARNING, 130), fontsize=6.5, color="#555555")
            if not pages:
                figure.text(0.08, 0.93, as_text(says), fontsize=8.5)
                figure.text(0.08, 0.913, as_text(scale), fontsize=8.5)
                _force_bars(figure.add_axes((0.08, 0.85, 0.84, 0.045)), rows, shade, least)
            y = 0.92 if pages else 0.80
            pages.append(figure)
        rgb, strength = _rgba(float(row["contribution"]), shade, least)
        pages[-1].text(
            0.09, y, "\n".join(map(as_text, lines)),
            fontsize=8.5, va="top", bbox={"facecolor": (*rgb, strength), "edgecolor": "none", "pad": 2.5},
        )  # fmt: skip
        pages[-1].text(0.92, y, f"{row['contribution']:+.2f}", fontsize=8.5, va="top", ha="right")
        y -= 0.016 * len(lines) + 0.010
    return pages


def _rgba(value: float, shade: Shade, least: float) -> tuple[np.ndarray, float]:
    return np.array(RAISES if value > 0 else LOWERS) / 255.0, shade.strength(value, least)


def _force_bars(axes: Any, rows: pd.DataFrame, shade: Shade, least: float) -> None:
    """Draw from the base value to the session's: raising messages push right, lowering ones left."""
    first = rows.iloc[0]
    raising = rows[rows["contribution"] > 0].sort_values("contribution", ascending=False)
    lowering = rows[rows["contribution"] <= 0].sort_values("contribution")
    at = float(first["base"])
    # Two rows: what lowers goes back over what raises.
    for value in [*raising["contribution"], *lowering["contribution"]]:
        rgb, strength = _rgba(float(value), shade, least)
        axes.barh(int(value > 0), value, left=at, color=(*rgb, strength), edgecolor="#999999", height=0.9)
        at += float(value)
    for value, name in ((first["base"], "base"), (first["full"], "session")):
        axes.axvline(value, color="black", linewidth=1)
        axes.annotate(name, (value, 1.5), fontsize=7, ha="center", va="bottom")
    axes.set_yticks([])
    axes.tick_params(labelsize=7)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
