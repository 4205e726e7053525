"""A fitted model as a small readable file that Python and R read without each other.

The file is JSON: format, version, SHA-256 of the content, and the content, which `schema` declares.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.files import PUBLIC, write_json
from voicerisk.models.saved.additive import CALL, AdditiveModel, Effect
from voicerisk.models.saved.procedure import Procedure
from voicerisk.models.saved.schema import FORMATS, Content, checked
from voicerisk.models.splines import Grid

FORMAT, VERSION = "voicerisk-model", 2
SCALE = (
    "log-odds; each row of polynomials: powers 0..3 of the position within a knot interval; the last three "
    "rows: missing, below and above the knots. A call's score is the mean probability of its rows; of "
    "kind calls its log-odds are offset, level and for each marker the mean effect over its available rows; "
    "an effect of 'spread' is of a row's squared distance from the call's mean; "
    "logit risk = intercept + slope * logit score, at the prevalence; a score at or above the cut is flagged"
)
LARGEST_FILE = 64 * 1024 * 1024  # bytes; a model of all markers takes some 200 kB


def write_model(path: Path, model: AdditiveModel) -> None:
    """Write a model as JSON; numbers keep all their digits.

    Parameters
    ----------
    path : Path
    model : AdditiveModel

    Raises
    ------
    ModelError
        Where the model holds what no file may, for example a curve that is not finite.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from voicerisk import GamBoost, load_example
    >>> table = load_example()
    >>> model = GamBoost(markers=["x1", "x2"], mstop=20).fit(table, table["outcome"]).scoring_model()
    >>> file = Path(tempfile.mkdtemp()) / "model.json"
    >>> write_model(file, model)
    >>> read_model(file).offset == model.offset
    True
    """
    content = content_of(model, path.name)
    write_json(
        path,
        {
            "format": FORMAT,
            "version": VERSION,
            "scale": SCALE,
            "sha256": _digest(content),
            "model": content,
        },
        PUBLIC,
    )


def content_of(model: AdditiveModel, name: str) -> dict[str, Any]:
    """Return what a file keeps of a model, checked; `name` is the file's, for errors."""
    procedure = model.procedure
    content: dict[str, Any] = {
        "member": {
            "kind": "calls" if model.unit == CALL else "boosting",
            "unit": model.unit,
            "offset": model.offset,
            "level_effect": dict(model.level_effect),
            "markers": list(model.markers),
            "may_be_missing": sorted(model.availability),
            "outside": model.outside,
            "effects": [
                {
                    "marker": effect.marker,
                    "level": effect.level,
                    "low": effect.grid.low,
                    "high": effect.grid.high,
                    "intervals": effect.grid.intervals,
                    "polynomials": effect.polynomials.tolist(),
                    **({"of": "spread"} if effect.spread else {}),
                }
                for effect in model.effects
            ],
        },
        "moderator": None
        if model.moderator is None
        else {"name": model.moderator.name, "levels": list(model.moderator.levels)},
        "ranges": {marker: list(ends) for marker, ends in model.ranges.items()},
        "procedure": None
        if procedure is None
        else {
            "protocol": procedure.protocol,
            "recalibration": None
            if procedure.intercept is None
            else {"intercept": procedure.intercept, "slope": procedure.slope},
            "cut": procedure.cut,
            "prevalence": procedure.prevalence,
        },
        "notes": dict(model.notes),
    }
    checked(content, VERSION, name)
    return content


def read_model(path: Path) -> AdditiveModel:
    """Read a model written by `write_model`, or one of version 1.

    Parameters
    ----------
    path : Path

    Returns
    -------
    AdditiveModel
        Of version 1: without a procedure, so without risk and cut.

    Raises
    ------
    ModelError
        If the file is not such a model, of a newer version, damaged, or holds a part that no model has.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from voicerisk import GamBoost, load_example
    >>> table = load_example()
    >>> model = GamBoost(markers=["x1", "x2"], mstop=20).fit(table, table["outcome"])
    >>> file = Path(tempfile.mkdtemp()) / "model.json"
    >>> model.save(file)
    >>> read_model(file).markers
    ('x1', 'x2')
    """
    path = Path(path)
    stored = json_of(path)
    named = stored.get("format") if isinstance(stored, dict) else None
    if not isinstance(named, str) or named not in FORMATS:
        if named == "voicerisk-scale-model":
            raise ModelError(
                f"{path} is a model of grades or of a number, not of two classes; `voicerisk score` takes it."
            )
        raise ModelError(f"{path} is not a voicerisk model; it does not say format {FORMAT!r}.")
    version = stored.get("version")
    if type(version) is not int or version != FORMATS[named]:
        raise ModelError(
            f"{path} has version {str(version)[:20]}; this voicerisk reads versions "
            f"{' and '.join(map(str, FORMATS.values()))}."
        )
    content = stored.get("model")
    digest = digest_of(content)
    if digest is None or stored.get("sha256") != digest:
        raise ModelError(
            f"{path} is damaged or was edited: its content does not match its SHA-256; save it again."
        )
    return model_of(checked(content, version, path.name))


def model_of(content: Content) -> AdditiveModel:
    """Return the model that the parts of a file make."""
    member, by, use = content.member, content.moderator, content.procedure
    line = None if use is None else use.recalibration
    return AdditiveModel(
        offset=float(member.offset),
        level_effect=dict(member.level_effect),
        effects=tuple(
            Effect(
                curve.marker,
                curve.level,
                Grid(float(curve.low), float(curve.high), curve.intervals),
                np.array(curve.polynomials, np.float64),
                curve.of == "spread",
            )
            for curve in member.effects
        ),
        markers=tuple(member.markers),
        moderator=None if by is None else Moderator(by.name, tuple(by.levels)),
        outside=member.outside,
        availability=frozenset(member.may_be_missing),
        ranges={marker: (float(low), float(high)) for marker, (low, high) in content.ranges.items()},
        procedure=None
        if use is None
        else Procedure(
            use.protocol,
            None if line is None else float(line.intercept),
            None if line is None else float(line.slope),
            use.cut,
            use.prevalence,
        ),
        unit=member.unit,
        notes=content.notes,
    )


def json_of(path: Path) -> Any:
    """Read JSON strictly: no NaN, no name twice, no number of thousands of digits, no endless nesting."""

    def no_constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is no number of JSON")

    def no_twin(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is there twice")
        return found

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(f"{path} is larger than {LARGEST_FILE // 2**20} MiB; no model file is.")
        text = path.read_text(encoding="utf-8")
        return json.loads(text, parse_constant=no_constant, object_pairs_hook=no_twin)
    except FileNotFoundError as error:
        raise ModelError(f"There is no model file {path}.") from error
    except RecursionError as error:
        raise ModelError(f"{path} is not a readable model file (it is nested too deeply).") from error
    except (OSError, ValueError) as error:  # also what is no UTF-8 and what is no JSON
        raise ModelError(f"{path} is not a readable model file ({error}).") from error


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(content: Any) -> str | None:
    """Return the digest, or None where the content is such that no file could have been written."""
    try:
        return _digest(content)
    except (ValueError, RecursionError):
        return None
