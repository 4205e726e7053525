"""Cleaning of chat messages, as in the paper: links, HTML tags and unusual signs leave, umlauts stay."""

import html
import re
import unicodedata

_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
# Usual German punctuation; the typewriter's and the typesetter's forms of it.
_PUNCTUATION = ".,;:!?…'\"„“”‚‘’«»‹›()[]-–—/&%€$+*=§°@#"
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
# Joiners and selectors that tie the parts of one emoji together.
_EMOJI_GLUE = "\u200d\ufe0f\u20e3"


def clean_text(text: str, keep_emoji: bool = False) -> str:
    """Remove links, HTML tags and signs beyond letters, digits and usual punctuation.

    Names and places that identify a person are not removed: that must happen before (the paper had it done
    upstream), and no rule here could promise it.

    Parameters
    ----------
    text : str
    keep_emoji : bool
        Keep pictographs; each is then a word of its own.

    Returns
    -------
    str
        In Unicode's composed form (NFC), runs of white space as one space; may be empty.

    Examples
    --------
    >>> clean_text("Schau: https://example.org <b>wie schön</b> 😢 ~ oder?")
    'Schau: wie schön oder?'
    >>> clean_text("ich kann nicht mehr 😢", keep_emoji=True)
    'ich kann nicht mehr 😢'
    """
    text = html.unescape(_without_tags(text))
    text = _LINK.sub(" ", _without_tags(text))
    text = unicodedata.normalize("NFC", text)
    kept = "".join(sign if _stays(sign, keep_emoji) else " " for sign in text)
    return " ".join(kept.split())


def _without_tags(text: str) -> str:
    """Replace HTML comments and tags by blanks, in time that grows as the text does."""
    parts, pos = [], 0
    while (start := text.find("<!--", pos)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        parts.append(text[pos:start])
        pos = end + 3
    return _TAG.sub(" ", " ".join([*parts, text[pos:]]))


def _stays(sign: str, keep_emoji: bool) -> bool:
    if sign.isalnum() or sign in _PUNCTUATION or unicodedata.category(sign).startswith("M"):
        return sign not in _EMOJI_GLUE or keep_emoji
    return keep_emoji and (unicodedata.category(sign) in ("So", "Sk") or sign in _EMOJI_GLUE)


def words_of(text: str) -> list[str]:
    """Return the words of a cleaned text in lower case; a pictograph is a word.

    Examples
    --------
    >>> words_of("Ich kann's nicht mehr, weißt du?")
    ['ich', "kann's", 'nicht', 'mehr', 'weißt', 'du']
    """
    return [text[a:b].lower() for a, b in word_spans(text)]


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return where the words of a cleaned text begin and end."""
    spans = [match.span() for match in _WORD.finditer(text)]
    if text.isascii():
        return spans
    pictures = [(k, k + 1) for k, sign in enumerate(text) if _is_picture(sign)]
    return sorted(spans + pictures)


def _is_picture(sign: str) -> bool:
    return unicodedata.category(sign) == "So" and sign not in _PUNCTUATION
