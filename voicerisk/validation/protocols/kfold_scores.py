"""Call scores of one repeat of grouped k-fold, whatever the model: what audits and bootstraps run anew."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table, strata_columns
from voicerisk.callers.schema import check_calls
from voicerisk.validation.contract import FitPaths, TrainingSet
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.protocols.fold_plan import OuterFold, plan_folds
from voicerisk.validation.protocols.outer_fold import finish_fold
from voicerisk.validation.protocols.run import NESTED
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.settings import ValidationSettings

MakeFitPaths = Callable[[pd.DataFrame], FitPaths]
"""Makes the refit function for a table of calls whose outcomes (or rows) were changed."""


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
    return pipeline_rows(calls, fit_paths, settings, switches)[0]


def pipeline_rows(
    calls: pd.DataFrame,
    fit_paths: FitPaths,
    settings: ValidationSettings,
    switches: Switches = NESTED,
    keep_frames: bool = False,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Return the call scores of `pipeline_scores`, and with `keep_frames` outcome and score of every frame.

    Returns
    -------
    score : ndarray, shape (n_calls,)
    frames : tuple of ndarray or None
        y and p_raw of the frames; None where they were not asked for or the model has none.
    """
    table = check_calls(calls)
    planned, lean, prior = _planned(table, settings, switches)
    paths = iter(fit_paths([one for fold in planned for one in (*fold.inner, fold.outer)], None))
    score = np.full(len(table), np.nan)
    frames: list[pd.DataFrame] = []
    for fold in planned:
        finished = finish_fold(fold, paths, table, settings, lean, prior, keep_frames)
        score[finished.rows] = finished.score
        if finished.frames is not None and len(finished.frames):
            frames.append(finished.frames[["y", "p_raw"]])
    if not frames:
        return score, None
    of_frames = pd.concat(frames)
    return score, (of_frames["y"].to_numpy(), of_frames["p_raw"].to_numpy(dtype=np.float64))


def pipeline_sets(
    calls: pd.DataFrame, settings: ValidationSettings, switches: Switches = NESTED
) -> list[TrainingSet]:
    """Return the training sets that `pipeline_rows` will ask for, in its order."""
    planned, _, _ = _planned(check_calls(calls), settings, switches)
    return [one for fold in planned for one in (*fold.inner, fold.outer)]


def _planned(
    table: pd.DataFrame, settings: ValidationSettings, switches: Switches
) -> tuple[list[OuterFold], Switches, float]:
    callers = caller_table(table, strata_columns(table))
    prior = settings.prior if settings.prior is not None else float(table["y"].mean())
    lean = replace(switches, recalibrate=False, threshold_from="holdout")
    planned, _ = plan_folds(
        callers,
        ("grouped_kfold",),
        replace(settings, repeats=1),
        lean.name,
        prior if lean.constant_prior else None,
        lean.inner,
    )
    return planned, lean, prior
