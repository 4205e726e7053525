"""A small study folder with a known truth: recordings, transcripts, two scores, a study file that runs."""

from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.simulate import RELATIONS
from voicerisk.errors import MultitaskError
from voicerisk.files import write_csv, write_json, write_text
from voicerisk.simulate.folder import new_folder
from voicerisk.simulate.speech import SAMPLE_RATE, Voice, speak
from voicerisk.types import Progress

PLAIN = (
    "today",
    "yesterday",
    "morning",
    "street",
    "kitchen",
    "neighbour",
    "letter",
    "window",
    "garden",
    "bus",
)
LOW = ("tired", "empty", "alone", "nothing", "heavy")
HIGH = ("glad", "rested", "together", "plan", "light")
LEVEL = 10 ** (-26 / 20)
STUDY = """# A simulated study: the truth is in truth.json.
# Two tasks from the 36 voice biomarkers alone (input B), which need no pretrained model. To add transcripts
# and sound, name local folders of pretrained models, whose weights are stored as safetensors:
#   text_encoders = {{ E = "models/my-text-encoder" }}
#   audio_encoders = {{ W = "models/my-speech-encoder" }}
[multitask]
cases = "cases.csv"
demographics = ["age", "sex"]
biomarkers = true
labels = {{ B = "voice biomarkers" }}
folds = 5
bootstraps = 500
seed = {seed}
"""


def simulate_study(
    folder: Path | str,
    cases: int = 60,
    relation: str = "shared",
    seed: int = 1,
    speech_s: float = 4.0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Write a multitask study with a known truth.

    Parameters
    ----------
    folder : Path or str
        Made when missing; it must be empty.
    cases : int
        At least 24, each of another person.
    relation : {'shared', 'conflict', 'none'}
        ``shared``: severity makes speech flat, soft and breathy, and risk is severity seen with noise.
        ``conflict``: risk makes it rough instead, whatever the severity. ``none``: neither score is in the
        voice or the words.
    seed : int
        Each case draws from a stream of its own.
    speech_s : float
        Seconds of speech a case, at least 2.
    progress : callable, optional
        Called as progress(done, total) after each case.

    Returns
    -------
    DataFrame
        The table of cases, as written to cases.csv.

    Raises
    ------
    VoiceriskError
        For an unknown relation, numbers out of range, or a folder that is not empty.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     table = simulate_study(home, cases=24, speech_s=2.0)
    >>> sorted(table["hamd17"].lt(8).groupby(table["hamd17"].lt(8)).size().index)
    [False, True]
    """
    import soundfile

    if relation not in RELATIONS:
        raise MultitaskError(f"The relation is one of {', '.join(RELATIONS)}, not {relation!r}.")
    folder = new_folder(folder, {"cases": (cases, 24), "seed": (seed, 0), "speech_s": (speech_s, 2)})
    (folder / "audio").mkdir()
    # Scores by rank, so that every class is there whatever is drawn.
    severity, other = np.random.default_rng([seed, 0]).normal(size=(2, cases))
    risk = other if relation == "conflict" else severity + other
    hamd = np.interp(_rank(severity), [0.0, 0.35, 0.75, 1.0], [0.0, 7.6, 23.6, 40.0])
    sad = np.interp(_rank(risk), [0.0, 0.55, 1.0], [0.0, 3.6, 10.0])
    rows = []
    for number in range(cases):
        rng = np.random.default_rng([seed, 1, number])
        heard = (0.0, 0.0) if relation == "none" else (severity[number], risk[number])
        voice, sex = _voice(heard[0], heard[1], relation != "conflict", rng)
        name = f"case_{number + 1:03d}"
        sound = np.clip(speak(voice, speech_s, rng) * LEVEL, -1.0, 1.0)
        soundfile.write(folder / "audio" / f"{name}.wav", sound, SAMPLE_RATE, subtype="PCM_16")
        rows.append(
            {
                "case_id": name, "person_id": f"p{number + 1:03d}", "audio": f"audio/{name}.wav",
                "transcript": _words(heard[0], rng), "hamd17": int(hamd[number]),
                "sad_persons": int(sad[number]), "age": int(np.clip(rng.normal(38, 12), 16, 80)), "sex": sex,
            }
        )  # fmt: skip
        if progress is not None:
            progress(number + 1, cases)
    table = pd.DataFrame(rows)
    write_csv(folder / "cases.csv", table, exact=True)
    write_json(folder / "truth.json", {"relation": relation, "cases": cases, "seed": seed})
    write_text(folder / "study.toml", STUDY.format(seed=seed))
    return table


def _rank(values: np.ndarray) -> np.ndarray:
    return np.asarray((np.argsort(np.argsort(values)) + 0.5) / len(values))


def _voice(severity: float, risk: float, shared: bool, rng: np.random.Generator) -> tuple[Voice, str]:
    """Draw who speaks; severity makes speech flat, soft and breathy, a risk of its own makes it rough."""
    woman = bool(rng.integers(2))
    own = 0.0 if shared else risk
    voice = Voice(
        f0_hz=(200.0 if woman else 115.0) * 2 ** float(rng.normal(0, 0.12)),
        f0_semitones=float(np.clip(1.5 - 0.4 * severity + rng.normal(0, 0.25), 0.3, 3.0)),
        tract=(1.16 if woman else 1.0) * float(rng.normal(1, 0.03)),
        tilt_hz=900.0 * 2 ** float(rng.normal(-0.6 * severity, 0.15)),
        breath_db=float(np.clip(rng.normal(-20.0 + 4.0 * severity, 1.5), -34.0, -8.0)),
        roughness=float(np.clip(rng.normal(0.2 + 0.15 * own, 0.04), 0.0, 0.9)),
        stress_db=float(np.clip(rng.normal(3.0 - 0.8 * severity, 0.4), 0.5, 6.0)),
    )
    return voice, "female" if woman else "male"


def _words(severity: float, rng: np.random.Generator) -> str:
    """Return a transcript whose words are the sadder the more severe the case."""
    sad = 1.0 / (1.0 + np.exp(-severity))
    mood = [str(rng.choice(LOW if rng.random() < sad else HIGH)) for _ in range(5)]
    return " ".join([*(str(word) for word in rng.choice(PLAIN, size=8)), *mood])
