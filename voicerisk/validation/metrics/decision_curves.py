"""Decision curves: what acting on a risk is worth against treating everybody or nobody."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from voicerisk.callers.draws import caller_draws
from voicerisk.callers.schema import RUN, check_predictions, require_both_classes
from voicerisk.callers.streams import Stream
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.logistic import logit
from voicerisk.validation.settings import METRIC_BOOTSTRAPS

TINY = 1e-12
CURVE = tuple(float(t) for t in np.arange(0.02, 0.81, 0.02).round(2))


def net_benefit(
    y: np.ndarray, p: np.ndarray, thresholds: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the net benefit of a risk and of treating everybody (Vickers and Elkin 2006).

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    p : ndarray, shape (n,)
        Risks; treated where p >= t, as in dcurves.
    thresholds : ndarray, shape (k,)
        Risks t in (0, 1) at which one would act.
    weights : ndarray, shape (b, n), optional
        One curve a row; equal weights when left out.

    Returns
    -------
    of_risk, of_all : ndarray, shape (b, k)
        Per call; treating nobody is 0.
    """
    t = _between(thresholds)
    w = np.ones((1, len(y))) if weights is None else np.atleast_2d(weights)
    treated = p[:, None] >= t
    n = w.sum(1, keepdims=True)
    odds = t / (1.0 - t)
    true = (w * (y == 1)) @ treated / n
    false = (w * (y == 0)) @ treated / n
    prevalence = (w @ (y == 1))[:, None] / n
    return true - false * odds, prevalence - (1.0 - prevalence) * odds


def shift_prevalence(p: np.ndarray, prior: float, prevalence: float) -> np.ndarray:
    """Move risks from the class prior they were made for to another prevalence.

    Parameters
    ----------
    p : ndarray, shape (n,)
    prior, prevalence : float
        pi0 and pi, in (0, 1): logit p moves by logit pi - logit pi0.

    Returns
    -------
    ndarray, shape (n,)
        Right where the scores are distributed alike within each class in both places.
    """
    if prior == prevalence:
        return np.asarray(p, dtype=np.float64)
    step = logit(np.array(prevalence), TINY) - logit(np.array(prior), TINY)
    return expit(logit(p, TINY) + step)


