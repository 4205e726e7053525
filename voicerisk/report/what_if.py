"""The what-if page: a saved model as sliders, in one HTML file that needs no network."""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from voicerisk.figures.wording import NO_LABELS
from voicerisk.files import PUBLIC, write_text
from voicerisk.models import AdditiveModel, read_model
from voicerisk.models.saved.model_file import content_of
from voicerisk.report.inline import safe_json

WHAT_IF = "what_if.html"
NO_START: Mapping[str, float] = {}


def write_what_if(
    model: Path | AdditiveModel,
    out: Path,
    *,
    labels: Mapping[str, str] = NO_LABELS,
    start: Mapping[str, float] = NO_START,
) -> Path:
    """Write a page on which a reader moves the markers of a saved model and sees what becomes of the risk.

    The page computes as `score` does for a call whose frames all have these values. It holds the model
    without its notes, and no data of a call.

    Parameters
    ----------
    model : Path or AdditiveModel
        `boost/model.json` of a study.
    out : Path
        File to write.
    labels : mapping of str to str
        Marker to label with unit; the marker's own name where it has none.
    start : mapping of str to float
        Where sliders stand at first, for example medians; default: the middle of the marker's range.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ModelError
        If the file is no valid model.

    Examples
    --------
    >>> from pathlib import Path
    >>> from voicerisk.report import write_what_if
    >>> write_what_if(Path("results/boost/model.json"), Path("what_if.html"))  # doctest: +SKIP
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    scorer = read_model(model) if isinstance(model, Path) else model
    room = files("voicerisk.report")
    script, css, page = (
        (room / name).read_text(encoding="utf-8") for name in ("what_if.js", "page.css", "what_if.html.j2")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    procedure, moving = scorer.procedure, _moving(scorer)
    text = environment.from_string(page).render(
        css=Markup(css),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        model=Markup(safe_json(_content(scorer, moving, labels, start))),
        has_risk=procedure is not None and procedure.has_risk,
        moderator=None if scorer.moderator is None else scorer.moderator.name,
        still=[labels.get(name, name) for name in scorer.markers if name not in moving],
    )
    write_text(out, text, PUBLIC)
    return out


def _content(
    scorer: AdditiveModel, moving: list[str], labels: Mapping[str, str], start: Mapping[str, float]
) -> dict[str, Any]:
    """Return what the page computes from: the model without its notes, labels and first places of sliders."""
    content = json.loads(json.dumps(content_of(scorer, WHAT_IF)))
    del content["notes"]
    ranges = {name: scorer.ranges.get(name) or _knots(scorer, name) for name in moving}
    return content | {
        "moving": moving,
        "ranges": {name: list(ends) for name, ends in ranges.items()},
        "labels": {name: labels.get(name, name) for name in moving},
        "start": {
            name: min(max(start.get(name, (low + high) / 2), low), high)
            for name, (low, high) in ranges.items()
        },
    }


def _moving(scorer: AdditiveModel) -> list[str]:
    """Return the markers whose value changes the score, those with the tallest curves first."""
    height: dict[str, float] = {}
    for effect in scorer.effects:
        tall = float(abs(effect.polynomials).sum(axis=1).max())
        if tall > 0:
            height[effect.marker] = max(height.get(effect.marker, 0.0), tall)
    return sorted(height, key=lambda name: -height[name])


def _knots(scorer: AdditiveModel, marker: str) -> tuple[float, float]:
    grids = [effect.grid for effect in scorer.effects if effect.marker == marker]
    return min(grid.low for grid in grids), max(grid.high for grid in grids)
