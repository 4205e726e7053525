"""How far raters agree: Fleiss', Light's and weighted kappa, Krippendorff's alpha, bootstrap intervals.

"Kappa" alone does not say which, so all are given. The recordings, not the ratings, are resampled: a dozen
recordings carry little, however many raters heard them.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.errors import CohortError

# Recordings in rows, raters in columns, categories as codes from 0, -1 where not rated.
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
AGREEMENT_COLUMNS = (
    "scale", "rated", "measure", "estimate", "lower", "upper", "level", "n_recordings", "n_raters",
    "n_categories", "n_undefined",
)  # fmt: skip
COMPARED = ("cssrs", "counsellor")


def rater_agreement(
    ratings: pd.DataFrame, *, level: float = 0.95, bootstraps: int = 2000, seed: int = 1
) -> pd.DataFrame:
    """Measure agreement among the raters of each scale.

    Parameters
    ----------
    ratings : DataFrame
        Long table of a `Cohort`: `call_id, rater, scale, value, level`. Scales 'cssrs' and 'counsellor' are
        measured where they have at least two raters; screening questions ask different things.
    level : float
        Of the percentile intervals.
    bootstraps : int
        Resamples of recordings.
    seed : int

    Returns
    -------
    DataFrame
        One row a scale, `rated` ('value' as given, or 'level': low, moderate, imminent) and `measure`:
        'fleiss' (recordings that all raters rated), 'light' (mean of all pairs' Cohen's kappa, each on the
        recordings both rated), 'light_linear', 'light_quadratic' (weighted by distance in the order of the
        categories that occur), 'krippendorff_nominal', 'krippendorff_ordinal' (recordings with two ratings at
        least). Then `estimate, lower, upper, level, n_recordings` (used by this measure), `n_raters,
        n_categories`, and `n_undefined`: resamples in which the measure does not exist, because all ratings
        are alike.

    Raises
    ------
    CohortError
        If no scale has two raters who rated a recording in common.

    Notes
    -----
    Fleiss (1971), Psychol Bull 76: 378; Light (1971), Psychol Bull 76: 365; Cohen (1968), Psychol Bull 70:
    213; Krippendorff (2011), Computing Krippendorff's alpha-reliability. Estimates agree with the R package
    irr 0.84.1, except the ordinal alpha, where irr departs from the definition.

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({
    ...     "call_id": list("abcd") * 2, "rater": ["r1"] * 4 + ["r2"] * 4, "scale": "cssrs",
    ...     "value": [1.0, 2, 5, 5, 1, 2, 5, 6], "level": ["low", "low"] + ["imminent"] * 2 + ["low", "low"]
    ...     + ["imminent"] * 2})
    >>> found = rater_agreement(ratings, bootstraps=200).set_index(["rated", "measure"])
    >>> float(found.loc[("level", "fleiss"), "estimate"])
    1.0
    """
    rows: list[tuple[object, ...]] = []
    for scale in COMPARED:
        of_scale = ratings[ratings["scale"] == scale]
        for rated, order in (("value", None), ("level", ["low", "moderate", "imminent"])):
            codes, n_categories = _codes(of_scale, rated, order)
            if codes.shape[1] < 2 or not ((codes >= 0).sum(axis=1) >= 2).any():
                continue
            # One stream for a scale: the same resamples of recordings for every measure.
            draws = np.random.default_rng(seed).integers(len(codes), size=(bootstraps, len(codes)))
            times = np.array([np.bincount(draw, minlength=len(codes)) for draw in draws], dtype=np.float64)
            for measure, (function, least) in MEASURES.items():
                used = _used(codes, least)
                estimate = float(function(codes, None)[0])
                resampled = function(codes, times)
                defined = resampled[~np.isnan(resampled)]
                tail = (1.0 - level) / 2.0
                bounds = np.quantile(defined, [tail, 1.0 - tail]) if defined.size else (np.nan, np.nan)
                numbers = (estimate, *bounds, level, used, codes.shape[1], n_categories)
                rows.append((scale, rated, measure, *numbers, int(bootstraps - defined.size)))
    if not rows:
        raise CohortError(
            "No recording was rated by two raters on the same scale: there is no agreement to measure."
        )
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def _codes(ratings: pd.DataFrame, rated: str, order: list[str] | None) -> tuple[Codes, int]:
    wide = ratings.pivot(index="call_id", columns="rater", values=rated)
    present = set(wide.stack())
    categories = sorted(present) if order is None else [name for name in order if name in present]
    place = {category: code for code, category in enumerate(categories)}
    return wide.map(lambda cell: place.get(cell, -1)).to_numpy(dtype=np.int64), len(categories)


def _used(codes: Codes, least: int | None) -> int:
    """Count recordings with at least `least` ratings, or with all of them."""
    rated = (codes >= 0).sum(axis=1)
    return int((rated >= (codes.shape[1] if least is None else least)).sum())


def fleiss_kappa(codes: Codes, weights: Floats | None = None) -> Floats:
    """Return Fleiss' kappa over the recordings that all raters rated, for each row of weights.

    Parameters
    ----------
    codes : ndarray of int, shape (recordings, raters)
        Categories from 0, -1 where not rated.
    weights : ndarray, shape (B, recordings), optional
        How often each recording counts; once each when not given.

    Returns
    -------
    ndarray, shape (B,)
        NaN where chance alone gives full agreement.
    """
    full = (codes >= 0).all(axis=1)
    weights = _weights(codes, weights)[:, full]
    counts = _counts(codes[full])
    n_raters = codes.shape[1]
    agreeing = ((counts**2).sum(axis=1) - n_raters) / (n_raters * (n_raters - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=1)
        expected = ((weights @ counts / (n_raters * total)[:, None]) ** 2).sum(axis=1)
        return _beyond_chance(1.0 - weights @ agreeing / total, 1.0 - expected)


def cohen_kappa(
    one: NDArray[np.int64], other: NDArray[np.int64], power: int = 0, weights: Floats | None = None
) -> Floats:
    """Return Cohen's kappa of two raters for each row of weights, over the recordings both rated.

    A disagreement weighs the distance of its categories to `power`; with 0 all weigh the same.
    """
    codes = np.column_stack([one, other])
    both = (codes >= 0).all(axis=1)
    size = int(codes.max(initial=0)) + 1
    cells = np.eye(size * size)[one[both] * size + other[both]]
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(np.float64)
    cost = (distance > 0).astype(np.float64) if power == 0 else distance**power
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = (_weights(codes, weights)[:, both] @ cells).reshape(-1, size, size)
        joint /= joint.sum(axis=(1, 2), keepdims=True)
        expected = np.einsum("bi,ij,bj->b", joint.sum(axis=2), cost, joint.sum(axis=1))
        return _beyond_chance((cost * joint).sum(axis=(1, 2)), expected)


def light_kappa(codes: Codes, weights: Floats | None = None, power: int = 0) -> Floats:
    """Return the mean of Cohen's kappa over all pairs of raters; NaN where one of them does not exist."""
    pairs = combinations(range(codes.shape[1]), 2)
    return np.mean([cohen_kappa(codes[:, a], codes[:, b], power, weights) for a, b in pairs], axis=0)


