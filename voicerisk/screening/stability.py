"""How often a marker is selected when the callers change: complementary halves, and the folds of a study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from voicerisk.callers.screening_folds import caller_folds, outcome_patterns
from voicerisk.errors import ScreeningError
from voicerisk.screening.design import columns_for, marker_values
from voicerisk.screening.lasso import fit_path
from voicerisk.screening.screen import Screening, screen


@dataclass(frozen=True, slots=True)
class Stability:
    """Selection frequencies over complementary halves of the callers.

    Attributes
    ----------
    table : DataFrame
        One row a marker: `marker`, `frequency` (share of half-samples that select it), `frequency_both`
        (share of pairs in which both halves do), sorted by frequency.
    n_pairs : int
        Number of pairs; twice as many fits.
    n_empty : int
        Fits that selected nothing.
    mean_selected : float
        Mean number of markers selected a fit.
    """

    table: pd.DataFrame
    n_pairs: int
    n_empty: int
    mean_selected: float


def stability(
    table: pd.DataFrame,
    markers: Sequence[str],
    y: ArrayLike,
    callers: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    n_pairs: int = 50,
    q: int | None = None,
    rule: str = "min",
    n_folds: int = 10,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Stability:
    """Repeat the screening on random halves of the callers and count how often each marker is selected.

    Callers are split within the outcome patterns {0, 1, both}; both halves of a split are used
    (complementary pairs).

    Parameters
    ----------
    table, markers, y, weights, rule
        As for `screen`.
    callers : array, shape (n,)
        Caller of each row.
    n_pairs : int
        Splits; the number of Lasso screenings is twice that.
    q : int, optional
        When given, a half selects the first `q` markers that enter its path instead of those at the rule's
        lambda: the variant with an error bound, see `expected_false_selections`.
    n_folds : int
        Caller-grouped folds within a half, at most the callers of its smaller class.
    seed : int
        Each pair has its own stream derived from it.
    progress : callable, optional
        Called as `progress(done, total)` after each pair.

    Returns
    -------
    Stability

    Raises
    ------
    ScreeningError
        If there are fewer than 6 callers with calls of a class (halves then allow no three folds), or
        `q` is not between 1 and the number of markers.

    Notes
    -----
    Meinshausen & Bühlmann (2010), JRSS B 72: 417; Shah & Samworth (2013), JRSS B 75: 55.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> table = load_example()
    >>> found = stability(table, ["x1", "x4"], table["outcome"], table["caller_id"])  # doctest: +SKIP
    >>> found.table  # doctest: +SKIP
    """
    values = marker_values(table, markers)
    outcome = np.asarray(y, dtype=np.float64)
    caller = np.asarray(callers)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if q is not None and not 1 <= q <= len(markers):
        raise ScreeningError(f"q is {q}, but must be between 1 and the number of markers, {len(markers)}.")
    pattern = outcome_patterns(caller, outcome)
    row_caller = pattern.index.get_indexer(pd.Index(caller))
    smaller = min(int((pattern != "1").sum()), int((pattern != "0").sum()))
    if smaller < 6:
        raise ScreeningError(
            f"Stability selection splits the callers in half and needs 6 callers in each class; the smaller "
            f"class has {smaller}."
        )
    frame = pd.DataFrame(values, columns=list(markers))
    halves = np.zeros((n_pairs, 2, len(markers)), dtype=bool)
    for pair in range(n_pairs):
        stream, fold_stream = np.random.SeedSequence(seed, spawn_key=(pair,)).spawn(2)
        first = _half(pattern.to_numpy(), np.random.default_rng(stream))
        for side, members in enumerate((first, ~first)):
            rows = members[row_caller]
            part = frame.loc[rows]
            if q is not None:
                chosen = _first_to_enter(part, markers, outcome[rows], weight[rows], q)
            else:
                patterns = pattern.to_numpy()[members]
                k = min(n_folds, int((patterns != "1").sum()), int((patterns != "0").sum()))
                folds = caller_folds(
                    caller[rows], outcome[rows], max(k, 3), seed=int(fold_stream.generate_state(2)[side])
                )
                chosen = set(screen(part, markers, outcome[rows], folds, weight[rows], rule).selected)
            halves[pair, side] = [name in chosen for name in markers]
        if progress is not None:
            progress(pair + 1, n_pairs)
    counts = halves.reshape(-1, len(markers))
    result = pd.DataFrame(
        {
            "marker": list(markers),
            "frequency": counts.mean(axis=0),
            "frequency_both": halves.all(axis=1).mean(axis=0),
        }
    ).sort_values("frequency", ascending=False, kind="stable", ignore_index=True)
    sizes = counts.sum(axis=1)
    return Stability(result, n_pairs, int((sizes == 0).sum()), float(sizes.mean()))


def expected_false_selections(q: float, n_markers: int, cutoff: float) -> float:
    """Bound the expected number of noise markers whose frequency reaches `cutoff`.

    q^2 / ((2 cutoff - 1) p) for a cutoff above 0.5 (Meinshausen & Bühlmann 2010, theorem 1; it assumes
    exchangeable noise markers and a selection no worse than chance).

    Examples
    --------
    >>> expected_false_selections(6, 36, 0.75)
    2.0
    """
    if not 0.5 < cutoff <= 1.0:
        raise ScreeningError(f"The cutoff of stability selection is {cutoff}, but must be in (0.5, 1].")
    return q * q / ((2.0 * cutoff - 1.0) * n_markers)


def selection_frequency(screenings: Sequence[Screening]) -> pd.DataFrame:
    """Return how often each marker was selected over the screenings of several folds.

    Parameters
    ----------
    screenings : sequence of Screening
        For example one for each left-out caller.

    Returns
    -------
    DataFrame
        `marker`, `n_selected`, `n_screenings` (in which the marker took part), `frequency`, most frequent
        first.
    """
    took_part = pd.concat(
        [one.coefficients.groupby("marker", sort=False)["selected"].any() for one in screenings]
    )
    counts = took_part.groupby(level=0, sort=False).agg(["sum", "count"])
    return pd.DataFrame(
        {
            "marker": counts.index.astype(str),
            "n_selected": counts["sum"].to_numpy(dtype=np.int64),
            "n_screenings": counts["count"].to_numpy(dtype=np.int64),
            "frequency": (counts["sum"] / counts["count"]).to_numpy(dtype=np.float64),
        }
    ).sort_values("frequency", ascending=False, kind="stable", ignore_index=True)


def _half(pattern: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mark a random half of the callers within each outcome pattern; odd ones fall to either side in turn."""
    first = np.zeros(len(pattern), dtype=bool)
    extra = bool(rng.integers(2))
    for name in ("0", "1", "both"):
        members = rng.permutation(np.flatnonzero(pattern == name))
        size = len(members) // 2
        if len(members) % 2:
            size += extra
            extra = not extra
        first[members[:size]] = True
    return first


def _first_to_enter(
    part: pd.DataFrame, markers: Sequence[str], y: NDArray[np.float64], weights: NDArray[np.float64], q: int
) -> set[str]:
    """Return the markers of the first point of the path that has at least `q` of them, at most `q`."""
    rows = weights > 0
    values = part.to_numpy(dtype=np.float64)[rows]
    columns = columns_for(markers, values)
    path = fit_path(columns.fill(values, columns.medians(values)), y[rows], weights[rows])
    chosen: dict[str, None] = {}
    for coefficients, scale in ((row, path.scale) for row in path.coefficients):
        # Several can enter between two lambdas: the larger standardised coefficient counts as earlier.
        for term in np.argsort(-np.abs(coefficients * scale), kind="stable"):
            if coefficients[term] == 0.0:
                break
            chosen.setdefault(columns.term_markers[term], None)
            if len(chosen) == q:
                return set(chosen)
    return set(chosen)
