"""Cutting samples into 40 ms frames with 50% overlap.

The layout is soundgen 2.5.1's: frames start at 0, hop, 2 hop, ..., nothing is padded, and the last frame may
not end on the last sample.
"""

from typing import Literal

import numpy as np

from voicerisk.errors import AudioError
from voicerisk.types import Floats, Ints

WINDOW_S = 0.040
"""Length of a frame in seconds (Iyer et al. 2022: 40 ms)."""

LastFrame = Literal["strict", "full"]


def window_and_hop(sample_rate: int) -> tuple[int, int]:
    """Return the samples of one frame and of one step: 40 ms, made even, and exactly half of it.

    Parameters
    ----------
    sample_rate : int
        Hz. 8000 gives (320, 160), 16000 gives (640, 320), 11025 gives (440, 220).

    Raises
    ------
    AudioError
        Below 1000 Hz, where 40 ms hold too few samples to be speech.
    """
    if sample_rate < 1000:
        raise AudioError(
            f"A sample rate of {sample_rate} Hz is too low for speech; at least 1000 Hz are needed."
        )
    hop = int(WINDOW_S * sample_rate / 2)
    return 2 * hop, hop


def frame_starts(n_samples: int, window: int, hop: int, rule: LastFrame = "strict") -> Ints:
    """Return the first sample of every frame, int64 (n_frames,), ascending from 0 in steps of `hop`.

    Parameters
    ----------
    n_samples : int
        Samples available.
    window, hop : int
        Samples of a frame and of a step.
    rule : {'strict', 'full'}
        ``strict`` is soundgen's: floor((n - window - 1) / hop) + 1 frames, so that the last one may not end
        on the last sample. ``full`` allows that.

    Examples
    --------
    >>> frame_starts(641, 320, 160).tolist()
    [0, 160, 320]
    >>> frame_starts(640, 320, 160).tolist()
    [0, 160]
    """
    if window < 1 or hop < 1:
        raise AudioError(f"A frame of {window} samples every {hop} cannot be cut; both must be at least 1.")
    if rule not in ("strict", "full"):
        raise AudioError(f"The rule for the last frame is {rule!r}; it must be 'strict' or 'full'.")
    room = n_samples - window - (1 if rule == "strict" else 0)
    return np.arange(max(0, room // hop + 1), dtype=np.int64) * hop


def frames(samples: Floats, starts: Ints, window: int) -> Floats:
    """Return a read-only view (n_frames, window) of `samples`: no sample is copied.

    Parameters
    ----------
    samples : float64 (n,)
    starts : int64 (n_frames,)
        Evenly spaced first samples, as `frame_starts` gives them (or a slice of them).
    window : int
        Samples of a frame.

    Examples
    --------
    >>> import numpy as np
    >>> frames(np.arange(6.0), np.array([0, 2]), window=4).tolist()
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]]
    """
    if len(starts) == 0:
        return np.empty((0, window), dtype=np.float64)
    first, last, step = _evenly(samples, starts, window)
    return np.lib.stride_tricks.sliding_window_view(samples, window)[first : last + 1 : step]


def _evenly(samples: Floats, starts: Ints, window: int) -> tuple[int, int, int]:
    """Return the first and the last start and their step; refuse what is not evenly spaced and inside."""
    step = int(starts[1] - starts[0]) if len(starts) > 1 else 1
    first, last = int(starts[0]), int(starts[-1])
    if last != first + step * (len(starts) - 1) or step < 1:
        raise AudioError("Frames can be cut only at evenly spaced starts.")
    if first < 0 or last + window > len(samples):
        raise AudioError(f"A frame would end at sample {last + window}, but there are {len(samples)}.")
    return first, last, step


def frame_rms(
    samples: Floats, starts: Ints, window: int, centred: bool = False, centre: float = 0.0
) -> Floats:
    """Return the root mean square of every (unwindowed) frame, float64 (n_frames,), in the unit of `samples`.

    Parameters
    ----------
    samples, starts, window
        As in `frames`.
    centred : bool
        Take each frame's own mean off first; exactly 0 for a constant frame.
    centre : float
        Taken off every sample first.
    """
    from voicerisk.audio.loops import rms_of_frames  # compiles, so only when something is measured

    if len(starts):
        _evenly(samples, starts, window)
    out = np.empty(len(starts))
    rms_of_frames(samples, starts, window, centre, centred, out)
    return out


def blackman(window: int) -> Floats:
    """Return the symmetric Blackman window: .42 - .5 cos(2 pi k / (n - 1)) + .08 cos(4 pi k / (n - 1))."""
    return np.blackman(window)
