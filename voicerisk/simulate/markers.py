"""Marker tables with a known truth, without any sound.

Given outcome and sex, markers are independent of each other and normal, so that the log-odds of the outcome
are exactly additive in the markers, and each smooth s(x) is the log ratio of two normal densities.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicerisk.errors import StudyError
from voicerisk.simulate.truth import SEXES
from voicerisk.types import Floats


@dataclass(frozen=True, slots=True)
class Density:
    """Normal density of one marker in one sex, by outcome.

    Attributes
    ----------
    mean_0, sd_0, mean_1, sd_1 : float
        Mean and standard deviation over rows (segments) of callers with outcome 0 and 1.
    """

    mean_0: float = 0.0
    sd_0: float = 1.0
    mean_1: float = 0.0
    sd_1: float = 1.0

    def log_ratio(self, x: Floats) -> Floats:
        """Return log p(x | 1) - log p(x | 0), the true smooth in log-odds, not centred."""
        one, zero = (x - self.mean_1) / self.sd_1, (x - self.mean_0) / self.sd_0
        return 0.5 * (zero**2 - one**2) + np.log(self.sd_0 / self.sd_1)


# x1 rises linearly in both sexes; x2 is U-shaped in women and flat in men; x3 is flat in women and an arch
# that falls in men.
DENSITIES: dict[str, dict[str, Density]] = {
    "x1": {"female": Density(0.3, 1.0, 0.9, 1.0), "male": Density(-0.3, 1.0, 0.3, 1.0)},
    "x2": {"female": Density(0.0, 1.0, 0.0, 1.35), "male": Density(0.0, 1.0, 0.0, 1.0)},
    "x3": {"female": Density(0.0, 1.0, 0.0, 1.0), "male": Density(0.0, 1.0, -0.5, 0.8)},
}


@dataclass(frozen=True, slots=True, eq=False)
class MarkerCohort:
    """A marker table and its truth.

    Attributes
    ----------
    segments : DataFrame
        One row a segment: call_id, caller_id, segment, start_s, end_s, label, n_frames, n_silent, then every
        marker and its ``<marker>_n_available``, then sex and outcome.
    calls : DataFrame
        call_id, caller_id, sex, outcome; one call a caller.
    curves : DataFrame
        marker, sex, x, estimate: the true s(x) in log-odds, not centred, on 101 points that span
        the middle 95% of the marker in that sex, over both outcomes.
    markers : tuple of str
    """

    segments: pd.DataFrame
    calls: pd.DataFrame
    curves: pd.DataFrame
    markers: tuple[str, ...]


def simulate_markers(
    callers: int = 120,
    segments: int = 8,
    *,
    positives: int | None = None,
    markers: int = 3,
    null: bool = False,
    icc: float = 0.3,
    seed: int = 1,
) -> MarkerCohort:
    """Draw a table of markers whose true curves are known.

    Parameters
    ----------
    callers : int
        At least 4.
    segments : int
        Rows a caller, at least 1.
    positives : int, optional
        Callers with outcome 1, spread evenly over the sexes; half of them by default.
    markers : int
        ``x1`` to ``x3`` move as `DENSITIES` says; further ones are noise.
    null : bool
        All markers are noise.
    icc : float
        Share of a marker's variance that lies between callers of one outcome and sex, 0 to below 1. It makes
        rows of a caller alike without changing the truth of the curves.
    seed : int

    Returns
    -------
    MarkerCohort

    Raises
    ------
    StudyError
        For numbers out of range.

    Examples
    --------
    >>> cohort = simulate_markers(callers=281, positives=77, null=True, seed=4)
    >>> int(cohort.calls["outcome"].sum()), bool((cohort.curves["estimate"] == 0).all())
    (77, True)
    """
    positives = callers // 2 if positives is None else positives
    _check(callers, segments, positives, markers, icc, seed)
    rng = np.random.default_rng(seed)
    sex = np.array([SEXES[i % 2] for i in range(callers)])
    outcome = _outcomes(callers, positives, rng)
    names = tuple(f"x{i + 1}" for i in range(markers))
    columns: dict[str, Floats] = {}
    curves = []
    for name in names:
        densities = DENSITIES.get(name, {}) if not null else {}
        by_sex = {s: densities.get(s, Density()) for s in SEXES}
        mean = np.array([_pick(by_sex[s], "mean", y) for s, y in zip(sex, outcome, strict=True)])
        sd = np.array([_pick(by_sex[s], "sd", y) for s, y in zip(sex, outcome, strict=True)])
        between = rng.standard_normal(callers)
        within = rng.standard_normal((callers, segments))
        mixed = np.sqrt(icc) * between[:, None] + np.sqrt(1 - icc) * within
        columns[name] = (mean[:, None] + sd[:, None] * mixed).ravel()
        curves += [_curve(name, s, by_sex[s]) for s in SEXES]
    caller_id = np.array([f"m{i + 1:04d}" for i in range(callers)])
    calls = pd.DataFrame(
        {"call_id": [f"{c}_1" for c in caller_id], "caller_id": caller_id, "sex": sex, "outcome": outcome}
    )
    return MarkerCohort(
        _segments(calls, segments, columns), calls, pd.concat(curves, ignore_index=True), names
    )


def _outcomes(callers: int, positives: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Give outcome 1 to random callers, as evenly over the sexes as can be."""
    outcome = np.zeros(callers, dtype=np.int64)
    women, men = rng.permutation(np.arange(0, callers, 2)), rng.permutation(np.arange(1, callers, 2))
    n_women = min(max(round(positives * len(women) / callers), positives - len(men)), len(women))
    outcome[women[:n_women]] = 1
    outcome[men[: positives - n_women]] = 1
    return outcome