def krippendorff_alpha(codes: Codes, weights: Floats | None = None, ordinal: bool = False) -> Floats:
    """Return Krippendorff's alpha over the recordings with at least two ratings, for each row of weights.

    The ordinal difference of two categories is the square of the number of ratings from one to the other, the
    two ends counted half.
    """
    pairable = (codes >= 0).sum(axis=1) >= 2
    counts = _counts(codes[pairable])
    size = counts.shape[1]
    pairs = np.einsum("ni,nj->nij", counts, counts) - counts[:, :, None] * np.eye(size)
    pairs /= (counts.sum(axis=1) - 1.0)[:, None, None]
    weights = _weights(codes, weights)[:, pairable]
    coincidences = (weights @ pairs.reshape(len(pairs), -1)).reshape(-1, size, size)
    totals = coincidences.sum(axis=1)
    if ordinal:
        middle = np.cumsum(totals, axis=1) - totals / 2.0
        difference = (middle[:, :, None] - middle[:, None, :]) ** 2
    else:
        difference = np.broadcast_to(1.0 - np.eye(size), coincidences.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.einsum("bi,bij,bj->b", totals, difference, totals) / (totals.sum(axis=1) - 1.0)
        return _beyond_chance((coincidences * difference).sum(axis=(1, 2)), expected)


def _beyond_chance(disagreement: Floats, expected: Floats) -> Floats:
    """Return 1 - disagreement / expected; NaN where chance gives no disagreement (up to rounding)."""
    return np.where(expected > 1e-12, 1.0 - disagreement / np.where(expected > 1e-12, expected, 1.0), np.nan)


def _weights(codes: Codes, weights: Floats | None) -> Floats:
    return np.ones((1, len(codes))) if weights is None else weights


def _counts(codes: Codes) -> Floats:
    """Return how many raters chose each category, shape (recordings, categories)."""
    return (codes[:, :, None] == np.arange(codes.max(initial=0) + 1)).sum(axis=1).astype(np.float64)


# Measure: function of codes and weights, and how many ratings a recording needs to count (None = all).
MEASURES: dict[str, tuple[Callable[[Codes, Floats | None], Floats], int | None]] = {
    "fleiss": (fleiss_kappa, None),
    "light": (light_kappa, 2),
    "light_linear": (lambda codes, weights: light_kappa(codes, weights, 1), 2),
    "light_quadratic": (lambda codes, weights: light_kappa(codes, weights, 2), 2),
    "krippendorff_nominal": (krippendorff_alpha, 2),
    "krippendorff_ordinal": (lambda codes, weights: krippendorff_alpha(codes, weights, True), 2),
}
