"""The registry of random streams: each use of chance has a number of its own.

A stream depends on the study's seed, its number and the place of the item (repeat, fold, bootstrap) alone, so
that no result depends on the order of the work. A number that is in use is never given to another stream, nor
changed: results would change with it.
"""

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """Numbers of the streams, by what is drawn."""

    OUTER_FOLDS = 1
    INNER_FOLDS = 3
    REFIT_SEED = 5
    BOOTSTRAP_CUTS = 7
    AUTOMATIC_DIRECTION = 11
    METRICS = 13
    PERMUTATION = 17
    WHOLE_PROCEDURE = 19
    NESTED_ERROR = 23
    PAIRS = 29
    KFOLD_INTERVAL = 31
    LADDER_PERMUTATION = 37
    NEGATIVE_CONTROLS = 41
    DECISION_CURVES = 43
    CUT_STABILITY = 47
    ONE_AGAINST_REST = 53
    MET_VOICES = 59
    SUBGROUP_GAPS = 61
    MULTITASK_FOLDS = 71
    MULTITASK_VALIDATION = 73
    MULTITASK_COMPARISONS = 79
    LADDER_INTERVAL = 83
    CLASS_DECISIONS = 89
    ROW_FOLDS = 97
    FUSION_FOLDS = 101
    FUSION_CUTS = 103
    FUSION_RESCUE = 107
    CHAT_EXPLANATIONS = 109
    GRADES = 113
    POWER = 149
    SERVICES_OUT = 127
    SCORED_ALSO = 137


def generator(stream: Stream, seed: int, *place: int) -> np.random.Generator:
    """Return the generator of one item of a stream.

    Parameters
    ----------
    stream : Stream
    seed : int
        The study's seed.
    place : int
        Where the item stands: repeat, fold, bootstrap and so on.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> int(generator(Stream.METRICS, 1).integers(100)) == int(generator(Stream.METRICS, 1).integers(100))
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream), *place)))


def seed_of(stream: Stream, seed: int, *place: int) -> int:
    """Return a whole number for software that takes a seed in place of a generator."""
    return int(np.random.SeedSequence(seed, spawn_key=(int(stream), *place)).generate_state(1)[0])
