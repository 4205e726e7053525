"""Embeddings of each case by input symbol, their scaling on training rows, and missing ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voicerisk.errors import MultitaskError

SMALLEST_SD = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Embeddings of the cases.

    Parameters
    ----------
    blocks : mapping of str to ndarray, shape (n, d)
        By symbol, in the order of the cases table. A case without this input is a row of NaN; single NaN
        (a marker that could not be measured) are allowed.
    modalities : mapping of str to str
        'audio' or 'text' of each symbol.
    """

    blocks: Mapping[str, np.ndarray]
    modalities: Mapping[str, str]

    def __post_init__(self) -> None:
        lengths = {len(block) for block in self.blocks.values()}
        if len(lengths) != 1:
            raise MultitaskError(f"The inputs hold {sorted(lengths)} cases; each needs one row a case.")
        for symbol, block in self.blocks.items():
            if block.ndim != 2 or np.isinf(block).any():
                raise MultitaskError(f"Input {symbol} must be a finite table of cases by numbers.")
            if self.modalities.get(symbol) not in ("audio", "text"):
                raise MultitaskError(f"Input {symbol} must be of the modality audio or text.")

    def of(self, combination: str) -> dict[str, np.ndarray]:
        """Return the blocks of a combination such as "W+E"."""
        try:
            return {symbol: self.blocks[symbol] for symbol in combination.split("+")}
        except KeyError as lost:
            raise MultitaskError(f"There is no input {lost.args[0]!r}.") from None

    def kinds(self, combination: str) -> tuple[str, ...]:
        """Return the modalities of a combination, each once, in order."""
        return tuple(dict.fromkeys(self.modalities[symbol] for symbol in combination.split("+")))


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Centre and spread of each number of an input, learned on training rows.

    Parameters
    ----------
    mean, sd : ndarray, shape (d,)
        A number that training rows never have gets mean 0; one that is constant in them gets spread 1.
    """

    mean: np.ndarray
    sd: np.ndarray

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Return the scaled block; what is missing becomes 0, the training mean."""
        scaled = (block - self.mean) / self.sd
        return np.where(np.isfinite(scaled), scaled, 0.0).astype(np.float32)


def learn_scaling(block: np.ndarray, rows: np.ndarray) -> Scaling:
    """Learn the scaling of one input.

    Parameters
    ----------
    block : ndarray, shape (n, d)
    rows : ndarray of int
        Training rows; no other row is looked at.

    Returns
    -------
    Scaling
    """
    own = np.asarray(block[rows], dtype=np.float64)
    there = np.isfinite(own)
    n = there.sum(axis=0)
    filled = np.where(there, own, 0.0)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    spread = np.where(there, own - mean, 0.0)
    sd = np.sqrt((spread**2).sum(axis=0) / np.maximum(n - 1, 1))
    return Scaling(mean, np.where(sd > SMALLEST_SD, sd, 1.0))


def columns_by_modality(
    combination: Sequence[str], blocks: Mapping[str, np.ndarray], modalities: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Return which columns of the concatenated vector belong to each modality."""
    owner = np.concatenate([np.repeat(modalities[s], blocks[s].shape[1]) for s in combination])
    return {kind: np.flatnonzero(owner == kind) for kind in dict.fromkeys(owner.tolist())}
