"""One outer fold: inner folds tune it, the outer model scores whom it never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.schema import SCORE_DECIMALS
from voicerisk.callers.streams import Stream, generator
from voicerisk.callers.weights import training_weights
from voicerisk.errors import ValidationError
from voicerisk.validation.contract import FittedPath, Member, assert_unseen, next_path
from voicerisk.validation.cut_rule import CutRule
from voicerisk.validation.metrics.cut_rules import bootstrapped_cuts, rule_cut
from voicerisk.validation.metrics.recalibration import Recalibration, recalibrate
from voicerisk.validation.metrics.youden import BootstrapCut, bootstrap_youden, youden_cut
from voicerisk.validation.protocols.choice import Choice, choose, unseen_scores, untuned
from voicerisk.validation.protocols.fold_plan import OuterFold
from voicerisk.validation.protocols.prediction_rows import frame_rows
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.settings import DESIGNS, ValidationSettings


@dataclass(frozen=True, slots=True)
class FinishedFold:
    """What is kept of an outer fold once its paths are gone.

    Parameters
    ----------
    plan : OuterFold
    rows : ndarray of int
        Held-out rows of the calls table.
    score, start : ndarray
        Score of these calls, and at step 0 (the class prior for members), rounded to 12 decimals so that
        what differs by floating point alone is a tie.
    frames : DataFrame or None
        Frame scores where they are kept.
    choice : Choice
        Step or weights of members.
    last : int
        The last step there is; 0 for models without steps.
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
    choice: Choice
    last: int
    calibration: Recalibration | None
    cut: BootstrapCut | None
    seen: dict[str, tuple[str, ...]]
    selected: int | None
    fit_notes: dict[str, Any]

    @property
    def mstop(self) -> int | None:
        """Step taken; None where members are."""
        return self.choice.step

    @property
    def is_constant(self) -> bool:
        """Whether the fold learned nothing: no step, or scores that did not rise with risk in inner folds."""
        flat = self.calibration is not None and self.calibration.flat
        return flat or (self.choice.steps is not None and self.mstop == 0 < self.last)


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
    calibration, cut = None, None
    choice: Choice | None = None
    if plan.inner:
        rows, score, deviance, inner_fold, members = _inner_scores(plan, paths, table, settings, switches)
        inside = table.iloc[rows]
        y = inside["y"].to_numpy()
        caller = inside["caller_id"].to_numpy(dtype=str)
        if switches.tune_steps:
            n_frames = inside["n_frames"].to_numpy()
            choice = choose(members, score, deviance, inner_fold, y, caller, n_frames, prior)
            inner = unseen_scores(choice, score, inner_fold, y, caller, prior)
        else:
            choice = untuned(members, score.shape[1])
            inner = choice.score(score)
        chosen = inner.round(SCORE_DECIMALS)
        if switches.recalibrate:
            calibration = recalibrate(chosen, y, training_weights(caller, y, prior), prior)
        if switches.threshold_from == "inner":
            place = (DESIGNS.index(plan.design), plan.repeat, plan.fold)
            cut = cut_scores(chosen, y, caller, settings, switches.midpoints, place, calibration)
    rows = _rows_of(table, plan.outer.assess)
    call_ids = table["call_id"].iloc[rows].tolist()
    score, _, path = next_path(paths, plan.outer, call_ids)
    if choice is None:
        choice = untuned(path.members, score.shape[1])
    last = max(score.shape[1] - len(path.members) - 1, 0)
    if path.members != choice.members or (choice.step is not None and choice.step > last):
        raise ValidationError(
            f"The refit {plan.outer.key!r} has {len(path.members)} members and {last} steps, its inner folds "
            f"chose among {len(choice.members)} members and step {choice.step}; all paths of an outer fold "
            "must have the same members and the same number of steps."
        )
    taken = choice.score(score)
    if switches.assert_unseen:
        assert_unseen(path, plan.outer, {})
    frames = None
    if plan.design == "loco" if keep_frames is None else keep_frames:
        frames = frame_rows(path, choice.of_frames, table.iloc[rows], None if choice.step is None else taken)
    seen = {name: tuple(callers) for name, callers in path.provenance.items()}
    for name, learned in (
        (_learned(choice), choice if plan.inner and switches.tune_steps else None),
        ("recalibration", calibration),
        ("threshold", cut),
    ):
        if learned is not None:
            seen[name] = plan.outer.train
    selected = path.notes.get("selected")
    start = np.full(len(rows), prior) if choice.step is None else score[:, len(path.members)]
    return FinishedFold(
        plan,
        rows,
        taken.round(SCORE_DECIMALS),
        start.round(SCORE_DECIMALS),
        frames,
        choice,
        last,
        calibration,
        cut,
        seen,
        None if selected is None else len(selected),
        dict(path.notes),
    )


def _learned(choice: Choice) -> str:
    """Return the name that what the inner folds chose has in the provenance."""
    return "family" if choice.members else "mstop"


def _inner_scores(
    plan: OuterFold,
    paths: Iterator[FittedPath],
    table: pd.DataFrame,
    settings: ValidationSettings,
    switches: Switches,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[Member, ...]]:
    """Gather the out-of-fold scores and deviances of all training calls from the inner models."""
    also = {"screening": plan.outer.train} if settings.fast else {}
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    members: tuple[Member, ...] = ()
    for number, asked in enumerate(plan.inner):
        rows = _rows_of(table, asked.assess)
        score, deviance, path = next_path(paths, asked, table["call_id"].iloc[rows].tolist())
        if parts and (score.shape[1] != parts[0][1].shape[1] or path.members != members):
            raise ValidationError(
                f"The refit {asked.key!r} has {score.shape[1] - 1} steps, its neighbours "
                f"{parts[0][1].shape[1] - 1}; all inner paths of a fold must have the same number, and the "
                "same members."
            )
        members = path.members
        if switches.assert_unseen:
            assert_unseen(path, asked, also)
        parts.append((rows, score, deviance, np.full(len(rows), number)))
    rows, score, deviance, fold = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(rows, kind="stable")
    return rows[order], score[order], deviance[order], fold[order], members


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
