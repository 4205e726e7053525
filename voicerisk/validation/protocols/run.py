"""The published and the nested protocol: the same code under different switches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from voicerisk.callers.folds import caller_table, require_callers, strata_columns
from voicerisk.callers.provenance import Provenance
from voicerisk.callers.schema import check_calls
from voicerisk.errors import ValidationError
from voicerisk.types import Progress
from voicerisk.validation.contract import FitPaths
from voicerisk.validation.protocols.fold_plan import plan_folds
from voicerisk.validation.protocols.outer_fold import finish_fold
from voicerisk.validation.protocols.result_tables import (
    notes_of,
    predictions_of,
    provenance_of,
    shared_cuts,
    thresholds_of,
    tuning_of,
)
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.settings import ValidationSettings

LEAST_CALLERS = {"published": 2, "nested": 4}
PUBLISHED = Switches(
    name="published",
    constant_prior=False,
    tune_steps=False,
    recalibrate=False,
    threshold_from="holdout",
    midpoints=False,
    assert_unseen=False,
)
NESTED = Switches(
    name="nested",
    constant_prior=True,
    tune_steps=True,
    recalibrate=True,
    threshold_from="inner",
    midpoints=True,
    assert_unseen=True,
)


@dataclass(frozen=True, slots=True)
class ProtocolResult:
    """What a protocol returns.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table: call rows of every design and repeat, frame rows of leave-one-caller-out.
    thresholds : DataFrame
        protocol, model, target, design, repeat, fold, threshold, method, n_boot, spread_sd, q025, q975,
        slope, intercept, mstop, n_selected. `fold` is empty where one cut serves all folds.
    provenance : dict
        protocol, callers (all), folds: design -> repeat -> fold -> {held_out, seen: object -> callers}, where
        callers are listed or given as {"all_but": [...]}; JSON-ready.
    tuning : DataFrame
        protocol, model, target, design, repeat, fold, step, deviance, se, chosen.
    notes : dict
        class_prior, counts of what was flagged, merged strata, automatic direction; JSON-ready.
    """

    predictions: pd.DataFrame
    thresholds: pd.DataFrame
    provenance: Provenance
    tuning: pd.DataFrame
    notes: dict[str, Any]


def run_published(
    calls: pd.DataFrame,
    fit_paths: FitPaths,
    settings: ValidationSettings,
    progress: Progress | None = None,
    *,
    model: str = "gamboost",
    target: str = "outcome",
) -> ProtocolResult:
    """Leave one caller out as the paper did: no weights, all steps, the cut from the hold-out scores.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames, then one column a stratum.
    fit_paths : FitPaths
        Fits the models; what it learned from all data (screening, knots) it names in the provenance.
    settings : ValidationSettings
    progress : callable, optional
        Handed to `fit_paths`.
    model, target : str
        Names in the tables.

    Returns
    -------
    ProtocolResult
        `p` is `p_raw`. `threshold` is the cut for high scores meaning high risk; the direction that R's
        packages would choose is in `notes`, its metrics in `compute_metrics`.

    Raises
    ------
    ValidationError
        Where a class has fewer than 2 callers or a refit does not keep its contract.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> from voicerisk.validation import ValidationSettings, ridge_paths
    >>> markers = load_example().groupby(["call_id", "caller_id"], as_index=False).mean(numeric_only=True)
    >>> calls = markers.rename(columns={"outcome": "y"}).assign(n_frames=6)
    >>> fit, calls = ridge_paths(calls, ["x1", "x2"]), calls[["call_id", "caller_id", "y", "n_frames"]]
    >>> found = run_published(calls, fit, ValidationSettings(bootstraps=50), model="ridge")
    >>> found.predictions["design"].unique().tolist()
    ['loco']
    """
    return run_protocol(calls, fit_paths, settings, PUBLISHED, ("loco",), progress, model, target)


def run_nested(
    calls: pd.DataFrame,
    fit_paths: FitPaths,
    settings: ValidationSettings,
    progress: Progress | None = None,
    *,
    model: str = "gamboost",
    target: str = "outcome",
) -> ProtocolResult:
    """Run the honest protocol: everything learned inside the fold, tuned on inner folds of whole callers.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames, then one column a stratum (merged last column first).
    fit_paths : FitPaths
    settings : ValidationSettings
    progress : callable, optional
        Handed to `fit_paths`.
    model, target : str
        Names in the tables.

    Returns
    -------
    ProtocolResult
        `p` is a risk at the class prior pi0 of `notes`.

    Raises
    ------
    ValidationError
        Where a class has fewer than 4 callers, a refit does not keep its contract, or a learned object saw a
        held-out caller.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> from voicerisk.validation import ValidationSettings, ridge_paths
    >>> markers = load_example().groupby(["call_id", "caller_id"], as_index=False).mean(numeric_only=True)
    >>> calls = markers.rename(columns={"outcome": "y"}).assign(n_frames=6)
    >>> fit, calls = ridge_paths(calls, ["x1", "x2"]), calls[["call_id", "caller_id", "y", "n_frames"]]
    >>> settings = ValidationSettings(designs=["grouped_kfold"], repeats=1, bootstraps=50)
    >>> found = run_nested(calls, fit, settings, model="ridge")
    >>> found.predictions["p_raw"].groupby(found.predictions["y"]).mean().is_monotonic_increasing
    True
    """
    return run_protocol(calls, fit_paths, settings, NESTED, tuple(settings.designs), progress, model, target)


def run_protocol(
    calls: pd.DataFrame,
    fit_paths: FitPaths,
    settings: ValidationSettings,
    switches: Switches,
    designs: Sequence[str],
    progress: Progress | None = None,
    model: str = "gamboost",
    target: str = "outcome",
) -> ProtocolResult:
    """Run one set of switches; `run_published` and `run_nested` are the two that have names.

    Fitted paths are consumed outer fold by outer fold, so that only one fold's paths are held at a time.
    """
    table = check_calls(calls)
    callers = caller_table(table, strata_columns(table))
    require_callers(callers, LEAST_CALLERS["nested" if switches.inner else "published"], switches.name)
    prior = settings.prior if settings.prior is not None else float(table["y"].mean())
    planned, merged = plan_folds(
        callers, designs, settings, switches.name, prior if switches.constant_prior else None, switches.inner
    )
    asked = [one for fold in planned for one in (*fold.inner, fold.outer)]
    paths = iter(fit_paths(asked, progress))
    finished = [finish_fold(fold, paths, table, settings, switches, prior) for fold in planned]
    if next(paths, None) is not None:
        raise ValidationError("The refit yielded more paths than asked; it must yield one a training set.")
    shared = shared_cuts(finished, table, settings, switches)
    names = {"protocol": switches.name, "model": model, "target": target}
    return ProtocolResult(
        predictions_of(finished, shared, table, names),
        thresholds_of(finished, shared, names),
        provenance_of(finished, switches, callers),
        tuning_of(finished, names),
        notes_of(finished, shared, table, settings, switches, prior, merged),
    )
