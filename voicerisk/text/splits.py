"""Repeated stratified splits of whole users, and class balance by oversampling."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.errors import TextError


@dataclass(frozen=True, slots=True)
class Split:
    """One random split, as row numbers of the sessions table; no user is in two parts.

    Parameters
    ----------
    fit, validation, test : ndarray of int
        Rows that weights and vocabulary learn from; rows for stopping and recalibration; rows held out.
    """

    fit: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def train(self) -> np.ndarray:
        """All rows that are not held out."""
        return np.sort(np.concatenate([self.fit, self.validation]))


def hold_out(
    sessions: pd.DataFrame, classes: tuple[str, ...], share: float, rng: np.random.Generator
) -> np.ndarray:
    """Choose users, a share of each class, and return the mask of their sessions.

    A user whose sessions differ in class counts with the most severe one.

    Parameters
    ----------
    sessions : DataFrame
        user_id, label.
    classes : tuple of str
        From least to most severe.
    share : float
        Of the users of each class; at least one user, and at least one stays.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    TextError
        If a class has fewer than 2 users.
    """
    severity = sessions["label"].map({name: number for number, name in enumerate(classes)})
    worst = severity.groupby(sessions["user_id"].to_numpy()).max().sort_index()
    chosen: list[str] = []
    for number, name in enumerate(classes):
        users = worst.index[worst == number].to_numpy()
        if len(users) < 2:
            raise TextError(
                f"Class {name} has {len(users)} user(s) to split; each class needs at least 2 in every part."
            )
        n = min(max(round(share * len(users)), 1), len(users) - 1)
        chosen += list(rng.permutation(users)[:n])
    return sessions["user_id"].isin(chosen).to_numpy()


def repeated_splits(
    sessions: pd.DataFrame,
    classes: tuple[str, ...],
    repeats: int,
    test_share: float,
    validation_share: float,
    seed: int,
) -> tuple[Split, ...]:
    """Split the sessions several times.

    Parameters
    ----------
    sessions : DataFrame
        user_id, label.
    classes : tuple of str
    repeats : int
    test_share : float
        Of the users.
    validation_share : float
        Of the users that are not held out.
    seed : int

    Returns
    -------
    tuple of Split

    Examples
    --------
    >>> table = pd.DataFrame({"user_id": list("abcdefgh"), "label": ["NS", "ASE"] * 4})
    >>> one = repeated_splits(table, ("NS", "ASE"), 1, 0.25, 0.25, seed=1)[0]
    >>> len(one.fit), len(one.validation), len(one.test)
    (4, 2, 2)
    """
    splits = []
    for repeat in range(repeats):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(repeat,)))
        test = hold_out(sessions, classes, test_share, rng)
        rest = np.flatnonzero(~test)
        inner = hold_out(sessions.iloc[rest], classes, validation_share, rng)
        splits.append(Split(rest[~inner], rest[inner], np.flatnonzero(test)))
    return tuple(splits)


def oversample(labels: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Repeat rows of the smaller classes at random until every class is as large as the largest.

    Parameters
    ----------
    labels : ndarray of str, shape (n,)
        Of all sessions.
    rows : ndarray of int
        Of one part alone: a row of another part never comes in.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int
        `rows`, then the repetitions; each row at least once.

    Examples
    --------
    >>> rows = oversample(np.array(list("aab")), np.arange(3), np.random.default_rng(0))
    >>> rows.tolist()
    [0, 1, 2, 2]
    """
    of_rows = labels[rows]
    names, counts = np.unique(of_rows, return_counts=True)
    extra = [
        rng.choice(rows[of_rows == name], counts.max() - n) for name, n in zip(names, counts, strict=True)
    ]
    return np.concatenate([rows, *extra])
