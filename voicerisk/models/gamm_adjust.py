"""p-values adjusted for many smooths."""

import numpy as np


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's step-down adjusted p-values, shape (m,), as R's p.adjust(method = "holm")."""
    order = np.argsort(p)
    factor = len(p) - np.arange(len(p))
    adjusted = np.minimum(np.maximum.accumulate(factor * p[order]), 1.0)
    out = np.empty_like(adjusted)
    out[order] = adjusted
    return out


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return Benjamini and Hochberg's adjusted p-values, shape (m,), as R's p.adjust(method = "BH")."""
    order = np.argsort(p)[::-1]
    factor = len(p) / (len(p) - np.arange(len(p)))
    adjusted = np.minimum(np.minimum.accumulate(factor * p[order]), 1.0)
    out = np.empty_like(adjusted)
    out[order] = adjusted
    return out
