"""Several classes: Hand and Till's AUROC and the confusion of the likeliest class."""

from collections.abc import Mapping
from itertools import permutations

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.validation.discrimination import auroc


def hand_till(y: np.ndarray, score: Mapping[str, np.ndarray]) -> float:
    """Return the AUROC over all pairs of classes (Hand and Till 2001), which does not depend on prevalence.

    Parameters
    ----------
    y : ndarray of str, shape (n,)
    score : mapping of class to ndarray, shape (n,)

    Returns
    -------
    float

    Raises
    ------
    ValidationError
        Where a class has no row.
    """
    labels = np.asarray(y).astype(str)
    empty = [name for name in score if not (labels == name).any()]
    if empty:
        raise ValidationError(f"No row has the class {empty[0]!r}; Hand and Till's AUROC needs every class.")
    areas = []
    for own, other in permutations(score, 2):
        pair = (labels == own) | (labels == other)
        areas.append(auroc((labels[pair] == own).astype(int), score[own][pair]))
    return float(np.mean(areas))


def likeliest_class(y: np.ndarray, score: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Count true against likeliest classes (the first named where scores tie).

    Returns
    -------
    DataFrame
        true, predicted, n.
    """
    names = list(score)
    predicted = np.array(names)[np.argmax(np.column_stack([score[name] for name in names]), axis=1)]
    true = np.asarray(y).astype(str)
    pairs = [
        (own, other, int(((true == own) & (predicted == other)).sum())) for own in names for other in names
    ]
    return pd.DataFrame(pairs, columns=["true", "predicted", "n"])
