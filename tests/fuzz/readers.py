"""Every reader of a file from outside, with valid files to start from; `fuzz.py` damages them."""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from voicerisk.audio import read_recording, sound_length
from voicerisk.cohort import CohortSettings, load_cohort
from voicerisk.cohort.labels import read_track
from voicerisk.cohort.where import parse_where
from voicerisk.deep.multitask.cases import load_cases
from voicerisk.deep.multitask.settings import MultitaskSettings
from voicerisk.models import GamBoost, read_model
from voicerisk.models.saved.model_file import _digest
from voicerisk.pipeline.tables import read_table
from voicerisk.report.gather import gather
from voicerisk.study import load_study
from voicerisk.study.extraction.calls import read_marker_table
from voicerisk.study.fusion import fuse_files
from voicerisk.text.sessions import load_text_cohort
from voicerisk.text.settings import TextSettings
from voicerisk.text.tfidf import load_tfidf
from voicerisk.text.vectors import read_vectors
from voicerisk.text.words import read_lexicons

RATE = 8000


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader, and valid contents by the name of their file."""

    seeds: dict[str, bytes]
    read: Callable[[Path], object]
    mend: Callable[[bytes], bytes] | None = None  # makes a damaged file pass its own checksum


@contextmanager
def readers() -> Iterator[dict[str, Reader]]:
    """Yield all readers; what they need lies in a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in range(1, 5):
            soundfile.write(folder / f"{number}.wav", np.zeros(RATE * 3), RATE, subtype="PCM_16")
        calls = pd.DataFrame(
            {"call_id": ["1", "2", "3", "4"], "caller_id": list("abcd"), "sex": ["F", "M", "F", "M"],
             "file": [f"{n}.wav" for n in range(1, 5)], "outcome": [0, 1, 0, 1], "age": [20, 30, 40, 50]}
        )  # fmt: skip
        cohort_settings = CohortSettings(calls="calls.csv", outcome="outcome", covariates=("age",))
        (folder / "calls.csv").write_bytes(calls.to_csv(index=False).encode())
        cohort = load_cohort(cohort_settings, folder)
        columns = calls.assign(age=calls["age"].astype(float))
        yield {
            "sound": Reader(_sounds(), _read_sound),
            "labels": Reader(_tracks(), read_track),
            "calls": Reader(
                {"calls.csv": calls.to_csv(index=False).encode(),
                 "calls.tsv": calls.to_csv(index=False, sep="\t").encode("utf-16")},
                lambda path: load_cohort(
                    CohortSettings(calls=path.name, outcome="outcome", covariates=("age",)),
                    _beside(path, folder),
                ),
            ),
            "study": Reader({"study.toml": STUDY.encode()}, load_study),
            "model": Reader({"model.json": _model(folder)}, _score, _hashed),
            "markers": Reader(_markers(), lambda path: read_marker_table(path, cohort)),
            "chats": Reader(
                _chats(), lambda path: load_text_cohort(TextSettings(messages=path.name), path.parent)
            ),
            "cases": Reader(
                _cases(),
                lambda path: load_cases(
                    MultitaskSettings(cases=path.name, text_encoders={"E": "encoder"}), path.parent
                ),
            ),
            "results": Reader(_results(), _read_results),
            "scores": Reader({"scores.parquet": _scores()}, _fuse),
            "words": Reader(_words(), _read_words),
            "filter": Reader(
                {"where.txt": b"outcome == 1 and (age >= 30 or sex in ['F', \"M\"]) and not call_id == '2'"},
                lambda path: parse_where(path.read_bytes().decode("utf-8", "replace")).evaluate(columns),
            ),
        }  # fmt: skip


def _beside(path: Path, sounds: Path) -> Path:
    for sound in sounds.glob("*.wav"):
        if not (path.parent / sound.name).exists():
            (path.parent / sound.name).write_bytes(sound.read_bytes())
    return path.parent


STUDY = """
[cohort]
calls = "calls.csv"
where = "age > 20"
outcome = "outcome"
strata = ["service"]

[audio]
extent = "caller_speech"
silence = { rule = "energy", threshold = -45 }

[biomarkers]
set = ["pitch", "rms_db"]

[gamm]
k = 5

[boost]
mstop = 50
nu = 0.1

[validation]
repeats = 2
inner_folds = 5
bootstraps = 100
seed = 1
"""


