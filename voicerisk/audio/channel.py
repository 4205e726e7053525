"""What a recording tells about itself: the table behind the channel's negative controls (channel.csv).

None of these numbers says anything about a caller's state. Where they predict the outcome, a model may have
learnt the line, the device or the service instead of the voice.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicerisk.audio.framing import frame_rms, frame_starts, window_and_hop
from voicerisk.audio.levels import dbfs
from voicerisk.audio.prepare import Spans, span_borders
from voicerisk.audio.recording import Recording, read_recording

Floats = npt.NDArray[np.float64]

CHANNEL_COLUMNS = (
    "call_id",
    "sha256",
    "sample_rate",
    "subtype",
    "duration_s",
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
        `call_id`; `sha256` of the decoded samples; `sample_rate` (Hz); `subtype`; `duration_s`; `peak_dbfs`
        and `rms_dbfs` of the speech about its mean; `noise_floor_dbfs`, the 10th percentile of the RMS of the
        40 ms frames that touch no span (of all frames where fewer than ten do not); `bandwidth_hz`, the
        frequency below which 99 % of the power of the first difference of the speech lies;
        `clipped_share`, the share of speech samples in runs of three or more equal ones at the recording's
        extremes; `dc_offset`, mean of the recording, full scale = 1. Levels are dB re full scale = 1, digital
        silence is -200.

    Raises
    ------
    AudioError
        As `read_recording`, and for spans outside the recording.
    """
    recording = source if isinstance(source, Recording) else read_recording(source, channel)
    samples, rate = recording.samples, recording.sample_rate
    borders = span_borders(spans, len(samples), rate, str(recording.path))[2] or [(0, len(samples))]
    speech = np.concatenate([samples[a:b] for a, b in borders])
    centred = speech - speech.mean()
    return {
        "call_id": call_id,
        "sha256": recording.sha256,
        "sample_rate": rate,
        "subtype": recording.subtype,
        "duration_s": len(samples) / rate,
        "peak_dbfs": max(LOWEST_DBFS, dbfs(float(np.abs(centred).max()))),
        "rms_dbfs": max(LOWEST_DBFS, dbfs(float(np.sqrt(np.mean(centred**2))))),
        "noise_floor_dbfs": noise_floor_dbfs(samples, rate, borders),
        "bandwidth_hz": bandwidth_hz(centred, rate),
        "clipped_share": clipped_share(speech),
        "dc_offset": float(samples.mean()),
    }


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


def noise_floor_dbfs(samples: Floats, sample_rate: int, speech: list[tuple[int, int]]) -> float:
    """Return the 10th percentile of the RMS (dBFS) of the frames that touch none of the sample ranges."""
    window, hop = window_and_hop(sample_rate)
    starts = frame_starts(len(samples), window, hop, "full")
    if len(starts) == 0:
        return max(LOWEST_DBFS, dbfs(float(np.std(samples))))
    rms = frame_rms(samples, starts, window, centred=True)
    outside = np.ones(len(starts), dtype=bool)
    for a, b in speech:
        outside &= (starts + window <= a) | (starts >= b)
    ground = rms[outside] if outside.sum() >= 10 else rms
    return max(LOWEST_DBFS, dbfs(float(np.quantile(ground, FLOOR_QUANTILE))))


def bandwidth_hz(samples: Floats, sample_rate: int) -> float:
    """Return the frequency (Hz) below which 99 % of the power of the first difference lies; 0 for silence.

    The difference lifts the weak high end of speech by 6 dB an octave, so that the edge is the line's rather
    than the vowels'. Welch's spectrum over 32 ms Hann segments with half overlap, the edge interpolated.
    """
    lifted = np.diff(samples)
    size = min(max(16, int(0.032 * sample_rate)), len(lifted))
    if size < 2:
        return 0.0
    view = np.lib.stride_tricks.sliding_window_view(lifted, size)[:: size // 2]
    power = np.zeros(size // 2 + 1)
    for first in range(0, len(view), 1024):
        part = view[first : first + 1024] * np.hanning(size)
        power += np.sum(np.abs(np.fft.rfft(part, axis=1)) ** 2, axis=0)
    total = np.cumsum(power)
    if total[-1] <= 0:
        return 0.0
    edge = float(np.interp(BANDWIDTH_SHARE, total / total[-1], np.arange(len(power))))
    return edge * sample_rate / size


def clipped_share(samples: Floats) -> float:
    """Return the share of samples in runs of three or more equal ones at the extremes (0 for a faint sound).

    Extremes are the largest and the smallest sample; a sound with a peak below 0.1 of full scale counts as
    not clipped, since few quantisation steps make flat tops by themselves.
    """
    if np.abs(samples).max() < FLAT_PEAK or samples.max() == samples.min():
        return 0.0
    share = 0
    for extreme in (samples.max(), samples.min()):
        flat = np.concatenate([[False], samples == extreme, [False]])
        edges = np.flatnonzero(flat[1:] != flat[:-1])
        runs = edges[1::2] - edges[::2]
        share += int(runs[runs >= FLAT_RUN].sum())
    return share / len(samples)
