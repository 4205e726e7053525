"""Calibration of risks: slope and intercept, smooth calibration error, and the parts of the Brier score."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from voicerisk.callers.schema import require_both_classes
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.logistic import fit_logistic, logit

CLIP = 1e-3
BINS = 10
EDGE = 1e-9
LOWESS_SPAN = 2.0 / 3.0
LOWESS_DELTA = 0.01
LOESS_SPAN = 0.75


@dataclass(frozen=True, slots=True)
class CalibrationLine:
    """Logistic calibration of risks.

    Parameters
    ----------
    intercept, slope, slope_se : float
        y ~ intercept + slope * logit p. A slope below 1 means risks too extreme.
    in_the_large, in_the_large_se : float
        Intercept with the slope held at 1; below 0 means risks too high on average.
    observed_expected : float
        Sum of outcomes / sum of risks.
    clip : float
        Risks were clipped to [clip, 1 - clip] before their log-odds were taken.

    Notes
    -----
    Slope and intercept are NaN where the risks separate the classes or are constant.
    """

    intercept: float
    slope: float
    slope_se: float
    in_the_large: float
    in_the_large_se: float
    observed_expected: float
    clip: float


def calibration_line(y: np.ndarray, p: np.ndarray, clip: float = CLIP) -> CalibrationLine:
    """Return calibration slope and intercept (Cox 1958; Steyerberg 2019, chapter 15).

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    p : ndarray, shape (n,)
        Risks in 0..1.
    clip : float

    Returns
    -------
    CalibrationLine
    """
    require_both_classes(y, "The outcomes to calibrate against")
    x, w = logit(p, clip), np.ones(len(y))
    a, b = (float(v[0]) for v in fit_logistic(x, y, w))
    large = float(fit_logistic(x, y, w, slope=1.0)[0][0])
    fitted = expit(a + b * x)
    curvature = fitted * (1.0 - fitted)
    information = np.array([[curvature.sum(), curvature @ x], [curvature @ x, curvature @ x**2]])
    slope_se = float(np.sqrt(np.linalg.inv(information)[1, 1])) if np.isfinite(b) else np.nan
    moved = expit(large + x)
    return CalibrationLine(
        a, b, slope_se, large, float((moved * (1.0 - moved)).sum() ** -0.5), float(y.sum() / p.sum()), clip
    )


def calibration_draws(
    y: np.ndarray, p: np.ndarray, weights: np.ndarray, clip: float = CLIP
) -> dict[str, np.ndarray]:
    """Return slope, intercept and calibration in the large under many sets of row weights.

    Parameters
    ----------
    y, p : ndarray, shape (n,)
    weights : ndarray, shape (b, n)
    clip : float

    Returns
    -------
    dict
        Metric -> ndarray, shape (b,); NaN where there is no estimate.
    """
    x = logit(p, clip)
    intercept, slope = fit_logistic(x, y, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (weights @ y) / (weights @ p)
    return {
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "calibration_in_the_large": fit_logistic(x, y, weights, slope=1.0)[0],
        "observed_expected": np.where(np.isfinite(ratio), ratio, np.nan),
    }


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """Distance between risks and a smooth calibration curve (Austin and Steyerberg 2019).

    Parameters
    ----------
    ici, e50, e90, emax : float
        Mean, median, 0.9 quantile and maximum of abs(p - smoothed outcome).
    smoother : str
        The numbers depend on it, so it is always named.
    """

    ici: float
    e50: float
    e90: float
    emax: float
    smoother: str


def calibration_error(y: np.ndarray, p: np.ndarray, smoother: str = "lowess") -> CalibrationError:
    """Return ICI, E50, E90 and Emax.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    p : ndarray, shape (n,)
    smoother : {'lowess', 'loess'}
        'lowess' is rms::val.prob's (span 2/3, no robustness iterations, delta 0.01 of the range).
        'loess' is local quadratic with span 0.75, as R's loess with `surface = "direct"`.

    Returns
    -------
    CalibrationError
        NaN where the risks are constant.
    """
    curve = smooth_calibration(y, p, smoother)
    error = np.abs(p - curve)
    e50, e90 = np.quantile(error, [0.5, 0.9])
    return CalibrationError(float(error.mean()), float(e50), float(e90), float(error.max()), smoother)


def smooth_calibration(y: np.ndarray, p: np.ndarray, smoother: str = "lowess") -> np.ndarray:
    """Return the smoothed outcome at every risk, for a calibration plot or `calibration_error`."""
    if np.ptp(p) == 0:
        return np.full(len(p), np.nan)
    if smoother == "lowess":
        from statsmodels.nonparametric.smoothers_lowess import lowess

        # Where a neighbourhood holds one distinct risk the local line has no slope; its NaN is the answer.
        with np.errstate(divide="ignore", invalid="ignore"):
            fitted = lowess(
                y, p, frac=LOWESS_SPAN, it=0, delta=LOWESS_DELTA * float(np.ptp(p)), return_sorted=False
            )
        return np.asarray(fitted, dtype=np.float64)
    if smoother == "loess":
        return _local_quadratic(p, y.astype(np.float64))
    raise ValidationError(f"The smoother of a calibration curve is lowess or loess, not {smoother!r}.")


def _local_quadratic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Fit a quadratic with tricube weights over the nearest three quarters of the rows, at every x."""
    n_near = int(np.floor(LOESS_SPAN * len(x) + 1e-5))
    places, back = np.unique(x, return_inverse=True)
    curve = np.empty(len(places))
    for number, place in enumerate(places):
        distance = np.abs(x - place)
        reach = np.partition(distance, n_near - 1)[n_near - 1]
        weight = np.clip(1.0 - (distance / reach) ** 3, 0.0, None) ** 3 if reach > 0 else distance == 0
        design = np.vander(x - place, 3, increasing=True) * np.sqrt(weight)[:, None]
        curve[number] = np.linalg.lstsq(design, y * np.sqrt(weight), rcond=None)[0][0]
    return curve[back]