def _sounds() -> dict[str, bytes]:
    t = np.arange(RATE) / RATE
    sound = 0.3 * np.sin(2 * np.pi * 300 * t) + 0.01 * np.random.default_rng(1).standard_normal(RATE)
    made = {}
    for kind, subtype in (
        ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("FLAC", "PCM_16"), ("AIFF", "PCM_16"),
        ("AU", "PCM_16"), ("CAF", "PCM_16"), ("W64", "PCM_16"), ("RF64", "PCM_16"), ("OGG", "VORBIS"),
        ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
    ):  # fmt: skip
        buffer = io.BytesIO()
        soundfile.write(buffer, sound, RATE, format=kind, subtype=subtype)
        made[f"{subtype}.{kind.lower()}"] = buffer.getvalue()
    made["joined.ogg"] = 2 * made["OPUS.ogg"]
    made["joined.mp3"] = 2 * made["MPEG_LAYER_III.mp3"]
    return made


def _read_sound(path: Path) -> None:
    read_recording(path, channel=1)
    sound_length(path)


def _tracks() -> dict[str, bytes]:
    grid = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 3\ntiers? <exists>\n'
        'size = 1\nitem []:\n    item [1]:\n        class = "IntervalTier"\n        name = "speech"\n'
        "        xmin = 0\n"
        "        xmax = 3\n        intervals: size = 2\n        intervals [1]:\n            xmin = 0\n"
        '            xmax = 1\n            text = "caller"\n        intervals [2]:\n            xmin = 1\n'
        '            xmax = 3\n            text = ""\n'
    )
    return {
        "a.txt": b"0.5\t1.5\tcaller\n\\\t200\t3000\n1.5\t1.75\tcounsellor\n2.0\t2.5\tcaller\n",
        "a.TextGrid": grid.encode(),
        "b.TextGrid": grid.encode("utf-16"),
        "a.srt": b"1\n00:00:00,500 --> 00:00:01,500\ncaller: hello\n\n2\n00:00:02,000 --> 00:00:02,500\nme\n",
        "a.rttm": b"SPEAKER a 1 0.5 1.0 <NA> <NA> caller <NA> <NA>\n",
        "a.json": b'{"segments": [{"start": 0.5, "end": 1.5, "speaker": "A", "text": "hello"}]}',
    }


def _model(folder: Path) -> bytes:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.standard_normal((80, 2)), columns=["x", "z"]).assign(sex=["female", "male"] * 40)
    outcome = (rows["x"] + rng.standard_normal(80) > 0).astype(int)
    GamBoost(markers=["x", "z"], mstop=5).fit(rows, outcome).save(folder / "model.json")
    return (folder / "model.json").read_bytes()


def _hashed(damaged: bytes) -> bytes:
    """Give a damaged model the hash that its content has now, so that more than the hash is looked at."""
    try:
        stored = json.loads(damaged)
        key = next(name for name, value in stored.items() if isinstance(value, dict))
        stored["sha256"] = _digest(stored[key])
        return json.dumps(stored).encode()
    except (ValueError, RecursionError, AttributeError, StopIteration):
        return damaged


def _score(path: Path) -> None:
    model = read_model(path)
    rows = pd.DataFrame({"x": [0.0, 1.0], "z": [0.5, -9.0], "sex": ["female", "male"]})
    scores = model.score(rows).select_dtypes("number").to_numpy(np.float64)
    if np.isinf(scores).any() or np.isnan(scores).all(axis=None):
        raise ArithmeticError(f"The model gives {scores.tolist()}.")


def _markers() -> dict[str, bytes]:
    frames = pd.DataFrame(
        {"call_id": np.repeat(["1", "2", "3", "4"], 3), "segment": 0, "frame": np.tile([0, 1, 2], 4),
         "time_s": np.tile([0.02, 0.04, 0.06], 4), "pitch": np.linspace(90, 200, 12),
         "dom": [1.5] * 11 + [np.nan]}
    )  # fmt: skip
    buffer = io.BytesIO()
    frames.to_parquet(buffer)
    return {
        "m.csv": frames.to_csv(index=False).encode(),
        "m.tsv": frames.to_csv(index=False, sep="\t").encode("utf-16"),
        "m.parquet": buffer.getvalue(),
    }


