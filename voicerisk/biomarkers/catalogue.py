"""The catalogue: one row a marker, with everything a reader or a reviewer may ask of it."""

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files

import pandas as pd

from voicerisk.errors import BiomarkerError

DEFINITION_VERSION = "3"
"""Version of the definitions as a whole; it changes whenever any marker's numbers change."""

PRESETS = ("published", "soundgen-2.5.1")
LEVEL = {"published": "rms_db", "soundgen-2.5.1": "ampl"}


@dataclass(frozen=True, slots=True)
class Marker:
    """One row of the catalogue.

    Attributes
    ----------
    name : str
        Column name in every table.
    label : str
        For publications, without the unit.
    unit : str
        '' where it has none.
    minimum, maximum : float
        Range that the definition allows at 8 kHz (not a normal range).
    description : str
        Plain language, for clinicians.
    definition : str
        What is computed in the preset ``published``.
    soundgen_name : str
        Column of soundgen's `analyze()`.
    tier : int
        1 named in the paper, 2 other frame-local, 3 voiced frames only, 4 context longer than a frame.
    context_ms : float
        Length of sound that a value depends on, scaling aside; inf where it is the whole span.
    missing_when : str
        When the value is NaN.
    source : str
        Paper or software that the definition follows.
    version : str
        Of this definition.
    look_ahead_ms : float
        How long after the end of its frame a value is known in a stream; inf where it must wait for the end.
    soundgen_differs : str
        How the preset ``soundgen-2.5.1`` differs, '' where it does not.
    """

    name: str
    label: str
    unit: str
    minimum: float
    maximum: float
    description: str
    definition: str
    soundgen_name: str
    tier: int
    context_ms: float
    missing_when: str
    source: str
    version: str
    look_ahead_ms: float
    soundgen_differs: str


@lru_cache(maxsize=1)
def markers() -> dict[str, Marker]:
    """Return all markers by name, in the order of their tiers."""
    text = files("voicerisk.biomarkers").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {name: Marker(name=name, **row) for name, row in tomllib.loads(text).items()}


def catalogue() -> pd.DataFrame:
    """Return the catalogue as a table, one row a marker; the columns are the attributes of `Marker`.

    Examples
    --------
    >>> table = catalogue().set_index("name")
    >>> table.loc["loudness", "unit"]
    'sone'
    >>> int((table["tier"] == 1).sum())
    13
    """
    columns = [f.name for f in fields(Marker)]
    return pd.DataFrame([[getattr(m, c) for c in columns] for m in markers().values()], columns=columns)


@lru_cache(maxsize=1)
def _telephone() -> pd.DataFrame:
    with files("voicerisk.biomarkers").joinpath("telephone.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def telephone() -> pd.DataFrame:
    """Return how well each marker survives a telephone (docs/telephone.md).

    Measured on 72 recordings of acted emotion (RAVDESS, 24 actors), joined to the length of calls.

    Returns
    -------
    DataFrame
        marker, then Lin's concordance of calls before and after a change: mu_law, gsm (06.10), opus
        (9 kbit/s), band (300 to 3400 Hz), noise_20, noise_10, noise_0 (white, dB below the speech).

    Examples
    --------
    >>> table = telephone().set_index("marker")
    >>> bool(table.loc["pitch", "gsm"] > 0.95 and table.loc["CPP", "gsm"] < 0.5)
    True
    """
    return _telephone().copy()


def catalogue_markdown() -> str:
    """Return the catalogue as Markdown, one section a tier; the documentation holds the same text."""
    titles = {
        1: "Tier 1: named in the paper",
        2: "Tier 2: other markers of single frames",
        3: "Tier 3: voiced frames only",
        4: "Tier 4: context longer than a frame",
    }
    lines = []
    for tier, title in titles.items():
        lines += [f"### {title}", ""]
        for m in markers().values():
            if m.tier != tier:
                continue
            unit = f", {m.unit}" if m.unit else ""
            lines += [f"**`{m.name}`** {m.label}{unit}. {m.description}", ""]
            lines += [f"- Definition: {m.definition}"]
            if m.soundgen_differs:
                lines += [f"- In `soundgen-2.5.1`: {m.soundgen_differs}"]
            lines += [
                f"- Range {m.minimum:g} to {m.maximum:g}; context {_bounded(m.context_ms)}; in a stream "
                f"known {_bounded(m.look_ahead_ms)} after the frame; missing: {m.missing_when}.",
                f"- soundgen's name `{m.soundgen_name}`; source: {m.source}; version {m.version}.",
                "",
            ]
    return "\n".join(lines)


def _bounded(ms: float) -> str:
    return f"{ms:g} ms" if ms != float("inf") else "without bound (the span)"


def select_markers(wanted: str | Iterable[str], preset: str = "published") -> tuple[str, ...]:
    """Return the names of a set of markers, in the order of the catalogue.

    Parameters
    ----------
    wanted : 'named', 'all' or names
        ``named``: the 12 of the paper's Table 1. ``all``: the 36.
    preset : {'published', 'soundgen-2.5.1'}
        The level is ``rms_db`` in the first and ``ampl`` in the second.

    Raises
    ------
    BiomarkerError
        For an unknown preset, set or name, a name twice, or none at all; the message names the nearest known
        one.

    Examples
    --------
    >>> len(select_markers("named")), len(select_markers("all"))
    (12, 36)
    """
    if preset not in PRESETS:
        raise BiomarkerError(f"[biomarkers] preset = {preset!r} is not known{_nearest(preset, PRESETS)}")
    known = [name for name in markers() if name not in LEVEL.values() or name == LEVEL[preset]]
    if wanted == "all":
        return tuple(known)
    if wanted == "named":
        return tuple(name for name in known if markers()[name].tier == 1)
    if isinstance(wanted, str):
        raise BiomarkerError(
            f"[biomarkers] set = {wanted!r} is not known; give 'named', 'all' or a list of marker names."
        )
    names = tuple(wanted)
    for name in names:
        if name not in known:
            hint = _nearest(str(name), known)
            if name in LEVEL.values():
                hint = f"; its level marker is {LEVEL[preset]!r}."
            raise BiomarkerError(f"[biomarkers] {name!r} is no marker of the preset {preset!r}{hint}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BiomarkerError(f"[biomarkers] set names {twice!r} twice.")
    if not names:
        raise BiomarkerError("[biomarkers] set names no marker.")
    return tuple(name for name in known if name in names)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}."
