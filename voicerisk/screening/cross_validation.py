"""Cross-validated deviance of a Lasso path, and the two rules that choose a lambda from it.

Definitions of R's `cv.glmnet(type.measure = "deviance", grouped = TRUE)`, glmnet 4.1: with d_k the weighted
mean deviance of the held-out rows of fold k and W_k the sum of their weights,

    deviance = sum_k W_k d_k / sum_k W_k
    se       = sqrt( sum_k W_k (d_k - deviance)^2 / sum_k W_k / (K - 1) )

One difference: R gives up the grouping by folds when there are fewer than three rows a fold; here the fold,
which is a group of callers, always stays the unit.
"""

import numpy as np

from voicerisk.types import Floats

# cv.glmnet keeps probabilities this far from 0 and 1 when it takes their logarithm.
PROBABILITY_LIMIT = 1e-5


def fold_deviance(link: Floats, y: Floats, weights: Floats) -> Floats:
    """Return the weighted mean deviance (-2 log-likelihood) of rows with log-odds `link`, shape (n, L)."""
    from scipy.special import expit

    p = np.clip(expit(link), PROBABILITY_LIMIT, 1.0 - PROBABILITY_LIMIT)
    likelihood = np.where(y[:, None] > 0.5, p, 1.0 - p)
    return -2.0 * (weights @ np.log(likelihood)) / weights.sum()


def summarise_folds(deviances: Floats, fold_weights: Floats) -> tuple[Floats, Floats]:
    """Return the mean deviance and its standard error along the path from fold deviances (K, L)."""
    share = fold_weights / fold_weights.sum()
    mean = share @ deviances
    se = np.sqrt(share @ (deviances - mean) ** 2 / (len(share) - 1))
    return mean, se


def choose_lambdas(deviance: Floats, se: Floats) -> tuple[int, int]:
    """Return the positions of lambda.min and lambda.1se on a decreasing path.

    lambda.min is the largest lambda that reaches the smallest deviance; lambda.1se the largest lambda whose
    deviance is at most that deviance plus its standard error.

    Examples
    --------
    >>> import numpy as np
    >>> choose_lambdas(np.array([1.4, 1.2, 1.1, 1.1]), np.array([0.1, 0.1, 0.15, 0.1]))
    (2, 1)
    """
    least = int(np.argmin(deviance))
    return least, int(np.argmax(deviance <= deviance[least] + se[least]))
