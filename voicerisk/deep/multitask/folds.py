"""Folds and inner validation parts of whole persons, balanced over both labels at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import MultitaskError


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One fold of one repeat, as row numbers of the cases table.

    Parameters
    ----------
    repeat, fold : int
    fit, validation, test : ndarray of int
        Rows that weights and scaling learn from; rows on which training is stopped and the recalibration
        learned; rows held out. In the published protocol `validation` is `test`, as the paper must have had
        it: no other rows were there to stop on.
    """

    repeat: int
    fold: int
    fit: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def person_cells(cases: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the cell of each person: the most severe class of each task among the person's cases.

    Parameters
    ----------
    cases : DataFrame
        person_id and a column of class names a task.
    classes : mapping of str to sequence of str
        Classes of each task, from least to most severe.

    Returns
    -------
    DataFrame
        Indexed by person_id (sorted), one column of int a task.
    """
    numbers = {
        task: cases[task].map({name: k for k, name in enumerate(names)}).to_numpy()
        for task, names in classes.items()
    }
    return pd.DataFrame(numbers).groupby(cases["person_id"].to_numpy()).max().sort_index()


def make_folds(
    cases: pd.DataFrame,
    classes: Mapping[str, Sequence[str]],
    k: int,
    repeats: int,
    validation_share: float,
    seed: int,
    published: bool = False,
) -> tuple[Fold, ...]:
    """Deal persons to folds, and set a part of each training set aside.

    Persons are shuffled, sorted by the cell of both labels and dealt in turn, so that folds differ by one
    person in size and, in every cell, by one person at most. The folds are the same whatever is trained on
    them.

    Parameters
    ----------
    cases : DataFrame
        person_id and a column of class names a task.
    classes : mapping of str to sequence of str
    k : int
    repeats : int
    validation_share : float
        Of the training persons of each cell.
    seed : int
    published : bool
        Stop on the held-out fold, as published; the folds themselves are the same.

    Returns
    -------
    tuple of Fold
        By repeat, then fold.

    Raises
    ------
    MultitaskError
        Where there are fewer persons than folds.

    Examples
    --------
    >>> table = pd.DataFrame({"person_id": list("abcdefgh"), "risk": ["low", "raised"] * 4})
    >>> [len(fold.test) for fold in make_folds(table, {"risk": ("low", "raised")}, 4, 1, 0.25, seed=1)]
    [2, 2, 2, 2]
    """
    cells = person_cells(cases, classes)
    if len(cells) < k:
        raise MultitaskError(f"{len(cells)} persons cannot be dealt to {k} folds; lower [multitask] folds.")
    code = cells.astype(str).agg("/".join, axis=1).to_numpy(dtype=str)
    place = cells.index.get_indexer(pd.Index(cases["person_id"]))
    folds = []
    for repeat in range(repeats):
        rng = generator(Stream.MULTITASK_FOLDS, seed, repeat)
        shuffled = rng.permutation(len(code))
        order = shuffled[np.argsort(code[shuffled], kind="stable")]
        of_person = np.empty(len(code), dtype=np.int64)
        of_person[order] = rng.permutation(k)[np.arange(len(code)) % k]
        for fold in range(k):
            test = np.flatnonzero(of_person[place] == fold)
            train = np.flatnonzero(of_person[place] != fold)
            if published:
                folds.append(Fold(repeat, fold, train, test, test))
                continue
            inner = generator(Stream.MULTITASK_VALIDATION, seed, repeat, fold)
            chosen = _aside(code, of_person != fold, validation_share, inner)
            aside = chosen[place]
            folds.append(Fold(repeat, fold, train[~aside[train]], np.flatnonzero(aside), test))
    return tuple(folds)


def all_cases(
    cases: pd.DataFrame,
    classes: Mapping[str, Sequence[str]],
    validation_share: float,
    seed: int,
    repeats: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to learn from and rows to stop on where no case is held out.

    Parameters
    ----------
    cases, classes, validation_share, seed
        As in `make_folds`.
    repeats : int
        Of the study: the draw is one that none of its folds made.
    """
    cells = person_cells(cases, classes)
    code = cells.astype(str).agg("/".join, axis=1).to_numpy(dtype=str)
    place = cells.index.get_indexer(pd.Index(cases["person_id"]))
    rng = generator(Stream.MULTITASK_VALIDATION, seed, repeats, 0)
    aside = _aside(code, np.ones(len(code), dtype=bool), validation_share, rng)[place]
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def _aside(code: np.ndarray, training: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Choose a share of the training persons, spread over the cells."""
    order = rng.permutation(np.flatnonzero(training))
    order = order[np.argsort(code[order], kind="stable")]
    n = min(max(round(share * len(order)), 2), len(order) - 2)
    # Evenly spaced places in the sorted order take the same share of every cell, up to one person.
    places = np.floor((np.arange(n) + rng.random()) * len(order) / n).astype(np.int64)
    chosen = np.zeros(len(code), dtype=bool)
    chosen[order[np.minimum(places, len(order) - 1)]] = True
    return chosen
