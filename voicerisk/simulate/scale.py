"""A study of the whole scale with a known truth: a table of markers, several sexes, age, grades and a number.

Every call has a score: age, what each marker adds at the caller's level, and the level itself. Grades are cut
from the score plus logistic noise (proportional odds), the number is a line of it plus normal noise.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from scipy.special import expit

from voicerisk.errors import StudyError
from voicerisk.files import write_csv, write_json, write_text
from voicerisk.simulate.folder import new_folder
from voicerisk.simulate.speech import SAMPLE_RATE
from voicerisk.types import Floats

SCALES = ("ordinal", "continuous")
UNKNOWN = "unknown"
LEVELS = {"female": 0.44, "male": 0.36, "diverse": 0.14, UNKNOWN: 0.06}  # shares of callers
THRESHOLDS = (-2.0, -0.5, 0.5, 2.0)  # grades 0 to 4
AGE, AGE_SD = 42.0, 14.0
AGE_EFFECT = 0.05  # log-odds a year
LEVEL_EFFECT = {"female": 0.0, "male": 0.0, "diverse": 0.6, UNKNOWN: 0.0}
# What a marker adds: of each level the slope, and the bend of (x^2 - 1). Levels that are not named have 0.
SLOPES = {
    "x1": dict.fromkeys(LEVELS, 1.0),
    "x3": {"female": 1.0, "male": -1.0},
}
BENDS = {"x2": {"female": 0.7, "male": 0.7, "diverse": 0.7, UNKNOWN: 0.7}}
MARKERS = ("x1", "x2", "x3", "x4")  # x4 is noise
FRAMES = 12
FRAME_SD = 0.4  # of frames about their call
NUMBER_MEAN, NUMBER_SLOPE, NUMBER_SD = 10.0, 2.0, 3.0

STUDY = """\
# Written by voicerisk simulate. The truth is in truth.json and, call by call, in truth.csv.
[cohort]
calls = "calls.csv"
outcome = "{outcome}"
scale = "{scale}"{middle}
missing_level = "unknown"
covariates = ["age"]

[biomarkers]
frames = "markers.csv"

[boost]
covariates = ["age"]

