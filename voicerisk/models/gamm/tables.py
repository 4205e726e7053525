"""More tables of a fitted GAMM, computed by R from its saved model.

Each function takes the RDS file that `fit_gamm(..., rds_path=...)` wrote (or any binomial mgcv model saved by
`saveRDS`) and a `Worker`, where one is open already.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from voicerisk.errors import ModelError
from voicerisk.rbridge import Rds, Worker

__all__ = [
    "boot_curves", "checks", "derivatives", "differences", "moderation", "partial_residuals", "predict_gamm",
    "table1",
]  # fmt: skip


def _ask(path: Path, what: str, worker: Worker | None, seed: int, arguments: dict[str, Any]) -> Any:
    if not Path(path).is_file():
        raise ModelError(f"There is no model file {path}; fit the GAMM with rds_path first.")
    with nullcontext(worker) if worker is not None else Worker() as r:
        return r.call("bridge_of_fit", fit=Rds(Path(path)), what=what, args=arguments, seed=seed).value


def differences(
    path: Path,
    points: int = 100,
    confidence: float = 0.95,
    draws: int = 10_000,
    level_too: bool = False,
    *,
    seed: int = 1,
    worker: Worker | None = None,
) -> pd.DataFrame:
    """Return male minus female curves over the range common to both, with intervals.

    Columns: marker, contrast, x, estimate, se, lower, upper, lower_simultaneous, upper_simultaneous, level,
    scale. Log-odds. `level_too` adds the main effect of sex.
    """
    arguments = {"points": points, "level": confidence, "draws": draws, "level_too": level_too}
    return _ask(path, "differences", worker, seed, arguments)


def moderation(
    path: Path, confidence: float = 0.95, curves: bool = True, *, worker: Worker | None = None
) -> pd.DataFrame:
    """Return whether curves differ between the levels of the moderator, and whether the levels do.

    Columns: marker ('' for the contrast of two levels), contrast ('male - female'), what ('curve' or
    'level'), estimate, se, lower, upper (log-odds; of a contrast, standardised over all rows, so that it does
    not depend on how an engine centres its smooths), edf, ref_df, residual_df, statistic, statistic_name,
    p_value. The test of a curve is that of an ordered-factor difference smooth under the fit's covariance; it
    takes a fit of its own. Without `curves` there are the contrasts of levels alone.
    """
    return _ask(path, "moderation", worker, 1, {"level": confidence, "curves": curves})


def derivatives(
    path: Path,
    points: int = 100,
    confidence: float = 0.95,
    draws: int = 10_000,
    *,
    seed: int = 1,
    worker: Worker | None = None,
) -> pd.DataFrame:
    """Return the slope of each curve (log-odds per unit) with intervals.

    `direction` is 'rises' or 'falls' where the simultaneous interval excludes zero, else ''.
    """
    arguments = {"points": points, "level": confidence, "draws": draws}
    return _ask(path, "derivatives", worker, seed, arguments)


def partial_residuals(path: Path, *, worker: Worker | None = None) -> pd.DataFrame:
    """Return row, marker, sex, x, fitted, residual (working) and partial (their sum), in log-odds."""
    return _ask(path, "partial_residuals", worker, 1, {})


def checks(
    path: Path, bins: int = 10, *, seed: int = 1, worker: Worker | None = None
) -> dict[str, pd.DataFrame]:
    """Return the tables `k`, `concurvity`, `residuals` and `convergence` of the R function `vr_check`."""
    return _ask(path, "check", worker, seed, {"bins": bins})


def predict_gamm(
    path: Path,
    table: pd.DataFrame,
    kind: Literal["fixed", "marginal"] = "fixed",
    confidence: float = 0.95,
    *,
    sex: str = "sex",
    worker: Worker | None = None,
) -> pd.DataFrame:
    """Predict for rows whose callers the model need not know.

    Parameters
    ----------
    path : Path
        Saved model.
    table : DataFrame
        Sex, markers and covariates; a missing value gives a missing prediction.
    kind : {'fixed', 'marginal'}
        'fixed': every random intercept 0, the prediction for a caller in the middle (not a population
        average). 'marginal': the probability averaged over the distribution of the random intercepts.
    confidence : float
        Level of the interval of 'fixed'.
    sex : str
        Name of the moderator.

    Returns
    -------
    DataFrame
        link (log-odds of the fixed part), se, probability, lower, upper; one row a row of `table`.

    Raises
    ------
    ModelError
        For an unknown `kind`.
    RBridgeError
        For a column that the model needs and the table lacks, or a level that it does not know.
    """
    if kind not in ("fixed", "marginal"):
        raise ModelError(f"kind is {kind!r}; it must be 'fixed' or 'marginal'.")
    return _ask(path, "predict", worker, 1, {"newdata": table, "type": kind, "level": confidence})


def table1(
    path: Path, paper_interval: bool = False, confidence: float = 0.95, *, worker: Worker | None = None
) -> pd.DataFrame:
    """Return the published table of smooths: the coefficient of each linear part with its Wald interval.

    With `paper_interval` the columns `lower_paper`, `upper_paper` hold estimate -+ 1.96 SE / sqrt(rows), the
    formula that the paper's printed intervals must have used: SE divided by the square root of the number of
    rows once more, so too narrow by that factor.
    """
    return _ask(path, "table1", worker, 1, {"paper_interval": paper_interval, "level": confidence})


def boot_curves(
    path: Path,
    resamples: int = 200,
    points: int = 100,
    confidence: float = 0.95,
    smoothing: Literal["fixed", "again"] = "fixed",
    *,
    seed: int = 1,
    worker: Worker | None = None,
) -> pd.DataFrame:
    """Return the curves of a model without random intercepts with caller-bootstrap intervals.

    `smoothing` 'fixed' keeps the smoothing parameters; 'again' selects them in each resample.
    """
    arguments = {"resamples": resamples, "points": points, "level": confidence, "smoothing": smoothing}
    return _ask(path, "boot_curves", worker, seed, arguments)["curves"]
