"""From logits to probabilities, and the losses that choose an epoch or a penalty."""

import numpy as np
from scipy.special import log_softmax


def balanced_log_loss(logits: np.ndarray, codes: np.ndarray) -> float:
    """Return the log loss in which every class counts alike, as training with oversampling has it.

    Parameters
    ----------
    logits : ndarray, shape (n, k)
    codes : ndarray of int, shape (n,)
        Class number.

    Examples
    --------
    >>> round(balanced_log_loss(np.zeros((3, 2)), np.array([0, 0, 1])), 4)
    0.6931
    """
    losses = -log_softmax(logits, axis=1)[np.arange(len(codes)), codes]
    return float(np.mean([losses[codes == code].mean() for code in np.unique(codes)]))


def contrasts(logits: np.ndarray) -> np.ndarray:
    """Return what explanations explain, shape (n, k): each class's logit against the reference class.

    The reference class (the first) is set against the mean of the others.

    Examples
    --------
    >>> contrasts(np.array([[1.0, 2.0, 5.0]])).tolist()
    [[-2.5, 1.0, 4.0]]
    """
    against = logits - logits[:, :1]
    against[:, 0] = logits[:, 0] - logits[:, 1:].mean(axis=1)
    return against
