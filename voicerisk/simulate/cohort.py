"""A telephone cohort with a known truth, written as a study that can be run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from voicerisk.files import write_csv, write_json, write_text
from voicerisk.simulate.folder import new_folder
from voicerisk.simulate.line import Line, transmit
from voicerisk.simulate.speech import SAMPLE_RATE, Voice, speak
from voicerisk.simulate.truth import DISTRESS, EFFECTS, Effect, Truth, directions
from voicerisk.types import Floats, Progress

# The four kinds of caller in a block of four, shuffled within the block: every prefix is about balanced.
_KINDS = (("female", 0), ("female", 1), ("male", 0), ("male", 1))
CURVE = "monotone: the log-odds of the outcome rise with the moved parameter on the effect's scale, by sex"
_LEAKING_LINE = Line(high_hz=2800.0, level_dbfs=-22.0, noise_dbfs=-50.0)

STUDY = """\
# Written by voicerisk simulate. The truth is in truth.json.
[cohort]
calls = "calls.csv"
outcome = "outcome"
labels = ["caller"]
strata = ["sex", "service"]

[audio]
extent = "caller_speech"

[biomarkers]
preset = "published"
set = "named"

# 40 callers speak in too few segments for 14 smooths: segment means would separate the classes.
[gamm]
level = "frame"
k = 5

[validation]
repeats = 2
inner_folds = 5
bootstraps = 1000
seed = {seed}
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """One simulated caller.

    Attributes
    ----------
    caller_id, sex, service : str
    outcome : int
    age : int
    distress : float
    voice : Voice
    line : Line
    """

    caller_id: str
    sex: str
    outcome: int
    age: int
    service: str
    distress: float
    voice: Voice
    line: Line


def simulate(
    folder: str | Path,
    callers: int = 40,
    null: bool = False,
    seed: int = 1,
    *,
    calls_per_caller: int = 1,
    speech_s: float = 10.0,
    channel_leak: bool = False,
    order_leak: bool = False,
    progress: Progress | None = None,
) -> Truth:
    """Write a simulated telephone cohort: WAV files, label tracks, calls.csv, study.toml and truth.json.

    Every caller draws from a random stream of their own, so that more callers leave the earlier ones as they
    were (not with `order_leak`, which sorts them).

    Parameters
    ----------
    folder : str or Path
        Made when missing; it must be empty.
    callers : int
        At least 4. Both sexes and both outcomes are balanced within every four.
    null : bool
        Nothing moves with the outcome; the balance is the same.
    seed : int
        Not negative.
    calls_per_caller : int
        All calls of a caller have the caller's outcome.
    speech_s : float
        About this much caller speech a call, in spans of 2 to 4 s; at least 2.
    channel_leak : bool
        Positive calls come over another service with a narrower, louder, noisier line, for audits to find.
    order_leak : bool
        Positive callers come first in calls.csv and in the numbering, for audits to find.
    progress : callable, optional
        Called as ``progress(done, total)`` after each call.

    Returns
    -------
    Truth
        Also in truth.json.

    Raises
    ------
    StudyError
        For a folder that is not empty, or numbers out of range.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     truth = simulate(folder, callers=4, speech_s=2, seed=3)
    ...     calls = pd.read_csv(Path(folder) / "calls.csv")
    >>> truth.markers["f2_freq"]
    {'female': 1, 'male': 0}
    >>> sorted(calls["outcome"])
    [0, 0, 1, 1]
    """
    folder = new_folder(
        folder,
        {
            "callers": (callers, 4),
            "seed": (seed, 0),
            "calls_per_caller": (calls_per_caller, 1),
            "speech_s": (speech_s, 2),
        },
    )
    effects = () if null else EFFECTS
    people = [draw_caller(i, seed, effects, channel_leak) for i in range(callers)]
    if order_leak:
        people = sorted(people, key=lambda caller: -caller.outcome)
    rows: list[dict[str, object]] = []
    total = callers * calls_per_caller
    for place, person in enumerate(people):
        for j in range(calls_per_caller):
            call_id = f"{person.caller_id}_{j + 1}" if not order_leak else f"k{place + 1:04d}_{j + 1}"
            index = int(person.caller_id[1:]) - 1
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, index, j)))
            samples, labels = make_call(person, speech_s, rng)
            _write_call(folder, call_id, samples, labels)
            rows.append(
                {
                    "call_id": call_id,
                    "caller_id": person.caller_id,
                    "sex": person.sex,
                    "outcome": person.outcome,
                    "service": person.service,
                    "age": person.age,
                    "file": f"calls/{call_id}.wav",
                    "labels": f"labels/{call_id}.txt",
                }
            )
            if progress is not None:
                progress(len(rows), total)
    truth = Truth(
        seed=seed,
        callers=callers,
        calls_per_caller=calls_per_caller,
        null=null,
        distress=DISTRESS if not null else {**DISTRESS, "mean_1": 0.0},
        effects=effects,
        markers=directions(effects),
        curve=CURVE,
        leaks=tuple(leak for leak, planted in (("channel", channel_leak), ("order", order_leak)) if planted),
    )
    write_csv(folder / "calls.csv", pd.DataFrame(rows), exact=True)
    write_json(folder / "truth.json", truth.as_json())
    write_text(folder / "study.toml", STUDY.format(seed=seed))
    return truth


