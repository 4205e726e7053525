"""Where the sound of a file really ends: recorders append files and leave headers as they began them.

libsndfile stops where the first header says. What stands behind that is found here: a further file, whose
sound belongs to the recording, or bytes that nothing accounts for, which are refused. Nothing is decoded.
"""

import mmap
import re
import struct
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from voicerisk.audio.flac import flac_part, stated_samples
from voicerisk.audio.mpeg import mpeg_parts
from voicerisk.audio.part import Bytes, Part
from voicerisk.errors import AudioError

# Chunks that stand beside the sound. One of these may be cut short: that costs no sound.
_KNOWN = re.compile(
    rb"LIST|bext|cue |smpl|inst|PEAK|fact|JUNK|junk|PAD |FLLR|iXML|cart|DISP|levl|acid|afsp|id3 |ID3 |umid|"
    rb"ANNO|NAME|AUTH|COMT|MARK|INST|MIDI|APPL|AESD|CHAN|info|free|chan|strg|mark|uuid"
)
_NAME = re.compile(rb"[A-Za-z0-9_(]{2}[A-Za-z0-9_() .-]{2}")
_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_FIELD = 8  # what is left after the sound must have room for a name and a size to be a chunk
_AU = {b".snd": ">", b"dns.": "<"}


@dataclass(frozen=True, slots=True)
class _Chunks:
    """How a container lays out its chunks: name, size, content, over and over."""

    magic: re.Pattern[bytes]  # how a further file of the kind begins
    first: int
    name: int
    size: str
    sound: bytes
    align: int = 2
    counts_itself: bool = False

    def at(self, data: Bytes, pos: int) -> tuple[bytes, int, int, int] | None:
        """Return name, place of the size, place of the content, stated size; None at the file's end."""
        field, width = pos + self.name, struct.calcsize(self.size)
        if field + width > len(data):
            return None
        (size,) = struct.unpack_from(self.size, data, field)
        body = field + width
        return data[pos : pos + self.name], field, body, size - (body - pos if self.counts_itself else 0)

    def after(self, pos: int, size: int) -> int:
        """Return where the chunk after one of this content begins."""
        return pos + size + -size % self.align


_RIFF = _Chunks(re.compile(rb"RIFF.{4}WAVE", re.DOTALL), 12, 4, "<I", b"data")
_KINDS = (
    _RIFF,
    _Chunks(re.compile(rb"RIFX.{4}WAVE", re.DOTALL), 12, 4, ">I", b"data"),
    _Chunks(re.compile(rb"(?:RF64|BW64).{4}WAVE", re.DOTALL), 12, 4, "<I", b"data"),
    _Chunks(re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL), 12, 4, ">I", b"SSND"),
    _Chunks(re.compile(rb"caff\x00\x01\x00\x00desc"), 8, 4, ">q", b"data", align=1),
    _Chunks(
        re.compile(rb"riff\x2e\x91\xcf\x11.{16}wave\xf3\xac\xd3\x11", re.DOTALL),
        *(40, 16, "<Q", b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"),
        align=8,
        counts_itself=True,
    ),
)


def parts_of(path: Path, mpeg: bool = False) -> tuple[Part, ...]:
    """Return the parts of a recording, each of which libsndfile reads to its real end.

    Nearly every file is one part, from its first byte to its last. Files that were joined (WAV, AIFF, AU,
    CAF, W64, FLAC, Ogg, MP3) are several. A WAV or AU file whose size was never filled in reaches to the end
    of the file; an MP3 file gets the number of its frames stated.

    Parameters
    ----------
    path : Path
    mpeg : bool
        Whether libsndfile takes the file for MPEG audio, which has no header to be known by.

    Returns
    -------
    tuple of Part

    Raises
    ------
    AudioError
        If bytes follow the sound that are neither chunks of the container nor a further file.
    """
    there = path.stat()
    return _parts(path, mpeg, there.st_size, there.st_mtime_ns)


@lru_cache(maxsize=256)
def _parts(path: Path, mpeg: bool, size: int, changed_ns: int) -> tuple[Part, ...]:
    with path.open("rb") as file, closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
        head = data[:48]
        kind = next((kind for kind in _KINDS if kind.magic.match(head)), None)
        if kind is not None:
            return _chunked(data, kind, path)
        if head[:4] in _AU:
            return _au(data, path)
        if head[:4] == b"OggS":
            return _cut_at(_ogg_starts(data), data)
        if head[:4] == b"fLaC":
            return _flac(data, path)
        if mpeg:
            return mpeg_parts(data) or (Part(0, len(data)),)
        return (Part(0, len(data)),)


def _cut_at(starts: list[int], data: Bytes) -> tuple[Part, ...]:
    ends = [*starts[1:], len(data)]
    return tuple(Part(start, end) for start, end in zip(starts, ends, strict=True))


