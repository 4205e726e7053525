"""Which marker survives a telephone: each marker of real calls through codecs, a line's band and noise.

    python benchmarks/evidence/telephone.py ../shared/data/ravdess_calls

Each call is taken down to 8 kHz. The markers of that, averaged over the frames of the call, are compared with
those of the same call after one change: Lin's concordance over calls (1: the same number; it falls with shift
and with scatter), and the mean shift in standard deviations between calls. The last columns are of the
unchanged calls: the intraclass correlation of segment means within calls, and how much the means of two calls
of a caller must differ to be more than chance (minimal detectable change, in standard deviations between
calls).
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr
from scipy.signal import butter, sosfiltfilt

from voicerisk.biomarkers import extract
from voicerisk.biomarkers.catalogue import select_markers
from voicerisk.validation.metrics.repeatability import repeatability

RATE = 8000
Sound = np.ndarray


def through(**how: object) -> Callable[[Sound, Sound, np.random.Generator], Sound]:
    """Return what writes and reads a sound by a codec."""

    def code(sound: Sound, speech: Sound, rng: np.random.Generator) -> Sound:
        held = io.BytesIO()
        soundfile.write(held, np.clip(sound, -1.0, 1.0), RATE, **how)
        SIZES.setdefault(str(how["subtype"]), []).append((len(held.getvalue()), len(sound) / RATE))
        held.seek(0)
        coded, rate = soundfile.read(held)
        if rate != RATE:
            coded = soxr.resample(coded, rate, RATE)
        return np.pad(coded, (0, max(0, len(sound) - len(coded))))[: len(sound)]

    return code


def band(sound: Sound, speech: Sound, rng: np.random.Generator) -> Sound:
    """Return what a line of 300 to 3400 Hz lets through."""
    return np.asarray(sosfiltfilt(butter(4, [300, 3400], "bandpass", fs=RATE, output="sos"), sound))


def noise(snr_db: float) -> Callable[[Sound, Sound, np.random.Generator], Sound]:
    """Return what adds white noise so many dB below the speech."""

    def add(sound: Sound, speech: Sound, rng: np.random.Generator) -> Sound:
        level = np.sqrt(np.mean(sound[speech] ** 2)) * 10 ** (-snr_db / 20)
        return sound + level * rng.normal(size=len(sound))

    return add


SIZES: dict[str, list[tuple[int, float]]] = {}
CHANGES: dict[str, Callable[[Sound, Sound, np.random.Generator], Sound]] = {
    "mu-law": through(format="WAV", subtype="ULAW"),
    "GSM": through(format="WAV", subtype="GSM610"),
    "Opus": through(format="OGG", subtype="OPUS", compression_level=0.985),
    "300-3400 Hz": band,
    "noise 20 dB": noise(20.0),
    "noise 10 dB": noise(10.0),
    "noise 0 dB": noise(0.0),
}


def concordance(a: np.ndarray, b: np.ndarray) -> float:
    """Return Lin's concordance correlation of two columns."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < 3:
        return np.nan
    return float(2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="folder with calls.csv, recordings and label tracks")
    parser.add_argument("--out", type=Path, help="write the table here as CSV")
    options = parser.parse_args()
    calls = pd.read_csv(options.study / "calls.csv", dtype=str)
    names = list(select_markers("all", "published"))
    means: dict[str, list[pd.Series]] = {name: [] for name in ("", *CHANGES)}
    segments = []
    for number, call in enumerate(calls.itertuples()):
        sound, rate = soundfile.read(options.study / call.file)
        sound = soxr.resample(sound, rate, RATE) * 0.5
        spans = pd.read_csv(
            options.study / call.labels, sep="\t", header=None, names=["start_s", "end_s", "label"]
        )
        spans = spans[spans["label"] == "caller"] if (spans["label"] == "caller").any() else spans
        spans = spans.assign(
            end_s=spans["end_s"].clip(upper=len(sound) / RATE - 0.001), segment=range(len(spans))
        )
        t = np.arange(len(sound)) / RATE
        speech = np.zeros(len(sound), bool)
        for span in spans.itertuples():
            speech |= (t >= span.start_s) & (t < span.end_s)
        rng = np.random.default_rng(number)
        for name, change in {"": None, **CHANGES}.items():
            changed = sound if change is None else change(sound, speech, rng)
            frames = extract(changed, RATE, spans=spans)
            heard = frames[~frames["silent"]]
            means[name].append(heard[names].mean())
            if change is None:
                segments.append(
                    heard.groupby("segment")[names]
                    .mean()
                    .assign(caller_id=call.caller_id, call_id=call.call_id)
                )
    whole = pd.DataFrame(means[""])
    spread = whole.std()
    table = pd.DataFrame({"marker": names})
    for name in CHANGES:
        other = pd.DataFrame(means[name])
        table[name] = [concordance(whole[m].to_numpy(), other[m].to_numpy()) for m in names]
        table[f"{name}, shift"] = ((other - whole).mean() / spread).to_numpy()
    steady = repeatability(pd.concat(segments).reset_index(), names).set_index("marker")
    table["ICC of segments"] = table["marker"].map(steady["icc_segments"])
    # From segments: the calls of an actor differ by what was acted.
    of_mean = steady["sd_within_call"] / np.sqrt(steady["n_segments"] / steady["n_calls"])
    change = 1.96 * np.sqrt(2.0) * table["marker"].map(of_mean).to_numpy()
    table["change of a call, SD"] = change / spread.to_numpy()
    if options.out:
        table.to_csv(options.out, index=False, float_format="%.4f")
    print(table.round(2).to_string(index=False))
    for codec, sizes in SIZES.items():
        size, seconds = np.array(sizes).sum(axis=0)
        print(f"{codec}: {8 * size / seconds / 1000:.1f} kbit/s with its container, {len(sizes)} calls")


if __name__ == "__main__":
    main()
