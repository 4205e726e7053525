"""Permutation of outcomes through the whole pipeline: is there a leak, and does voice add to the strata."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.callers.schema import check_calls, require_columns
from voicerisk.callers.shuffling import Permutable, permutable, permute_outcomes
from voicerisk.callers.streams import Stream
from voicerisk.errors import ValidationError
from voicerisk.validation.protocols.kfold_scores import MakeFitPaths, pipeline_auroc, pipeline_sets
from voicerisk.validation.protocols.ridge import ridge_paths
from voicerisk.validation.protocols.run import NESTED
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.resume import Resume
from voicerisk.validation.settings import ValidationSettings

__all__ = [
    "PermutationTest",
    "judge_permutations",
    "permutation_test",
    "permute_outcomes",
    "strata_alone_auroc",
]

TOGETHER = 4  # permutations whose models are fitted side by side, where the learner can
LEAST_LEAK = 0.02
FEW = 10
UNCERTAIN = 0.1
LEVEL = 0.05


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
        (1 + number of null values >= observed) / (1 + B); NaN where nothing can be permuted.
    tolerance : float
        max(0.02, 3 sd / sqrt(B)); below 10 permutations Student's t takes the place of the 3, and of one
        permutation nothing follows.
    verdict : str
        'leak', 'hold-out bias', 'strata carry the outcome', 'strata and fixed callers', 'fine' or 'nothing to
        permute'.
        'leak' where the null mean of scheme 'all' lies above 0.5 by more than the tolerance. Below by as
        much is 'hold-out bias', a note: leaving one out at 24 callers honestly gives about 0.47.
        Within strata a mean
        above 0.5 is what the strata alone give, or, where some callers cannot be permuted, what these and the
        strata give together. 'nothing to permute' where every permutation leaves the
        outcomes as they are; `null` is empty then.
    finding : str
    permutable : Permutable
    """

    scheme: str
    observed: float
    null: np.ndarray
    p_value: float
    tolerance: float
    verdict: str
    finding: str
    permutable: Permutable

    @property
    def null_mean(self) -> float:
        """Mean AUROC under permutation; NaN without permutations."""
        return float(self.null.mean()) if len(self.null) else np.nan

    @property
    def monte_carlo_se(self) -> float:
        """Standard error of the null mean."""
        return float(self.null.std(ddof=1) / np.sqrt(len(self.null))) if len(self.null) > 1 else np.nan


def permutation_test(
    calls: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    n_permutations: int = 199,
    strata: Sequence[str] = (),
    switches: Switches = NESTED,
    resume: Resume | None = None,
    observed: float | None = None,
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
    n_permutations : int
        At least 199 for a fast learner, 19 for the full one.
    strata : sequence of str
        Columns within whose cells outcomes are shuffled, for example sex and service; among all callers
        where there are none.
    switches : Switches
    resume : Resume, optional
        Steps are numbers of permutations, their records AUROCs. `ahead` gets the calls and training sets of
        several permutations.
    observed : float, optional
        AUROC of the pipeline under the outcomes as they are, where it is known already.

    Returns
    -------
    PermutationTest
        Where no permutation changes an outcome (strata whose every cell holds one outcome) nothing is run but
        the pipeline itself: P is NaN, and the finding says why.

    Raises
    ------
    ValidationError
        Where a stratum is no column, or there is no permutation to run.
    """
    if n_permutations < 1:
        raise ValidationError(f"A permutation test needs at least 1 permutation, not {n_permutations}.")
    table = check_calls(calls)
    steps, within = resume or Resume(), tuple(strata)
    require_columns(table, within, "calls")
    moving = permutable(table, within)
    if observed is None:
        observed = pipeline_auroc(table, make_fit_paths(table), settings, switches)
    numbers = range(n_permutations if moving.callers else 0)
    null = np.full(len(numbers), np.nan)
    kept = steps.finished
    for b in numbers:
        null[b] = kept.get(b, np.nan)
    for some in in_batches([b for b in numbers if b not in kept]):
        permuted = [
            permute_outcomes(
                table,
                np.random.default_rng(
                    np.random.SeedSequence(settings.seed, spawn_key=(Stream.PERMUTATION, len(within), b))
                ),
                within,
            )
            for b in some
        ]
        if steps.ahead is not None:
            steps.ahead([(one, pipeline_sets(one, settings, switches)) for one in permuted])
        for b, one in zip(some, permuted, strict=True):
            null[b] = pipeline_auroc(one, make_fit_paths(one), settings, switches)
            steps.done(b, float(null[b]))
            steps.advance(b + 1, n_permutations)
    return judge_permutations("strata" if within else "all", observed, null, moving)


def judge_permutations(scheme: str, observed: float, null: np.ndarray, moving: Permutable) -> PermutationTest:
    """Turn permuted AUROCs into a verdict; `permutation_test` without the refits."""
    if not len(null):
        among = "within strata" if scheme == "strata" else "among callers"
        reason = (
            "each combination of the strata holds callers of one outcome only"
            if scheme == "strata"
            else "all callers have one outcome"
        )
        finding = (
            f"Nothing can be permuted {among}: {reason} (0 of {moving.all_callers} callers can change their "
            "outcome). There is no P: these data cannot say whether voice adds to the strata."
        )
        return PermutationTest(scheme, observed, null, np.nan, np.nan, "nothing to permute", finding, moving)
    tolerance = _tolerance(null)
    p_value = float((1 + (null >= observed).sum()) / (1 + len(null)))
    mean = float(null.mean())
    if scheme == "all" and mean > 0.5 + tolerance:
        verdict = "leak"
        finding = (
            f"With outcomes shuffled among callers the pipeline still reaches an AUROC of {mean:.3f} on "
            "average: something learned from the held-out callers' outcomes."
        )
    elif mean > 0.5 + tolerance and moving.callers < moving.all_callers:
        verdict = "strata and fixed callers"
        finding = (
            f"With outcomes shuffled within strata the AUROC is {mean:.3f} on average: so much the strata, "
            f"and the callers who kept their outcome, give together. p = {p_value:.3g} says whether voice "
            "adds to that."
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
    if moving.callers < moving.all_callers:
        finding += (
            f" The outcomes of {moving.callers} of {moving.all_callers} callers could be permuted; the "
            "others share their stratum with no caller of the other outcome, keep theirs, and stay in the "
            "model and in the AUROC of every permutation."
        )
    if moving.smallest_p > LEVEL:
        finding += f" So few arrangements exist that P cannot fall below {moving.smallest_p:.2g}."
    return PermutationTest(scheme, observed, null, p_value, tolerance, verdict, finding, moving)


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


def in_batches(numbers: Sequence[int]) -> list[Sequence[int]]:
    """Cut the numbers of permutations into those that are fitted side by side."""
    return [numbers[start : start + TOGETHER] for start in range(0, len(numbers), TOGETHER)]


def strata_alone_auroc(calls: pd.DataFrame, strata: Sequence[str], settings: ValidationSettings) -> float:
    """Return the AUROC of a ridge logistic on the strata alone, for comparison."""
    table = check_calls(calls)
    dummies = pd.get_dummies(table[list(strata)].astype(str), prefix_sep="=").astype(np.float64)
    fit = ridge_paths(pd.concat([table, dummies], axis=1), list(dummies.columns))
    return pipeline_auroc(table, fit, settings)
