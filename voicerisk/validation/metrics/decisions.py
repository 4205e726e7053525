"""What decisions at a cut are worth: accuracy, sensitivity, specificity, predictive values, Youden index."""

import numpy as np


def decision_metrics(
    y: np.ndarray, flagged: np.ndarray, groups: np.ndarray, weights: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute all decision metrics under every set of caller weights.

    Parameters
    ----------
    y, flagged : ndarray of bool, shape (n,)
    groups : ndarray of int, shape (n,)
        Caller 0..C-1.
    weights : ndarray, shape (n,)
    counts : ndarray, shape (b, C)

    Returns
    -------
    dict
        Metric -> ndarray, shape (b,); NaN where the denominator is 0.
    """
    n_callers = counts.shape[1]

    def total(mask: np.ndarray) -> np.ndarray:
        return np.asarray(counts @ np.bincount(groups, weights=weights * mask, minlength=n_callers))

    tp, fp = total(y & flagged), total(~y & flagged)
    fn, tn = total(y & ~flagged), total(~y & ~flagged)
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        return {
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "sensitivity": sensitivity,
            "specificity": specificity,
            "ppv": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "youden_j": sensitivity + specificity - 1.0,
        }


def confusion(y: np.ndarray, flagged: np.ndarray) -> dict[str, tuple[int, int]]:
    """Return successes and trials of each proportion, for exact intervals of independent callers."""
    tp, fp = int((y & flagged).sum()), int((~y & flagged).sum())
    fn, tn = int((y & ~flagged).sum()), int((~y & ~flagged).sum())
    counts = {
        "accuracy": (tp + tn, tp + fp + fn + tn),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    return {name: pair for name, pair in counts.items() if pair[1] > 0}


def callers_behind(y: np.ndarray, flagged: np.ndarray, groups: np.ndarray) -> dict[str, int]:
    """Return how many callers stand in the denominator of each proportion.

    Parameters
    ----------
    y, flagged : ndarray of bool, shape (n,)
    groups : ndarray of int, shape (n,)
        Caller of each row.
    """
    everyone = np.ones(len(y), dtype=bool)
    parts = {"accuracy": everyone, "sensitivity": y, "specificity": ~y, "ppv": flagged, "npv": ~flagged}
    return {name: len(np.unique(groups[mask])) for name, mask in parts.items()}
