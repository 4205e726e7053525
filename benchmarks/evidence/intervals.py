"""How often intervals of a cross-validated AUROC hold the truth, on cohorts whose truth is known.

    python benchmarks/evidence/intervals.py [--callers 281] [--positive 77] [--effect 0] [--markers 12]
                                  [--cohorts 300] [--bootstraps 200] [--in-bag] [--paired] [--first 0]
                                  [--minutes 30]

Ridge logistic on standardised caller means (as `voicerisk.validation.protocols.ridge`), markers with ICC 0.3
over 30 frames, three of them move by `effect`; all fits of a cohort are done at once, by Newton steps on
matrices of weights. Nothing here is asserted in tests; docs/validation.md has the results.

Two truths: the mean AUROC of models learned on such cohorts, and that of the very model learned on all
callers of the cohort; both are exact, since a linear score of normal markers is normal. `--paired` judges the
differences (AUROC, Brier score, net benefit) between a model of all markers and one of the first half, as
comparisons.csv does.
"""

import argparse
import sys
import time

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from voicerisk.validation.metrics.discrimination import delong
from voicerisk.validation.metrics.logistic import logit
from voicerisk.validation.metrics.widening import widened, widening

FRAMES, ICC, MOVING = 30, 0.3, 3
SPREAD = np.sqrt(ICC + (1 - ICC) / FRAMES)
LEVELS = [0.025, 0.975]
GIVEN, REPEATS, FOLDS, MOST_FITS = 1000, 10, 10, 1000
Interval = tuple[float, float]
CUT = 0.25  # the threshold of the net benefit, near the prevalence
PAIRED = ("AUROC", "Brier score", f"net benefit at {CUT}")


def cohort(seed: int, effect: float, n: int, positive: int, markers: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw caller means of the markers and outcomes; the same cohorts as validation.py beside it."""
    rng = np.random.default_rng([20, 20_000 + seed])
    y = np.zeros(n, dtype=int)
    y[rng.permutation(n)[:positive]] = 1
    X = rng.normal(size=(n, markers)) * SPREAD
    X[:, :MOVING] += effect * y[:, None]
    return X, y


def ridge_fits(X: np.ndarray, y: np.ndarray, counts: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Fit a ridge logistic, penalty 1, for every row of `counts` (B, n); returns coefficients (B, d + 1)."""
    total, positive = counts.sum(1), counts @ y
    factor = np.where(
        y == 1, (prior * total / positive)[:, None], ((1 - prior) * total / (total - positive))[:, None]
    )
    weights = counts * factor
    design = np.column_stack([np.ones(len(X)), X])
    d = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(X), -1)
    mean = weights @ X / total[:, None]
    # A penalty on standardised coefficients is one of variance x coefficient^2 on raw ones.
    ridge = np.zeros((len(counts), d, d))
    ridge[:, np.arange(1, d), np.arange(1, d)] = weights @ X**2 / total[:, None] - mean**2
    beta = np.zeros((len(counts), d))
    beta[:, 0] = np.log(prior / (1 - prior))
    for _ in range(30):
        p = expit(beta @ design.T)
        gradient = (weights * (y - p)) @ design - np.einsum("bij,bj->bi", ridge, beta)
        hessian = ((weights * p * (1 - p)) @ products).reshape(-1, d, d) + ridge
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return beta


