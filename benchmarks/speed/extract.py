"""CPU cost of markers against openSMILE, Praat and soundgen, on the same sound, in one thread.

Run: python benchmarks/speed/extract.py [FOLDER WITH WAV FILES]

The folder defaults to VOICERISK_REAL; without either, speech is synthesised (and the line says so). One JSON
line a peer: CPU seconds per second of audio, microseconds a 20 ms frame, how often the cost of all 36 markers
that is, and how often that of NumPy's FFT, which says how busy the machine was. Two more lines give the peak
memory of a process that takes the markers of an hour.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np
import soundfile

from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers import extract

RATE = 8000
AT_LEAST_S = 60.0
RUNS = 9
# recorded with soundgen 2.8.0 on a 73 s file (2.5.1, first 20 s: 0.760), not measured here
SOUNDGEN_CPU_PER_S = 0.614
FLOOR = "numpy rFFT of the frames (floor)"


def speech() -> tuple[np.ndarray, str]:
    """At least a minute of 8 kHz speech, and where it is from."""
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("VOICERISK_REAL")
    if folder:
        parts, seconds = [], 0.0
        for path in sorted(Path(folder).rglob("*.wav")):
            samples, rate = soundfile.read(path)
            if rate == RATE and samples.ndim == 1:
                parts.append(samples)
                seconds += len(samples) / rate
            if seconds >= 2 * AT_LEAST_S:
                break
        if seconds >= AT_LEAST_S:
            return np.concatenate(parts), f"{len(parts)} recordings"
    rng = np.random.default_rng(1)
    n = int(AT_LEAST_S * RATE)
    hz = 140 * 2 ** (np.cumsum(rng.standard_normal(n)) * 2e-4)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * np.arange(n) / RATE), 0, 1)
    voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * syllables
    return 0.1 * voice + 1e-3 * rng.standard_normal(n), "synthetic"


def cpu_per_second(runs: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Least CPU time per second of audio over rounds in which every peer runs once; the first warms up."""
    least = dict.fromkeys(runs, float("inf"))
    for turn in range(RUNS + 1):
        for name, run in runs.items():
            began = time.process_time()
            run()
            if turn:
                least[name] = min(least[name], (time.process_time() - began) / seconds)
    return least


def peers(samples: np.ndarray) -> dict[str, Callable[[], object] | None]:
    """What is measured, by name; None where a peer is not installed."""
    everything_heard = AudioSettings(silence="none")
    runs: dict[str, Callable[[], object] | None] = {
        "voicerisk all 36": lambda: extract(samples, RATE, markers="all"),
        "voicerisk all 36, no frame silent": lambda: extract(
            samples, RATE, markers="all", audio=everything_heard
        ),
        "voicerisk 12 named": lambda: extract(samples, RATE, markers="named"),
        "voicerisk 12 named, no frame silent": lambda: extract(
            samples, RATE, markers="named", audio=everything_heard
        ),
        "voicerisk level only": lambda: extract(samples, RATE, markers=["rms_db"]),
        "voicerisk soundgen-2.5.1 all 36": lambda: extract(samples, RATE, "soundgen-2.5.1"),
        FLOOR: lambda: np.fft.rfft(
            np.lib.stride_tricks.sliding_window_view(samples, 320)[::160] * np.blackman(320), axis=1
        ),
    }
    try:
        import opensmile

        smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02,
            feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
            num_workers=1,
        )
        runs["openSMILE eGeMAPSv02 LLD (10 ms hop)"] = lambda: smile.process_signal(samples, RATE)
    except ImportError:
        runs["openSMILE eGeMAPSv02 LLD (10 ms hop)"] = None
    try:
        import parselmouth

        def praat() -> None:
            sound = parselmouth.Sound(samples, RATE)
            sound.to_formant_burg(time_step=0.02, max_number_of_formants=4, maximum_formant=4000)
            sound.to_pitch_ac(time_step=0.02)
            sound.to_intensity(time_step=0.02)
            sound.to_harmonicity_cc(time_step=0.02)

        runs["Praat formants, pitch, intensity, HNR"] = praat
    except ImportError:
        runs["Praat formants, pitch, intensity, HNR"] = None
    return runs


HOUR = """
import sys
from voicerisk.audio import AudioSettings
from voicerisk.biomarkers import BiomarkerSettings, extract_call_file
if sys.argv[2] != "nothing":
    extract_call_file(sys.argv[1], None, AudioSettings(), BiomarkerSettings(set=sys.argv[2]))
else:
    extract_call_file(sys.argv[1], [(0.0, 10.0)], AudioSettings(), BiomarkerSettings(set="all"))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def memory_of_an_hour(samples: np.ndarray) -> None:
    """Print the peak resident memory of a process that takes markers of an hour of this sound."""
    if not Path("/proc/self/status").exists():
        print(json.dumps({"hour-long file": "skipped: peak memory is read from /proc"}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.wav"
        with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
            while file.frames < 3600 * RATE:
                file.write(samples[: 3600 * RATE - file.frames])
        peaks = {}
        for which in ("nothing", "named", "all"):
            done = subprocess.run(
                [sys.executable, "-c", HOUR, str(path), which], capture_output=True, text=True, check=True
            )
            peaks[which] = int(done.stdout) / 1024
    for which in ("named", "all"):
        line = {
            "hour-long file, markers": which,
            "peak_mb": round(peaks[which]),
            "of that Python with its libraries": round(peaks["nothing"]),
        }
        print(json.dumps(line), flush=True)


def main() -> None:
    samples, source = speech()
    seconds = len(samples) / RATE
    table = extract(samples, RATE, markers=["voiced"])
    sound = {
        "source": source,
        "seconds": round(seconds, 1),
        "frames": len(table),
        "share_silent": round(float(table["silent"].mean()), 3),
        "share_voiced": round(float(table["voiced"].mean()), 3),
    }
    print(json.dumps({"sound": sound}))
    runs = peers(samples)
    costs: dict[str, float | None] = dict.fromkeys(runs)
    costs |= cpu_per_second({name: run for name, run in runs.items() if run}, seconds)
    costs["soundgen 2.8.0 analyze() (recorded elsewhere)"] = SOUNDGEN_CPU_PER_S
    ours, floor = costs["voicerisk all 36"] or float("nan"), costs[FLOOR] or float("nan")
    for name, cost in costs.items():
        line: dict[str, object] = {"peer": name}
        if cost is None:
            line["skipped"] = "not installed"
        else:
            line |= {
                "cpu_s_per_audio_s": round(cost, 6),
                "us_per_frame": round(cost * seconds / len(table) * 1e6, 2),
                "times_real_time": round(1 / cost),
                "times_all_36": round(cost / ours, 3),
                "times_numpy_fft": round(cost / floor, 2),
            }
        print(json.dumps(line), flush=True)
    memory_of_an_hour(samples)


if __name__ == "__main__":
    main()
