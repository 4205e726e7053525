"""Explained sessions for reading: highlighted messages and a force plot, as one HTML file and as PDF.

Without `show_text` a message is its number and its count of words. Both files are written for their owner
alone.
"""

import textwrap
import warnings
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
.force div{height:100%;border-right:1px solid #fff}
p.message{margin:.25rem 0;padding:.3rem .6rem;border-radius:.3rem} .value{float:right;color:#333}
.note{border-left:4px solid #d55e00;padding-left:.8rem}
"""


def _colour(value: float, largest: float) -> str:
    red, green, blue = RAISES if value > 0 else LOWERS
    return f"rgba({red},{green},{blue},{0.75 * min(abs(value) / largest, 1.0) if largest else 0.0:.3f})"


def _shown(row: pd.Series) -> str:
    if "text" in row and isinstance(row["text"], str):
        return row["text"]
    return f"message {row['message']} ({row['n_words']} words)"


def write_html(path: Path, messages: pd.DataFrame, words: pd.DataFrame, probabilities: pd.DataFrame) -> None:
    """Write explained sessions as one HTML file without scripts and without anything from elsewhere.

    Parameters
    ----------
    path : Path
    messages : DataFrame
        From `message_table`, all sessions; with `text` where it may be shown.
    words : DataFrame
        From `explain_words`; used for sessions whose text is shown. May be empty.
    probabilities : DataFrame
        session_id, label, and the score of each class, the reference first.
    """
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">",
        f"<title>Explained sessions</title><style>{_CSS}</style><h1>Explained sessions</h1>",
        f"<p class='note'>{escape(WARNING)}</p>",
        "<p>Orange raises the logit, blue lowers it; the deeper, the more. The bar shows all messages, "
        "raising ones first.</p>",
    ]
    for about in probabilities.to_dict("records"):
        session, label = str(about["session_id"]), str(about["label"])
        mine = messages[(messages["session_id"] == session) & (messages["class"] == label)]
        classes = _classes(probabilities)
        against = _against(label, classes)
        scores = ", ".join(f"{escape(name)} {about[name]:.2f}" for name in classes)
        first = mine.iloc[0]
        parts.append(f"<h2>Session {escape(session)}: rated {escape(label)}</h2>")
        error = f", Monte Carlo error at most {mine['monte_carlo_se'].max():.2g}"
        exactly = ", computed exactly" if first["permutations"] == 0 else error
        parts.append(
            f"<p class='facts'>Scores as from classes of equal size, not recalibrated: {scores}. Logit of "
            f"{escape(label)} against {escape(against)}: base value {first['base']:.2f}, this session "
            f"{first['full']:.2f}{exactly}.</p>"
        )
        parts.append(_force_html(mine))
        largest = float(mine["contribution"].abs().max())
        of_words = words[words["session_id"] == session] if len(words) else words
        for _, row in mine.iterrows():
            text = _shown(row)
            body = escape(text)
            if "text" in row and len(of_words):
                body = _word_html(text, of_words[of_words["message"] == row["message"]][label].to_numpy())
            parts.append(
                f"<p class='message' style='background:{_colour(row['contribution'], largest)}'>"
                f"<span class='value'>{row['contribution']:+.2f}</span>{body}</p>"
            )
    write_text(path, "\n".join(parts) + "\n</html>\n", PRIVATE)


def _classes(probabilities: pd.DataFrame) -> list[str]:
    return [str(name) for name in probabilities.columns if name not in ("session_id", "label")]


def _against(label: str, classes: list[str]) -> str:
    """Say what the explained logit is set against (`contrasts`)."""
    return "the mean of the others" if label == classes[0] else classes[0]


def _force_html(rows: pd.DataFrame) -> str:
    total = float(rows["contribution"].abs().sum())
    if total == 0:
        return ""
    bars = []
    ranked = rows.sort_values("contribution", ascending=False)
    for message, value in zip(ranked["message"], ranked["contribution"].astype(float), strict=True):
        style = f"width:{100 * abs(value) / total:.2f}%;background:{_colour(value, abs(value))}"
        bars.append(f"<div title='message {message}: {value:+.3f}' style='{style}'></div>")
    return "<div class='force'>" + "".join(bars) + "</div>"


def _word_html(text: str, values: np.ndarray) -> str:
    """Underline words by what they add; the message's own colour lies behind them."""
    spans = word_spans(text)
    if len(spans) != len(values):
        return escape(text)
    largest = float(np.abs(values).max(initial=0.0))
    out, end = "", 0
    for (start, stop), value in zip(spans, values, strict=True):
        line = f"border-bottom:3px solid {_colour(float(value), largest)}"
        out += escape(text[end:start]) + f"<span style='{line}'>{escape(text[start:stop])}</span>"
        end = stop
    return out + escape(text[end:])


def write_pdf(path: Path, messages: pd.DataFrame, probabilities: pd.DataFrame) -> None:
    """Write explained sessions as PDF: force plot, then highlighted messages, on as many pages as needed.

    Parameters
    ----------
    path : Path
    messages, probabilities : DataFrame
        As for `write_html`.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = BytesIO()
    with warnings.catch_warnings(), PdfPages(buffer, metadata={"CreationDate": None}) as pages:
        # matplotlib's warning names signs of the text that its font lacks, such as an emoji.
        warnings.filterwarnings("ignore", message="Glyph")
        for about in probabilities.to_dict("records"):
            session, label = str(about["session_id"]), str(about["label"])
            mine = messages[(messages["session_id"] == session) & (messages["class"] == label)]
            for figure in session_pages(session, label, mine, _against(label, _classes(probabilities))):
                pages.savefig(figure)
    with replacing(path, PRIVATE) as temporary:
        temporary.write_bytes(buffer.getvalue())


def session_pages(session: str, label: str, rows: pd.DataFrame, against: str) -> list[Any]:
    """Draw one session.

    Parameters
    ----------
    session, label : str
    rows : DataFrame
        Rows of `message_table` of this session and class.
    against : str
        What the logit is set against.

    Returns
    -------
    list of Figure
        A4 pages; the first has the force plot.
    """
    from matplotlib.figure import Figure

    from voicerisk.figures.wording import as_text

    first = rows.iloc[0]
    exactly = "computed exactly" if first["permutations"] == 0 else (
        f"Monte Carlo error at most {rows['monte_carlo_se'].max():.2g}"
    )  # fmt: skip
    says = (
        f"logit of {label} against {against}: base {first['base']:.2f}, "
        f"session {first['full']:.2f}; {exactly}"
    )
    largest = float(rows["contribution"].abs().max())
    pages: list[Any] = []
    y = 0.0
    for _, row in rows.iterrows():
        lines = textwrap.wrap(_shown(row), 95) or [""]
        if not pages or y - 0.016 * len(lines) < 0.06:
            figure = Figure(figsize=(8.27, 11.69))
            title = f"Session {session}: rated {label}" + (", continued" if pages else "")
            figure.text(0.08, 0.95, as_text(title), fontsize=13, fontweight="bold")
            figure.text(0.08, 0.025, textwrap.fill(WARNING, 130), fontsize=6.5, color="#555555")
            if not pages:
                figure.text(0.08, 0.93, as_text(says), fontsize=8.5)
                _force_bars(figure.add_axes((0.08, 0.86, 0.84, 0.04)), rows)
            y = 0.92 if pages else 0.80
            pages.append(figure)
        rgb = np.array(RAISES if row["contribution"] > 0 else LOWERS) / 255.0
        strength = 0.75 * abs(row["contribution"]) / largest if largest else 0.0
        pages[-1].text(
            0.09, y, "\n".join(map(as_text, lines)),
            fontsize=8.5, va="top", bbox={"facecolor": (*rgb, strength), "edgecolor": "none", "pad": 2.5},
        )  # fmt: skip
        pages[-1].text(0.92, y, f"{row['contribution']:+.2f}", fontsize=8.5, va="top", ha="right")
        y -= 0.016 * len(lines) + 0.010
    return pages


def _force_bars(axes: Any, rows: pd.DataFrame) -> None:
    """Draw from the base value to the session's: raising messages push right, lowering ones left."""
    first = rows.iloc[0]
    raising = rows[rows["contribution"] > 0].sort_values("contribution", ascending=False)
    lowering = rows[rows["contribution"] <= 0].sort_values("contribution")
    at = float(first["base"])
    for part, colour in ((raising, RAISES), (lowering, LOWERS)):
        for value in part["contribution"]:
            axes.barh(0, value, left=at, color=np.array(colour) / 255.0, edgecolor="white")
            at += float(value)
    for value, name in ((first["base"], "base"), (first["full"], "session")):
        axes.axvline(value, color="black", linewidth=1)
        axes.annotate(name, (value, 0.45), fontsize=7, ha="center", va="bottom")
    axes.set_yticks([])
    axes.tick_params(labelsize=7)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