def linear(beta: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return the scores (B, n) of B models."""
    return beta[:, :1] + beta[:, 1:] @ X.T


def areas(score: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the AUROC of each row, callers counted `counts` times; scores without ties, (B, n) or (n,)."""
    order = np.argsort(score, axis=-1)
    if score.ndim == 1:
        of, outcome = counts[:, order], y[order]
    else:
        of, outcome = np.take_along_axis(counts, order, 1), y[order]
    positive, negative = of * (outcome == 1), of * (outcome == 0)
    pairs = positive.sum(1) * negative.sum(1)
    return (positive * np.cumsum(negative, axis=1)).sum(1) / pairs


def deal(y: np.ndarray, callers: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Deal callers to folds, each class evenly; -1 for those who are not there."""
    order = rng.permutation(callers)
    order = order[np.argsort(y[order], kind="stable")]
    fold = np.full(len(y), -1)
    fold[order] = rng.permutation(k)[np.arange(len(order)) % k]
    return fold


def out_of_fold(X: np.ndarray, y: np.ndarray, counts: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Cross-validate every row of `counts`: callers of one fold are scored by the model of the others."""
    k, n = int(fold.max()) + 1, len(y)
    prior = (counts @ y) / counts.sum(1)
    score = np.zeros(counts.shape)
    for rows in np.array_split(np.arange(len(counts)), max(1, len(counts) * k // MOST_FITS)):
        train = counts[rows, None, :] * (fold[rows, None, :] != np.arange(k)[None, :, None])
        beta = ridge_fits(X, y, train.reshape(-1, n), np.repeat(prior[rows], k))
        every = linear(beta, X).reshape(len(rows), k, n)
        score[rows] = np.take_along_axis(every, np.maximum(fold[rows], 0)[:, None, :], 1)[:, 0, :]
    return score


def true_auroc(beta: np.ndarray, effect: float) -> float:
    """Return the AUROC of a linear model on new callers."""
    moved = beta[1 : 1 + MOVING].sum() * effect
    return float(norm.cdf(moved / np.sqrt(2 * SPREAD**2 * (beta[1:] ** 2).sum())))


def caller_bootstraps(y: np.ndarray, n_boot: int, rng: np.random.Generator) -> np.ndarray:
    """Draw callers; three distinct ones of each class in the bag and one of each out of it."""
    drawn: list[np.ndarray] = []
    while len(drawn) < n_boot:
        counts = np.bincount(rng.integers(0, len(y), len(y)), minlength=len(y)).astype(float)
        inside = [int(((counts > 0) & (y == v)).sum()) for v in (0, 1)]
        if min(inside) >= 3 and all(((counts == 0) & (y == v)).any() for v in (0, 1)):
            drawn.append(counts)
    return np.array(drawn)


def moved_to(estimate: float, values: np.ndarray) -> Interval:
    """Return the percentiles of values about their mean, moved to an estimate."""
    low, high = estimate + np.quantile(values - values.mean(), LEVELS)
    return float(low), float(high)


def on_log_odds(estimate: float, variance: float) -> Interval:
    """Return the normal interval on the log-odds of an AUROC."""
    half = 1.96 * np.sqrt(variance) / (estimate * (1 - estimate))
    low, high = expit(logit(np.array([estimate]), 1e-6) + np.array([-half, half]))
    return float(low), float(high)


def one_cohort(
    seed: int, effect: float, n: int, positive: int, markers: int, n_boot: int, in_bag: bool
) -> tuple[float, dict[str, float], dict[str, tuple[str, Interval]]]:
    """Return the true AUROC of the model on all callers, the estimates, and name -> (estimate, interval)."""
    X, y = cohort(seed, effect, n, positive, markers)
    rng = np.random.default_rng([7, seed])
    ones, prior = np.ones((1, n)), float(y.mean())
    folds = np.array([deal(y, np.arange(n), min(FOLDS, positive), rng) for _ in range(REPEATS)])
    score = out_of_fold(X, y, np.repeat(ones, REPEATS, 0), folds)
    beta = ridge_fits(X, y, 1 - np.eye(n), np.full(n, prior))
    loco = beta[:, 0] + (beta[:, 1:] * X).sum(1)
    of_repeats = areas(score, y, np.repeat(ones, REPEATS, 0))
    estimates = {"k-fold": float(of_repeats[0]), "k-fold, 10 repeats": float(of_repeats.mean()),
                 "loco": float(areas(loco, y, ones)[0])}  # fmt: skip
    given = caller_bootstraps(y, GIVEN, rng)
    of_given = np.array([areas(one, y, given) for one in score])
    found: dict[str, tuple[str, Interval]] = {}

    def put(name: str, centre: str, interval: tuple[float, ...]) -> None:
        found[f"{name} ({centre})"] = (centre, (float(interval[0]), float(interval[1])))

    put("given scores, percentile", "k-fold", tuple(np.quantile(of_given[0], LEVELS)))
    put("given scores, percentile", "k-fold, 10 repeats", tuple(np.quantile(of_given.mean(0), LEVELS)))
    put("given scores, percentile", "loco", tuple(np.quantile(areas(loco, y, given), LEVELS)))
    put("given scores, DeLong", "loco", delong(y, loco).wald())
    k = int(folds[0].max()) + 1
    for centre, values, parts in (
        ("k-fold", of_given[0], k),
        ("k-fold, 10 repeats", of_given.mean(0), k),
        ("loco", areas(loco, y, given), n),
    ):
        low, high = (float(end) for end in np.quantile(values, LEVELS))
        put("given scores, widened", centre, widened("auroc", estimates[centre], low, high, widening(parts)))
    bags = given[:n_boot]
    models = ridge_fits(X, y, bags, (bags @ y) / n)
    out_of_bag = areas(linear(models, X), y, (bags == 0).astype(float))
    estimates["out of bag"] = float(out_of_bag.mean())
    put("out of bag, percentile", "out of bag", tuple(np.quantile(out_of_bag, LEVELS)))
    for centre in ("k-fold", "k-fold, 10 repeats", "loco"):
        put("out of bag, moved to", centre, moved_to(estimates[centre], out_of_bag))
        put("out of bag, log-odds at", centre, on_log_odds(estimates[centre], out_of_bag.var(ddof=1)))
    if in_bag:
        # Jiang, Varma and Simon (2008): cross-validate within each bag, copies of a caller in one fold.
        values = np.empty(n_boot)
        distinct = np.array([min(FOLDS, *(int(((c > 0) & (y == v)).sum()) for v in (0, 1))) for c in bags])
        for k in np.unique(distinct):
            rows = np.flatnonzero(distinct == k)
            fold = np.array([deal(y, np.flatnonzero(bags[r] > 0), int(k), rng) for r in rows])
            values[rows] = areas(out_of_fold(X, y, bags[rows], fold), y, bags[rows])
        estimates["cross-validation in bag"] = float(values.mean())
        put(
            "cross-validation in bag, percentile",
            "cross-validation in bag",
            tuple(np.quantile(values, LEVELS)),
        )
        for centre in ("k-fold, 10 repeats", "loco"):
            put("cross-validation in bag, moved to", centre, moved_to(estimates[centre], values))
    return true_auroc(ridge_fits(X, y, ones, np.array([prior]))[0], effect), estimates, found


def measures(score: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the measures of PAIRED, shape (3, B), of log-odds (n,) under each row of `counts`."""
    loss = counts @ (expit(score) - y) ** 2
    above = (score >= np.log(CUT / (1 - CUT))) * np.where(y == 1, 1.0, -CUT / (1 - CUT))
    return np.array([areas(score, y, counts), loss / counts.sum(1), counts @ above / counts.sum(1)])


def true_measures(beta: np.ndarray, effect: float, prior: float) -> np.ndarray:
    """Return the measures of PAIRED of a linear model on new callers; its log-odds are normal by class."""
    spread = SPREAD * np.sqrt((beta[1:] ** 2).sum())
    centres = beta[0] + np.array([0.0, beta[1 : 1 + MOVING].sum() * effect])
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    risk = expit(centres[:, None] + spread * node)
    loss = (risk - np.array([[0.0], [1.0]])) ** 2 @ (weight / weight.sum())
    called = norm.sf((np.log(CUT / (1 - CUT)) - centres) / spread)
    shares = np.array([1 - prior, prior])
    benefit = shares * called @ np.array([-CUT / (1 - CUT), 1.0])
    return np.array([true_auroc(beta, effect), shares @ loss, benefit])


def one_pair(
    seed: int, effect: float, n: int, positive: int, markers: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return the true differences of two models' measures, the estimates, and intervals by grouped k-fold."""
    X, y = cohort(seed, effect, n, positive, markers)
    rng = np.random.default_rng([7, seed])
    ones, prior = np.ones((1, n)), np.array([float(y.mean())])
    fold = deal(y, np.arange(n), min(FOLDS, positive), rng)[None]
    draws = np.concatenate([ones, caller_bootstraps(y, GIVEN, rng)])
    true, found = [], []
    for used in (X, X[:, : markers // 2]):
        true.append(true_measures(ridge_fits(used, y, ones, prior)[0], effect, prior[0]))
        found.append(measures(out_of_fold(used, y, ones, fold)[0], y, draws))
    gap = found[0] - found[1]
    given = np.quantile(gap[:, 1:], LEVELS, axis=1).T
    factor = widening(int(fold.max()) + 1)
    wide = [
        widened("difference", float(one), float(low), float(high), factor)
        for one, (low, high) in zip(gap[:, 0], given, strict=True)
    ]
    return true[0] - true[1], gap[:, 0], {"given scores": given, "widened": np.array(wide)}


def show_pairs(asked: argparse.Namespace) -> None:
    """Print how often intervals of differences hold their truth."""
    sized = (asked.effect, asked.callers, asked.positive, asked.markers)
    true, estimate, intervals = zip(
        *(one_pair(seed, *sized) for seed in range(asked.first, asked.first + asked.cohorts)), strict=True
    )
    means, n = np.mean(true, axis=0), len(true)
    errors = np.std(estimate, axis=0, ddof=1) / np.sqrt(n)
    out = [f"{asked.callers} callers, effect {asked.effect:g}: {n} cohorts"]
    for at, measure in enumerate(PAIRED):
        out.append(
            f"  {measure}: true difference {means[at]:.4f}, mean estimate "
            f"{np.mean(estimate, axis=0)[at]:.4f} ({errors[at]:.4f})"
        )
        for name in intervals[0]:
            ends = np.array([one[name][at] for one in intervals])
            inside = float(((ends[:, 0] <= means[at]) & (means[at] <= ends[:, 1])).mean())
            error = np.sqrt(max(inside * (1 - inside), 1 / n**2) / n)
            out.append(f"    {name}: {inside:.3f} ({error:.3f}), width {np.ptp(ends, axis=1).mean():.4f}")
    sys.stdout.write("\n".join(out) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--callers", type=int, default=281)
    parser.add_argument("--positive", type=int, default=77)
    parser.add_argument("--effect", type=float, default=0.0)
    parser.add_argument("--markers", type=int, default=12)
    parser.add_argument("--cohorts", type=int, default=300)
    parser.add_argument("--bootstraps", type=int, default=200)
    parser.add_argument("--in-bag", action="store_true", help="also cross-validate within bootstraps")
    parser.add_argument("--paired", action="store_true", help="the difference of two models")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30.0)
    asked = parser.parse_args()
    if asked.paired:
        show_pairs(asked)
        return
    begun, own, every, held = time.monotonic(), [], [], []
    for seed in range(asked.first, asked.first + asked.cohorts):
        if time.monotonic() - begun > 60 * asked.minutes:
            break
        true, estimates, found = one_cohort(
            seed, asked.effect, asked.callers, asked.positive, asked.markers, asked.bootstraps, asked.in_bag
        )
        own.append(true)
        every.append(estimates)
        held.append(found)
    mean, n = float(np.mean(own)), len(own)
    out = [
        f"{asked.callers} callers, {asked.positive} positive, {asked.markers} markers, effect "
        f"{asked.effect:g}: {n} cohorts, true AUROC {mean:.3f} (sd of single models {np.std(own):.3f})"
    ]
    for name in every[0]:
        values = np.array([one[name] for one in every])
        out.append(
            f"  {name}: mean {values.mean():.3f} ({values.std(ddof=1) / np.sqrt(n):.3f}), "
            f"sd {values.std(ddof=1):.4f}"
        )
    out.append("  interval: coverage of the mean (MCSE), of the model itself, mean width, too low, too high")
    for name in held[0]:
        ends = np.array([one[name][1] for one in held])
        inside = ((ends[:, 0] <= mean) & (mean <= ends[:, 1])).mean()
        of_own = ((ends[:, 0] <= own) & (np.array(own) <= ends[:, 1])).mean()
        error = np.sqrt(max(inside * (1 - inside), 1 / n**2) / n)
        out.append(
            f"  {name}: {inside:.3f} ({error:.3f}), {of_own:.3f}, width {np.ptp(ends, axis=1).mean():.3f}, "
            f"{(ends[:, 1] < mean).mean():.3f}, {(ends[:, 0] > mean).mean():.3f}"
        )
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
