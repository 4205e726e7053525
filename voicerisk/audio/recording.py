"""Reading recordings of any format that libsndfile knows, without a silent cast, cut or mix."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from voicerisk.audio.settings import channel_number
from voicerisk.errors import AudioError
from voicerisk.types import Floats

BLOCK = 1 << 16
"""Samples of one channel that are decoded at a time."""

# libsndfile's log says what a header promised and what was there; sizes that a streaming writer leaves open
# (all bits set, or the largest signed one) promise nothing.
_PROMISE = re.compile(r"^\s*(?:data|SSND|BODY|Data Size)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)
_CUT_OFF = ("File ended unexpectedly", "does not match value from 'ds64' chunk")
_OPEN_SIZE = 0x7FFF0000
_UNKNOWN_LENGTH = 1 << 48


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One channel of a recording, as decoded.

    Attributes
    ----------
    samples : float64 (n,)
        Full scale = 1. Float files may go beyond; nothing is clipped here.
    sample_rate : int
        Hz, after resampling where it was asked for.
    subtype : str
        How the file stores its samples, in libsndfile's words (``PCM_16``, ``FLOAT``, ``ULAW``, ``GSM610``,
        ...).
    n_channels : int
        Channels of the file.
    sha256 : str
        Of the decoded samples of the channel and their rate, before resampling: the same sound in another
        lossless container has the same hash.
    path : Path
        The file.
    file_rate : int
        Hz, as the file has it.
    """

    samples: Floats
    sample_rate: int
    subtype: str
    n_channels: int
    sha256: str
    path: Path
    file_rate: int


@contextmanager
def opened(path: Path, channel: int | str | None = None) -> Iterator[tuple[soundfile.SoundFile, int]]:
    """Open a recording and find the caller's channel.

    Parameters
    ----------
    path : Path
    channel : int, 'left', 'right' or None
        Counted from 1. None takes the only channel.

    Yields
    ------
    soundfile.SoundFile, int
        The open file, and the index (from 0) of the channel.

    Raises
    ------
    AudioError
        For a missing, empty, broken or truncated file, and for several channels where none is named.
    """
    if not path.is_file():
        raise AudioError(f"{path} does not exist; check the file names in the calls table.")
    if path.stat().st_size == 0:
        raise AudioError(f"{path} is empty (0 bytes).")
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError, ValueError) as broken:
        reason = getattr(broken, "error_string", str(broken)).strip().rstrip(".")
        raise AudioError(f"{path} cannot be read as sound: {reason}.") from broken
    with file:
        _refuse_truncated(file, path)
        yield file, _channel_index(file.channels, channel, path)


def blocks(path: Path, channel: int | str | None = None, size: int = BLOCK) -> Iterator[Floats]:
    """Decode one channel of a recording block by block, in bounded memory.

    Parameters
    ----------
    path : Path
    channel : int, 'left', 'right' or None
        As in `read_recording`.
    size : int
        Samples a block.

    Yields
    ------
    float64 (n,), n <= size
        Full scale = 1, finite.

    Raises
    ------
    AudioError
        As `read_recording`; a truncation that only decoding shows is raised when its place is reached.
    """
    with opened(path, channel) as (file, index):
        done = 0
        while True:
            try:
                block = file.read(size, dtype="float64", always_2d=True)
            except soundfile.LibsndfileError as broken:
                raise AudioError(
                    f"{path} breaks off after {done / file.samplerate:.3f} s: {broken.error_string.strip()}"
                ) from broken
            mono = np.ascontiguousarray(block[:, index])
            if len(mono):
                _refuse_not_finite(mono, done, path)
                done += len(mono)
                yield mono
            if len(mono) < size:
                break
        _refuse_truncated(file, path)  # an Ogg stream's missing end is known only now
        if done == 0:
            raise AudioError(f"{path} holds no sample.")
        if done < file.frames < _UNKNOWN_LENGTH:
            raise AudioError(
                f"{path} is truncated: its header promises {file.frames / file.samplerate:.3f} s, but only "
                f"{done / file.samplerate:.3f} s could be decoded."
            )