def net_benefit_at(
    y: np.ndarray,
    p: np.ndarray,
    thresholds: np.ndarray,
    prior: float,
    prevalence: float,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the net benefit at a target prevalence.

    Se pi - (1 - Sp)(1 - pi) t/(1 - t), after `shift_prevalence`. Sensitivity and specificity are assumed to
    carry over, which is optimistic where a middle class was dropped from the sample.

    Parameters
    ----------
    y, p, thresholds, weights
        As in `net_benefit`.
    prior : float
        pi0, at which p is a risk.
    prevalence : float
        pi.

    Returns
    -------
    of_risk, of_all : ndarray, shape (b, k)
    """
    if not 0.0 < prevalence < 1.0:
        raise ValidationError(f"The target prevalence must lie between 0 and 1, not {prevalence!r}.")
    require_both_classes(y, "The outcomes of a decision curve at another prevalence")
    w = np.ones((1, len(y))) if weights is None else np.atleast_2d(weights)
    share = (w @ (y == 1)) / w.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(
            y == 1, (prevalence / share)[:, None], ((1.0 - prevalence) / (1.0 - share))[:, None]
        )
    return net_benefit(y, shift_prevalence(p, prior, prevalence), thresholds, w * factor)


def decision_curve(
    y: np.ndarray,
    p: np.ndarray,
    thresholds: Sequence[float],
    groups: np.ndarray,
    counts: np.ndarray,
    prior: float | None = None,
    prevalence: float | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return a decision curve with intervals from caller draws.

    Parameters
    ----------
    y, p : ndarray, shape (n,)
    thresholds : sequence of float
    groups : ndarray of int, shape (n,)
        Column of `counts` each row belongs to.
    counts : ndarray, shape (b, C)
        `CallerDraws.counts`; row 0 is the sample, the others are bootstraps.
    prior, prevalence : float, optional
        Both given: the curve at the target prevalence.
    level : float

    Returns
    -------
    DataFrame
        threshold, strategy ('model' | 'all' | 'none' | 'model_minus_best' | 'model_minus_all' |
        'model_minus_none'), net_benefit, lower, upper. The differences are paired: each resample has both.
        `model_minus_best` is the model against the better of treating all and none.
    """
    t = np.asarray(thresholds, dtype=np.float64)
    w = counts[:, groups]
    if prevalence is not None and prior is not None:
        risk, everybody = net_benefit_at(y, p, t, prior, prevalence, w)
    else:
        risk, everybody = net_benefit(y, p, t, w)
    strategies = {
        "model": risk,
        "all": everybody,
        "none": np.zeros_like(risk),
        "model_minus_best": risk - np.maximum(everybody, 0.0),
        "model_minus_all": risk - everybody,
        "model_minus_none": risk,
    }
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    parts = []
    for name, values in strategies.items():
        low, high = np.nanquantile(values[1:], tails, axis=0)
        parts.append(
            pd.DataFrame(
                {"threshold": t, "strategy": name, "net_benefit": values[0], "lower": low, "upper": high}
            )
        )
    return pd.concat(parts, ignore_index=True)


def decision_curves(
    predictions: pd.DataFrame,
    thresholds: Sequence[float] = CURVE,
    prior: float | None = None,
    prevalence: float | None = None,
    n_boot: int = METRIC_BOOTSTRAPS,
    level: float = 0.95,
    seed: int = 1,
    bootstrap_strata: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the decision curve of the calls of every protocol and design.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, binary. Call rows with a risk `p`, first repeat of each design.
    thresholds : sequence of float
        Risks in (0, 1) from which one would act.
    prior, prevalence : float, optional
        Both given: the curve at the target prevalence, from risks at the class prior.
    n_boot : int
    level : float
    seed : int
    bootstrap_strata : sequence of str

    Returns
    -------
    DataFrame
        protocol, model, target, design, prevalence (share of calls with the outcome that the curve is for),
        threshold, strategy, net_benefit, lower, upper.

    Raises
    ------
    ValidationError
        Where the table is unusable, or only one of prior and prevalence is given.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> curve = decision_curves(load_example("predictions"), thresholds=[0.1, 0.3], n_boot=100)
    >>> sorted(curve["strategy"].unique())[:2]
    ['all', 'model']
    """
    check_predictions(predictions)
    if (prior is None) != (prevalence is None):
        raise ValidationError(
            "A decision curve at another prevalence needs both the class prior and the prevalence."
        )
    calls = predictions[(predictions["unit"] == "call") & predictions["p"].notna()]
    parts = []
    for names, table in calls.groupby(list(RUN), sort=True):
        rows = table[table["repeat"] == table["repeat"].min()].sort_values(["caller_id", "call_id"])
        require_both_classes(rows["y"].to_numpy(), f"The calls of {'/'.join(map(str, names))}")
        draws = caller_draws(
            rows, n_boot, np.random.default_rng([Stream.DECISION_CURVES, seed]), bootstrap_strata
        )
        groups = pd.Index(draws.callers).get_indexer(pd.Index(rows["caller_id"]))
        y, p = rows["y"].to_numpy(), rows["p"].to_numpy(dtype=np.float64)
        counts = draws.counts[: 1 + n_boot]
        curve = decision_curve(y, p, thresholds, groups, counts, prior, prevalence, level)
        share = float(y.mean()) if prevalence is None else prevalence
        place = {**dict(zip(RUN, names, strict=True)), "prevalence": share}
        parts.append(pd.DataFrame([place]).merge(curve, how="cross"))
    if not parts:
        raise ValidationError("No call has a risk p, so that there is no decision curve.")
    return pd.concat(parts, ignore_index=True)


def useful_range(curve: pd.DataFrame) -> list[tuple[float, float]]:
    """Return the stretches of thresholds where the model beats both treating all and treating none.

    Parameters
    ----------
    curve : DataFrame
        From `decision_curve`.

    Returns
    -------
    list of (float, float)
        First and last threshold of each stretch.
    """
    better = curve[curve["strategy"] == "model_minus_best"].sort_values("threshold")
    gain = (better["net_benefit"] > 0).to_numpy()
    at = better["threshold"].to_numpy()
    edges = np.flatnonzero(np.diff(np.r_[False, gain, False].astype(int)))
    return [(float(at[a]), float(at[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _between(thresholds: np.ndarray) -> np.ndarray:
    t = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if not ((t > 0.0) & (t < 1.0)).all():
        raise ValidationError(f"A decision threshold must lie strictly between 0 and 1, not {t.tolist()}.")
    return t
