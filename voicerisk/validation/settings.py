"""The `[validation]` table of a study file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voicerisk.errors import ValidationError
from voicerisk.pipeline.setting import is_number, require_choice, require_choices, require_flag, require_whole
from voicerisk.validation.cut_rule import CutRule, read_rule

PROTOCOLS = ("published", "nested")
DESIGNS = ("loco", "grouped_kfold")
DIRECTIONS = ("fixed", "auto")
THRESHOLDS = ("bootstrap_youden", "youden")
FAMILY = (
    *("linear", "by_level", "spread", "sparse_spread", "sparse", "curves", "curves_by_level"),
    "gamboost",
)
METRIC_BOOTSTRAPS = 2000
OUTER_FOLDS = 10
# What is less makes no sense, and what is more would never end.
BOUNDS = (
    *(("repeats", 1, 1000), ("inner_folds", 3, 1000), ("bootstraps", 1, 1_000_000), ("seed", 0, 2**63 - 1)),
)


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """How a model is validated.

    Parameters
    ----------
    protocols : sequence of {'published', 'nested'}
        Which protocols to run.
    designs : sequence of {'loco', 'grouped_kfold'}
        Outer designs of the nested protocol. The published protocol is leave-one-caller-out by definition.
    repeats : int
        Repetitions of the stratified grouped k-fold, at least 1.
    family : sequence of str
        Models of which each fold of the nested protocol takes a weighted mean, by caller-level loss in its
        inner folds: linear, by_level, spread, sparse_spread, sparse, curves, curves_by_level, gamboost. All
        but gamboost learn from calls; ['gamboost'] is boosting on frames alone.
    inner_folds : int
        Largest number of inner folds, at least 3; less where the smaller class has fewer callers.
    prior : float or None
        Class prior pi0 at which `p` is a risk, in (0, 1); None = share of positive calls in the study.
    direction : {'fixed', 'auto'}
        High scores mean high risk, always: this is how every decision in the predictions table is taken.
        With 'auto' the metrics of the nested protocol also show the `*_auto` rows (direction chosen from the
        same scores, as pROC and cutpointr do by default) that the published protocol always shows.
    fast : bool
        Keep the screening of the outer training set in the inner folds. Flagged in every result.
    threshold : {'bootstrap_youden', 'youden'}, or CutRule
        The cut: mean of Youden cuts over bootstrapped callers, or the one Youden cut of the scores given; or
        a table with the rule of a service: sensitivity, cost, capacity or risk (see `CutRule`).
    bootstraps : int
        Bootstraps of the threshold, at least 1 (the metrics have their own 2,000).
    strata : sequence of str
        Within what callers are drawn when metrics are bootstrapped: 'outcome', and columns of [cohort] strata
        or sex. None for consecutive calls; outcome and sex where the study sampled so, as the paper did.
        Strata of a single caller are merged, and it is said.
    prevalence : float or None
        Target prevalence, in (0, 1), at which predictive values and net benefit are shown as well.
    seed : int
        Not negative. Seed of folds, bootstraps and of everything random in a refit.

    Raises
    ------
    ValidationError
        Where a value is not one of these; the message names the key.

    Examples
    --------
    >>> ValidationSettings(designs=["loco"], repeats=2).designs
    ('loco',)
    """

    protocols: Sequence[str] = PROTOCOLS
    designs: Sequence[str] = DESIGNS
    family: Sequence[str] = FAMILY[:-1]
    repeats: int = 20
    inner_folds: int = 10
    prior: float | None = None
    direction: str = "fixed"
    fast: bool = False
    threshold: str | CutRule = "bootstrap_youden"
    bootstraps: int = 1000
    strata: Sequence[str] = ()
    prevalence: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        for key, known in (("protocols", PROTOCOLS), ("designs", DESIGNS), ("family", FAMILY)):
            object.__setattr__(
                self, key, require_choices(f"[validation] {key}", getattr(self, key), known, ValidationError)
            )
        require_choice("[validation] direction", self.direction, DIRECTIONS, ValidationError)
        if isinstance(self.threshold, Mapping):
            object.__setattr__(self, "threshold", read_rule(self.threshold))
        elif not isinstance(self.threshold, CutRule):
            require_choice("[validation] threshold", self.threshold, THRESHOLDS, ValidationError)
        for key, least, most in BOUNDS:
            require_whole(f"[validation] {key}", getattr(self, key), ValidationError, least, most)
        require_flag("[validation] fast", self.fast, ValidationError)
        strata = (self.strata,) if isinstance(self.strata, str) else tuple(self.strata)
        object.__setattr__(self, "strata", strata)
        if not all(isinstance(name, str) for name in strata) or len(set(strata)) != len(strata):
            raise ValidationError(
                f"[validation] strata must name columns, each once, not {list(strata)!r}; 'outcome' stands "
                "for the outcome."
            )
        if self.prevalence is not None and not (is_number(self.prevalence) and 0.0 < self.prevalence < 1.0):
            raise ValidationError(
                f"[validation] prevalence must be a share strictly between 0 and 1, not {self.prevalence!r}."
            )
        if self.prior is not None and not (is_number(self.prior) and 0.0 < self.prior < 1.0):
            raise ValidationError(
                f"[validation] prior must be a probability strictly between 0 and 1, not {self.prior!r}; "
                "leave it out to use the share of positive calls in the study."
            )
