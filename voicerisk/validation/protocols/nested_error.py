"""Standard errors of cross-validated mean losses, and the leave-pair-out AUROC."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table, grouped_folds, number_of_folds
from voicerisk.callers.schema import SCORE_DECIMALS, check_calls
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.types import Progress
from voicerisk.validation.contract import FitPaths, TrainingSet, next_path
from voicerisk.validation.protocols.choice import untuned
from voicerisk.validation.settings import OUTER_FOLDS, ValidationSettings

Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]


def brier_loss(y: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return (score - y)^2."""
    return np.asarray((score - y) ** 2)


@dataclass(frozen=True, slots=True)
class NestedError:
    """A cross-validated mean loss with the standard error of nested cross-validation.

    Parameters
    ----------
    error : float
        Mean loss of the nested cross-validation, corrected for its smaller training sets.
    se : float
        Bates, Hastie and Tibshirani (2024), held between the naive error and sqrt(K) times it.
    cv_error, naive_se : float
        Mean loss of plain cross-validation, and the sd of callers' losses / sqrt(callers).
    folds, repeats : int
    """

    error: float
    se: float
    cv_error: float
    naive_se: float
    folds: int
    repeats: int


def nested_cv_error(
    calls: pd.DataFrame,
    fit_paths: FitPaths,
    settings: ValidationSettings,
    loss: Loss = brier_loss,
    repeats: int = 10,
    step: int = -1,
) -> NestedError:
    """Estimate a mean loss with a standard error that knows of overlapping training sets.

    It holds for mean losses of independent units (Brier, deviance, accuracy; here callers), not for AUROC.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames.
    fit_paths : FitPaths
    settings : ValidationSettings
        Its seed and prior.
    loss : callable
        (y, score) -> loss of each call; a caller's loss is the mean over their calls.
    repeats : int
        Random splits. The published method uses hundreds; a dozen gives its order.
    step : int
        Number of boosting steps; -1 = the last. Members of a family are mixed at their price instead.

    Returns
    -------
    NestedError
    """
    table = check_calls(calls)
    callers = caller_table(table, ())
    k = number_of_folds(callers, OUTER_FOLDS, 3)
    prior = settings.prior if settings.prior is not None else float(table["y"].mean())
    ids = callers["caller_id"].to_numpy(dtype=str)
    position = {caller: row for row, caller in enumerate(ids)}
    squares, corrections, inner_means, outer_means, naive = [], [], [], [], []
    for repeat in range(repeats):
        rng = generator(Stream.NESTED_ERROR, settings.seed, repeat)
        fold = grouped_folds(callers, k, rng).fold
        wanted = [(i,) for i in range(k)] + list(combinations(range(k), 2))
        sets = [
            TrainingSet(
                f"nested_error/r{repeat:02d}/" + "-".join(map(str, out)),
                tuple(ids[~np.isin(fold, out)]),
                tuple(ids[np.isin(fold, out)]),
                prior,
                settings.seed + repeat,
            )
            for out in wanted
        ]
        paths = iter(fit_paths(sets, None))
        losses: dict[tuple[int, ...], np.ndarray] = {}
        for out, asked in zip(wanted, sets, strict=True):
            rows = table["caller_id"].isin(asked.assess).to_numpy()
            score, _, path = next_path(paths, asked, table["call_id"][rows].tolist())
            taken = untuned(path.members, score.shape[1], step).score(score)
            of_calls = loss(table["y"][rows].to_numpy(), taken)
            code = table["caller_id"][rows].map(position).to_numpy()
            n_calls = np.maximum(np.bincount(code, minlength=len(ids)), 1)
            losses[out] = np.bincount(code, of_calls, len(ids)) / n_calls
        outer = np.array([losses[(int(f),)][row] for row, f in enumerate(fold)])
        outer_means.append(outer.mean())
        naive.append(outer.std(ddof=1) / np.sqrt(len(outer)))
        for i in range(k):
            held = fold == i
            others = np.flatnonzero(~held)
            inner = np.array([losses[tuple(sorted((i, int(fold[row]))))][row] for row in others])
            squares.append((inner.mean() - outer[held].mean()) ** 2)
            corrections.append(outer[held].var(ddof=1) / held.sum() if held.sum() > 1 else 0.0)
            inner_means.append(inner.mean())
    cv_error, naive_se = float(np.mean(outer_means)), float(np.mean(naive))
    mse = max(float(np.mean(squares) - np.mean(corrections)), 0.0)
    se = float(np.clip(np.sqrt((k - 1) / k * mse), naive_se, np.sqrt(k) * naive_se))
    bias = (1.0 + (k - 2.0) / k) * (float(np.mean(inner_means)) - cv_error)
    return NestedError(float(np.mean(inner_means)) - bias, se, cv_error, naive_se, k, repeats)


