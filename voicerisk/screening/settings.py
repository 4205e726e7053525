"""Settings of the screening stage, the table `[screening]` of a study file."""

from dataclasses import dataclass

from voicerisk.errors import ScreeningError
from voicerisk.pipeline.setting import require_choice, require_columns

UNITS = ("segment", "frame", "none")
RULES = ("min", "1se")


@dataclass(frozen=True, slots=True)
class ScreeningSettings:
    """What the Lasso sees and which lambda chooses the markers.

    Parameters
    ----------
    unit : {'segment', 'frame', 'none'}
        Rows of the Lasso: segment means (default), frames, or no screening at all.
    rule : {'min', '1se'}
        `min` takes the lambda of the smallest cross-validated deviance, `1se` the largest lambda whose
        deviance lies within one standard error of it.
    covariates : sequence of str
        Columns of [cohort] covariates that enter the Lasso without a penalty (glmnet's `penalty.factor` 0),
        so that markers are kept for what they say beyond them. By default none: the Lasso sees markers alone.

    Raises
    ------
    ScreeningError
        When a value is not one of those above.

    Examples
    --------
    >>> ScreeningSettings(rule="1se")
    ScreeningSettings(unit='segment', rule='1se', covariates=())
    """

    unit: str = "segment"
    rule: str = "min"
    covariates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, value, known in (("unit", self.unit, UNITS), ("rule", self.rule, RULES)):
            require_choice(f"[screening] {key}", value, known, ScreeningError)
        named = require_columns("[screening] covariates", self.covariates, ScreeningError)
        object.__setattr__(self, "covariates", named)
        if self.covariates and self.unit == "none":
            raise ScreeningError(
                '[screening] covariates are named, but unit = "none" screens nothing; leave one of them out.'
            )
