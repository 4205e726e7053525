"""What travels over the bridge: arguments, results and failures. Knows neither rpy2 nor R."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicerisk.errors import RBridgeError


@dataclass(frozen=True, slots=True)
class Kept:
    """An argument that already lies in R: the value a worker was told to `keep` under this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Rds:
    """An argument that R reads from a file written by `saveRDS`, such as a fitted model."""

    path: Path


@dataclass(frozen=True, slots=True)
class RResult:
    """What one call into R gave.

    Attributes
    ----------
    value : object
        R's value as Python objects: data frame -> `pandas.DataFrame`, named list -> dict, other list -> list,
        numbers -> 1-d or 2-d `numpy.ndarray` (always a copy, also of length one), strings -> list of str
        (None for NA), NULL -> None.
    warnings, messages : tuple of str
        R's own warnings (each text once) and messages, word for word.
    seconds : float
        Time R took for the call, without transport.
    """

    value: Any
    warnings: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RCall:
    """One call: the function of the R package, its arguments by name, and the seed set before it."""

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1


@dataclass(frozen=True, slots=True)
class RFailure:
    """A call that R ended with an error."""

    function: str
    message: str
    classes: tuple[str, ...]
    traceback: tuple[str, ...]
    log: tuple[str, ...]

    def error(self) -> "RCallError":
        """Return the exception that tells it."""
        return RCallError(self)


class RCallError(RBridgeError):
    """A function of the R package stopped with an error; `failure` holds its message, traceback and log."""

    def __init__(self, failure: RFailure) -> None:
        self.failure = failure
        text = f"R function {failure.function}: {failure.message}"
        # Input that our own R code refuses needs no traceback; what fails deeper does.
        if not any(name.startswith("vr_") for name in failure.classes):
            if failure.traceback:
                text += "\nR traceback (outermost first):\n  " + "\n  ".join(failure.traceback[-12:])
            if failure.log:
                text += "\nLast lines of R's console:\n  " + "\n  ".join(failure.log[-10:])
        super().__init__(text)