def _chats() -> dict[str, bytes]:
    rows = [
        {"session_id": f"s{n // 3}", "user_id": f"u{n // 3}", "label": ("NS", "SI", "ASE")[n // 3 % 3],
         "age": 20, "time": f"2024-01-01T10:00:0{n % 3}", "text": "ich weiß <b>nicht</b> mehr"}
        for n in range(18)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return {
        "m.csv": table.to_csv(index=False).encode(),
        "m.jsonl": table.to_json(orient="records", lines=True).encode(),
        "m.parquet": buffer.getvalue(),
    }


def _cases() -> dict[str, bytes]:
    table = pd.DataFrame(
        {"case_id": [f"p{n}" for n in range(12)], "person_id": [f"a{n}" for n in range(12)],
         "transcript": ["weiß nicht", "doch", "ja"] * 4, "hamd17": [2, 12, 30] * 4,
         "sad_persons": [1, 5] * 6, "age": 30, "sex": "F"}
    )  # fmt: skip
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return {"cases.csv": table.to_csv(index=False).encode(), "cases.parquet": buffer.getvalue()}


def _results() -> dict[str, bytes]:
    metrics = pd.DataFrame(
        {"protocol": "nested", "model": "gamboost", "target": "outcome", "design": "loco", "unit": "call",
         "class": "1", "subgroup": "all", "metric": ["auroc", "brier"], "threshold": [np.nan, 0.5],
         "estimate": [0.71, 0.2], "lower": 0.1, "upper": 0.9, "level": 0.95, "method": "wilson", "n": 12,
         "n_events": 6, "n_callers": 12}
    )  # fmt: skip
    segments = pd.DataFrame(
        {"call_id": ["1", "2"], "caller_id": ["a", "b"], "segment": 0, "start_s": 0.5, "end_s": 1.5,
         "label": "caller", "n_frames": 3, "n_silent": 0, "pitch": [100.0, 150.0]}
    )  # fmt: skip
    buffer = io.BytesIO()
    segments.to_parquet(buffer)
    manifest = {"protocols": ["nested"], "settings": {"cohort": {"labels": ["caller"]}}, "stages": {}}
    return {
        "metrics.csv": metrics.to_csv(index=False).encode(),
        "segments.parquet": buffer.getvalue(),
        "manifest.json": json.dumps(manifest).encode(),
    }


def _read_results(path: Path) -> None:
    if path.suffix == ".json":
        gather(path.parent)
    else:
        read_table(path.parent, path.stem)


def _scores() -> bytes:
    calls = [f"s{n}" for n in range(12)]
    table = pd.DataFrame(
        {"protocol": "nested", "model": "m", "target": "outcome", "design": "loco", "repeat": 0,
         "fold": range(12), "unit": "call", "call_id": calls, "caller_id": calls, "segment": None,
         "frame": None, "time_s": None, "y": [0, 1] * 6, "p_raw": np.linspace(0.2, 0.9, 12),
         "p": np.linspace(0.2, 0.9, 12), "threshold": 0.5, "weight": 1.0}
    )  # fmt: skip
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


def _fuse(path: Path) -> None:
    sound = path.with_name("sound.parquet")
    sound.write_bytes(_scores())
    with tempfile.TemporaryDirectory() as out:
        fuse_files([f"a={path}", f"b={sound}"], Path(out) / "fused", bootstraps=20)


def _words() -> dict[str, bytes]:
    model = {
        "kind": "tfidf", "format": 1, "classes": ["NS", "SI"], "terms": ["nicht", "mehr"], "idf": [1.5, 1.0],
        "coefficients": [[0.1, -0.1], [0.2, -0.3]], "intercepts": [0.1, -0.1], "penalty_c": 1.0,
    }  # fmt: skip
    return {
        "model.json": json.dumps(model).encode(),
        "words.vec": b"3 2\nnicht 0.5 1\nmehr 1e-3 2\nich 1 1\n",
        "lexicon.csv": b"category,word\nsad,nicht\nsad,mehr\nglad,ja\n",
    }


def _read_words(path: Path) -> None:
    if path.suffix == ".json":
        load_tfidf(path.parent).logits([["ich", "nicht"]])
    elif path.suffix == ".vec":
        read_vectors(path, ["nicht", "mehr", "ich"])
    else:
        read_lexicons(path)
