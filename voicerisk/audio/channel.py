"""What a recording tells about itself: the table behind the channel's negative controls (channel.csv).

None of these numbers says anything about a caller's state. Where they predict the outcome, a model may have
learnt the line, the device or the service instead of the voice.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicerisk.audio.framing import frame_rms, frame_starts, window_and_hop
from voicerisk.audio.levels import dbfs, level_over
from voicerisk.audio.prepare import Spans, span_borders
from voicerisk.audio.recording import BLOCK, Recording, SoundHash, blocks, opened
from voicerisk.types import Floats

CHANNEL_COLUMNS = (
    "call_id",
    "sha256",
    "sample_rate",
    "subtype",
    "duration_s",
    "stated_s",
    "peak_dbfs",
    "rms_dbfs",
    "noise_floor_dbfs",
    "bandwidth_hz",
    "clipped_share",
    "dc_offset",
)
LOWEST_DBFS = -200.0
FLOOR_QUANTILE = 0.1
BANDWIDTH_SHARE = 0.99
FLAT_RUN = 3
FLAT_PEAK = 0.1


def channel_table(
    source: Recording | str | Path,
    spans: Spans = None,
    call_id: str = "",
    channel: int | str | None = None,
) -> dict[str, object]:
    """Describe the channel of one call: one row of channel.csv.

    Parameters
    ----------
    source : Recording, str or Path
    spans : DataFrame with start_s and end_s, pairs of seconds, or None
        The caller's speech; None takes the whole recording.
    call_id : str
    channel : int, 'left', 'right' or None
        Where `source` is a path of several channels.

    Returns
    -------
    dict
        `call_id`; `sha256` of the decoded samples; `sample_rate` (Hz); `subtype`; `duration_s`, decoded;
        `stated_s`, what the file's own header admits (NaN where it says nothing); `peak_dbfs`
        and `rms_dbfs` of the speech about its mean; `noise_floor_dbfs`, the 10th percentile of the RMS of the
        40 ms frames that touch no span (of all frames where fewer than ten do not); `bandwidth_hz`, the
        frequency below which 99% of the power of the first difference of the speech lies;
        `clipped_share`, the share of speech samples in runs of three or more equal ones at the recording's
        extremes; `dc_offset`, mean of the recording, full scale = 1. Levels are dB re full scale = 1, digital
        silence is -200.

    Raises
    ------
    AudioError
        As `read_recording`, and for spans outside the recording.
    """
    heard = _Heard(source, channel)
    borders = sorted(span_borders(spans, heard.n_samples, heard.sample_rate, heard.name)[2])
    borders = borders or [(0, heard.n_samples)]
    rate = heard.sample_rate
    level = level_over(heard.speech(borders))
    low, high = heard.speech_range(borders)
    return {
        "call_id": call_id,
        "sha256": heard.sha256,
        "sample_rate": rate,
        "subtype": heard.subtype,
        "duration_s": heard.n_samples / rate,
        "stated_s": heard.stated_s,
        "peak_dbfs": max(LOWEST_DBFS, dbfs(level.centred_peak)),
        "rms_dbfs": max(LOWEST_DBFS, dbfs(level.rms)),
        "noise_floor_dbfs": noise_floor_dbfs(heard.blocks(), rate, borders),
        "bandwidth_hz": bandwidth_hz(heard.speech(borders), rate),
        "clipped_share": clipped_share(heard.speech(borders), low, high),
        "dc_offset": heard.mean,
    }


class _Heard:
    """A recording, or a file that is decoded again for every pass over it."""

    def __init__(self, source: Recording | str | Path, channel: int | str | None) -> None:
        self._source = source
        self._channel = channel
        if isinstance(source, Recording):
            self.sample_rate, self.subtype, self.name = source.sample_rate, source.subtype, str(source.path)
            self.stated_s = source.stated_s
        else:
            self.name = str(source)
            with opened(Path(source), channel) as (file, _):
                self.sample_rate, self.subtype = file.samplerate, file.subtype
                self.stated_s = math.nan if file.stated is None else file.stated / file.samplerate
        digest = SoundHash(self.sample_rate)
        n, total = 0, 0.0
        for block in self.blocks():
            digest.update(block)
            total += float(block.sum())
            n += len(block)
        self.n_samples, self.mean = n, total / n
        self.sha256 = source.sha256 if isinstance(source, Recording) else digest.hexdigest()

    def blocks(self) -> Iterator[Floats]:
        """Return the whole sound, block by block."""
        if isinstance(self._source, Recording):
            samples = self._source.samples
            return (samples[a : a + BLOCK] for a in range(0, len(samples), BLOCK))
        return blocks(Path(self._source), self._channel)

    def speech(self, borders: list[tuple[int, int]]) -> Iterator[Floats]:
        """Return what lies within the sample ranges (in order of time), block by block."""
        done = 0
        for block in self.blocks():
            for a, b in borders:
                part = block[max(0, a - done) : max(0, b - done)]
                if len(part):
                    yield part
            done += len(block)

    def speech_range(self, borders: list[tuple[int, int]]) -> tuple[float, float]:
        """Return the smallest and the largest sample of the speech."""
        low, high = np.inf, -np.inf
        for part in self.speech(borders):
            low, high = min(low, float(part.min())), max(high, float(part.max()))
        return low, high


def duplicate_recordings(channels: pd.DataFrame) -> pd.DataFrame:
    """Return the calls whose decoded sound is the same, sample by sample.

    Parameters
    ----------
    channels : DataFrame
        Rows of `channel_table`, with `call_id` and `sha256`.

    Returns
    -------
    DataFrame
        `group` (int, from 0), `call_id`, `sha256`: every call that shares its sound with another, in the
        order of the table. Empty where there is none.
    """
    shared = channels.loc[channels["sha256"].duplicated(keep=False), ["call_id", "sha256"]]
    group = pd.Series(pd.factorize(shared["sha256"])[0], index=shared.index, dtype="int64")
    shared.insert(0, "group", group)
    return shared.sort_values("group", kind="stable").reset_index(drop=True)


def noise_floor_dbfs(parts: Iterable[Floats], sample_rate: int, speech: list[tuple[int, int]]) -> float:
    """Return the 10th percentile of the RMS (dBFS) of the frames that touch none of the sample ranges."""
    window, hop = window_and_hop(sample_rate)
    kept, found, n_samples = np.empty(0), [np.empty(0)], 0
    for part in parts:
        n_samples += len(part)
        kept = np.concatenate([kept, part])
        starts = frame_starts(len(kept), window, hop, "full")
        if len(starts):
            found.append(frame_rms(kept, starts, window, centred=True))
            kept = kept[int(starts[-1]) + hop :]
    rms = np.concatenate(found)
    if len(rms) == 0:
        return max(LOWEST_DBFS, dbfs(float(np.std(kept))))
    starts = frame_starts(n_samples, window, hop, "full")
    outside = np.ones(len(starts), dtype=bool)
    for a, b in speech:
        outside &= (starts + window <= a) | (starts >= b)
    ground = rms[outside] if outside.sum() >= 10 else rms
    return max(LOWEST_DBFS, dbfs(float(np.quantile(ground, FLOOR_QUANTILE))))


def bandwidth_hz(parts: Iterable[Floats], sample_rate: int) -> float:
    """Return the frequency (Hz) below which 99% of the power of the first difference lies; 0 for silence.

    The difference lifts the weak high end of speech by 6 dB an octave, so that the edge is the line's rather
    than the vowels'. Welch's spectrum over 32 ms Hann segments with half overlap, the edge interpolated.
    """
    size = max(16, int(0.032 * sample_rate))
    kept, power = np.empty(0), None
    for part in parts:
        kept = np.concatenate([kept, part])
        many = (len(kept) - 1 - size) // (size // 2) + 1
        if many > 0:
            power = _segment_power(np.diff(kept), size, many) + (0.0 if power is None else power)
            kept = kept[many * (size // 2) :]
    if power is None:  # shorter than a segment
        size = len(kept) - 1
        if size < 2:
            return 0.0
        power = _segment_power(np.diff(kept), size, 1)
    total = np.cumsum(power)
    if total[-1] <= 0:
        return 0.0
    edge = float(np.interp(BANDWIDTH_SHARE, total / total[-1], np.arange(len(power))))
    return edge * sample_rate / size


def _segment_power(lifted: Floats, size: int, many: int) -> Floats:
    """Return the summed power spectrum of the first `many` segments, half a segment apart."""
    view = np.lib.stride_tricks.sliding_window_view(lifted, size)[:: size // 2][:many]
    return np.asarray(np.sum(np.abs(np.fft.rfft(view * np.hanning(size), axis=1)) ** 2, axis=0))


def clipped_share(parts: Iterable[Floats], low: float, high: float) -> float:
    """Return the share of samples in runs of three or more equal ones at the extremes (0 for a faint sound).

    Extremes are the smallest and the largest sample, `low` and `high`; a sound with a peak below 0.1 of full
    scale counts as not clipped, since few quantisation steps make flat tops by themselves.
    """
    if max(-low, high) < FLAT_PEAK or low == high:
        return 0.0
    flat = n = 0
    runs = {low: 0, high: 0}  # length of the run that the part before ended with
    for part in parts:
        n += len(part)
        for extreme in runs:
            ended, runs[extreme] = _runs(part == extreme, runs[extreme])
            flat += int(ended[ended >= FLAT_RUN].sum())
    return (flat + sum(run for run in runs.values() if run >= FLAT_RUN)) / n


def _runs(at: npt.NDArray[np.bool_], before: int) -> tuple[npt.NDArray[np.int64], int]:
    """Return the lengths of the runs that end in a part, and of the one that it ends with."""
    bounded = np.concatenate([[False], at, [False]])
    edges = np.flatnonzero(bounded[1:] != bounded[:-1])
    runs = edges[1::2] - edges[::2]
    if len(at) and at[0]:
        runs[0] += before
    else:
        runs = np.append(runs, before)[np.r_[-1, 0 : len(runs)]]
    return (runs[:-1], int(runs[-1])) if len(at) and at[-1] else (runs, 0)
