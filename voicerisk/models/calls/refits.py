"""Models of bootstrapped callers: what they say of a call, and where they put a marker's curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from voicerisk.errors import ModelError
from voicerisk.models.calls.additive import call_effects
from voicerisk.models.calls.features import CallFrames
from voicerisk.models.calls.model import COMMON, CallEffect, CallModel
from voicerisk.models.saved.procedure import Procedure
from voicerisk.models.splines import Grid
from voicerisk.types import Floats

CURVES = ("refit", "marker", "level", "low", "high", "knot", "coefficient")
LINES = ("refit", "level", "base", "intercept", "slope", "prevalence")
OUTER = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Refits:
    """Models of bootstrapped callers, each with its recalibration.

    Attributes
    ----------
    models : tuple of CallModel
    procedures : tuple of Procedure
        Recalibration and prevalence of each.
    """

    models: tuple[CallModel, ...]
    procedures: tuple[Procedure, ...]

    def __post_init__(self) -> None:
        if len(self.models) != len(self.procedures) or not self.models:
            raise ModelError(
                f"There are {len(self.models)} refits and {len(self.procedures)} recalibrations; each needs "
                "one."
            )

    def risks(
        self, frames: CallFrames, level: NDArray[np.object_], prevalence: float | None = None
    ) -> Floats:
        """Return the risk of calls by each refit, shape (refits, n_calls).

        Parameters
        ----------
        frames : CallFrames
            With every marker, and with its spread (`with_spreads`).
        level : ndarray of str, shape (n_calls,)
        prevalence : float, optional
            At which the risks are; None = each refit's own.
        """
        found = []
        for model, procedure in zip(self.models, self.procedures, strict=True):
            found.append(procedure.risk(expit(_links(model, frames, level)), prevalence))
        return np.stack(found)

    def effects(self, along: CallModel, frames: CallFrames, level: NDArray[np.object_]) -> Floats:
        """Return the curves of each refit at the places where `call_effects` draws those of a model.

        Returns
        -------
        ndarray, shape (refits, rows of `call_effects(along, ...)`)
            Log-odds.
        """
        return np.stack(
            [call_effects(model, frames, level, along=along)["estimate"].to_numpy() for model in self.models]
        )

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return curves (`CURVES`) and lines (`LINES`) as tables, from which `of_tables` makes refits."""
        curves, lines = [], []
        for number, (model, use) in enumerate(zip(self.models, self.procedures, strict=True)):
            for effect in model.effects:
                grid, size = effect.grid, len(effect.coefficients)
                curves.append(
                    pd.DataFrame(
                        {"refit": number, "marker": effect.marker, "level": effect.level, "low": grid.low,
                         "high": grid.high, "knot": np.arange(size), "coefficient": effect.coefficients}
                    )
                )  # fmt: skip
            lines += [
                (number, name, model.offset + value, use.intercept, use.slope, use.prevalence)
                for name, value in model.level_effect.items()
            ]
        empty = pd.DataFrame(columns=list(CURVES))
        return (
            pd.concat(curves, ignore_index=True) if curves else empty,
            pd.DataFrame(lines, columns=list(LINES)),
        )


def of_tables(curves: pd.DataFrame, lines: pd.DataFrame, intervals: int, protocol: str = "nested") -> Refits:
    """Return the refits that two tables hold; see `Refits.tables`.

    Raises
    ------
    ModelError
        If a curve lacks knots, a value is not finite, or a refit has no line.
    """
    for table, names in ((curves, ("low", "high", "coefficient")), (lines, ("base", "intercept", "slope"))):
        if not np.isfinite(table[list(names)].to_numpy(np.float64)).all():
            raise ModelError(f"The refits hold a {names[0]}, {names[1]} or {names[2]} that is no number.")
    size = intervals + 3
    effects: dict[int, list[CallEffect]] = {}
    keys = ["refit", "marker", "level", "low", "high"]
    for key, part in curves.groupby(keys, sort=False):
        number, marker, level, low, high = (str(one) for one in key)
        if part["knot"].tolist() != list(range(size)) or not float(low) < float(high):
            raise ModelError(f"The curve of {marker} in refit {number} has not the {size} knots of its kind.")
        grid = Grid(float(low), float(high), intervals)
        effects.setdefault(int(number), []).append(
            CallEffect(marker, level, grid, part["coefficient"].to_numpy(np.float64))
        )
    models, procedures = [], []
    for refit, part in lines.groupby("refit", sort=True):
        own = tuple(effects.pop(int(str(refit)), ()))
        base = dict(zip(part["level"].astype(str), part["base"].astype(float), strict=True))
        models.append(CallModel(0.0, base, own, tuple(dict.fromkeys(one.marker for one in own))))
        intercept, slope, prevalence = part[["intercept", "slope", "prevalence"]].to_numpy(np.float64)[0]
        procedures.append(Procedure(protocol, float(intercept), float(slope), None, float(prevalence)))
    if effects:
        raise ModelError(f"Refit {next(iter(effects))} has curves and no line.")
    return Refits(tuple(models), tuple(procedures))


def band(values: Floats) -> tuple[Floats, Floats]:
    """Return the 2.5 and 97.5% quantiles over refits of values of shape (refits, ...)."""
    low, high = np.quantile(values, OUTER, axis=0)
    return low, high


def _links(model: CallModel, frames: CallFrames, level: NDArray[np.object_]) -> Floats:
    """Return the log-odds of calls as `CallModel.call_link`, from features that refits share."""
    names: Sequence[str] = [name for name in model.level_effect if name != COMMON]
    known = np.where(np.isin(level.astype(str), names), level, COMMON)
    link = model.offset + np.array([model.level_effect[name] for name in known])
    for effect in model.effects:
        mine = known == effect.level
        if mine.any():
            means = frames.means_of(effect.marker, effect.grid)[mine] @ effect.coefficients
            link[mine] += np.where(np.isnan(means), 0.0, means)
    return link
