"""The rule by which a service cuts, as the study file says it: a sensitivity, a price, a capacity, a risk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicerisk.errors import ValidationError

KINDS = {
    "sensitivity": "a share above 0 and at most 1",
    "cost": "a number above 0",
    "capacity": "a number of calls above 0 and below 100",
    "risk": "a probability above 0 and below 1",
}
_HIGHEST = {"sensitivity": 1.0, "cost": np.inf, "capacity": 100.0, "risk": 1.0}


@dataclass(frozen=True, slots=True)
class CutRule:
    """What a cut must do.

    Attributes
    ----------
    kind : {'sensitivity', 'cost', 'capacity', 'risk'}
        'sensitivity': the highest cut that flags at least this share of the calls with the outcome.
        'cost': the cut with the smallest mean cost; a missed call costs as much as so many false alarms.
        'capacity': the lowest cut that flags at most so many of 100 calls.
        'risk': flags calls whose recalibrated risk is at least this.
    value : float
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValidationError(
                f"[validation] threshold has the rule {self.kind!r}; it is one of {', '.join(KINDS)}."
            )
        number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        closed = self.kind == "sensitivity"
        highest = _HIGHEST[self.kind]
        if not number or not 0 < self.value <= highest or (self.value == highest and not closed):
            raise ValidationError(
                f"[validation] threshold {self.kind} is {self.value!r}; it must be {KINDS[self.kind]}."
            )

    def __str__(self) -> str:
        told = {
            "sensitivity": f"sensitivity of at least {self.value:g}",
            "cost": f"a missed call costs as much as {self.value:g} false alarms",
            "capacity": f"at most {self.value:g} flags in 100 calls",
            "risk": f"risk of at least {self.value:g}",
        }
        return told[self.kind]


def read_rule(value: Mapping[str, Any]) -> CutRule:
    """Return the rule of a study file, such as ``{ sensitivity = 0.95 }``.

    Raises
    ------
    ValidationError
        If the table does not hold one rule.
    """
    if len(value) != 1:
        raise ValidationError(
            "[validation] threshold must hold one rule, for example { sensitivity = 0.95 }, "
            f"not {dict(value)!r}."
        )
    [(kind, number)] = value.items()
    return CutRule(str(kind), number)
