"""What a setting may be: one sentence for every room, with the setting, its value and what is allowed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from voicerisk.errors import VoiceriskError

Error = type[VoiceriskError]


def require_choice(name: str, value: Any, known: Sequence[str], error: Error) -> None:
    """Refuse a value that is none of those known.

    Parameters
    ----------
    name : str
        The setting as the study file has it, for example '[validation] direction'.
    value : object
    known : sequence of str
    error : type
        The room's own error.

    Examples
    --------
    >>> from voicerisk.errors import ValidationError
    >>> require_choice("[validation] direction", "down", ("fixed", "auto"), ValidationError)
    Traceback (most recent call last):
    voicerisk.errors.ValidationError: [validation] direction must be one of fixed, auto, not 'down'.
    """
    if value not in known:
        raise error(f"{name} must be one of {', '.join(known)}, not {value!r}.")


def require_choices(
    name: str, value: Any, known: Sequence[str], error: Error, least: int = 1
) -> tuple[str, ...]:
    """Return values, each of which is known and stands once; a single text is a list of one.

    Raises
    ------
    VoiceriskError
        Of the kind given, where there are fewer than `least`, one stands twice or one is unknown.
    """
    values = (value,) if isinstance(value, str) else tuple(value)
    if len(values) < least or len(set(values)) < len(values):
        raise error(
            f"{name} must name each of {', '.join(known)} at most once"
            f"{' and at least one of them' if least else ''}, not {list(values)!r}."
        )
    for one in values:
        require_choice(name, one, known, error)
    return values


def require_columns(name: str, value: Any, error: Error) -> tuple[str, ...]:
    """Return a list of names of columns, each of which stands once."""
    if isinstance(value, str) or not all(isinstance(one, str) for one in value):
        raise error(f"{name} is {value!r}; it must be a list of columns.")
    if len(set(value)) < len(value):
        raise error(f"{name} names a column twice: {', '.join(value)}.")
    return tuple(value)


def require_whole(name: str, value: Any, error: Error, least: int, most: int | None = None) -> None:
    """Refuse what is not a whole number from `least` to `most`."""
    if not is_whole(value) or value < least or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise error(f"{name} must be a whole number of at least {least}{upper}, not {value!r}.")


def require_flag(name: str, value: Any, error: Error) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool):
        raise error(f"{name} must be true or false, not {value!r}.")


def is_whole(value: Any) -> bool:
    """Say whether a value is a whole number; true and false are none.

    Examples
    --------
    >>> [is_whole(value) for value in (3, 3.0, True, "3")]
    [True, False, False, False]
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Say whether a value is a number that is there; true and false are none.

    Examples
    --------
    >>> [is_number(value) for value in (3, 0.5, True, float("nan"))]
    [True, True, False, False]
    """
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and not np.isnan(value)