def _flac(data: Bytes, path: Path) -> tuple[Part, ...]:
    parts = []
    for part in _cut_at([0, *(found.start() for found in _FLAC.finditer(data, 4))], data):
        counted = flac_part(data, part.start, part.end) if part.end - part.start > 42 else part
        if counted is None and stated_samples(data, part.start) == 0:
            raise AudioError(
                f"{path} does not say how long it is, and its last frame is not whole: it was cut off; write "
                "it anew from the original."
            )
        parts.append(counted or part)
    return tuple(parts)


def _chunked(data: Bytes, kind: _Chunks, path: Path) -> tuple[Part, ...]:
    parts, start = [], 0
    while True:
        part = _chunked_part(data, start, kind, path)
        parts.append(part)
        if part.end == len(data):
            return tuple(parts)
        start = part.end


def _chunked_part(data: Bytes, start: int, kind: _Chunks, path: Path) -> Part:
    pos, long_size = start + kind.first, None
    while (chunk := kind.at(data, pos)) is not None and chunk[0] != kind.sound:
        name, _, body, size = chunk
        if name == b"ds64" and body + 16 <= len(data):
            (long_size,) = struct.unpack_from("<Q", data, body + 8)
        pos = kind.after(body, size)
        if size < 0 or pos <= start:
            break
    if chunk is None or chunk[0] != kind.sound:
        return Part(start, len(data))  # libsndfile says what is wrong with it
    _, field, body, size = chunk
    if long_size is not None and size == 0xFFFFFFFF:
        size = long_size
    if size < 0 or body + size > len(data) or (size == 0 and kind.sound == b"SSND"):
        # An open size, or more than is there: the sound reaches to the end of the file or to the next one.
        following = kind.magic.search(data, body)
        return Part(start, following.start() if following else len(data))
    end = _end_of_chunks(data, body, size, kind)
    if end is not None:
        return Part(start, end)
    if size == 0 and long_size is None and struct.calcsize(kind.size) == 4:
        following = kind.magic.search(data, body)
        end = following.start() if following else len(data)
        return Part(start, end, patches=((field - start, b"\xff\xff\xff\xff"),))
    raise _goes_on(path, len(data) - body - size)


def _end_of_chunks(data: Bytes, body: int, size: int, kind: _Chunks) -> int | None:
    """Return where the file, or this part of it, ends after the sound; None where something else follows."""
    for pos in dict.fromkeys((kind.after(body, size), body + size)):  # some writers forget the padding
        while True:
            if len(data) - pos < _FIELD or (size and _is_padding(data, pos)):
                return len(data)
            if kind.magic.match(data, pos):
                return pos
            chunk = kind.at(data, pos)
            if chunk is None or chunk[3] < 0 or not _NAME.fullmatch(chunk[0][:4]):
                break
            following = kind.after(chunk[2], chunk[3])
            if chunk[2] + chunk[3] > len(data) and not _KNOWN.match(chunk[0]):
                break
            pos = min(following, len(data))
    return None


def _is_padding(data: Bytes, pos: int) -> bool:
    """Say whether nothing but zeros, or an ID3 tag of the first kind, is left."""
    if data[pos : pos + 3] == b"TAG" and len(data) - pos == 128:
        return True
    return all(not any(data[a : a + 65536]) for a in range(pos, len(data), 65536))


def _au(data: Bytes, path: Path) -> tuple[Part, ...]:
    parts, start = [], 0
    while True:
        order = _AU.get(data[start : start + 4])
        if order is None or start + 12 > len(data):
            raise _goes_on(path, len(data) - start)
        header, size = struct.unpack_from(f"{order}II", data, start + 4)
        end = start + header + size
        if size == 0 and end < len(data):
            parts.append(Part(start, len(data), patches=((8, b"\xff\xff\xff\xff"),)))
            return tuple(parts)
        if end >= len(data) or _is_padding(data, end):
            parts.append(Part(start, len(data)))
            return tuple(parts)
        parts.append(Part(start, end))
        start = end


def _ogg_starts(data: Bytes) -> list[int]:
    """Return where each chained stream begins: a page that opens one, after a page that opens none."""
    starts, opening = [], False
    pos = 0
    while 0 <= pos <= len(data) - 27:
        opens = bool(data[pos + 5] & 2)
        if opens and not opening:
            starts.append(pos)
        opening = opens
        n = data[pos + 26]
        pos = data.find(b"OggS", pos + 27 + n + sum(data[pos + 27 : pos + 27 + n]))
    return [0, *starts[1:]]


def _goes_on(path: Path, n_bytes: int) -> AudioError:
    return AudioError(
        f"{path} goes on after its sound ends: its header leaves {n_bytes} bytes unaccounted for; repair the "
        "header (ffmpeg -ignore_length 1 -i OLD NEW), or cut the file where its sound ends."
    )
