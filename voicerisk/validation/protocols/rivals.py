"""Rivals: models that are judged on the very folds of the nested protocol, so that they can be set beside it.

A rival is a name and a function that learns from rows of training callers and scores rows of others. All
else (folds, weights, the choice of a penalty on inner folds, recalibration, cut, the check that nobody saw a
held-out caller) is that of the nested protocol.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.callers.schema import RIVAL, check_calls
from voicerisk.callers.weights import training_weights
from voicerisk.errors import ValidationError
from voicerisk.types import Floats, Progress
from voicerisk.validation.contract import FitPaths, FittedPath, TrainingSet
from voicerisk.validation.metrics.logistic import expit
from voicerisk.validation.protocols.run import NESTED, ProtocolResult, run_protocol
from voicerisk.validation.settings import ValidationSettings

Learn = Callable[[Floats, Floats, Floats, Floats], Floats]
"""Rows learned from, their outcomes and weights, rows to score -> log-odds, one column a penalty."""

TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """A model that is set beside the nested protocol.

    Parameters
    ----------
    name : str
        Its `model` in the tables; the protocol is `rival`.
    rows : DataFrame
        call_id, then one number a column (NaN = missing); a row a call, a segment, or whatever the model
        learns from. A call's log-odds are the mean of its rows'.
    learn : callable
        (rows learned from, outcomes, weights, rows to score) -> log-odds, shape (n, penalties). Columns of
        both tables are standardised by the rows learned from, missing values are 0 = their mean. The weights
        sum to the number of callers; with several columns the inner folds choose one.
    """

    name: str
    rows: pd.DataFrame
    learn: Learn


def run_rival(
    rival: Rival,
    calls: pd.DataFrame,
    settings: ValidationSettings,
    progress: Progress | None = None,
    *,
    target: str = "outcome",
) -> ProtocolResult:
    """Judge a rival on the folds of the nested protocol.

    Parameters
    ----------
    rival : Rival
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata: the table of the nested protocol, so that the folds are
        the same.
    settings : ValidationSettings
    progress : callable, optional
    target : str

    Returns
    -------
    ProtocolResult
        Of protocol `rival` and model `rival.name`; without frame rows.

    Raises
    ------
    ValidationError
        Where a call has no rows, or a learned object saw a held-out caller.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from voicerisk.validation import ValidationSettings
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 10)
    >>> ids = [f"c{i:02d}" for i in range(20)]
    >>> calls = pd.DataFrame({"call_id": ids, "caller_id": ids, "y": y, "n_frames": 5})
    >>> rows = pd.DataFrame({"call_id": ids, "x": y + rng.normal(size=20)})
    >>> rival = Rival("slope", rows, lambda x, y, w, new: new * np.sign(np.cov(x[:, 0], y)[0, 1]))
    >>> settings = ValidationSettings(designs=["loco"], bootstraps=50)
    >>> run_rival(rival, calls, settings).predictions["model"].unique().tolist()
    ['slope']
    """
    table = check_calls(calls)
    switches = replace(NESTED, name=RIVAL)
    fit = _fit_paths(rival, table)
    return run_protocol(table, fit, settings, switches, settings.designs, progress, rival.name, target)


def _fit_paths(rival: Rival, table: pd.DataFrame) -> FitPaths:
    place = pd.Index(table["call_id"]).get_indexer(pd.Index(rival.rows["call_id"]))
    values = rival.rows.drop(columns="call_id").to_numpy(dtype=np.float64)[place >= 0]
    call = place[place >= 0]
    size = np.bincount(call, minlength=len(table))
    for row in np.flatnonzero(size == 0):
        raise ValidationError(f"{rival.name}: call {table['call_id'].iloc[row]!r} has no row to learn from.")
    y = table["y"].to_numpy(dtype=np.float64)
    caller = table["caller_id"].to_numpy(dtype=str)
    call_ids = table["call_id"].to_numpy(dtype=object)
    of_caller = pd.Series(np.arange(len(call))).groupby(caller[call]).apply(np.array).to_dict()

    def fit(sets: Sequence[TrainingSet], progress: Progress | None) -> Iterator[FittedPath]:
        for done, asked in enumerate(sets):
            inside = np.concatenate([of_caller[one] for one in asked.train])
            assessed = np.concatenate([of_caller[one] for one in asked.assess])
            outcome = y[call[inside]]
            weights = training_weights(caller[call[inside]], outcome, asked.class_prior)
            known, new = _standardised(values[inside], weights, values[assessed])
            link = rival.learn(known, outcome, weights, new)
            calls, of_row = np.unique(call[assessed], return_inverse=True)
            total = np.zeros((len(calls), link.shape[1]))
            np.add.at(total, of_row, link)
            p = expit(total / size[calls][:, None])
            right = np.where(y[calls][:, None] == 1, p, 1.0 - p)
            learned = {"scaling": asked.train, rival.name: asked.train}
            yield FittedPath(
                asked.key,
                tuple(call_ids[calls]),
                p,
                -2.0 * np.log(np.clip(right, TINY, 1.0)),
                learned,
                {},
                lambda step: pd.DataFrame(),
            )
            if progress is not None:
                progress(done + 1, len(sets))

    return fit


def _standardised(inside: Floats, weights: Floats, assessed: Floats) -> tuple[Floats, Floats]:
    """Return both tables in units of the rows learned from; what is constant there, or missing, is 0."""
    known: NDArray[np.bool_] = ~np.isnan(inside)
    mass = weights @ known
    mass = np.where(mass > 0, mass, 1.0)
    centre = weights @ np.where(known, inside, 0.0) / mass
    spread = np.sqrt(weights @ np.where(known, inside - centre, 0.0) ** 2 / mass)
    spread = np.where(spread > 1e-9 * np.maximum(np.abs(centre), TINY), spread, np.inf)
    return tuple(np.nan_to_num((one - centre) / spread) for one in (inside, assessed))  # type: ignore[return-value]
