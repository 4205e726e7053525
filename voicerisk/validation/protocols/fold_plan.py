"""Which models a protocol asks for: outer folds, their inner folds, and a stable seed for each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.callers.folds import (
    callers_in_classes,
    grouped_folds,
    number_of_folds,
    strata_columns,
)
from voicerisk.callers.streams import Stream, generator, seed_of
from voicerisk.validation.contract import TrainingSet
from voicerisk.validation.settings import DESIGNS, OUTER_FOLDS, ValidationSettings

LEAST_INNER = 3


@dataclass(frozen=True, slots=True)
class OuterFold:
    """One outer fold: the callers held out, the model that scores them, and the inner models that tune it.

    Parameters
    ----------
    design : {'loco', 'grouped_kfold'}
    repeat, fold : int
    outer : TrainingSet
    inner : tuple of TrainingSet
        Empty where nothing is learned from inner folds. They split `outer.train`.
    """

    design: str
    repeat: int
    fold: int
    outer: TrainingSet
    inner: tuple[TrainingSet, ...]


def plan_folds(
    callers: pd.DataFrame,
    designs: Sequence[str],
    settings: ValidationSettings,
    protocol: str,
    prior: float | None,
    inner: bool,
) -> tuple[list[OuterFold], tuple[str, ...]]:
    """Lay out all models of a protocol.

    Parameters
    ----------
    callers : DataFrame
        One row a caller, sorted by caller_id, with pattern and strata (`caller_table`).
    designs : sequence of {'loco', 'grouped_kfold'}
    settings : ValidationSettings
    protocol : str
        First part of every key.
    prior : float or None
        Class prior of the training weights.
    inner : bool
        Whether each outer fold has inner folds.

    Returns
    -------
    folds : list of OuterFold
    merged : tuple of str
        Mergers of small stratum cells in the outer folds, each once.
    """
    strata = _strata_of(callers)
    planned: list[OuterFold] = []
    merged: dict[str, None] = {}
    for design in designs:
        number = DESIGNS.index(design)
        for repeat in range(1 if design == "loco" else settings.repeats):
            if design == "loco":
                assignment = np.arange(len(callers))
            else:
                k = number_of_folds(callers, OUTER_FOLDS)
                split = grouped_folds(
                    callers, k, generator(Stream.OUTER_FOLDS, settings.seed, repeat), strata
                )
                assignment = split.fold
                merged.update(dict.fromkeys(split.merged))
            for fold in range(int(assignment.max()) + 1):
                place = (number, repeat, fold)
                key = f"{protocol}/{design}/r{repeat:02d}/f{fold:03d}"
                held_out = assignment == fold
                training = callers[~held_out]
                held = callers[held_out]
                outer = _training_set(key + "/outer", training, held, prior, settings.seed, place)
                splits: tuple[TrainingSet, ...] = ()
                if inner:
                    splits = _inner_sets(key, training, strata, prior, settings, place)
                planned.append(OuterFold(design, repeat, fold, outer, splits))
    return planned, tuple(merged)


def plan_whole(
    callers: pd.DataFrame, settings: ValidationSettings, key: str, prior: float | None, inner: bool
) -> OuterFold:
    """Lay out one model of all callers that scores all callers, and the inner models that tune it.

    Parameters
    ----------
    callers : DataFrame
        `caller_table`.
    settings : ValidationSettings
    key : str
    prior : float or None
    inner : bool

    Returns
    -------
    OuterFold
        Of a design that keeps no frame rows.
    """
    place = (len(DESIGNS), 0, 0)
    outer = _training_set(f"{key}/outer", callers, callers, prior, settings.seed, place)
    splits = _inner_sets(key, callers, _strata_of(callers), prior, settings, place) if inner else ()
    return OuterFold("grouped_kfold", 0, 0, outer, splits)


def plan_split(
    train: pd.DataFrame,
    assess: pd.DataFrame,
    settings: ValidationSettings,
    key: str,
    prior: float | None,
    number: int,
) -> OuterFold:
    """Lay out one model of some callers that scores others, and the inner models that tune it.

    Parameters
    ----------
    train, assess : DataFrame
        Rows of `caller_table`, no caller in both.
    settings : ValidationSettings
    key : str
    prior : float or None
    number : int
        Of the split, for its random streams.

    Returns
    -------
    OuterFold
        Of a design that keeps no frame rows.
    """
    place = (len(DESIGNS) + 1, 0, number)
    outer = _training_set(f"{key}/outer", train, assess, prior, settings.seed, place)
    splits = _inner_sets(key, train, _strata_of(train), prior, settings, place)
    return OuterFold("grouped_kfold", 0, number, outer, splits)


def _strata_of(callers: pd.DataFrame) -> tuple[str, ...]:
    return tuple(c for c in callers.columns if c not in ("caller_id", "pattern", "n_calls", "n_frames"))


def plan_size(calls: pd.DataFrame, settings: ValidationSettings) -> dict[str, int]:
    """Count the models each protocol will ask for, before anything runs.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    settings : ValidationSettings

    Returns
    -------
    dict
        Protocol -> number of models to fit.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> from voicerisk.validation import ValidationSettings, ridge_paths
    >>> markers = load_example().groupby(["call_id", "caller_id"], as_index=False).mean(numeric_only=True)
    >>> calls = markers.rename(columns={"outcome": "y"}).assign(n_frames=6)
    >>> fit, calls = ridge_paths(calls, ["x1", "x2"]), calls[["call_id", "caller_id", "y", "n_frames"]]
    >>> plan_size(calls, ValidationSettings(protocols=["published"]))
    {'published': 60}
    """
    from voicerisk.callers.folds import caller_table

    callers = caller_table(calls, strata_columns(calls))
    size = {}
    if "published" in settings.protocols:
        size["published"] = len(callers)
    if "nested" in settings.protocols:
        folds, _ = plan_folds(callers, settings.designs, settings, "nested", None, True)
        size["nested"] = sum(1 + len(one.inner) for one in folds)
    return size


def _training_set(
    key: str, train: pd.DataFrame, assess: pd.DataFrame, prior: float | None, seed: int, place: Sequence[int]
) -> TrainingSet:
    drawn = seed_of(Stream.REFIT_SEED, seed, *place)
    return TrainingSet(key, tuple(train["caller_id"]), tuple(assess["caller_id"]), prior, drawn)


def _inner_sets(
    key: str,
    training: pd.DataFrame,
    strata: Sequence[str],
    prior: float | None,
    settings: ValidationSettings,
    place: tuple[int, int, int],
) -> tuple[TrainingSet, ...]:
    # At least 3 folds, yet never more than the smaller class has callers; nested asks for 4 callers a class,
    # so that 3 are always left here.
    most = min(settings.inner_folds, *callers_in_classes(training))
    k = max(LEAST_INNER, most)
    split = grouped_folds(training, k, generator(Stream.INNER_FOLDS, settings.seed, *place), strata)
    return tuple(
        _training_set(
            f"{key}/i{i:02d}",
            training[split.fold != i],
            training[split.fold == i],
            prior,
            settings.seed,
            (*place, i),
        )
        for i in range(k)
    )
