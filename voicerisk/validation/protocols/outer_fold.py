"""One outer fold: inner folds tune it, the outer model scores whom it never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.streams import Stream, generator
from voicerisk.callers.weights import training_weights
from voicerisk.errors import ValidationError
from voicerisk.validation.contract import FittedPath, assert_unseen, next_path
from voicerisk.validation.metrics.cut_rules import CutRule, bootstrapped_cuts, rule_cut
from voicerisk.validation.metrics.youden import BootstrapCut, bootstrap_youden, youden_cut
from voicerisk.validation.protocols.fold_plan import OuterFold
from voicerisk.validation.protocols.prediction_rows import frame_rows
from voicerisk.validation.protocols.recalibration import Recalibration, recalibrate
from voicerisk.validation.protocols.steps import StepChoice, choose_steps
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.settings import DESIGNS, ValidationSettings

SCORE_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class FinishedFold:
    """What is kept of an outer fold once its paths are gone.

    Parameters
    ----------
    plan : OuterFold
    rows : ndarray of int
        Held-out rows of the calls table.
    score, start : ndarray
        Score of these calls at the chosen step and at step 0, rounded to 12 decimals so that what differs by
        floating point alone is a tie.
    frames : DataFrame or None
        Frame scores where they are kept.
    steps : StepChoice or None
        None where steps are not tuned.
    mstop, last : int
        Step taken, and the last one there is.
    calibration : Recalibration or None
    cut : BootstrapCut or None
        None where the cut comes from the hold-out scores.
    seen : dict
        Learned object -> callers it saw.
    selected : int or None
        Number of markers selected, where the fit says it.
    fit_notes : dict
    """

    plan: OuterFold
    rows: np.ndarray
    score: np.ndarray
    start: np.ndarray
    frames: pd.DataFrame | None
    steps: StepChoice | None
    mstop: int
    last: int
    calibration: Recalibration | None
    cut: BootstrapCut | None
    seen: dict[str, tuple[str, ...]]
    selected: int | None
    fit_notes: dict[str, Any]


def _rows_of(table: pd.DataFrame, callers: Sequence[str]) -> np.ndarray:
    # The table is sorted by caller.
    column = table["caller_id"].to_numpy(dtype=object)
    wanted = np.array(sorted(callers), dtype=object)
    starts, stops = np.searchsorted(column, wanted, "left"), np.searchsorted(column, wanted, "right")
    return np.concatenate([np.arange(a, b) for a, b in zip(starts, stops, strict=True)])


def finish_fold(
    plan: OuterFold,
    paths: Iterator[FittedPath],
    table: pd.DataFrame,
    settings: ValidationSettings,
    switches: Switches,
    prior: float,
    keep_frames: bool | None = None,
) -> FinishedFold:
    """Consume the paths of one outer fold: tune and calibrate on the inner ones, score with the outer one.

    Frame scores are kept where `keep_frames` says so; by default of leave-one-caller-out.
    """
    steps, calibration, cut = None, None, None
    tuned: int | None = None
    if plan.inner:
        rows, score, deviance, inner_fold = _inner_scores(plan, paths, table, settings, switches)
        inside = table.iloc[rows]
        y = inside["y"].to_numpy()
        caller = inside["caller_id"].to_numpy(dtype=str)
        if switches.tune_steps:
            frame_weights = training_weights(caller, y, prior, inside["n_frames"].to_numpy())
            steps = choose_steps(deviance, frame_weights, inner_fold)
            tuned = steps.step
        chosen = score[:, score.shape[1] - 1 if tuned is None else tuned].round(SCORE_DECIMALS)
        if switches.recalibrate:
            calibration = recalibrate(chosen, y, training_weights(caller, y, prior), prior)
        if switches.threshold_from == "inner":
            place = (DESIGNS.index(plan.design), plan.repeat, plan.fold)
            cut = cut_scores(chosen, y, caller, settings, switches.midpoints, place, calibration)
    rows = _rows_of(table, plan.outer.assess)
    call_ids = table["call_id"].iloc[rows].tolist()
    score, _, path = next_path(paths, plan.outer, call_ids)
    last = score.shape[1] - 1
    mstop = last if tuned is None else tuned
    if mstop > last:
        raise ValidationError(
            f"The refit {plan.outer.key!r} has {last} steps, fewer than the {mstop} chosen on its inner "
            "folds; all paths of an outer fold must have the same number of steps."
        )
    if switches.assert_unseen:
        assert_unseen(path, plan.outer, {})
    frames = None
    if plan.design == "loco" if keep_frames is None else keep_frames:
        frames = frame_rows(path, mstop, table.iloc[rows], score[:, mstop])
    seen = {name: tuple(callers) for name, callers in path.provenance.items()}
    for name, learned in (("mstop", steps), ("recalibration", calibration), ("threshold", cut)):
        if learned is not None:
            seen[name] = plan.outer.train
    selected = path.notes.get("selected")
    return FinishedFold(
        plan, rows, score[:, mstop].round(SCORE_DECIMALS), score[:, 0].round(SCORE_DECIMALS), frames, steps,
        mstop, last, calibration, cut, seen, None if selected is None else len(selected), dict(path.notes),
    )  # fmt: skip


def _inner_scores(
    plan: OuterFold,
    paths: Iterator[FittedPath],
    table: pd.DataFrame,
    settings: ValidationSettings,
    switches: Switches,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Gather the out-of-fold scores and deviances of all training calls from the inner models."""
    also = {"screening": plan.outer.train} if settings.fast else {}
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    for number, asked in enumerate(plan.inner):
        rows = _rows_of(table, asked.assess)
        score, deviance, path = next_path(paths, asked, table["call_id"].iloc[rows].tolist())
        if parts and score.shape[1] != parts[0][1].shape[1]:
            raise ValidationError(
                f"The refit {asked.key!r} has {score.shape[1] - 1} steps, its neighbours "
                f"{parts[0][1].shape[1] - 1}; all inner paths of a fold must have the same number."
            )
        if switches.assert_unseen:
            assert_unseen(path, asked, also)
        parts.append((rows, score, deviance, np.full(len(rows), number)))
    rows, score, deviance, fold = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(rows, kind="stable")
    return rows[order], score[order], deviance[order], fold[order]


