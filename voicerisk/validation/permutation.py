"""Permutation of outcomes through the whole pipeline: is there a leak, and does voice add to the strata."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.validation.discrimination import auroc
from voicerisk.validation.folds import caller_table, strata_columns
from voicerisk.validation.outer import finish_fold
from voicerisk.validation.plan import plan_folds
from voicerisk.validation.protocols import NESTED
from voicerisk.validation.refit import FitPaths, Progress
from voicerisk.validation.settings import ValidationSettings
from voicerisk.validation.switches import Switches
from voicerisk.validation.tables import check_calls

MakeFitPaths = Callable[[pd.DataFrame], FitPaths]
"""Makes the refit function for a table of calls whose outcomes (or rows) were changed."""

SCHEMES = ("all", "strata")
LEAST_LEAK = 0.02
FEW = 10
UNCERTAIN = 0.1
STREAM = 17


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """A permutation test of the AUROC with the whole pipeline run anew each time.

    Parameters
    ----------
    scheme : {'all', 'strata'}
        Outcomes shuffled among all callers, or among the callers of each stratum.
    observed : float
        AUROC of the call scores under the outcomes as they are.
    null : ndarray, shape (B,)
        AUROC under each permutation.
    p_value : float
        (1 + number of null values >= observed) / (1 + B).
    tolerance : float
        max(0.02, 3 sd / sqrt(B)); below 10 permutations Student's t takes the place of the 3, and of one
        permutation nothing follows.
    verdict : {'leak', 'hold-out bias', 'strata carry the outcome', 'fine'}
        'leak' where the null mean of scheme 'all' lies above 0.5 by more than the tolerance. Below by as
        much is 'hold-out bias', a note: leaving one out at 24 callers honestly gives about 0.47.
        Within strata a mean
        above 0.5 is what the strata alone give.
    finding : str
    """

    scheme: str
    observed: float
    null: np.ndarray
    p_value: float
    tolerance: float
    verdict: str
    finding: str

    @property
    def null_mean(self) -> float:
        """Mean AUROC under permutation."""
        return float(self.null.mean())

    @property
    def monte_carlo_se(self) -> float:
        """Standard error of the null mean."""
        return float(self.null.std(ddof=1) / np.sqrt(len(self.null))) if len(self.null) > 1 else np.nan


def permute_outcomes(
    calls: pd.DataFrame, rng: np.random.Generator, strata: Sequence[str] = ()
) -> pd.DataFrame:
    """Shuffle outcomes among callers, and within callers who have both outcomes.

    Shuffling frames or calls freely would destroy the correlation within callers and give too small p values.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y and the strata.
    rng : numpy.random.Generator
    strata : sequence of str
        Shuffle among the callers of each combination of these only.

    Returns
    -------
    DataFrame
        The same table with y permuted.
    """
    table = calls.sort_values(["caller_id", "call_id"], ignore_index=True)
    caller, code = np.unique(table["caller_id"].to_numpy(dtype=str), return_inverse=True)
    y = table["y"].to_numpy()
    share = np.bincount(code, y) / np.bincount(code)
    cell: np.ndarray = np.zeros(len(caller), dtype=np.int64)
    if strata:
        first = table.groupby("caller_id", sort=True)[list(strata)].first().astype(str)
        cell = first.groupby(list(strata), sort=True).ngroup().to_numpy()
    constant = (share == 0) | (share == 1)
    new = share.copy()
    for value in np.unique(cell):
        inside = np.flatnonzero(constant & (cell == value))
        new[inside] = rng.permutation(share[inside])
    shuffled = new[code].astype(np.int64)
    for mixed in np.flatnonzero(~constant):
        own = code == mixed
        shuffled[own] = rng.permutation(y[own])
    return table.assign(y=shuffled)


def permutation_test(
    calls: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    scheme: str = "all",
    n_permutations: int = 199,
    strata: Sequence[str] = (),
    switches: Switches = NESTED,
    finished: Mapping[int, float] | None = None,
    keep: Callable[[int, float], None] | None = None,
    progress: Progress | None = None,
) -> PermutationTest:
    """Run the pipeline on permuted outcomes, by one repeat of grouped k-fold.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    make_fit_paths : callable
        Calls with permuted outcomes -> refit function. Everything that learns from outcomes, screening
        included, must learn from these.
    settings : ValidationSettings
    scheme : {'all', 'strata'}
    n_permutations : int
        At least 199 for a fast learner, 19 for the full one.
    strata : sequence of str
        For scheme 'strata'; for example sex and service.
    switches : Switches
    finished : mapping, optional
        Permutations that an earlier run kept, number -> AUROC: they are not run again.
    keep : callable, optional
        Called with the number and the AUROC of each finished permutation.
    progress : callable, optional

    Returns
    -------
    PermutationTest

    Raises
    ------
    ValidationError
        Where scheme 'strata' has no strata or leaves nothing to permute.
    """
    if scheme not in SCHEMES:
        raise ValidationError(f"The permutation scheme is one of {', '.join(SCHEMES)}, not {scheme!r}.")
    if scheme == "strata" and not strata:
        raise ValidationError(
            "A permutation within strata needs the strata columns, such as sex and service."
        )
    table = check_calls(calls)
    within = tuple(strata) if scheme == "strata" else ()
    observed = pipeline_auroc(table, make_fit_paths(table), settings, switches)
    null = np.empty(n_permutations)
    for b in range(n_permutations):
        if finished is not None and b in finished:
            null[b] = finished[b]
            continue
        rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(STREAM, len(within), b)))
        permuted = permute_outcomes(table, rng, within)
        null[b] = pipeline_auroc(permuted, make_fit_paths(permuted), settings, switches)
        if keep is not None:
            keep(b, float(null[b]))
        if progress is not None:
            progress(b + 1, n_permutations)
    return judge_permutations(scheme, observed, null)


def judge_permutations(scheme: str, observed: float, null: np.ndarray) -> PermutationTest:
    """Turn permuted AUROCs into a verdict; `permutation_test` without the refits."""
    tolerance = _tolerance(null)
    p_value = float((1 + (null >= observed).sum()) / (1 + len(null)))
    mean = float(null.mean())
    if scheme == "all" and mean > 0.5 + tolerance:
        verdict = "leak"
        finding = (
            f"With outcomes shuffled among callers the pipeline still reaches an AUROC of {mean:.3f} on "
            "average: something learned from the held-out callers' outcomes."
        )
    elif mean > 0.5 + tolerance:
        verdict = "strata carry the outcome"
        finding = (
            f"With outcomes shuffled within strata the AUROC is {mean:.3f} on average: so much the strata "
            f"alone give. p = {p_value:.3g} says whether voice adds to them."
        )
    elif mean < 0.5 - tolerance:
        verdict = "hold-out bias"
        finding = (
            f"With outcomes shuffled the AUROC is {mean:.3f} on average, below one half: holding callers out "
            "moves scores against their outcome. This is bias against the model, not a leak."
        )
    elif tolerance > UNCERTAIN:
        verdict = "fine"
        finding = (
            f"With outcomes shuffled the AUROC is {mean:.3f} on average; {len(null)} permutations cannot "
            "tell it from 0.5."
        )
    else:
        verdict, finding = (
            "fine",
            f"With outcomes shuffled the AUROC is {mean:.3f} on average, as it should be.",
        )
    return PermutationTest(scheme, observed, null, p_value, tolerance, verdict, finding)


def _tolerance(null: np.ndarray) -> float:
    """Return how far from 0.5 the mean of permuted AUROCs may lie by chance; infinite for a single one."""
    from scipy.stats import norm, t

    b = len(null)
    if b < 2:
        return np.inf
    many = 3.0
    # The spread of a few values says little: Student's t at the same tail probability.
    factor = many if b >= FEW else float(t.isf(norm.sf(many), b - 1))
    return max(LEAST_LEAK, factor * float(null.std(ddof=1)) / np.sqrt(b))


def pipeline_auroc(
    calls: pd.DataFrame, fit_paths: FitPaths, settings: ValidationSettings, switches: Switches = NESTED
) -> float:
    """Return the call AUROC of one repeat of grouped k-fold, direction fixed; see `pipeline_scores`."""
    table = check_calls(calls)
    return auroc(table["y"].to_numpy(), pipeline_scores(table, fit_paths, settings, switches))


def pipeline_scores(
    calls: pd.DataFrame, fit_paths: FitPaths, settings: ValidationSettings, switches: Switches = NESTED
) -> np.ndarray:
    """Return the call scores of one repeat of grouped k-fold, in the order of `check_calls`.

    Recalibration and cuts do not touch the ranking and are left out; inner folds are run where the switches
    tune the number of steps.
    """
    table = check_calls(calls)
    callers = caller_table(table, strata_columns(table))
    prior = settings.prior if settings.prior is not None else float(table["y"].mean())
    lean = replace(switches, recalibrate=False, threshold_from="holdout")
    planned, _ = plan_folds(
        callers, ("grouped_kfold",), replace(settings, repeats=1), lean.name,
        prior if lean.constant_prior else None, lean.inner,
    )  # fmt: skip
    paths = iter(fit_paths([one for fold in planned for one in (*fold.inner, fold.outer)], None))
    score = np.full(len(table), np.nan)
    for fold in planned:
        finished = finish_fold(fold, paths, table, settings, lean, prior)
        score[finished.rows] = finished.score
    return score


def strata_alone_auroc(calls: pd.DataFrame, strata: Sequence[str], settings: ValidationSettings) -> float:
    """Return the AUROC of a ridge logistic on the strata alone, for comparison."""
    from voicerisk.validation.ridge import ridge_paths

    table = check_calls(calls)
    dummies = pd.get_dummies(table[list(strata)].astype(str), prefix_sep="=").astype(np.float64)
    fit = ridge_paths(pd.concat([table, dummies], axis=1), list(dummies.columns))
    return pipeline_auroc(table, fit, settings)
