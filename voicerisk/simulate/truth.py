"""What is true of the simulated cohort: which sound parameters move with risk, for whom, and how far."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SEXES = ("female", "male")


@dataclass(frozen=True, slots=True)
class Effect:
    """One acoustic parameter that moves with the caller's distress.

    Attributes
    ----------
    parameter : str
        Field of `Voice`, or ``level``.
    sexes : tuple of str
        For whom it moves.
    scale : {'log2', 'linear', 'dB'}
        Where the spread is normal and the effect adds.
    centre, spread : float
        Mean and standard deviation among callers without distress, on that scale.
    shift : float
        Change for one unit of distress, in units of `spread`.
    markers : mapping of str to int
        The markers it moves directly, and the direction (+1 up, -1 down).
    """

    parameter: str
    sexes: tuple[str, ...]
    scale: str
    centre: float
    spread: float
    shift: float
    markers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth of a simulated cohort, as written to truth.json.

    Attributes
    ----------
    seed, callers, calls_per_caller : int
    null : bool
        True where nothing moves.
    distress : mapping
        Mean of the latent distress by outcome, and its standard deviation within an outcome; it is what makes
        the size of the effect differ between callers.
    effects : tuple of Effect
        Empty where `null`.
    markers : mapping of marker to mapping of sex to int
        Direction in which a marker moves with risk: +1, -1, or 0 where no parameter moves it. Markers that
        are not listed may follow the others.
    curve : str
        The shape along which the log-odds follow a moving parameter.
    leaks : tuple of str
        Planted leaks: ``channel`` (positives come over another service with its own line), ``order`` (files
        sorted by outcome).
    """

    seed: int
    callers: int
    calls_per_caller: int
    null: bool
    distress: Mapping[str, float]
    effects: tuple[Effect, ...]
    markers: Mapping[str, Mapping[str, int]]
    curve: str
    leaks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the truth as plain dicts and lists."""
        return asdict(self)


DISTRESS = {"mean_0": 0.0, "mean_1": 1.0, "sd": 0.35}

EFFECTS = (
    Effect("roughness", ("female", "male"), "linear", 0.12, 0.05, 8.0, {"roughness": 1, "HNR": -1}),
    Effect("f2_scale", ("female",), "linear", 1.0, 0.025, 3.5, {"f2_freq": 1}),
    Effect("tilt_hz", ("male",), "log2", 9.8, 0.4, 3.0, {"f2_width": -1}),
    Effect("breath_db", ("male",), "dB", -24.0, 3.0, 3.0, {"HNR": -1}),
)


def directions(effects: tuple[Effect, ...]) -> dict[str, dict[str, int]]:
    """Return the direction of every directly moved marker by sex; 0 where no effect moves it for that sex."""
    moved: dict[str, dict[str, int]] = {}
    for effect in effects:
        for marker, direction in effect.markers.items():
            row = moved.setdefault(marker, dict.fromkeys(SEXES, 0))
            for sex in effect.sexes:
                row[sex] = direction
    return moved
