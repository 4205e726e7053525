"""Decoders behind one face: libsndfile for what it knows, FFmpeg (PyAV, an extra) for what phones write.

Both give samples of full scale = 1 up to the real end of the sound, and say how long the file admits to be.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile

from voicerisk.audio.containers import parts_of
from voicerisk.audio.part import Part, PartStream
from voicerisk.errors import AudioError
from voicerisk.types import Floats

HIGHEST_RATE = 384_000
"""Hz; no recorder goes beyond."""

# libsndfile's log says what a header promised and what was there; sizes that a streaming writer leaves open
# (all bits set, or the largest signed one) promise nothing.
_PROMISE = re.compile(r"^\s*(?:data|SSND|BODY|Data Size)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)
_CUT_OFF = ("File ended unexpectedly", "does not match value from 'ds64' chunk")
_OPEN_SIZE = 0x7FFF0000
_UNKNOWN_LENGTH = 1 << 48


class Decoder(Protocol):
    """An open recording.

    Attributes
    ----------
    samplerate : int
        Hz.
    channels : int
    subtype : str
        How samples are stored.
    frames : int or None (read only)
        Samples of one channel in all parts; None where only decoding tells.
    stated : int or None
        Samples of one channel that the file's first header admits; None where it says nothing.
    """

    samplerate: int
    channels: int
    subtype: str
    stated: int | None

    @property
    def frames(self) -> int | None:
        """Samples of one channel in all parts."""
        ...

    def read(self, size: int) -> Floats:
        """Return the next (n, channels) samples; n < `size` only at the end.

        Raises
        ------
        AudioError
            Where the sound breaks off, or is shorter than a header promised.
        """
        ...


@contextmanager
def decoder_of(path: Path) -> Iterator[Decoder]:
    """Open a recording for decoding from its first sample to its real end.

    Raises
    ------
    AudioError
        If the file is no sound, is truncated, goes on with something that is not its sound, or has a sample
        rate that no recorder has.
    """
    try:
        plain: soundfile.SoundFile | None = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError, ValueError) as problem:
        plain, reason = None, getattr(problem, "error_string", str(problem)).strip().rstrip(".")
    with ExitStack() as stack:
        if plain is not None:
            stack.enter_context(plain)
            parts = parts_of(path, mpeg=plain.format == "MP3")
            yield _checked(LibsndfileDecoder(path, plain, parts, stack), path)
            return
        from voicerisk.audio.ffmpeg import FFmpegDecoder, kind_of

        kind = kind_of(path)
        if kind is not None:
            yield _checked(stack.enter_context(FFmpegDecoder(path, kind)), path)
            return
        parts = parts_of(
            path
        )  # two files that were joined may be no sound to libsndfile, but each of them is
        if parts == (Part(0, path.stat().st_size),):
            raise AudioError(f"{path} cannot be read as sound: {reason}.")
        yield _checked(LibsndfileDecoder(path, None, parts, stack), path)


def _checked(decoder: Decoder, path: Path) -> Decoder:
    if not 1 <= decoder.samplerate <= HIGHEST_RATE:
        raise AudioError(
            f"{path} says that it has {decoder.samplerate} samples a second; recorders have at most "
            f"{HIGHEST_RATE}: its header is damaged."
        )
    return decoder


class LibsndfileDecoder:
    """Reads the parts of a recording one after another.

    Parameters
    ----------
    path : Path
    plain : SoundFile or None
        The file as libsndfile sees it.
    parts : tuple of Part
    stack : ExitStack
        Closes what is opened.
    """

    def __init__(
        self, path: Path, plain: soundfile.SoundFile | None, parts: tuple[Part, ...], stack: ExitStack
    ) -> None:
        self._path = path
        if plain is not None and parts == (Part(0, path.stat().st_size),):
            self._files = [plain]
        else:
            streams = [stack.enter_context(PartStream(path, part)) for part in parts]
            self._files = [
                self._opened(number, stream, stack) for number, stream in enumerate(streams, start=1)
            ]
        first = self._files[0]
        self.samplerate, self.channels = int(first.samplerate), int(first.channels)
        self.subtype = str(first.subtype)
        self.stated = _known(int((plain or first).frames))
        lengths = [_known(int(file.frames)) for file in self._files]
        self._frames = None if None in lengths else sum(filter(None, lengths))
        for number, file in enumerate(self._files, start=1):
            self._refuse_truncated(file)
            if (file.samplerate, file.channels) != (first.samplerate, first.channels):
                raise AudioError(
                    f"{path} holds {len(self._files)} sounds one after another, and number {number} has "
                    f"{file.samplerate} Hz and {file.channels} channel(s), the first {first.samplerate} Hz "
                    f"and {first.channels}; cut it into one file each."
                )
        self._current = 0
        self._done = 0  # samples of the current part

    def _opened(self, number: int, stream: PartStream, stack: ExitStack) -> soundfile.SoundFile:
        try:
            return stack.enter_context(soundfile.SoundFile(stream))
        except (soundfile.LibsndfileError, TypeError, ValueError) as broken:
            reason = getattr(broken, "error_string", str(broken)).strip().rstrip(".")
            raise AudioError(
                f"{self._path} goes on after its first part, and part {number} cannot be read: {reason}."
            ) from broken

    @property
    def frames(self) -> int | None:
        """Samples of one channel in all parts."""
        return self._frames

    def read(self, size: int) -> Floats:
        """Return the next (n, channels) samples; n < `size` only at the end."""
        found = [self._read_part(size)]
        while (n := sum(map(len, found))) < size:
            self._finish_part()
            if self._current == len(self._files):
                break
            found.append(self._read_part(size - n))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _read_part(self, size: int) -> Floats:
        if self._current == len(self._files):
            return np.empty((0, self.channels))
        try:
            block = self._files[self._current].read(size, dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as broken:
            raise AudioError(
                f"{self._path} breaks off after {self._done / self.samplerate:.3f} s: "
                f"{broken.error_string.strip()}"
            ) from broken
        self._done += len(block)
        return np.asarray(block)

    def _finish_part(self) -> None:
        """Check that a part that is read to its end was all there, and go to the next."""
        file, done = self._files[self._current], self._done
        self._refuse_truncated(file)  # an Ogg stream's missing end is known only now
        promised = _known(int(file.frames))
        if promised is not None and 0 < done < promised:
            raise AudioError(
                f"{self._path} is truncated: its header promises {promised / self.samplerate:.3f} s, but "
                f"only {done / self.samplerate:.3f} s could be decoded."
            )
        self._current, self._done = self._current + 1, 0

    def _refuse_truncated(self, file: soundfile.SoundFile) -> None:
        log = file.extra_info
        for promised, there in _PROMISE.findall(log):
            if int(there) < int(promised) < _OPEN_SIZE:
                raise AudioError(
                    f"{self._path} is truncated: its header promises {promised} bytes of sound, but "
                    f"{there} are there."
                )
        if any(sign in log for sign in _CUT_OFF):
            raise AudioError(f"{self._path} is truncated: the file ends before the sound does.")


def _known(frames: int) -> int | None:
    return frames if 0 <= frames < _UNKNOWN_LENGTH else None