def read_recording(
    path: str | Path, channel: int | str | None = None, resample_hz: int | None = None
) -> Recording:
    """Read one channel of a recording.

    Any format of libsndfile: WAV, FLAC, Ogg, MP3, AIFF, AU, ...; integers of 8 to 32 bits, 32- and 64-bit
    floats, mu-law, A-law, GSM. Nothing is cast, clipped, mixed or resampled unless it was asked for; the
    16-bit step of the paper belongs to `prepare`.

    Parameters
    ----------
    path : str or Path
    channel : int, 'left', 'right' or None
        The caller's channel, counted from 1; needed for files of several channels.
    resample_hz : int or None
        Resample to this rate (soxr, very high quality).

    Returns
    -------
    Recording

    Raises
    ------
    AudioError
        For a missing, empty, broken or truncated file, for several channels where none is named, and for
        samples that are NaN or infinite. The message names the file.

    Examples
    --------
    >>> read_recording("calls/0001.wav", channel="left").sample_rate  # doctest: +SKIP
    8000
    """
    path = Path(path)
    samples = _joined(blocks(path, channel))
    with opened(path, channel) as (file, _):
        file_rate, subtype, n_channels = int(file.samplerate), str(file.subtype), int(file.channels)
    digest = content_hash(samples, file_rate)
    rate = file_rate
    if resample_hz is not None and resample_hz != file_rate:
        cut = (samples[a : a + BLOCK] for a in range(0, len(samples), BLOCK))
        samples = np.concatenate(list(resampled(cut, file_rate, resample_hz)))
        rate = int(resample_hz)
        if len(samples) == 0:
            raise AudioError(f"{path} is too short to be resampled from {file_rate} to {rate} Hz.")
    return Recording(samples, rate, subtype, n_channels, digest, path, file_rate)


def _joined(parts: Iterable[Floats]) -> Floats:
    """Join blocks in one array that grows by doubling, so that they are never held twice."""
    joined, n = np.empty(BLOCK), 0
    for part in parts:
        if n + len(part) > len(joined):
            joined.resize(max(2 * len(joined), n + len(part)), refcheck=False)
        joined[n : n + len(part)] = part
        n += len(part)
    joined.resize(n, refcheck=False)
    return joined


def resampled(parts: Iterable[Floats], from_hz: int, to_hz: int) -> Iterator[Floats]:
    """Resample consecutive blocks of one sound (soxr, very high quality); their sizes change nothing."""
    import soxr

    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float64", quality="VHQ")
    for part in parts:
        yield np.asarray(stream.resample_chunk(part), dtype=np.float64)
    yield np.asarray(stream.resample_chunk(np.zeros(0), last=True), dtype=np.float64)


class SoundHash:
    """The hash of a sound that comes block by block; see `content_hash`."""

    def __init__(self, sample_rate: int) -> None:
        self._digest = hashlib.sha256(f"{sample_rate} Hz\n".encode())

    def update(self, samples: Floats) -> None:
        """Take the next samples."""
        self._digest.update(np.ascontiguousarray(samples, dtype="<f8").data)

    def hexdigest(self) -> str:
        """Return the hash of all samples so far."""
        return self._digest.hexdigest()


def content_hash(samples: Floats, sample_rate: int) -> str:
    """Return the SHA-256 of decoded samples (float64, little endian) and their rate, as hexadecimal text."""
    digest = SoundHash(sample_rate)
    digest.update(samples)
    return digest.hexdigest()


def _channel_index(n_channels: int, channel: int | str | None, path: Path) -> int:
    if channel is None:
        if n_channels == 1:
            return 0
        raise AudioError(
            f"{path} has {n_channels} channels; name the caller's, for example [audio] channel = 1 (left)."
        )
    number = channel_number(channel)
    if number > n_channels:
        have = "1 channel" if n_channels == 1 else f"{n_channels} channels"
        raise AudioError(f"{path} has {have}, so [audio] channel = {channel!r} does not exist in it.")
    return number - 1


def _refuse_truncated(file: soundfile.SoundFile, path: Path) -> None:
    log = file.extra_info
    for promised, there in _PROMISE.findall(log):
        if int(there) < int(promised) < _OPEN_SIZE:
            raise AudioError(
                f"{path} is truncated: its header promises {promised} bytes of sound, but {there} are there."
            )
    if any(sign in log for sign in _CUT_OFF):
        raise AudioError(f"{path} is truncated: the file ends before the sound does.")


def _refuse_not_finite(samples: Floats, offset: int, path: Path) -> None:
    finite = np.isfinite(samples)
    if not finite.all():
        bad = int(np.argmin(finite))
        raise AudioError(
            f"{path} holds samples that are NaN or infinite, the first at {offset + bad} ({samples[bad]}); "
            "repair the recording."
        )
