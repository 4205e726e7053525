"""What phones and telephone systems write (m4a, aac, webm, mkv, amr, 3gp, wma), decoded by FFmpeg (PyAV).

PyAV is an extra: ``pip install 'voicerisk[codecs]'``. Whatever libsndfile reads is never read here, so that
no number depends on whether the extra is there.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from voicerisk.errors import AudioError
from voicerisk.types import Floats

_SLACK_S = 0.1
"""Containers state their length to the packet or the millisecond; what is missing beyond this was cut off."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A container that FFmpeg is asked to read.

    Attributes
    ----------
    name : str
        For messages.
    demuxer : str
        The one reader that FFmpeg may use, so that no file can make it open another.
    states_length : bool
        Whether the container says how long it is.
    again : bytes
        How a further file of the kind begins; empty where frames simply go on.
    """

    name: str
    demuxer: str
    states_length: bool
    again: bytes = b""


_MP4 = Kind("MPEG-4 (m4a, mp4, 3gp)", "mov", True)
_MATROSKA = Kind("Matroska (webm, mkv, mka)", "matroska", True, b"\x1a\x45\xdf\xa3")
_ASF = Kind("Windows Media (wma)", "asf", True, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")
_AMR = Kind("AMR", "amr", False, b"#!AMR")
_AAC = Kind("AAC (ADTS)", "aac", False)


def kind_of(path: Path) -> Kind | None:
    """Return the container of a file by its first bytes; None where it is none of FFmpeg's here."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[4:8] == b"ftyp":
        return _MP4
    if head[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return _AAC
    return next((kind for kind in (_MATROSKA, _ASF, _AMR) if head.startswith(kind.again)), None)


class FFmpegDecoder:
    """Decodes the only sound of a container; see `voicerisk.audio.decoders.Decoder`.

    Parameters
    ----------
    path : Path
    kind : Kind

    Raises
    ------
    AudioError
        If PyAV is not installed, the file is broken, holds no sound or several, or goes on with another file.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        try:
            import av
        except ImportError:
            raise AudioError(
                f"{path} is {kind.name}, which needs the extra codecs (pip install 'voicerisk[codecs]'); or "
                "turn it into WAV or FLAC first."
            ) from None
        self._path, self._kind = path, kind
        self._problems: tuple[type[Exception], ...] = (av.error.FFmpegError, ValueError)
        _refuse_joined(path, kind)
        try:
            self._container = av.open(str(path), format=kind.demuxer, metadata_errors="replace")
        except self._problems as broken:
            raise AudioError(f"{path} cannot be read as {kind.name}: {_reason(broken)}.") from broken
        streams = self._container.streams.audio
        if len(streams) != 1:
            self._container.close()
            what = "no sound" if not streams else f"{len(streams)} sound tracks"
            raise AudioError(f"{path} holds {what}; a recording needs exactly one.")
        stream = streams[0]
        self.samplerate, self.channels = int(stream.rate or 0), int(stream.channels or 0)
        self.subtype = str(stream.codec_context.name).upper()
        self.stated = self._stated(stream) if kind.states_length else None
        self._rest = np.empty((0, self.channels))
        self._done = 0
        self._decoded = self._decode(stream)

    @property
    def frames(self) -> int:
        """Samples of one channel, counted by decoding the file once."""
        there = self._path.stat()
        return _decoded_frames(self._path, self._kind, there.st_size, there.st_mtime_ns)

    def _stated(self, stream: Any) -> int | None:
        if stream.duration is not None and stream.time_base is not None:
            return round(stream.duration * stream.time_base * self.samplerate)
        duration = self._container.duration
        return None if duration is None else round(duration * self.samplerate / 1_000_000)

    def read(self, size: int) -> Floats:
        """Return the next (n, channels) samples; n < `size` only at the end."""
        parts, n = [self._rest], len(self._rest)
        while n < size:
            block = next(self._decoded, None)
            if block is None:
                break
            parts.append(block)
            n += len(block)
        joined = np.concatenate(parts)
        self._rest = joined[size:]
        return joined[:size]

    def _decode(self, stream: Any) -> Iterator[Floats]:
        try:
            for frame in self._container.decode(stream):
                channels = len(frame.layout.channels)
                if (frame.sample_rate, channels) != (self.samplerate, self.channels):
                    raise AudioError(
                        f"{self._path} changes to {frame.sample_rate} Hz and {channels} channel(s) after "
                        f" {self._done / self.samplerate:.3f} s; cut it there into two files."
                    )
                block = _samples(frame, self.channels)
                self._done += len(block)
                yield block
        except self._problems as broken:
            raise AudioError(
                f"{self._path} breaks off after {self._done / self.samplerate:.3f} s: {_reason(broken)}."
            ) from broken
        if self.stated is not None and self._done < self.stated - _SLACK_S * self.samplerate:
            raise AudioError(
                f"{self._path} is truncated: its header promises {self.stated / self.samplerate:.3f} s, but "
                f"only {self._done / self.samplerate:.3f} s could be decoded."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()


@lru_cache(maxsize=256)
def _decoded_frames(path: Path, kind: Kind, size: int, changed_ns: int) -> int:
    with FFmpegDecoder(path, kind) as decoder:
        n = 0
        while len(block := decoder.read(1 << 16)):
            n += len(block)
        return n


def _samples(frame: Any, channels: int) -> Floats:
    """Return a decoded frame as (n, channels) float64, full scale = 1."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype.kind == "f":
        return np.asarray(values, np.float64)
    if values.dtype == np.uint8:
        return (values.astype(np.float64) - 128) / 128
    return values / float(-np.iinfo(values.dtype).min)


def _refuse_joined(path: Path, kind: Kind) -> None:
    """Refuse a file behind whose end another one begins: FFmpeg would stop there without a word."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
        place = _second_ftyp(data) if kind is _MP4 else data.find(kind.again, 16) if kind.again else -1
    if place > 0:
        raise AudioError(
            f"{path} goes on after its first part: another {kind.name} file begins at byte {place}; cut it "
            "there into two files."
        )


def _second_ftyp(data: mmap.mmap) -> int:
    pos = 0
    while 0 <= pos <= len(data) - 8:
        (size,) = struct.unpack_from(">I", data, pos)
        if pos and data[pos + 4 : pos + 8] == b"ftyp":
            return pos
        if size == 1 and pos + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, pos + 8)
        if size < 8:  # 0: to the end of the file
            break
        pos += size
    return -1


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "strerror", None) or problem).strip().rstrip(".")
