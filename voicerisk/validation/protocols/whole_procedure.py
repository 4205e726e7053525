"""The whole procedure on bootstrapped callers: out-of-bag performance, .632+, and Harrell's optimism."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.draws import SAME, caller_draws
from voicerisk.callers.folds import caller_table, grouped_folds, number_of_folds
from voicerisk.callers.schema import check_calls
from voicerisk.callers.streams import Stream, generator, seed_of
from voicerisk.callers.weights import training_weights
from voicerisk.errors import ValidationError
from voicerisk.validation.contract import Member, TrainingSet, assert_unseen, next_path
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.metrics.recalibration import Recalibration, recalibrate
from voicerisk.validation.protocols.choice import choose, unseen_scores
from voicerisk.validation.protocols.kfold_scores import MakeFitPaths
from voicerisk.validation.protocols.run import LEAST_CALLERS
from voicerisk.validation.resume import Resume
from voicerisk.validation.settings import ValidationSettings

COPY = "~"
LEVEL = 0.95
LEAST_BOOTSTRAPS = 90  # for an interval: of 20, one at nominal 95% covered 88%
NO_INFORMATION = {"auroc": 0.5, "youden_j": 0.0}

Metric = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True, slots=True)
class FullProcedure:
    """Performance of the whole procedure, the model learned anew on every bootstrap of callers.

    Parameters
    ----------
    apparent : float
        On the callers it learned from.
    out_of_bag : ndarray, shape (B,)
        Of the model of each bootstrap on the callers that were not drawn.
    optimism : float
        Harrell: mean over bootstraps of (performance on the bag - performance on all callers).
    corrected : float
        apparent - optimism.
    estimate_632, estimate_632plus : float
        Efron and Tibshirani (1997).
    lower, upper : float
        Percentiles of `out_of_bag`: they belong to its mean, which models of fewer distinct callers reach,
        and contain the variance of learning, unlike an interval given scores. NaN below 90 values, and where
        all are alike.
    level : float
    skipped : int
        Bootstraps whose out-of-bag callers lacked a class, or that held fewer than 4 different callers of
        one, too few for inner folds that keep the copies of a caller together.
    """

    apparent: float
    out_of_bag: np.ndarray
    optimism: float
    corrected: float
    estimate_632: float
    estimate_632plus: float
    lower: float
    upper: float
    level: float
    skipped: int

    def around(self, estimate: float, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
        """Return the spread of the out-of-bag values, moved to a cross-validated estimate.

        Out-of-bag values are about as many standard errors apart as cross-validated ones of new cohorts:
        those left out are fewer, but all come from the same callers. That is an approximation, not a theorem;
        docs/coverage.md has its coverage measured, beside that of the interval given scores.

        Parameters
        ----------
        estimate : float
            Of the same metric by grouped k-fold. One by leaving single callers out leans below, and the
            interval about it covers a little less.
        least, most : float
            Range of the metric, within which the interval is held; 0 to 1 for an AUROC, -1 to 1 for J.

        Returns
        -------
        lower, upper : float
            NaN below 90 out-of-bag values, whose outer percentiles lie too far inside, and where all are
            alike: an AUROC of 1 in every bootstrap is no certainty.

        Examples
        --------
        >>> import numpy as np
        >>> bag = np.linspace(0.5, 0.7, 401)
        >>> found = FullProcedure(0.9, bag, 0.2, 0.7, 0.7, 0.7, 0.505, 0.695, 0.95, 0)
        >>> [round(float(end), 3) for end in found.around(0.65)]
        [0.555, 0.745]
        """
        low, high = estimate + np.array(_spread(self.out_of_bag, self.level)) - self.out_of_bag.mean()
        return float(np.maximum(low, least)), float(np.minimum(high, most))


def _spread(values: np.ndarray, level: float) -> tuple[float, float]:
    if len(values) < LEAST_BOOTSTRAPS or np.ptp(values) < SAME:
        return np.nan, np.nan
    low, high = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def bootstrap_calls(calls: pd.DataFrame, counts: np.ndarray) -> pd.DataFrame:
    """Return the calls of the drawn callers, each copy of a caller under an identity of its own.

    Parameters
    ----------
    calls : DataFrame
        Sorted by caller (`check_calls`).
    counts : ndarray of int, shape (C,)
        How often each caller was drawn, callers in sorted order.

    Returns
    -------
    DataFrame
        The calls table with `source_call_id` and `source_caller_id`. Copies share their source, by which
        folds must group them.
    """
    code = np.unique(calls["caller_id"].to_numpy(dtype=str), return_inverse=True)[1]
    parts = []
    for copy in range(int(counts.max())):
        part = calls[counts[code] > copy]
        mark = f"{COPY}{copy + 1}"
        parts.append(
            part.assign(
                source_call_id=part["call_id"],
                source_caller_id=part["caller_id"],
                call_id=part["call_id"] + mark,
                caller_id=part["caller_id"] + mark,
            )
        )
    return pd.concat(parts, ignore_index=True).sort_values(["caller_id", "call_id"], ignore_index=True)


@dataclass(frozen=True, slots=True)
class Refit:
    """The whole procedure learned on some callers, and what it says of all.

    Parameters
    ----------
    score, risk : ndarray, shape (n,)
        p_raw of every call, training calls included (apparent performance), and its recalibrated risk.
    line : Recalibration
    prior : float
        pi0, at which `risk` is a risk.
    model : Any
        The mean of the members, as the refit makes it; None where it makes none or boosting took their place.
    """

    score: np.ndarray
    risk: np.ndarray
    line: Recalibration
    prior: float
    model: Any


def learn_and_score(
    calls: pd.DataFrame,
    train: np.ndarray,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    key: str,
    seed: int,
) -> Refit:
    """Learn on some callers, mstop by inner folds of their sources, and score all calls.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames, source_call_id, source_caller_id; copies to learn from, and calls to
        assess.
    train : ndarray of bool, shape (n,)
        Calls to learn from.
    make_fit_paths : callable
    settings : ValidationSettings
    key : str
    seed : int

    Returns
    -------
    Refit

    Raises
    ------
    ValidationError
        Where a learned object saw a caller outside its training set.
    """
    prior = settings.prior if settings.prior is not None else float(calls["y"][train].mean())
    fit = make_fit_paths(calls)
    inside = calls[train]
    sources = caller_table(inside.assign(caller_id=inside["source_caller_id"]), ())
    k = number_of_folds(sources, settings.inner_folds)
    rng = np.random.default_rng(seed)
    fold_of = dict(zip(sources["caller_id"], grouped_folds(sources, k, rng).fold, strict=True))
    fold = inside["source_caller_id"].map(fold_of).to_numpy()
    callers = tuple(sorted(set(inside["caller_id"])))
    everyone = tuple(sorted(set(calls["caller_id"])))
    sets = []
    for i in range(k):
        held = set(inside["caller_id"][fold == i])
        rest = tuple(c for c in callers if c not in held)
        sets.append(TrainingSet(f"{key}/i{i:02d}", rest, tuple(sorted(held)), prior, seed + i + 1))
    sets.append(TrainingSet(f"{key}/outer", callers, everyone, prior, seed))
    paths = iter(fit(sets, None))
    order, scores, deviances, folds = [], [], [], []
    members: tuple[Member, ...] = ()
    for i in range(k):
        rows = np.flatnonzero(fold == i)
        score, deviance, path = next_path(paths, sets[i], inside["call_id"].iloc[rows].tolist())
        assert_unseen(path, sets[i], {"screening": callers} if settings.fast else {})
        order.append(rows)
        scores.append(score)
        deviances.append(deviance)
        folds.append(np.full(len(rows), i))
        members = path.members
    own = inside.iloc[np.concatenate(order)]
    inner, inner_fold = np.concatenate(scores), np.concatenate(folds)
    y, caller = own["y"].to_numpy(), own["caller_id"].to_numpy(dtype=str)
    choice = choose(
        members,
        inner,
        np.concatenate(deviances),
        inner_fold,
        y,
        caller,
        own["n_frames"].to_numpy(),
        prior,
    )
    seen_by_none = unseen_scores(choice, inner, inner_fold, y, caller, prior)
    line = recalibrate(seen_by_none, y, training_weights(caller, y, prior), prior)
    score, _, path = next_path(paths, sets[-1], calls["call_id"].tolist())
    assert_unseen(path, sets[-1], {})
    chosen = choice.score(score)
    model = None if path.model is None or choice.step is not None else path.model(choice.weights)
    return Refit(chosen, line(chosen), line, prior, model)


def full_procedure(
    calls: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    n_boot: int = 200,
    metric: Metric = auroc,
    no_information: float = NO_INFORMATION["auroc"],
    resume: Resume | None = None,
    keep_refit: Callable[[int | None, Refit], None] | None = None,
) -> FullProcedure:
    """Bootstrap callers through the whole procedure.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    make_fit_paths : callable
        Calls table -> refit function. `source_call_id` names the recording and `source_caller_id` the person
        that a copy stands for: whatever the refit deals to folds must keep a person's copies together.
    settings : ValidationSettings
    n_boot : int
    metric : callable
        (y, score) -> float, larger is better.
    no_information : float
        Its value without information: 0.5 for AUROC, 0 for J.
    resume : Resume, optional
        Steps are numbers of bootstraps, their records (out-of-bag value, optimism).
    keep_refit : callable, optional
        Called with the number of each bootstrap that is run (None: all callers, always run) and what it
        learned, score and risk those of all calls in the order of `check_calls`; see `instability`.

    Returns
    -------
    FullProcedure

    Raises
    ------
    ValidationError
        Where no bootstrap holds enough different callers to learn from.
    """
    if n_boot < 1:
        raise ValidationError(f"The whole procedure needs at least 1 bootstrap, not {n_boot}.")
    steps, table = resume or Resume(), check_calls(calls)
    plain = table.assign(source_call_id=table["call_id"], source_caller_id=table["caller_id"])
    y = table["y"].to_numpy()
    everything = np.ones(len(plain), dtype=bool)
    whole = learn_and_score(plain, everything, make_fit_paths, settings, "bootstrap/apparent", settings.seed)
    if keep_refit is not None:
        keep_refit(None, whole)
    apparent = metric(y, whole.score)
    code = np.unique(table["caller_id"].to_numpy(dtype=str), return_inverse=True)[1]
    out_of_bag, gaps = [], []
    for b in range(n_boot):
        if b in steps.finished:
            out_of_bag.append(steps.finished[b][0])
            gaps.append(steps.finished[b][1])
            continue
        # A stream of its own, so that a longer run holds the bootstraps of a shorter one.
        own = generator(Stream.WHOLE_PROCEDURE, settings.seed, b, 0)
        counts = caller_draws(table, 1, own).counts[1].astype(np.int64)
        left_out = counts[code] == 0
        bag = bootstrap_calls(table, counts)
        distinct = table[~left_out]
        if len(set(y[left_out])) == 2 and min(caller_classes(distinct)) >= LEAST_CALLERS["nested"]:
            both = pd.concat([bag, plain], ignore_index=True)
            train = np.arange(len(both)) < len(bag)
            seed = seed_of(Stream.WHOLE_PROCEDURE, settings.seed, b)
            found = learn_and_score(both, train, make_fit_paths, settings, f"bootstrap/b{b:04d}", seed)
            scores, on_all = found.score, found.score[len(bag) :]
            if keep_refit is not None:
                keep_refit(b, replace(found, score=on_all, risk=found.risk[len(bag) :]))
            out_of_bag.append(metric(y[left_out], on_all[left_out]))
            gaps.append(metric(bag["y"].to_numpy(), scores[: len(bag)]) - metric(y, on_all))
            steps.done(b, (float(out_of_bag[-1]), float(gaps[-1])))
        steps.advance(b + 1, n_boot)
    if not out_of_bag:
        raise ValidationError(
            f"None of {n_boot} bootstraps of callers held {LEAST_CALLERS['nested']} different callers of "
            "each class and left out one of each: the cohort is too small to learn the whole procedure anew."
        )
    oob = np.array(out_of_bag)
    low, high = _spread(oob, LEVEL)
    optimism = float(np.mean(gaps))
    return FullProcedure(
        apparent, oob, optimism, apparent - optimism, 0.368 * apparent + 0.632 * float(oob.mean()),
        estimate_632plus(apparent, float(oob.mean()), no_information), low, high, LEVEL,
        n_boot - len(oob),
    )  # fmt: skip


def caller_classes(calls: pd.DataFrame) -> tuple[int, int]:
    """Count callers with a call of class 0 and of class 1."""
    n0, n1 = (int(calls["caller_id"][calls["y"] == v].nunique()) for v in (0, 1))
    return n0, n1


def estimate_632plus(apparent: float, out_of_bag: float, no_information: float) -> float:
    """Return the .632+ estimate of a performance where larger is better.

    Parameters
    ----------
    apparent, out_of_bag : float
    no_information : float
        gamma: 0.5 for AUROC, 0 for J, sum of p_k q_k for accuracy.

    Returns
    -------
    float
    """
    oob = max(out_of_bag, no_information)
    overfitting = 0.0
    if apparent > no_information and oob < apparent:
        overfitting = (apparent - oob) / (apparent - no_information)
    weight = 0.632 / (1.0 - 0.368 * overfitting)
    return (1.0 - weight) * apparent + weight * oob