def cut_scores(
    score: np.ndarray,
    y: np.ndarray,
    caller: np.ndarray,
    settings: ValidationSettings,
    midpoints: bool,
    place: tuple[int, ...],
    line: Recalibration | None = None,
) -> BootstrapCut:
    """Learn the cut from call scores; `place` is its bootstrap's stream, `line` gives a score its risk."""
    if isinstance(settings.threshold, CutRule):
        return _cut_by_rule(settings.threshold, score, y, caller, settings, midpoints, place, line)
    if settings.threshold == "youden":
        cut, _ = youden_cut(score, y, midpoints)
        return BootstrapCut(cut, "youden_midpoints" if midpoints else "youden", 0, np.nan, np.nan, np.nan, 0)
    groups = np.unique(caller, return_inverse=True)[1]
    rng = generator(Stream.BOOTSTRAP_CUTS, settings.seed, *place)
    return bootstrap_youden(score, y, groups, rng, settings.bootstraps, midpoints)


def _cut_by_rule(
    rule: CutRule,
    score: np.ndarray,
    y: np.ndarray,
    caller: np.ndarray,
    settings: ValidationSettings,
    midpoints: bool,
    place: tuple[int, ...],
    line: Recalibration | None,
) -> BootstrapCut:
    """Take the rule at its word on the scores given; bootstrapped callers tell how far the cut may stray."""
    pi = settings.prevalence
    cut = rule_cut(rule, score, y, prevalence=pi, midpoints=midpoints, line=line)
    if np.isnan(cut) or rule.kind == "risk":  # a risk is set, not learned from these scores
        return BootstrapCut(cut, rule.kind, 0, np.nan, np.nan, np.nan, 0)
    groups = np.unique(caller, return_inverse=True)[1]
    rng = generator(Stream.BOOTSTRAP_CUTS, settings.seed, *place)
    cuts, redrawn = bootstrapped_cuts(
        rule, score, y, groups, rng, settings.bootstraps, prevalence=pi, midpoints=midpoints
    )
    cuts = cuts[np.isfinite(cuts)]
    low, high = np.quantile(cuts, [0.025, 0.975]) if len(cuts) else (np.nan, np.nan)
    sd = float(cuts.std(ddof=1)) if len(cuts) > 1 else np.nan
    return BootstrapCut(cut, rule.kind, settings.bootstraps, sd, float(low), float(high), redrawn)
