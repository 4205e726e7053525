"""Several classes: Hand and Till's AUROC, confusion, one class against the rest, other prevalences."""

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from voicerisk.callers.draws import caller_draws
from voicerisk.callers.schema import RUN, classes_of, require_both_classes
from voicerisk.callers.streams import Stream
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.decision_curves import CURVE, net_benefit
from voicerisk.validation.metrics.discrimination import auroc


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


def one_against_rest(predictions: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return the binary predictions table of one class against all others.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table with several classes.
    label : str

    Returns
    -------
    DataFrame
        y is 1 for the class; p_raw and p are those of the class; other classes' columns are gone.

    Raises
    ------
    ValidationError
        If there is no such class.
    """
    classes = classes_of(predictions)
    if label not in classes:
        raise ValidationError(f"The predictions hold no class {label!r}, but {', '.join(classes)}.")
    gone = [f"{kind}_{name}" for name in classes for kind in ("p_raw", "p")]
    table = predictions.assign(
        y=(predictions["y"].astype(str) == label).astype("int64"),
        p_raw=predictions[f"p_raw_{label}"],
        p=predictions[f"p_{label}"],
    )
    return table.drop(columns=gone)


def at_class_prevalence(predictions: pd.DataFrame, prevalence: Mapping[str, float]) -> pd.DataFrame:
    """Return predictions as they would be where the classes have other shares.

    Risks move by Bayes' rule from the shares of the table (by evaluation weight, each repeat its own) to
    those
    given, and evaluation weights by the same ratios. What each class's scores look like is assumed to carry
    over; where a middle class was left out of the sample, that is optimistic.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table with several classes; `p` is at the table's own shares.
    prevalence : mapping of class to float
        Shares, all above 0, together 1.

    Returns
    -------
    DataFrame

    Raises
    ------
    ValidationError
        If the shares do not fit the classes.
    """
    classes = classes_of(predictions)
    shares = np.array([float(prevalence.get(name, 0.0)) for name in classes])
    if set(prevalence) != set(classes) or (shares <= 0).any() or abs(shares.sum() - 1.0) > 1e-6:
        raise ValidationError(
            f"The shares must name {', '.join(classes)}, each above 0, together 1; not {dict(prevalence)}."
        )
    parts = []
    for _, part in predictions.groupby(["protocol", "model", "target", "design", "repeat"], sort=False):
        y, weight = part["y"].astype(str), part["weight"].to_numpy(dtype=np.float64)
        own = np.array([weight[(y == name).to_numpy()].sum() for name in classes]) / weight.sum()
        if (own == 0).any():
            raise ValidationError(f"No row has the class {classes[int(own.argmin())]!r}.")
        ratio = dict(zip(classes, shares / own, strict=True))
        odds = {name: part[f"p_{name}"] * ratio[name] for name in classes}
        total = pd.DataFrame(odds).sum(axis=1, min_count=1)
        moved = {f"p_{name}": values / total for name, values in odds.items()}
        parts.append(part.assign(**moved, weight=weight * y.map(ratio).to_numpy(dtype=np.float64)))
    return pd.concat(parts, ignore_index=True)


def class_decision_curves(
    predictions: pd.DataFrame,
    label: str,
    thresholds: Sequence[float] = CURVE,
    n_boot: int = 500,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Return decision curves of one class, one a model, over all repeats together.

    A call that several repeats held out enters with each of its risks; its caller is drawn as one. Evaluation
    weights count, so that `at_class_prevalence` gives the curve at another prevalence.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table with several classes.
    label : str
    thresholds : sequence of float
    n_boot : int
    level : float
    seed : int

    Returns
    -------
    DataFrame
        protocol, model, target, design, threshold, strategy ('model', 'all', 'none', 'maximum' = prevalence),
        net_benefit, lower, upper.
    """
    binary = one_against_rest(predictions, label)
    calls = binary[(binary["unit"] == "call") & binary["p"].notna()]
    t = np.asarray(thresholds, dtype=np.float64)
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    parts = []
    for names, rows in calls.groupby(list(RUN), sort=True):
        y = rows["y"].to_numpy()
        require_both_classes(y, f"The calls of {'/'.join(map(str, names))}")
        first = rows.drop_duplicates("call_id").sort_values(["caller_id", "call_id"])
        draws = caller_draws(first, n_boot, np.random.default_rng([Stream.ONE_AGAINST_REST, seed]))
        groups = pd.Index(draws.callers).get_indexer(pd.Index(rows["caller_id"].astype(str)))
        counts = draws.counts[: 1 + n_boot]
        weight = counts[:, groups] * rows["weight"].to_numpy(dtype=np.float64)
        of_risk, of_all = net_benefit(y, rows["p"].to_numpy(dtype=np.float64), t, weight)
        share = (weight @ (y == 1) / weight.sum(axis=1))[:, None] + np.zeros_like(of_all)
        curves = {"model": of_risk, "all": of_all, "none": np.zeros_like(of_all), "maximum": share}
        for strategy, values in curves.items():
            low, high = np.quantile(values[1:], tails, axis=0)
            curve = {
                "threshold": t,
                "strategy": strategy,
                "net_benefit": values[0],
                "lower": low,
                "upper": high,
            }
            parts.append(pd.DataFrame(dict(zip(RUN, names, strict=True)) | curve))
    return pd.concat(parts, ignore_index=True)
