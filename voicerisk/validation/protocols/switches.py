"""The steps in which the protocols differ, each by name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switches:
    """Every step in which the protocols differ.

    Parameters
    ----------
    name : str
        Protocol name in the tables.
    constant_prior : bool
        Weight training rows so that positives carry the same share pi0 in every fold.
    tune_steps : bool
        Choose mstop on inner folds; otherwise the last step of the path.
    recalibrate : bool
        Make `p` a risk at pi0 from inner out-of-fold scores; otherwise p = p_raw.
    threshold_from : {'inner', 'holdout'}
        Cut learned on inner out-of-fold scores of the training callers, or on the scores it is applied to.
    midpoints : bool
        Cut half-way to the next lower score.
    assert_unseen : bool
        Refuse a model that learned from a held-out caller.
    """

    name: str
    constant_prior: bool
    tune_steps: bool
    recalibrate: bool
    threshold_from: str
    midpoints: bool
    assert_unseen: bool

    @property
    def inner(self) -> bool:
        """Whether inner folds are needed."""
        return self.tune_steps or self.recalibrate or self.threshold_from == "inner"
