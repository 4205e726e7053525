"""External validation: a saved model on another study, how to recalibrate it, and how the markers moved."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from voicerisk.callers.schema import check_predictions
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.calibration import CLIP, calibration_draws, calibration_line
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.metrics.logistic import logit

SHIFTED = 0.25


def external_rows(
    calls: pd.DataFrame,
    p_raw: np.ndarray,
    p: np.ndarray | None,
    threshold: float,
    model: str,
    target: str = "outcome",
    protocol: str = "nested",
) -> pd.DataFrame:
    """Put the scores of a saved model on new calls into the predictions table.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y and strata of the new study.
    p_raw : ndarray, shape (n,)
        Mean frame probability of each call.
    p : ndarray or None
        Recalibrated risk; p_raw when None.
    threshold : float
        The cut saved with the model: it is not learned anew.
    model, target, protocol : str

    Returns
    -------
    DataFrame
        Design 'external', ready for `compute_metrics`.
    """
    known = ("call_id", "caller_id", "y", "n_frames")
    table = pd.DataFrame(
        {
            "protocol": protocol,
            "model": model,
            "target": target,
            "design": "external",
            "repeat": 0,
            "fold": 0,
            "unit": "call",
            "call_id": calls["call_id"].to_numpy(),
            "caller_id": calls["caller_id"].to_numpy(),
            "segment": None,
            "frame": None,
            "time_s": np.nan,
            "y": calls["y"].to_numpy(),
            "p_raw": p_raw,
            "p": p_raw if p is None else p,
            "threshold": threshold,
            "weight": 1.0,
            **{c: calls[c].to_numpy() for c in calls.columns if c not in known},
        }
    ).astype({"segment": "Int32", "frame": "Int32"})
    check_predictions(table)
    return table


def recalibration_table(y: np.ndarray, p: np.ndarray, callers: np.ndarray | None = None) -> pd.DataFrame:
    """Compare the risk as it is with its recalibrations on the new study.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    p : ndarray, shape (n,)
        Risks, clipped to [0.001, 0.999] before their log-odds are taken.
    callers : ndarray, shape (n,), optional
        Caller of each call: the recalibrations are then also judged on callers they were not fitted to.

    Returns
    -------
    DataFrame
        method ('as is' | 'in the large' | 'intercept and slope'), intercept, slope, auroc, brier, mean_p,
        prevalence, brier_left_out (every caller's risks recalibrated without them; empty without `callers`).
        `brier` of a recalibration is apparent: it was fitted to the same calls.
    """
    line = calibration_line(y, p)
    x = logit(p, CLIP)
    others: dict[str, np.ndarray] | None = None
    if callers is not None:
        code = np.unique(callers, return_inverse=True)[1]
        without = (code[None, :] != np.arange(code.max() + 1)[:, None]).astype(np.float64)
        found = calibration_draws(y.astype(np.float64), p, without)
        others = {name: values[code] for name, values in found.items()}
    rows = []
    for method, intercept, slope, names in (
        ("as is", 0.0, 1.0, None),
        ("in the large", line.in_the_large, 1.0, ("calibration_in_the_large", None)),
        ("intercept and slope", line.intercept, line.slope, ("calibration_intercept", "calibration_slope")),
    ):
        moved = p if names is None else expit(intercept + slope * x)
        known = bool(np.isfinite(moved).all())
        left_out = np.nan
        if names is None:
            left_out = float(((p - y) ** 2).mean())
        elif others is not None:
            by_slope = 1.0 if names[1] is None else others[names[1]]
            left_out = float(((expit(others[names[0]] + by_slope * x) - y) ** 2).mean())
        rows.append(
            {
                "method": method, "intercept": intercept, "slope": slope,
                "auroc": auroc(y, moved) if known else np.nan,
                "brier": float(((moved - y) ** 2).mean()) if known else np.nan,
                "mean_p": float(moved.mean()), "prevalence": float(np.mean(y)),
                "brier_left_out": left_out if callers is not None else np.nan,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def marker_shift(before: pd.DataFrame, after: pd.DataFrame, markers: Sequence[str]) -> pd.DataFrame:
    """Compare the markers of the study a model was learned on with those of a new one.

    Parameters
    ----------
    before, after : DataFrame
        caller_id and the markers, rows of any unit; callers weigh alike.
    markers : sequence of str

    Returns
    -------
    DataFrame
        marker, mean_before, mean_after, sd_before, difference (in standard deviations between callers
        before),
        outside (share of callers whose mean lies outside the range before), missing_before, missing_after,
        shifted (difference of 0.25 or more).

    Examples
    --------
    >>> from voicerisk import load_example
    >>> table = load_example()
    >>> moved = table.assign(x1=table["x1"] + 1.0)
    >>> marker_shift(table, moved, ["x1", "x2"]).set_index("marker")["shifted"].tolist()
    [True, False]
    """
    missing = [m for m in markers if m not in before.columns or m not in after.columns]
    if missing:
        raise ValidationError(
            f"The marker {missing[0]!r} is not in both studies, so that its shift is unknown."
        )
    rows = []
    old = before.groupby("caller_id")[list(markers)].mean()
    new = after.groupby("caller_id")[list(markers)].mean()
    for marker in markers:
        a, b = old[marker].dropna(), new[marker].dropna()
        sd = float(a.std(ddof=1))
        gap = float((b.mean() - a.mean()) / sd) if sd > 0 else np.nan
        rows.append(
            {
                "marker": marker, "mean_before": float(a.mean()), "mean_after": float(b.mean()),
                "sd_before": sd,
                "difference": gap, "outside": float(((b < a.min()) | (b > a.max())).mean()),
                "missing_before": float(before[marker].isna().mean()),
                "missing_after": float(after[marker].isna().mean()), "shifted": abs(gap) >= SHIFTED,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
