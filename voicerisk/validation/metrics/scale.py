"""What a study of ordered grades or of a number found, from its table of predictions."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.calibration import calibration_line
from voicerisk.validation.metrics.grades import (
    Measures,
    grade_measures,
    measured,
    number_measures,
    ordinal_c,
    within_callers_c,
)
from voicerisk.validation.metrics.widening import CROSS_VALIDATED, widening

AT_LEAST = "at_least_"
BOOTSTRAPS = 500


def grades_of(predictions: pd.DataFrame) -> np.ndarray:
    """Return the grades of a table of predictions, rising; empty where the outcome is a number."""
    above = [int(name.removeprefix(AT_LEAST)) for name in map(str, predictions) if name.startswith(AT_LEAST)]
    if not above:
        return np.zeros(0, dtype=np.int64)
    lowest = int(predictions["y"].min())
    if lowest >= above[0]:
        raise ValidationError(f"No call has a grade below {above[0]}, the first that {AT_LEAST} is about.")
    return np.array([lowest, *above])


def scale_metrics(
    predictions: pd.DataFrame,
    seed: int = 1,
    n_boot: int = BOOTSTRAPS,
    known: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Measure out-of-fold predictions by design, repeats averaged.

    Parameters
    ----------
    predictions : DataFrame
        design, repeat, fold, call_id, caller_id, y, score, predicted, and of grades at_least_<grade>.
    seed, n_boot : int
        Of the bootstrap over callers. It takes scores as given; intervals of scores of several folds are
        widened for what learning anew would add (`widening`).
    known : sequence of int, optional
        Grades of a saved model, of which the calls may lack some; by default those of the predictions.

    Returns
    -------
    DataFrame
        design, metric, estimate, lower, upper, n, n_callers. Of grades those of `grade_metrics`, of a number
        those of `number_metrics`; and where calls of one caller differ `within_callers_c`.
    """
    grades = grades_of(predictions) if known is None else np.array(known, dtype=np.int64)
    parts = []
    for design, repeats in _designs(predictions):
        if len(grades):
            found: list[Measures] = [
                grade_measures(
                    np.searchsorted(grades, one["y"].to_numpy()),
                    one["score"].to_numpy(),
                    probabilities(one),
                    grades,
                )
                for one in repeats
            ]
        else:
            found = [number_measures(one["y"].to_numpy(), one["predicted"].to_numpy()) for one in repeats]
        caller = repeats[0]["caller_id"].to_numpy()
        within = [within_callers_c(one["y"].to_numpy(), one["score"].to_numpy(), caller) for one in repeats]
        found = [
            {**own} if add is None else {**own, "within_callers_c": add}
            for own, add in zip(found, within, strict=True)
        ]
        table = measured(found, caller, n_boot, seed=seed, factor=widening_of(design, repeats[0]))
        parts.append(table.assign(design=design)[["design", *table.columns]])
    return pd.concat(parts, ignore_index=True)


def probabilities(predictions: pd.DataFrame) -> np.ndarray:
    """Return the probability of each grade, shape (n, grades)."""
    columns = [name for name in predictions if str(name).startswith(AT_LEAST)]
    above = predictions[columns].to_numpy(np.float64)
    edges = np.column_stack([np.ones(len(above)), above, np.zeros(len(above))])
    return np.asarray(-np.diff(edges, axis=1), np.float64)


