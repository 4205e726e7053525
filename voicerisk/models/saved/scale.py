"""A saved model of grades or of a number: an additive score, and what it says of the outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voicerisk.errors import ModelError
from voicerisk.files import PUBLIC, write_json
from voicerisk.models.saved.additive import AdditiveModel
from voicerisk.models.saved.model_file import content_of, digest_of, json_of, model_of
from voicerisk.models.saved.schema import LogOdds, checked
from voicerisk.types import Floats

FORMAT, VERSION = "voicerisk-scale-model", 1


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Grades(_Line):
    """logit P(y >= grade) = slope * score - threshold, for every grade but the lowest."""

    grades: Annotated[list[int], Field(min_length=2, max_length=101)]
    thresholds: list[LogOdds]
    slope: Annotated[float, Field(ge=0, le=1e6)]

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if len(self.thresholds) != len(self.grades) - 1:
            raise ValueError(f"{len(self.grades)} grades need {len(self.grades) - 1} thresholds")
        for name, values in (("grades", self.grades), ("thresholds", self.thresholds)):
            if any(after <= before for before, after in pairwise(values)):
                raise ValueError(f"{name} must rise")
        return self


class _Number(_Line):
    """predicted = intercept + slope * score."""

    intercept: Annotated[float, Field(ge=-1e100, le=1e100)]
    slope: Annotated[float, Field(ge=0, le=1e100)]


@dataclass(frozen=True, eq=False, slots=True)
class ScaleModel:
    """A model of ordered grades, or of a number.

    Attributes
    ----------
    score : AdditiveModel
        Of calls; its log-odds are the score (of a number: in the outcome's unit).
    scale : {'ordinal', 'continuous'}
    line : mapping
        What the score says of the outcome: grades, thresholds and slope, or intercept and slope.
    """

    score: AdditiveModel
    scale: Literal["ordinal", "continuous"] | str
    line: dict[str, Any]

    def of_scores(self, score: Floats) -> pd.DataFrame:
        """Return what the scores of calls say: predicted, and of grades at_least_<grade>.

        Parameters
        ----------
        score : ndarray, shape (n,)

        Returns
        -------
        DataFrame
            predicted is the number, or the mean grade.
        """
        slope = float(self.line["slope"])
        if self.scale == "continuous":
            return pd.DataFrame({"predicted": self.line["intercept"] + slope * score})
        grades = list(self.line["grades"])
        link = slope * np.asarray(score)[:, None] - np.array(self.line["thresholds"])
        above = 0.5 * (1.0 + np.tanh(0.5 * link))
        mean = grades[0] + above @ np.diff(grades).astype(np.float64)
        columns = {f"at_least_{grade}": above[:, j] for j, grade in enumerate(grades[1:])}
        return pd.DataFrame({"predicted": mean, **columns})


def write_scale_model(path: Path, model: ScaleModel) -> None:
    """Write a model as JSON; numbers keep all their digits.

    Raises
    ------
    ModelError
        Where the model holds what no file may.
    """
    content = {"score": content_of(model.score, path.name), "scale": model.scale, "line": model.line}
    _checked_line(model.scale, model.line, path.name)
    write_json(
        path,
        {"format": FORMAT, "version": VERSION, "sha256": digest_of(content), "model": content},
        PUBLIC,
    )


def is_scale_model(path: Path) -> bool:
    """Say whether a file says of itself that it is a model of grades or of a number."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(stored, dict) and stored.get("format") == FORMAT


def read_scale_model(path: Path) -> ScaleModel:
    """Read a model written by `write_scale_model`.

    Raises
    ------
    ModelError
        If the file is no such model, of a newer version, damaged, or holds a part that no model has.
    """
    stored = json_of(path)
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise ModelError(f"{path} is no model of grades or of a number; it does not say format {FORMAT!r}.")
    if stored.get("version") != VERSION:
        raise ModelError(
            f"{path} has version {str(stored.get('version'))[:20]}; this voicerisk reads version {VERSION}."
        )
    content = stored.get("model")
    digest = digest_of(content)
    if digest is None or stored.get("sha256") != digest:
        raise ModelError(
            f"{path} is damaged or was edited: its content does not match its SHA-256; save it again."
        )
    if not isinstance(content, dict) or set(content) != {"score", "scale", "line"}:
        raise ModelError(f"{path.name} is no valid model file: it must hold score, scale and line.")
    _checked_line(content["scale"], content["line"], path.name)
    score = model_of(checked(content["score"], 2, path.name))
    return ScaleModel(score, content["scale"], content["line"])


def _checked_line(scale: Any, line: Any, where: str) -> None:
    kinds: dict[str, type[_Line]] = {"ordinal": _Grades, "continuous": _Number}
    if scale not in kinds:
        raise ModelError(f"{where} is no valid model file: scale is {str(scale)[:40]!r}.")
    try:
        kinds[scale].model_validate(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "line"
        raise ModelError(f"{where} is no valid model file: {place}: {first['msg']}; save it again.") from None
