"""Models that are to be fitted, of one fitter or of several that share their frames, side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicerisk.models import BoostData, BoostSettings, Lane, LanePath, LazyLanes, alike_order
from voicerisk.pipeline.kept_steps import keep_step
from voicerisk.study.fitting.boost_rows import FrameRows
from voicerisk.study.fitting.screening import Selection
from voicerisk.types import Progress
from voicerisk.validation import TrainingSet


class Fitter(Protocol):
    """What `GamboostFitter` does for the models that wait here."""

    @property
    def boost(self) -> BoostSettings:
        """Settings of the fits."""
        ...

    def lane(self, asked: TrainingSet, chosen: Selection, rows: FrameRows) -> Lane:
        """Return one training set's fit."""
        ...

    def boosted(self, data: BoostData, lanes: Sequence[Lane]) -> Iterator[LanePath]:
        """Fit lanes, in order."""
        ...

    def file(self, asked: TrainingSet) -> Path:
        """Return where the path of a training set is kept."""
        ...


@dataclass(slots=True)
class Counted:
    """Counts models for a progress bar; a model's own Lasso and its scores of held-out calls are parts of it.

    Attributes
    ----------
    total : int
        Models in all.
    screens, assesses : bool
        Whether there is a Lasso for each, and whether each is assessed.
    progress : callable, optional
    """

    total: int
    screens: bool
    assesses: bool
    progress: Progress | None
    _parts: int = 0
    _told: int = 0

    def found(self, number: int) -> None:
        """Count models that an earlier run has fitted."""
        self._add(number * (1 + self.screens))

    def screened(self, number: int = 1) -> None:
        """Count Lassos."""
        self._add(number * self.screens)

    def fitted(self) -> None:
        """Count a fit."""
        self._add(1)

    def assessed(self) -> None:
        """Count a model's scores."""
        self._add(int(self.assesses))

    def _add(self, parts: int) -> None:
        self._parts += parts
        models = self._parts // (1 + self.screens + self.assesses)
        if self.progress is not None and models > self._told:
            self._told = models
            self.progress(models, self.total)


@dataclass(slots=True)
class Wanted:
    """One model to fit, and the fitter that keeps it.

    Attributes
    ----------
    fitter : Fitter
    rows : FrameRows
    asked : TrainingSet
    chosen : Selection
    """

    fitter: Fitter
    rows: FrameRows
    asked: TrainingSet
    chosen: Selection
    _weighed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool), repr=False)

    def lane(self, data: BoostData) -> Lane:
        """Return the fit on rows that are those of the fitter, whatever their outcomes."""
        lane = self.fitter.lane(self.asked, self.chosen, self.rows)
        weighed = np.bincount(self.rows.data.caller, lane.weights > 0, len(self.rows.callers))
        self._weighed = weighed > 0
        return lane if data is self.rows.data else replace(lane, y=self.rows.data.y)

    def keep(self, path: LanePath) -> None:
        """Write the fitted path and what it was learned from."""
        file = self.fitter.file(self.asked)
        notes = {
            "selected": self.chosen.markers,
            "screened_on": self.chosen.callers,
            # What the fit saw, read off its weights, not off what was asked for.
            "fitted_on": sorted(self.rows.callers[self._weighed]),
        }
        path.to_npz(file)
        keep_step(file.with_suffix(".json"), notes, file)


def fit_wanted(wanted: Sequence[Wanted], data: BoostData, fitted: Callable[[], None]) -> None:
    """Fit models side by side, and keep each as soon as it is done; the order is the engine's matter.

    Parameters
    ----------
    wanted : sequence of Wanted
        Of fitters that differ in outcomes and learners, not in frames, steps or engine.
    data : BoostData
        The rows of one of them.
    fitted : callable
        Called after each model.
    """
    fitter = wanted[0].fitter
    order = list(range(len(wanted)))
    if fitter.boost.engine == "native":
        order = alike_order(data, LazyLanes(lambda number: wanted[number].lane(data), len(wanted)))
    lanes = LazyLanes(lambda place: wanted[order[place]].lane(data), len(order))
    for number, path in zip(order, fitter.boosted(data, lanes), strict=True):
        wanted[number].keep(path)
        fitted()
