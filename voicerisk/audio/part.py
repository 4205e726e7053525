"""A stretch of a file that can be read as a file of its own."""

import io
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

Bytes = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file that is a recording by itself.

    Attributes
    ----------
    start, end : int
        Bytes of the file.
    before : bytes
        What is read before the stretch: a frame that a decoder needs and the file lacks.
    patches : tuple of (int, bytes)
        What is read instead of the bytes from a place on, counted from `start`: numbers of a header that were
        never brought up to date.
    """

    start: int
    end: int
    before: bytes = b""
    patches: tuple[tuple[int, bytes], ...] = ()


class PartStream(io.RawIOBase):
    """Reads a `Part` as if it were a file of its own."""

    def __init__(self, path: Path, part: Part) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._part = part
        self._pos = 0
        self._size = len(part.before) + part.end - part.start

    def readable(self) -> bool:
        """Say that this stream can be read."""
        return True

    def seekable(self) -> bool:
        """Say that this stream can be read in any order."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place and return it."""
        self._pos = offset + (0, self._pos, self._size)[whence]
        return self._pos

    def tell(self) -> int:
        """Return the place."""
        return self._pos

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from the place on; return how many bytes there were."""
        part, lead = self._part, len(self._part.before)
        n = max(0, min(len(buffer), self._size - self._pos))
        content = bytearray(part.before[self._pos : self._pos + n])
        if len(content) < n:
            self._file.seek(part.start + self._pos + len(content) - lead)
            content += self._file.read(n - len(content))
        for place, right in part.patches:
            for k, byte in enumerate(right, start=lead + place - self._pos):
                if 0 <= k < len(content):
                    content[k] = byte
        buffer[: len(content)] = content
        self._pos += len(content)
        return len(content)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