def scale_calibration(
    predictions: pd.DataFrame,
    seed: int = 1,
    n_boot: int = BOOTSTRAPS,
    known: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Read the study of two classes off at each grade: how well P(y >= grade) tells and how right it is.

    Parameters
    ----------
    predictions : DataFrame
        As in `scale_metrics`, of grades.
    seed, n_boot : int
    known : sequence of int, optional
        As in `scale_metrics`; a grade that all calls reach, or none, has no row.

    Returns
    -------
    DataFrame
        design, grade, n, n_events (calls of that grade or more), observed (their share), expected (mean P),
        intercept, slope (of the calibration), auroc, lower, upper (over callers); repeats averaged.
    """
    rows = []
    for design, repeats in _designs(predictions):
        caller = repeats[0]["caller_id"].to_numpy()
        y = repeats[0]["y"].to_numpy()
        for grade in grades_of(predictions)[1:] if known is None else known[1:]:
            event = (y >= grade).astype(np.int64)
            if known is not None and not 0 < event.sum() < len(event):
                continue
            p = [one[f"{AT_LEAST}{grade}"].to_numpy() for one in repeats]
            lines = [_line(event, one) for one in p]
            own = [{"auroc": _auroc_of(event, one["score"].to_numpy())} for one in repeats]
            found = measured(own, caller, n_boot, seed=seed, factor=widening_of(design, repeats[0])).iloc[0]
            rows.append(
                {
                    "design": design,
                    "grade": grade,
                    "n": len(y),
                    "n_events": int(event.sum()),
                    "observed": float(event.mean()),
                    "expected": float(np.mean([one.mean() for one in p])),
                    "intercept": float(np.mean([one[0] for one in lines])),
                    "slope": float(np.mean([one[1] for one in lines])),
                    "auroc": found["estimate"],
                    "lower": found["lower"],
                    "upper": found["upper"],
                }
            )
    return pd.DataFrame(rows)


def spectrum_table(
    predictions: pd.DataFrame,
    low: tuple[int, ...],
    high: tuple[int, ...],
    seed: int = 1,
    n_boot: int = BOOTSTRAPS,
) -> pd.DataFrame:
    """Return the AUROC of the same scores without the middle of the scale and with everyone.

    Parameters
    ----------
    predictions : DataFrame
        design, repeat, fold, call_id, caller_id, y (grades), score; intervals as in `scale_metrics`.
    low, high : tuple of int
        Grades that a study of two classes would compare; what is in neither is left out of it. With everyone
        the high grades stand against all others.
    seed, n_boot : int

    Returns
    -------
    DataFrame
        design, calls ('without the middle', 'everyone', 'difference'), auroc, lower, upper, n, n_events.

    Raises
    ------
    ValidationError
        Where a side is empty.
    """
    rows = []
    for design, repeats in _designs(predictions):
        y = repeats[0]["y"].to_numpy()
        caller = repeats[0]["caller_id"].to_numpy()
        event = np.isin(y, high).astype(np.int64)
        kept = (event == 1) | np.isin(y, low)
        for name, one in (("high", event), ("low", kept & (event == 0))):
            if not one.any():
                raise ValidationError(f"No call has one of the {name} grades; there is no spectrum effect.")
        measures: list[Measures] = []
        for one in repeats:
            score = one["score"].to_numpy()
            inner, everyone = _auroc_of(event, score, kept), _auroc_of(event, score)
            measures.append(
                {
                    "without the middle": inner,
                    "everyone": everyone,
                    "difference": partial(_difference, inner, everyone),
                }
            )
        found = measured(measures, caller, n_boot, seed=seed, factor=widening_of(design, repeats[0]))
        for row in found.to_dict("records"):
            used = kept if row["metric"] == "without the middle" else np.ones(len(y), bool)
            rows.append(
                {
                    "design": design,
                    "calls": row["metric"],
                    "auroc": row["estimate"],
                    "lower": row["lower"],
                    "upper": row["upper"],
                    "n": int(used.sum()),
                    "n_events": int(event[used].sum()),
                }
            )
    return pd.DataFrame(rows)


def widening_of(design: str, repeat: pd.DataFrame) -> float:
    """Return how much longer an interval must be for scores of these folds; 1 where there are none."""
    folds = repeat["fold"].nunique() if design in CROSS_VALIDATED else 1
    return widening(folds) if folds > 1 else 1.0


def _difference(
    one: Callable[[np.ndarray], float], other: Callable[[np.ndarray], float], w: np.ndarray
) -> float:
    return one(w) - other(w)


def _line(event: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    if not np.ptp(p) > 1e-9:  # everyone is told the same: there is no slope
        return np.nan, np.nan
    found = calibration_line(event, p)
    return found.intercept, found.slope


def _auroc_of(
    event: np.ndarray, score: np.ndarray, kept: np.ndarray | None = None
) -> Callable[[np.ndarray], float]:
    used = np.ones(len(event), bool) if kept is None else kept

    def measure(w: np.ndarray) -> float:
        inside = used & (w > 0)
        return ordinal_c(event[inside], score[inside], w[inside]) if inside.any() else np.nan

    return measure


def _designs(predictions: pd.DataFrame) -> Iterator[tuple[str, list[pd.DataFrame]]]:
    """Yield each design with its repeats, all in the same order of calls."""
    for design, part in predictions.groupby("design", sort=False):
        yield (
            str(design),
            [
                one.sort_values(["caller_id", "call_id"]).reset_index(drop=True)
                for _, one in part.groupby("repeat")
            ],
        )
