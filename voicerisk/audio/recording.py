"""Reading recordings to their real end, without a silent cast, cut or mix."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicerisk.audio.decoders import Decoder, decoder_of
from voicerisk.audio.settings import channel_number
from voicerisk.errors import AudioError
from voicerisk.types import Floats

BLOCK = 1 << 16
"""Samples of one channel that are decoded at a time."""

HIGHEST_PEAK = 100.0
"""40 dB above full scale; a float file with larger samples is damaged or holds integers."""


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
    stated_s : float
        Seconds that the file's own header admits; NaN where it says nothing. Less than what was decoded where
        files were joined or a header was never brought up to date.
    """

    samples: Floats
    sample_rate: int
    subtype: str
    n_channels: int
    sha256: str
    path: Path
    file_rate: int
    stated_s: float = math.nan


@contextmanager
def opened(path: Path, channel: int | str | None = None) -> Iterator[tuple[Decoder, int]]:
    """Open a recording and find the caller's channel.

    Parameters
    ----------
    path : Path
    channel : int, 'left', 'right' or None
        Counted from 1. None takes the only channel.

    Yields
    ------
    Decoder, int
        The open recording, and the index (from 0) of the channel.

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
        with decoder_of(path) as decoder:
            yield decoder, _channel_index(decoder.channels, channel, path)
    except PermissionError as closed:
        raise AudioError(
            f"{path} may not be read ({closed.strerror}); give yourself the right to."
        ) from closed


def sound_length(path: Path) -> tuple[float, int]:
    """Return the length of a recording to its real end (seconds) and its sample rate (Hz).

    Only where no header says the length is the file decoded for it.

    Raises
    ------
    AudioError
        As `read_recording`, but for several channels, which do not matter here.
    """
    with opened(path, 1) as (decoder, _):
        rate, n = decoder.samplerate, decoder.frames
    if n is None:
        n = sum(len(block) for block in blocks(path, 1))
    return n / rate, rate


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
    with opened(path, channel) as (decoder, index):
        done = 0
        while True:
            block = decoder.read(size)
            mono = np.ascontiguousarray(block[:, index])
            if len(mono):
                _refuse_no_sound(mono, done, path)
                done += len(mono)
                yield mono
            if len(mono) < size:
                break
        if done == 0:
            raise AudioError(f"{path} holds no sample.")


def read_recording(
    path: str | Path, channel: int | str | None = None, resample_hz: int | None = None
) -> Recording:
    """Read one channel of a recording.

    Any format of libsndfile: WAV, FLAC, Ogg, MP3, AIFF, AU, ...; integers of 8 to 32 bits, 32- and 64-bit
    floats, mu-law, A-law, GSM; with the extra ``codecs`` m4a, aac, webm, amr and others as well. The sound is
    decoded to its real end, whatever the header admits. Nothing is cast, clipped, mixed or resampled unless
    it was asked for; the 16-bit step of the paper belongs to `prepare`.

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
    with opened(path, channel) as (decoder, _):
        file_rate, subtype, n_channels = decoder.samplerate, decoder.subtype, decoder.channels
        stated_s = math.nan if decoder.stated is None else decoder.stated / file_rate
    digest = content_hash(samples, file_rate)
    rate = file_rate
    if resample_hz is not None and resample_hz != file_rate:
        cut = (samples[a : a + BLOCK] for a in range(0, len(samples), BLOCK))
        samples = np.concatenate(list(resampled(cut, file_rate, resample_hz)))
        rate = int(resample_hz)
        if len(samples) == 0:
            raise AudioError(f"{path} is too short to be resampled from {file_rate} to {rate} Hz.")
    return Recording(samples, rate, subtype, n_channels, digest, path, file_rate, stated_s)


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
    """Return the SHA-256 of decoded samples (float64, little endian) and their rate, as hexadecimal text.

    Examples
    --------
    >>> import numpy as np
    >>> content_hash(np.zeros(3), 8000) == content_hash(np.zeros(3), 16000)
    False
    """
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


def _refuse_no_sound(samples: Floats, offset: int, path: Path) -> None:
    finite = np.isfinite(samples)
    if not finite.all():
        bad = int(np.argmin(finite))
        raise AudioError(
            f"{path} holds samples that are NaN or infinite, the first at {offset + bad} ({samples[bad]}); "
            "repair the recording."
        )
    loud = np.abs(samples) > HIGHEST_PEAK
    if loud.any():
        bad = int(np.argmax(loud))
        raise AudioError(
            f"{path} holds {samples[bad]:.3g} at sample {offset + bad}, where full scale is 1; divide "
            "samples that are whole numbers by 32768, or repair the recording."
        )
