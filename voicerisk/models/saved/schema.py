"""What a model file must hold, declared once: types, bounds and what must agree with what.

Version 2 is written. Version 1 (a bare boosted model by sex) is read and checked by the same declaration.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voicerisk.errors import ModelError

FORMATS = {"voicerisk-gamboost": 1, "voicerisk-model": 2}
SEXES = ("female", "male")
OLD = ("needs_sex", "notes", "sex_effect", "moderated_by")  # parts of version 1 that are elsewhere now
MOST_LEVELS = 60
MOST_INTERVALS = 201  # what the boosting engine can fit
# Log-odds of 1e6 say that something is broken: a probability no longer moves beyond 72.
LogOdds = Annotated[float, Field(ge=-1e6, le=1e6)]
Value = Annotated[float, Field(ge=-1e100, le=1e100)]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Curve(_Part):
    """One marker's effect at one level: a cubic for each interval between its knots."""

    marker: Name
    level: Name
    low: Value
    high: Value
    intervals: Annotated[int, Field(ge=1, le=MOST_INTERVALS)]
    polynomials: list[Annotated[list[LogOdds], Field(min_length=4, max_length=4)]]
    of: Literal["value", "spread"] = "value"

    @model_validator(mode="after")
    def _fits_its_knots(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"the knots of {self.marker} run from {self.low} to {self.high}")
        if len(self.polynomials) != self.intervals + 3:
            raise ValueError(
                f"the curve of {self.marker} has {len(self.polynomials)} polynomials for {self.intervals} "
                "intervals; it must have 3 more than intervals"
            )
        return self


class Boosting(_Part):
    """An additive model of curves."""

    kind: Literal["boosting", "calls"]
    unit: Literal["frame", "segment", "call"]
    offset: LogOdds
    level_effect: dict[Name, LogOdds]
    markers: list[Name]
    may_be_missing: list[Name]
    outside: Literal["clamp", "extrapolate"]
    effects: list[Curve]

    @model_validator(mode="after")
    def _kind_fits_unit(self) -> Self:
        if (self.kind == "calls") != (self.unit == "call"):
            raise ValueError(f"a model of kind {self.kind} cannot have the unit {self.unit}")
        if self.kind == "boosting" and any(curve.of == "spread" for curve in self.effects):
            raise ValueError("a model of kind boosting cannot have curves of the spread within calls")
        return self


class By(_Part):
    """The moderator."""

    name: Name
    levels: Annotated[list[Name], Field(min_length=1, max_length=MOST_LEVELS)]


class Recalibration(_Part):
    """logit p = intercept + slope * logit score."""

    intercept: LogOdds
    slope: Annotated[float, Field(ge=0, le=1e6)]


class Use(_Part):
    """What makes a risk and a decision of a call's score."""

    protocol: Literal["nested", "published"]
    recalibration: Recalibration | None
    cut: Annotated[float, Field(ge=0, le=1)] | None
    prevalence: Share | None

    @model_validator(mode="after")
    def _risk_has_a_prevalence(self) -> Self:
        if self.recalibration is not None and self.prevalence is None:
            raise ValueError("there is a recalibration, but no prevalence at which its risks hold")
        return self


class Content(_Part):
    """The whole model."""

    member: Boosting
    moderator: By | None
    ranges: dict[Name, Annotated[list[Value], Field(min_length=2, max_length=2)]]
    procedure: Use | None
    notes: dict[str, Any]

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        member = self.member
        levels = [] if self.moderator is None else self.moderator.levels
        _no_twin("marker", member.markers)
        _no_twin("level", ["all", *levels])
        _no_twin(
            "curve", [f"{c.marker} {c.level} {c.low} {c.high} {c.intervals} {c.of}" for c in member.effects]
        )
        _known("marker", "may_be_missing", member.may_be_missing, member.markers)
        _known("marker", "effects", (curve.marker for curve in member.effects), member.markers)
        _known("marker", "ranges", self.ranges, member.markers)
        allowed = ["all", *levels]
        _known("level", "effects", (curve.level for curve in member.effects), allowed)
        _known("level", "level_effect", member.level_effect, allowed)
        for marker, (low, high) in self.ranges.items():
            if not low <= high:
                raise ValueError(f"the range of {marker} runs from {low} to {high}")
        return self


def _no_twin(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} {name!r} is there twice")
        seen.add(name)


def _known(what: str, where: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    for name in names:
        if name not in allowed:
            raise ValueError(f"{where} names the {what} {name!r}, which the model does not have")


def checked(content: Any, version: int, where: str) -> Content:
    """Return the parts of a model, or refuse them in one sentence.

    Parameters
    ----------
    content : object
        The `model` of a file, as JSON gives it.
    version : {1, 2}
    where : str
        Name of the file, for the error.

    Raises
    ------
    ModelError
        Names the first part that is wrong, what was found and what must be there.
    """
    try:
        return Content.model_validate(_from_version_1(content, where) if version == 1 else content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "model"
        found = repr(first["input"])
        shown = f" (found {found[:60]})" if first["loc"] and first["type"] != "missing" else ""
        said = re.sub(r" or instance of \w+", "", str(first["msg"]).removeprefix("Value error, "))
        raise ModelError(
            f"{where} is no valid model file: {place}: {said}{shown}; save the model again."
        ) from None
    except RecursionError:
        raise ModelError(f"{where} is no valid model file: it is nested too deeply.") from None


def _from_version_1(content: Any, where: str) -> Any:
    """Put the parts of version 1 where version 2 has them; what is wrong in them stays wrong."""
    if not isinstance(content, dict):
        return content
    member = {key: value for key, value in content.items() if key not in OLD}
    if "sex_effect" in content:
        member["level_effect"] = content["sex_effect"]
    ranges: dict[str, Any] = {}
    if isinstance(content.get("effects"), list):
        member["effects"] = [
            {("level" if key == "sex" else key): value for key, value in curve.items()}
            if isinstance(curve, dict)
            else curve
            for curve in content["effects"]
        ]
        for curve in member["effects"]:
            if isinstance(curve, dict) and isinstance(curve.get("marker"), str):
                ranges[curve["marker"]] = [curve.get("low"), curve.get("high")]
    needs_sex = content.get("needs_sex")
    if not isinstance(needs_sex, bool):
        raise ModelError(
            f"{where} is no valid model file: needs_sex must be true or false (found "
            f"{str(needs_sex)[:60]!r}); save the model again."
        )
    effect = content.get("sex_effect")
    by = {
        "name": content.get("moderated_by", "sex"),
        "levels": list(effect) if isinstance(effect, dict) else list(SEXES),
    }
    return {
        "member": {"kind": "boosting", "unit": "frame", **member},
        "moderator": by if needs_sex else None,
        "ranges": ranges,
        "procedure": None,
        **{key: content[key] for key in ("notes",) if key in content},
    }