[validation]
family = ["linear", "curves", "curves_by_level"]
designs = ["grouped_kfold"]
repeats = 1
inner_folds = 5
bootstraps = 500
seed = {seed}
"""


@dataclass(frozen=True, slots=True, eq=False)
class ScaleTruth:
    """The truth of a simulated study of the whole scale, as written to truth.json and truth.csv.

    Attributes
    ----------
    seed, callers : int
    null : bool
        True where nothing moves with the outcome.
    thresholds : tuple of float
        logit P(grade >= k) = score - thresholds[k - 1].
    number : dict
        mean, slope, sd: the number is mean + slope * score + normal noise.
    age_effect : float
        Log-odds a year.
    level_effect : dict of str to float
    slopes, bends : dict of str to dict of str to float
        A marker adds slope * x + bend * (x^2 - 1) at a level.
    calls : DataFrame
        call_id, score, at_least_1 .. at_least_4 (their true probabilities), number (its true mean).
    """

    seed: int
    callers: int
    null: bool
    thresholds: tuple[float, ...]
    number: dict[str, float]
    age_effect: float
    level_effect: dict[str, float]
    slopes: dict[str, dict[str, float]]
    bends: dict[str, dict[str, float]]
    calls: pd.DataFrame

    def curve(self, marker: str, level: str, x: Floats) -> Floats:
        """Return what a marker adds to the score at a level, log-odds, not centred.

        Parameters
        ----------
        marker, level : str
        x : ndarray
        """
        slope = self.slopes.get(marker, {}).get(level, 0.0)
        return np.asarray(slope * x + self.bends.get(marker, {}).get(level, 0.0) * (x**2 - 1.0))

    def as_json(self) -> dict[str, Any]:
        """Return the truth but for its table of calls."""
        return {name: value for name, value in asdict(self).items() if name != "calls"}


def simulate_scale(
    folder: str | Path, callers: int = 240, null: bool = False, seed: int = 1, *, scale: str = "ordinal"
) -> ScaleTruth:
    """Write a study of the whole scale: calls.csv, markers.csv, study.toml and the truth.

    Callers are female, male, diverse or of unknown sex (an empty cell). `x1` adds the same at every level,
    `x2` is U-shaped, `x3` rises in women, falls in men and is flat in others, `x4` is noise; age adds 0.05
    log-odds a year. calls.csv holds both outcomes, `grade` (0 to 4) and `number`; its recordings
    hold line noise.

    Parameters
    ----------
    folder : str or Path
        Made when missing; it must be empty.
    callers : int
        At least 20; one call each.
    null : bool
        Nothing moves with the outcome.
    seed : int
        Not negative.
    scale : {'ordinal', 'continuous'}
        Which outcome study.toml is about.

    Returns
    -------
    ScaleTruth

    Raises
    ------
    StudyError
        For a folder that is not empty, an unknown scale, or numbers out of range.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     truth = simulate_scale(folder, callers=20, seed=3)
    ...     calls = pd.read_csv(Path(folder) / "calls.csv")
    >>> truth.curve("x3", "male", np.array([1.0, 2.0])).tolist()
    [-1.0, -2.0]
    >>> sorted(calls["sex"].dropna().unique())
    ['diverse', 'female', 'male']
    """
    if scale not in SCALES:
        raise StudyError(f"scale = {scale!r} cannot be simulated; it must be one of {', '.join(SCALES)}.")
    folder = new_folder(folder, {"callers": (callers, 20), "seed": (seed, 0)})
    rng = np.random.default_rng(seed)
    ids = np.array([f"w{i + 1:04d}" for i in range(callers)])
    level = rng.permutation(_levels(callers))
    age = np.clip(np.rint(rng.normal(AGE, AGE_SD, callers)), 16, 90)
    x = {marker: rng.standard_normal(callers) for marker in MARKERS}
    truth = ScaleTruth(
        seed,
        callers,
        null,
        THRESHOLDS,
        {"mean": NUMBER_MEAN, "slope": NUMBER_SLOPE, "sd": NUMBER_SD},
        0.0 if null else AGE_EFFECT,
        dict.fromkeys(LEVELS, 0.0) if null else dict(LEVEL_EFFECT),
        {} if null else SLOPES,
        {} if null else BENDS,
        pd.DataFrame(),
    )
    score = truth.age_effect * (age - AGE) + np.array([truth.level_effect[one] for one in level])
    for marker, values in x.items():
        for one in LEVELS:
            mine = level == one
            score[mine] += truth.curve(marker, one, values[mine])
    grade = np.digitize(score + rng.logistic(size=callers), THRESHOLDS)
    mean = NUMBER_MEAN + NUMBER_SLOPE * score
    number = np.round(mean + NUMBER_SD * rng.standard_normal(callers), 2)
    calls = pd.DataFrame(
        {
            "call_id": [f"{one}_1" for one in ids], "caller_id": ids,
            "sex": np.where(level == UNKNOWN, "", level), "age": age.astype(int), "grade": grade,
            "number": number,
            "file": [f"calls/{one}_1.wav" for one in ids],
        }
    )  # fmt: skip
    frames = pd.DataFrame(
        {
            "call_id": np.repeat(calls["call_id"], FRAMES),
            "segment": np.tile(np.arange(FRAMES) // 4, callers),
            "frame": np.tile(np.arange(FRAMES) % 4, callers),
        }
    )
    for marker, values in x.items():
        # A call's mean is what its caller's level says, so that the truth is about what can be seen.
        noise = rng.standard_normal((callers, FRAMES))
        frames[marker] = (values[:, None] + FRAME_SD * (noise - noise.mean(axis=1, keepdims=True))).ravel()
    of_calls = {f"at_least_{k}": expit(score - cut) for k, cut in enumerate(THRESHOLDS, start=1)}
    known = pd.DataFrame({"call_id": calls["call_id"], "score": score, **of_calls, "number": mean})
    _quiet_recordings(folder, calls["file"], rng)
    write_csv(folder / "calls.csv", calls)
    write_csv(folder / "markers.csv", frames)
    write_csv(folder / "truth.csv", known)
    found = replace(truth, calls=known)
    write_json(folder / "truth.json", found.as_json())
    outcome, middle = ("grade", "\nmiddle = [2]") if scale == "ordinal" else ("number", "")
    write_text(folder / "study.toml", STUDY.format(outcome=outcome, scale=scale, middle=middle, seed=seed))
    return found


def _levels(callers: int) -> np.ndarray:
    """Return the level of each caller, in blocks; with the shares of `LEVELS`."""
    ends = np.rint(np.cumsum(list(LEVELS.values())) * callers).astype(int)
    return np.repeat(np.array(list(LEVELS)), np.diff(np.r_[0, ends]))


def _quiet_recordings(folder: Path, files: Iterable[str], rng: np.random.Generator) -> None:
    """Write the recordings that the table names: a second of line noise each, no two alike."""
    (folder / "calls").mkdir()
    for file in files:
        noise = rng.integers(-3, 4, SAMPLE_RATE).astype(np.int16)
        soundfile.write(folder / file, noise, SAMPLE_RATE, subtype="PCM_16")