def _pick(density: Density, what: str, outcome: int) -> float:
    return float(getattr(density, f"{what}_{outcome}"))


def _curve(marker: str, sex: str, density: Density) -> pd.DataFrame:
    low = min(density.mean_0 - 1.96 * density.sd_0, density.mean_1 - 1.96 * density.sd_1)
    high = max(density.mean_0 + 1.96 * density.sd_0, density.mean_1 + 1.96 * density.sd_1)
    x = np.linspace(low, high, 101)
    return pd.DataFrame({"marker": marker, "sex": sex, "x": x, "estimate": density.log_ratio(x)})


def _segments(calls: pd.DataFrame, segments: int, columns: dict[str, Floats]) -> pd.DataFrame:
    n = len(calls)
    number = np.tile(np.arange(segments), n)
    table = pd.DataFrame(
        {
            "call_id": np.repeat(calls["call_id"].to_numpy(), segments),
            "caller_id": np.repeat(calls["caller_id"].to_numpy(), segments),
            "segment": number,
            "start_s": 4.0 * number,
            "end_s": 4.0 * number + 3.0,
            "label": "caller",
            "n_frames": 148,
            "n_silent": 0,
        }
    )
    for name, values in columns.items():
        table[name] = values
        table[f"{name}_n_available"] = 148
    table["sex"] = np.repeat(calls["sex"].to_numpy(), segments)
    table["outcome"] = np.repeat(calls["outcome"].to_numpy(), segments)
    return table


def _check(callers: int, segments: int, positives: int, markers: int, icc: float, seed: int) -> None:
    least = {"callers": (callers, 4), "segments": (segments, 1), "markers": (markers, 1), "seed": (seed, 0)}
    for name, (value, low) in least.items():
        if value < low:
            raise StudyError(
                f"{name} = {value} is too small for a simulated table; it must be at least {low}."
            )
    if not 0 < positives < callers:
        raise StudyError(
            f"positives = {positives} leaves one outcome without callers; give 1 to {callers - 1}."
        )
    if not 0 <= icc < 1:
        raise StudyError(f"icc = {icc} is not a share of variance; give 0 to below 1.")
