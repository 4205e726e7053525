"""Agreement of raters, with intervals from a bootstrap of the recordings they rated."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError

WEIGHTS = ("none", "linear", "quadratic")
LEVELS = ("nominal", "ordinal", "interval")


def cohen_kappa(first: np.ndarray, second: np.ndarray, weights: str = "none") -> float:
    """Return Cohen's kappa of two raters (scikit-learn's `cohen_kappa_score`, by counts).

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        Categories; for linear and quadratic weights their order is that of sorting.
    weights : {'none', 'linear', 'quadratic'}

    Returns
    -------
    float
        NaN where both raters used one category only.
    """
    if weights not in WEIGHTS:
        raise ValidationError(f"The weights of kappa are one of {', '.join(WEIGHTS)}, not {weights!r}.")
    names, code = np.unique(np.concatenate([first, second]), return_inverse=True)
    k, n = len(names), len(first)
    table = np.bincount(code[:n] * k + code[n:], minlength=k * k).reshape(k, k) / n
    place = np.arange(k)
    distance = np.abs(place[:, None] - place[None, :]).astype(np.float64)
    penalty = {"none": np.minimum(distance, 1.0), "linear": distance, "quadratic": distance**2}[weights]
    return kappa_of_table(table, penalty)


def kappa_of_table(table: np.ndarray, penalty: np.ndarray) -> float:
    """Return kappa of a table of shares: 1 - disagreement / disagreement expected of its margins.

    Parameters
    ----------
    table, penalty : ndarray, shape (K, K)
        Shares that sum to 1, and what each disagreement counts.

    Returns
    -------
    float
        NaN where no disagreement is expected.
    """
    expected = np.outer(table.sum(1), table.sum(0))
    return _ratio(float((penalty * table).sum()), float((penalty * expected).sum()))


def light_kappa(ratings: np.ndarray, weights: str = "none") -> float:
    """Return Light's kappa: the mean of Cohen's kappa over all pairs of raters."""
    pairs = combinations(range(ratings.shape[1]), 2)
    return float(np.mean([cohen_kappa(ratings[:, a], ratings[:, b], weights) for a, b in pairs]))


def fleiss_kappa(ratings: np.ndarray) -> float:
    """Return Fleiss' kappa: chance agreement from the pooled categories.

    Parameters
    ----------
    ratings : ndarray, shape (n_recordings, n_raters)

    Returns
    -------
    float
    """
    counts, observed = _category_counts(ratings)
    share = counts.sum(0) / counts.sum()
    return _ratio(1.0 - observed, 1.0 - float((share**2).sum()))


def conger_kappa(ratings: np.ndarray) -> float:
    """Return Conger's kappa: chance agreement from each rater's own categories."""
    _, observed = _category_counts(ratings)
    names, code = np.unique(ratings, return_inverse=True)
    code = code.reshape(ratings.shape)
    share = np.array([np.bincount(column, minlength=len(names)) for column in code.T]) / len(ratings)
    m = ratings.shape[1]
    chance = float((share.sum(0) ** 2 - (share**2).sum(0)).sum()) / (m * (m - 1))
    return _ratio(1.0 - observed, 1.0 - chance)


def krippendorff_alpha(ratings: np.ndarray, level: str = "ordinal") -> float:
    """Return Krippendorff's alpha by its definition (2011); NaN ratings are missing.

    Parameters
    ----------
    ratings : ndarray of float, shape (n_recordings, n_raters)
    level : {'nominal', 'ordinal', 'interval'}

    Returns
    -------
    float
        irr::kripp.alpha 0.84.1 differs at the ordinal level, since it does not follow the definition there.
    """
    if level not in LEVELS:
        raise ValidationError(f"Krippendorff's alpha is {', '.join(LEVELS)}, not {level!r}.")
    values = np.asarray(ratings, dtype=np.float64)
    names = np.unique(values[~np.isnan(values)])
    k = len(names)
    coincidence = np.zeros((k, k))
    for row in values:
        given = np.searchsorted(names, row[~np.isnan(row)])
        if len(given) < 2:
            continue
        counts = np.bincount(given, minlength=k).astype(np.float64)
        coincidence += (np.outer(counts, counts) - np.diag(counts)) / (len(given) - 1)
    total = coincidence.sum(0)
    n = total.sum()
    if level == "nominal":
        distance = 1.0 - np.eye(k)
    elif level == "interval":
        distance = (names[:, None] - names[None, :]) ** 2
    else:
        middle = np.cumsum(total) - 0.5 * total
        distance = (middle[:, None] - middle[None, :]) ** 2
    expected = float((np.outer(total, total) * distance).sum()) / (n - 1.0)
    return _ratio(float((coincidence * distance).sum()), expected)


def icc_agreement(ratings: np.ndarray) -> float:
    """Return ICC(A,1): two-way, absolute agreement, one rater (McGraw and Wong 1996)."""
    x = np.asarray(ratings, dtype=np.float64)
    n, m = x.shape
    rows, columns, grand = x.mean(1), x.mean(0), x.mean()
    between = m * ((rows - grand) ** 2).sum() / (n - 1)
    raters = n * ((columns - grand) ** 2).sum() / (m - 1)
    error = ((x - rows[:, None] - columns[None, :] + grand) ** 2).sum() / ((n - 1) * (m - 1))
    denominator = between + (m - 1) * error + m * (raters - error) / n
    return float((between - error) / denominator) if denominator > 0 else np.nan


def agreement_table(
    ratings: pd.DataFrame, n_boot: int = 2000, level: float = 0.95, seed: int = 1
) -> pd.DataFrame:
    """Return all coefficients with bootstrap intervals over recordings.

    Parameters
    ----------
    ratings : DataFrame
        One row a recording, one numeric column a rater, ordered categories as numbers; complete rows.
    n_boot : int
    level : float
    seed : int

    Returns
    -------
    DataFrame
        metric, estimate, lower, upper, level, n_recordings, n_raters, n_categories, n_undefined (resamples in
        which all ratings were of one category). 'Kappa' alone does not say which of these it is.

    Raises
    ------
    ValidationError
        Where there are fewer than 2 recordings or raters, or a rating is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({"first": [0, 1, 2, 2, 1, 0], "second": [0, 1, 2, 1, 1, 0]})
    >>> agreement_table(ratings, n_boot=100).set_index("metric")["estimate"].round(2)["light_kappa"]
    np.float64(0.75)
    """
    values = ratings.to_numpy(dtype=np.float64)
    n, m = values.shape
    if n < 2 or m < 2:
        raise ValidationError(f"Agreement needs 2 recordings and 2 raters or more, not {n} and {m}.")
    if np.isnan(values).any():
        row, column = np.argwhere(np.isnan(values))[0]
        raise ValidationError(
            f"The rating of recording {ratings.index[row]!r} by {ratings.columns[column]!r} is missing; use "
            "krippendorff_alpha, or complete recordings."
        )
    coefficients: dict[str, Callable[[np.ndarray], float]] = {
        "fleiss_kappa": fleiss_kappa,
        "conger_kappa": conger_kappa,
        "light_kappa": light_kappa,
        "light_kappa_linear": lambda r: light_kappa(r, "linear"),
        "light_kappa_quadratic": lambda r: light_kappa(r, "quadratic"),
        "krippendorff_alpha_ordinal": krippendorff_alpha,
        "icc_agreement": icc_agreement,
    }
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, n, (n_boot, n))
    rows = []
    for name, coefficient in coefficients.items():
        with np.errstate(invalid="ignore"):
            resampled = np.array([coefficient(values[drawn]) for drawn in draws])
        known = resampled[np.isfinite(resampled)]
        low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if len(known) else (np.nan, np.nan)
        rows.append(
            {
                "metric": name, "estimate": coefficient(values), "lower": float(low), "upper": float(high),
                "level": level, "n_recordings": n, "n_raters": m, "n_categories": len(np.unique(values)),
                "n_undefined": int(n_boot - len(known)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _category_counts(ratings: np.ndarray) -> tuple[np.ndarray, float]:
    """Return category counts of each recording and the mean agreement of pairs of raters."""
    names, code = np.unique(ratings, return_inverse=True)
    code = code.reshape(ratings.shape)
    counts = np.array([np.bincount(row, minlength=len(names)) for row in code]).astype(np.float64)
    m = ratings.shape[1]
    return counts, float(((counts**2).sum(1) - m).mean() / (m * (m - 1)))


def _ratio(disagreement: float, chance: float) -> float:
    return 1.0 - disagreement / chance if chance > 0 else np.nan
