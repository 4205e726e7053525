"""Shapley values of the parts of a session, by permutations or exactly, with their Monte Carlo error."""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np

from voicerisk.errors import TextError

EXACT_UP_TO = 10
# Takes which parts are shown, bool of shape (b, m), and which order each row belongs to, int of shape (b,);
# returns the outputs, shape (b, c).
Value = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Shapley:
    """What each part adds to each output.

    Parameters
    ----------
    values : ndarray, shape (m, c)
        Together they are `full` less `base`.
    errors : ndarray, shape (m, c)
        Monte Carlo standard errors; 0 where computed exactly.
    base, full : ndarray, shape (c,)
        Outputs with every part hidden, and with none hidden.
    permutations : int
        Orders drawn; 0 where computed exactly.
    """

    values: np.ndarray
    errors: np.ndarray
    base: np.ndarray
    full: np.ndarray
    permutations: int

    @property
    def gap(self) -> float:
        """Largest distance between the sum of the values and what they must add up to: rounding alone."""
        return float(np.abs(self.values.sum(axis=0) - (self.full - self.base)).max(initial=0.0))


def shapley_values(
    value: Value, parts: int, permutations: int, rng: np.random.Generator, *, exact: bool | None = None
) -> Shapley:
    """Return the Shapley values of a function of sets of parts.

    Orders are drawn in pairs, an order and its reverse, which halves the variance where effects add up. In
    every order the differences telescope, so that the values add up whatever the number of orders.

    Parameters
    ----------
    value : callable
        Takes the shown parts (bool, shape (b, m)) and the number of the order of each row (int, shape (b,);
        a background drawn for an order must be the same for all its rows); returns outputs, shape (b, c).
    parts : int
        m.
    permutations : int
        Even, at least 2.
    rng : numpy.random.Generator
    exact : bool, optional
        Go through all 2^m sets; default: where m is at most 10. Only for a value that does not depend on the
        order's number.

    Returns
    -------
    Shapley

    Examples
    --------
    >>> add = lambda shown, order: shown @ np.array([[1.0], [2.0]])
    >>> shapley_values(add, 2, 2, np.random.default_rng(0)).values.ravel().tolist()
    [1.0, 2.0]
    """
    if parts < 1:
        raise TextError("There is no part to explain.")
    if exact or (exact is None and parts <= EXACT_UP_TO):
        return _exact(value, parts)
    if permutations < 2 or permutations % 2:
        raise TextError(f"permutations must be even and at least 2, not {permutations}.")
    half = [rng.permutation(parts) for _ in range(permutations // 2)]
    orders = np.array([order for one in half for order in (one, one[::-1])])
    rank = np.empty_like(orders)
    np.put_along_axis(rank, orders, np.arange(parts)[None, :], axis=1)
    # Row s of an order shows the s parts that come first in it.
    shown = rank[:, None, :] < np.arange(parts + 1)[None, :, None]
    number = np.repeat(np.arange(len(orders)), parts + 1)
    out = value(shown.reshape(-1, parts), number).reshape(len(orders), parts + 1, -1)
    steps = np.diff(out, axis=1)
    gains = np.empty_like(steps)
    for k, order in enumerate(orders):
        gains[k, order] = steps[k]
    pairs = gains.reshape(-1, 2, parts, gains.shape[-1]).mean(axis=1)
    spread = pairs.std(axis=0, ddof=1) if len(pairs) > 1 else np.full(pairs.shape[1:], np.nan)
    return Shapley(
        pairs.mean(axis=0),
        spread / np.sqrt(len(pairs)),
        out[:, 0].mean(axis=0),
        out[:, -1].mean(axis=0),
        permutations,
    )


def _exact(value: Value, parts: int) -> Shapley:
    sets = np.arange(2**parts)
    shown = (sets[:, None] >> np.arange(parts)) & 1 == 1
    out = value(shown, np.zeros(len(sets), dtype=np.int64))
    size = shown.sum(axis=1)
    weight = np.array([1.0 / (parts * comb(parts - 1, s)) if s < parts else 0.0 for s in range(parts + 1)])
    values = np.empty((parts, out.shape[1]))
    for part in range(parts):
        without = np.flatnonzero(~shown[:, part])
        gain = out[without + (1 << part)] - out[without]
        values[part] = weight[size[without]] @ gain
    return Shapley(values, np.zeros_like(values), out[0], out[-1], 0)
