"""What the values of calls.csv mean: sex, outcome, C-SSRS and the other gates of a multi-gate rating.

Ratings follow Iyer and colleagues: C-SSRS 1-2 low, 3-4 moderate, 5-6 imminent; the counsellor's scale 0-1
low, 2-3 moderate, 4-6 imminent; the screening questions imminent where all are answered yes.
"""

import math

CSSRS_LOW = (1, 2)
CSSRS_IMMINENT = (5, 6)
SCALES = ("cssrs", "counsellor", "screening", "other")

LOW, MODERATE, IMMINENT, NOT_IMMINENT = "low", "moderate", "imminent", "not imminent"

SEXES = {"female": "female", "f": "female", "male": "male", "m": "male"}
ANSWERS = {"1": 1.0, "yes": 1.0, "y": 1.0, "true": 1.0, "0": 0.0, "no": 0.0, "n": 0.0, "false": 0.0}


def read_sex(text: str) -> str | None:
    """Return 'female' or 'male' for female, male, F or M in any case, otherwise None.

    Examples
    --------
    >>> read_sex("F"), read_sex("Male"), read_sex("unknown")
    ('female', 'male', None)
    """
    return SEXES.get(text.strip().lower())


def read_whole(text: str, largest: int) -> int | None:
    """Return the whole number from 0 to `largest` that a cell holds ('5', '5.0'), otherwise None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) and 0 <= number <= largest else None


def cssrs_to_outcome(
    rating: int, low: tuple[int, ...] = CSSRS_LOW, imminent: tuple[int, ...] = CSSRS_IMMINENT
) -> int | None:
    """Return the outcome of a C-SSRS rating: 0 low, 1 imminent, None for a rating that is left out.

    Parameters
    ----------
    rating : int
        0 to 6.
    low, imminent : tuple of int
        Ratings of either class.

    Examples
    --------
    >>> [cssrs_to_outcome(rating) for rating in range(7)]
    [None, 0, 0, None, None, 1, 1]
    """
    if rating in low:
        return 0
    return 1 if rating in imminent else None


def left_out_reason(rating: int) -> str:
    """Return the words of the exclusion flow for a C-SSRS rating in neither class."""
    if rating == 0:
        return "C-SSRS 0 (no ideation)"
    if rating in (3, 4):
        return "C-SSRS 3-4 (moderate risk)"
    return f"C-SSRS {rating} (mapped to no class)"


def read_rating(text: str, scale: str) -> float | None:
    """Return the number a rater gave on this scale, or None if the cell holds none of the scale's values."""
    if scale == "screening":
        return ANSWERS.get(text.strip().lower().removesuffix(".0"))
    if scale == "other":
        try:
            number = float(text)
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    whole = read_whole(text, 6)
    return None if whole is None else float(whole)


def risk_level(value: float, scale: str) -> str | None:
    """Return the risk level of a rating: 'low', 'moderate', 'imminent'; None where the scale has none.

    C-SSRS 0 counts as low here: it disagrees with a class only if that class is not low.

    Examples
    --------
    >>> risk_level(4, "cssrs"), risk_level(4, "counsellor"), risk_level(1, "screening")
    ('moderate', 'imminent', None)
    """
    if scale == "cssrs":
        return LOW if value <= 2 else MODERATE if value <= 4 else IMMINENT
    if scale == "counsellor":
        return LOW if value <= 1 else MODERATE if value <= 3 else IMMINENT
    return None


def levels_disagree(one: str, other: str) -> bool:
    """Tell whether two levels contradict each other; 'not imminent' contradicts only 'imminent'."""
    if NOT_IMMINENT in (one, other):
        return IMMINENT in (one, other)
    return one != other