def draw_caller(index: int, seed: int, effects: tuple[Effect, ...], channel_leak: bool = False) -> Caller:
    """Draw the `index`-th caller (from 0): who they are, how they sound, and over which line they call."""
    block = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, index // 4)))
    sex, outcome = _KINDS[block.permutation(4)[index % 4]]
    if not effects:
        # Labels independent of everything, sex too: were every sex balanced by outcome, leaving callers out
        # would tie sex to the outcome among the others, against the ones left out.
        outcome = _KINDS[block.permutation(4)[index % 4]][1]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, index)))
    distress = float(rng.normal(DISTRESS[f"mean_{outcome}"], DISTRESS["sd"]))
    age = int(np.clip(round(rng.normal(38, 12)), 16, 80))
    service = ("line", "callback")[int(rng.integers(2))]
    woman = sex == "female"
    drawn = {
        "f0_hz": (200.0 if woman else 115.0) * 2 ** float(rng.normal(0, 0.12)),
        "f0_semitones": float(np.clip(rng.normal(1.5, 0.3), 0.5, 2.5)),
        "tract": (1.16 if woman else 1.0) * float(rng.normal(1, 0.03)),
        "jitter": 0.006 * 2 ** float(rng.normal(0, 0.4)),
        "shimmer": 0.04 * 2 ** float(rng.normal(0, 0.4)),
        "tempo": float(np.clip(rng.normal(1, 0.1), 0.7, 1.3)),
    }
    moving = {effect.parameter: (effect, sex in effect.sexes) for effect in effects}
    for effect in EFFECTS:
        value = effect.centre + effect.spread * float(rng.standard_normal())
        if moving.get(effect.parameter, (effect, False))[1]:
            value += effect.shift * effect.spread * distress
        drawn[effect.parameter] = 2**value if effect.scale == "log2" else value
    drawn["roughness"] = float(np.clip(drawn["roughness"], 0.0, 0.9))
    line = Line(level_dbfs=float(rng.normal(-26, 2)), noise_dbfs=float(rng.normal(-58, 2)))
    if channel_leak:
        service = "emergency" if outcome else "line"
        line = _LEAKING_LINE if outcome else line
    return Caller(f"c{index + 1:04d}", sex, outcome, age, service, distress, Voice(**drawn), line)


def make_call(
    person: Caller, speech_s: float, rng: np.random.Generator
) -> tuple[Floats, list[tuple[float, float, str]]]:
    """Make one call: a tone, then the counsellor and the caller in turns, sent over the caller's line.

    Returns
    -------
    float64 (n,)
        8 kHz, full scale = 1.
    list of (start_s, end_s, label)
        With labels ``caller`` and ``counsellor``; the tone has none.
    """
    spans = max(1, round(speech_s / rng.uniform(2.4, 3.4)))
    answerer = Voice(
        f0_hz=float(rng.choice([120.0, 205.0]) * rng.normal(1, 0.05)),
        tract=float(rng.normal(1.08, 0.05)),
        tilt_hz=1400.0,
    )
    pieces = [np.zeros(round(0.3 * SAMPLE_RATE)), _tone(0.35), np.zeros(round(0.4 * SAMPLE_RATE))]
    labels: list[tuple[float, float, str]] = []

    def say(label: str, voice: Voice, seconds: float, level_dbfs: float) -> None:
        sound = speak(voice, seconds, rng) * 10 ** (level_dbfs / 20)
        start = sum(map(len, pieces))
        labels.append((start / SAMPLE_RATE, (start + len(sound)) / SAMPLE_RATE, label))
        pieces.append(sound)
        pieces.append(np.zeros(round(rng.uniform(0.15, 0.5) * SAMPLE_RATE)))

    for _ in range(spans):
        say("counsellor", answerer, rng.uniform(0.8, 1.4), person.line.level_dbfs + 5.0)
        say("caller", person.voice, speech_s / spans * rng.uniform(0.8, 1.2), person.line.level_dbfs)
    return transmit(np.concatenate(pieces), person.line, rng), labels


def _tone(seconds: float) -> Floats:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.3 * np.sin(2 * np.pi * 425.0 * t)


def _write_call(folder: Path, call_id: str, samples: Floats, labels: list[tuple[float, float, str]]) -> None:
    steps = np.rint(samples * 32767).astype(np.int16)
    (folder / "calls").mkdir(exist_ok=True)
    soundfile.write(folder / "calls" / f"{call_id}.wav", steps, SAMPLE_RATE, subtype="PCM_16")
    track = "".join(f"{start:.6f}\t{end:.6f}\t{label}\n" for start, end, label in labels)
    write_text(folder / "labels" / f"{call_id}.txt", track)