@dataclass(frozen=True, slots=True)
class Corp:
    """Brier score = miscalibration - discrimination + uncertainty, by isotonic regression, without bins.

    Parameters
    ----------
    miscalibration, discrimination, uncertainty : float
        CORP of Dimitriadis, Gneiting and Jordan (2021); the first two are never negative.
    """

    miscalibration: float
    discrimination: float
    uncertainty: float


def corp(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> Corp:
    """Decompose the Brier score.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    p : ndarray, shape (n,)
    weights : ndarray, shape (n,), optional

    Returns
    -------
    Corp
    """
    from scipy.optimize import isotonic_regression

    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    keep = w > 0
    risk, place = np.unique(p[keep], return_inverse=True)
    mass = np.bincount(place, w[keep])
    mean = np.bincount(place, w[keep] * y[keep]) / mass
    fitted = isotonic_regression(mean, weights=mass).x[place]
    outcome, w = y[keep], w[keep]
    prevalence = np.average(outcome, weights=w)
    brier, best, base = (
        float(np.average((forecast - outcome) ** 2, weights=w))
        for forecast in (risk[place], fitted, np.full(len(outcome), prevalence))
    )
    return Corp(brier - best, base - best, base)


@dataclass(frozen=True, slots=True)
class Murphy:
    """Brier score = reliability - resolution + uncertainty + within-bin variance - within-bin covariance.

    Parameters
    ----------
    reliability, resolution, uncertainty : float
        Murphy (1973), over bins.
    within_variance, within_covariance : float
        Stephenson, Coelho and Jolliffe (2008): 0 where the risk is constant in each bin; without them the
        parts do not add up.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float

    @property
    def brier(self) -> float:
        """Sum of the parts: the Brier score exactly."""
        within = self.within_variance - self.within_covariance
        return self.reliability - self.resolution + self.uncertainty + within


def murphy(y: np.ndarray, p: np.ndarray, bins: int | None = BINS) -> Murphy:
    """Decompose the Brier score over bins.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    p : ndarray, shape (n,)
    bins : int or None
        Bins [a, b) of equal width, with 0.3 in the bin that starts there whatever its last bit; None = one
        bin a distinct risk.

    Returns
    -------
    Murphy
    """
    code, size = _bins(p, bins)
    mean_p, mean_y = np.bincount(code, p) / size, np.bincount(code, y) / size
    prevalence, n = float(y.mean()), len(y)
    spread = p - mean_p[code]
    return Murphy(
        float(size @ (mean_p - mean_y) ** 2) / n,
        float(size @ (mean_y - prevalence) ** 2) / n,
        prevalence * (1.0 - prevalence),
        float((spread**2).mean()),
        float(2.0 * (spread * (y - mean_y[code])).mean()),
    )


def ferro_fricker(y: np.ndarray, p: np.ndarray, bins: int = BINS) -> Murphy:
    """Return the Murphy decomposition corrected for the bias of small bins (Ferro and Fricker 2012).

    Bins with a single row are left out of the correction, since their variance cannot be estimated. The
    reliability can be negative.
    """
    plain = murphy(y, p, bins)
    code, size = _bins(p, bins)
    mean_y, n = np.bincount(code, y) / size, len(y)
    several = size > 1
    bias = float((size * mean_y * (1.0 - mean_y))[several] @ (1.0 / (size[several] - 1.0))) / n
    correction = plain.uncertainty / (n - 1)
    return Murphy(
        plain.reliability - bias,
        plain.resolution - bias + correction,
        plain.uncertainty + correction,
        plain.within_variance,
        plain.within_covariance,
    )


def _bins(p: np.ndarray, bins: int | None) -> tuple[np.ndarray, np.ndarray]:
    place = p if bins is None else np.minimum(np.floor(bins * p + EDGE), bins - 1)
    code = np.unique(place, return_inverse=True)[1]
    return code, np.bincount(code).astype(np.float64)
