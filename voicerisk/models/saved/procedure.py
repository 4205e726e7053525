"""From the score of a call to a risk and a decision, as the procedure that was validated does it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from voicerisk.callers.schema import SCORE_DECIMALS
from voicerisk.errors import ModelError
from voicerisk.types import Floats

SCORE_CLIP = 1e-6  # as validation clips scores before it takes their log-odds


@dataclass(frozen=True, slots=True)
class Procedure:
    """What stands between the score of a call and what is said about the call.

    Attributes
    ----------
    protocol : str
        Protocol that judged this procedure on callers left out: 'nested' or 'published'.
    intercept, slope : float or None
        Recalibration: logit p = intercept + slope * logit score. None where the procedure has none.
    cut : float or None
        A score at or above it is flagged. None where no cut could be learned: no call is flagged.
    prevalence : float or None
        pi0: the share of calls with the outcome at which p is a risk.

    Examples
    --------
    >>> import numpy as np
    >>> nested = Procedure("nested", intercept=0.0, slope=1.0, cut=0.5, prevalence=0.5)
    >>> nested.risk(np.array([0.5, 0.8])).round(3).tolist()
    [0.5, 0.8]
    >>> nested.risk(np.array([0.5, 0.8]), prevalence=0.1).round(3).tolist()
    [0.1, 0.308]
    >>> nested.flagged(np.array([0.5, 0.8])).tolist()
    [True, True]
    """

    protocol: str
    intercept: float | None = None
    slope: float | None = None
    cut: float | None = None
    prevalence: float | None = None

    @property
    def has_risk(self) -> bool:
        """Whether a score can be turned into a risk."""
        return self.intercept is not None and self.slope is not None and self.prevalence is not None

    @property
    def is_flat(self) -> bool:
        """Whether every risk is the prevalence: inner scores did not rise with risk."""
        return self.slope == 0.0

    def risk(self, score: Floats, prevalence: float | None = None) -> Floats:
        """Return the recalibrated risk of calls.

        Parameters
        ----------
        score : ndarray, shape (n,)
            Scores of calls in 0..1.
        prevalence : float, optional
            Share of calls with the outcome where the model is used, in (0, 1); None = that of the study. The
            shift is right where scores are distributed alike within each class in both places.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ModelError
            Where the procedure has no recalibration, or the prevalence is no share.
        """
        if self.intercept is None or self.slope is None or self.prevalence is None:
            raise ModelError(
                f"This model ({self.protocol}) has no recalibration, so that its score is not a risk; use "
                "the model of the nested protocol."
            )
        here = self.prevalence if prevalence is None else prevalence
        if not 0.0 < here < 1.0:
            raise ModelError(f"The prevalence is {here}; it must be a share above 0 and below 1.")
        link = self.intercept + self.slope * logit(np.clip(score, SCORE_CLIP, 1.0 - SCORE_CLIP))
        if here != self.prevalence:
            link = link + (logit(np.array(here)) - logit(np.array(self.prevalence)))
        return np.asarray(expit(link), dtype=np.float64)

    def flagged(self, score: Floats) -> NDArray[np.bool_]:
        """Return which calls are flagged; none where there is no cut."""
        if self.cut is None:
            return np.zeros(len(score), dtype=bool)
        return np.asarray(np.round(score, SCORE_DECIMALS) >= self.cut, dtype=bool)