@dataclass(frozen=True, slots=True)
class LeavePairOut:
    """AUROC from pairs of callers left out together (Airola et al. 2011).

    Parameters
    ----------
    auroc : float
        Mean of psi(s_i, s_j): the two scores come from one model, so that no shift between folds enters.
    monte_carlo_se : float
        Of the sampling of pairs alone; 0 where all pairs were taken. Not a standard error for new callers.
    n_pairs, all_pairs : int
    """

    auroc: float
    monte_carlo_se: float
    n_pairs: int
    all_pairs: int


def leave_pair_out(
    calls: pd.DataFrame,
    fit_paths: FitPaths,
    settings: ValidationSettings,
    n_pairs: int | None = 500,
    step: int = -1,
    progress: Progress | None = None,
) -> LeavePairOut:
    """Leave out one positive and one negative caller at a time.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames; every caller with one outcome.
    fit_paths : FitPaths
    settings : ValidationSettings
        Its seed and prior.
    n_pairs : int or None
        Pairs drawn without replacement; None = all of them.
    step : int
        Number of boosting steps; -1 = the last. Members of a family are mixed at their price instead.
    progress : callable, optional

    Returns
    -------
    LeavePairOut

    Raises
    ------
    ValidationError
        Where a caller has calls of both outcomes.
    """
    table = check_calls(calls)
    callers = caller_table(table, ())
    mixed = callers["pattern"] == "both"
    if mixed.any():
        raise ValidationError(
            "Leaving pairs out needs callers of one outcome, but "
            f"{callers['caller_id'][mixed].iloc[0]!r} has both."
        )
    ids = callers["caller_id"].to_numpy(dtype=str)
    positive, negative = ids[callers["pattern"] == "1"], ids[callers["pattern"] == "0"]
    total = len(positive) * len(negative)
    chosen = np.arange(total)
    if n_pairs is not None and n_pairs < total:
        rng = generator(Stream.PAIRS, settings.seed)
        chosen = np.sort(rng.choice(total, n_pairs, replace=False))
    prior = settings.prior if settings.prior is not None else float(table["y"].mean())
    sets = []
    for number in chosen:
        pair = (positive[number // len(negative)], negative[number % len(negative)])
        rest = tuple(c for c in ids if c not in pair)
        sets.append(TrainingSet(f"leave_pair_out/p{number:06d}", rest, pair, prior, settings.seed))
    paths = iter(fit_paths(sets, progress))
    wins = np.empty(len(sets))
    for row, asked in enumerate(sets):
        rows = table["caller_id"].isin(asked.assess).to_numpy()
        score, _, path = next_path(paths, asked, table["call_id"][rows].tolist())
        taken = untuned(path.members, score.shape[1], step).score(score)
        is_positive = (table["y"][rows] == 1).to_numpy()
        # Means of equal scores differ in the last bit with the number of calls; that must not break a tie.
        a, b = (round(float(taken[side].mean()), SCORE_DECIMALS) for side in (is_positive, ~is_positive))
        wins[row] = float(a > b) + 0.5 * float(a == b)
    error = 0.0 if len(chosen) == total else float(wins.std(ddof=1) / np.sqrt(len(wins)))
    return LeavePairOut(float(wins.mean()), error, len(chosen), total)
