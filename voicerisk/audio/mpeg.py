"""MPEG audio (MP3 and its older layers) frame by frame: where parts begin, how many frames each holds.

An MP3 file has no header of its own. A first frame that some encoders write (Xing, Info, VBRI) states how
many frames follow; without it a decoder estimates the length from the first bit rate, and it believes a
number that became wrong when somebody appended another file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from voicerisk.audio.part import Bytes, Part

# kbit/s by (MPEG 1 or not, layer); index 0 is "free format", 15 is not allowed.
_BIT_RATES = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MONO = 3
_LAYER_3 = 0x02
_DECODER_DELAY = 529  # samples
_HAS_COUNT = 1


@dataclass(slots=True)
class _Stretch:
    """Frames that belong together, as far as they have been read."""

    start: int
    first: int  # the first frame with sound
    end: int = 0
    n_frames: int = 0
    counted_at: int | None = None  # where the frames are stated
    stated: int = 0


@lru_cache(maxsize=4096)
def _shape(head: bytes) -> tuple[int, int] | None:
    """Return the bytes of a frame and where its side information ends, or None where there is no header."""
    sync, second, third, fourth = head
    version, layer, rate = second >> 3 & 3, 4 - (second >> 1 & 3), third >> 2 & 3
    kbit = third >> 4
    if sync != 0xFF or second & 0xE0 != 0xE0 or version == 1 or layer == 4 or rate == 3 or kbit in (0, 15):
        return None
    hz = _SAMPLE_RATES[version][rate]
    bits = 1000 * _BIT_RATES[version == 3, layer][kbit]
    padding = third >> 1 & 1
    if layer == 1:
        length = (12 * bits // hz + padding) * 4
    else:
        length = (72 if layer == 3 and version != 3 else 144) * bits // hz + padding
    mono = fourth >> 6 == _MONO
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return length, 4 + side


def mpeg_parts(data: Bytes) -> tuple[Part, ...]:
    """Return the parts of an MPEG audio file, each with its number of frames stated right.

    Parameters
    ----------
    data : bytes or mmap

    Returns
    -------
    tuple of Part
        Empty where the bytes hold no two frames in a row ("free format" streams are not looked into either).
    """
    return tuple(_corrected(data, stretch) for stretch in _stretches(data) if stretch.n_frames)


def _stretches(data: Bytes) -> Iterator[_Stretch]:
    current: _Stretch | None = None
    tag: int | None = None  # where the tags before the next frame begin
    pos, kind = 0, b""
    while pos + 4 <= len(data):
        skipped = _tag_length(data, pos)
        if skipped:
            tag = pos if tag is None else tag
            pos += skipped
            continue
        head = data[pos : pos + 4]
        shape = _shape(head)
        if shape is None or (kind and _kind(head) != kind):
            pos = _next_frame(data, pos + 1, kind)
            continue
        kind = _kind(head)
        length, side = shape
        stated = _stated_frames(data, pos, side)
        if stated is not None:
            if current is not None and current.n_frames:
                yield current
                current = None
            if current is None:
                current = _Stretch(pos if tag is None else tag, pos + length)
            current.counted_at, current.stated, current.first = *stated, pos + length
        elif pos + length <= len(data):
            if current is None:
                current = _Stretch(pos if tag is None else tag, pos)
            current.n_frames += 1
        pos += length
        if current is not None:
            current.end = min(pos, len(data))
        tag = None
    if current is not None:
        current.end = len(data)
        yield current


def _kind(head: bytes) -> bytes:
    """Return what is the same in every frame of a stream: version, layer, sample rate."""
    return bytes((head[1] & 0xFE, head[2] & 0x0C))


def _next_frame(data: Bytes, pos: int, kind: bytes) -> int:
    """Return where, from `pos` on, two frames of one kind stand in a row, a tag begins, or the file ends."""
    while 0 <= pos < len(data) - 4:
        places = [place for sign in (b"\xff", b"ID3", b"TAG") if (place := data.find(sign, pos)) >= 0]
        if not places:
            return len(data)
        pos = min(places)
        if _tag_length(data, pos):
            return pos
        head = data[pos : pos + 4]
        shape = _shape(head) if len(head) == 4 else None
        if shape is not None and (not kind or _kind(head) == kind):
            after = data[pos + shape[0] : pos + shape[0] + 4]
            if len(after) == 4 and _shape(after) is not None and _kind(after) == _kind(head):
                return pos
        pos += 1
    return len(data)


def _tag_length(data: Bytes, pos: int) -> int:
    """Return the length of an ID3 or APE tag at `pos`; 0 where there is none."""
    head = data[pos : pos + 10]
    if head[:3] == b"ID3" and len(head) == 10 and all(byte < 0x80 for byte in head[6:]):
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and pos + 32 <= len(data):
        size, _, flags = struct.unpack_from("<III", data, pos + 12)
        return 32 + (size if flags & 0x20000000 else 0)
    return 128 if head[:3] == b"TAG" and len(data) - pos >= 128 else 0


def _stated_frames(data: Bytes, pos: int, side: int) -> tuple[int | None, int] | None:
    """Return where a first frame states the number of frames, and it; None where it is another frame."""
    name = data[pos + side : pos + side + 4]
    if name in (b"Xing", b"Info"):
        place = pos + side + 8
        flags = data[pos + side + 4 : place]
        if len(flags) == 4 and flags[3] & _HAS_COUNT and place + 4 <= len(data):
            return place, int.from_bytes(data[place : place + 4], "big")
        return None, 0
    if data[pos + 36 : pos + 40] == b"VBRI" and pos + 54 <= len(data):
        return pos + 50, int.from_bytes(data[pos + 50 : pos + 54], "big")
    return None


def _corrected(data: Bytes, stretch: _Stretch) -> Part:
    """Return the part with its frames stated: in the place that is there, or in a frame put before it."""
    head = data[stretch.first : stretch.first + 4]
    if stretch.counted_at is None and head[1] & 0x06 == _LAYER_3:
        return Part(stretch.first, stretch.end, _counting_frames(head, stretch.n_frames))
    # Older layers never state it. A larger number stays: the file was cut off, and reading it says so.
    if stretch.counted_at is not None and stretch.stated + 1 < stretch.n_frames:
        return Part(
            stretch.start,
            stretch.end,
            patches=((stretch.counted_at - stretch.start, stretch.n_frames.to_bytes(4, "big")),),
        )
    return Part(stretch.start, stretch.end)


def _counting_frames(head: bytes, n_frames: int) -> bytes:
    """Return a frame that states how many follow, and a silent one.

    A decoder that is told the number also takes off its own delay; it is told to take off the silent frame,
    so that all sound stays where it is without these two.
    """
    n_samples = 1152 if head[1] >> 3 & 3 == 3 else 576
    delay = (n_samples - _DECODER_DELAY) << 12
    for index in range(1, 15):
        like = bytes((head[0], head[1] | 1, index << 4 | head[2] & 0x0C, head[3]))  # no checksum, no padding
        shape = _shape(like)
        if shape is not None and shape[0] >= shape[1] + 48:
            count = b"Xing" + _HAS_COUNT.to_bytes(4, "big") + (n_frames + 1).to_bytes(4, "big")
            about = b"LAME".ljust(21, b"\0") + delay.to_bytes(3, "big")
            first = like.ljust(shape[1], b"\0") + count + about
            return first.ljust(shape[0], b"\0") + like.ljust(shape[0], b"\0")
    raise AssertionError("every kind of MPEG audio has a frame of more than 100 bytes")
