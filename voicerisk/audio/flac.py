"""How many samples a FLAC stream really holds, told by the header of its last frame.

A stream that was piped states 0 samples, and one that somebody edited may state too few; libsndfile cannot
read the first and stops early in the second.
"""

from voicerisk.audio.part import Bytes, Part

_STREAM_INFO = 8
"""Where the content of the first metadata block begins, which describes the stream."""
_MOST_HEADER = 16
_SIZES = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 256 << (n - 8) for n in range(8, 16)}}


def flac_part(data: Bytes, start: int, end: int) -> Part | None:
    """Return a FLAC stream with its number of samples stated right.

    Parameters
    ----------
    data : bytes or mmap
    start, end : int
        Where the stream stands, from its mark ``fLaC`` on.

    Returns
    -------
    Part or None
        None where the last frame is not whole: the stream was cut off.
    """
    info = data[start + _STREAM_INFO : start + _STREAM_INFO + 34]
    tag = 128 if data[end - 128 : end - 125] == b"TAG" else 0
    n = _samples_to_the_end(data, start + _STREAM_INFO + 34, end - tag, info)
    if n is None:
        return None
    total = bytes((info[13] & 0xF0 | n >> 32, *(n & 0xFFFFFFFF).to_bytes(4, "big")))
    return Part(start, end, patches=((_STREAM_INFO + 13, total),))


def stated_samples(data: Bytes, start: int) -> int:
    """Return the samples of one channel that the description of a stream states; 0 where it does not know."""
    info = data[start + _STREAM_INFO + 13 : start + _STREAM_INFO + 18]
    return (info[0] & 0x0F) << 32 | int.from_bytes(info[1:], "big")


def _samples_to_the_end(data: Bytes, first: int, end: int, info: bytes) -> int | None:
    largest = int.from_bytes(info[7:10], "big") or 1 << 20  # bytes of a frame, where the encoder knew
    pos = end
    while (pos := data.rfind(b"\xff", max(first, end - largest), pos)) >= 0:
        found = _frame_end(data[pos : pos + _MOST_HEADER], info)
        if found is not None and _crc16(data[pos:end]) == 0:
            return found
    return None


def _frame_end(head: bytes, info: bytes) -> int | None:
    """Return the number of the sample after a frame, or None where `head` begins none of this stream."""
    if len(head) < 6 or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    channels = (info[12] >> 1 & 7) + 1
    given = head[3] >> 4
    if (2 if 8 <= given <= 10 else given + 1) != channels or given > 10:
        return None
    number, place = _coded_number(head, 4)
    code, rate = head[2] >> 4, head[2] & 15
    if number is None or code == 0 or rate == 15:
        return None
    size = _SIZES.get(code, 0)
    if code in (6, 7):
        size = int.from_bytes(head[place : place + code - 5], "big") + 1
        place += code - 5
    place += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if place >= len(head) or _crc8(head[:place]) != head[place]:
        return None
    if head[1] & 1:  # blocks of different sizes: the number is that of the first sample
        return number + size
    return number * int.from_bytes(info[:2], "big") + size


def _coded_number(head: bytes, place: int) -> tuple[int | None, int]:
    """Return the number that stands at `place` as UTF-8 stores one, and the place after it."""
    lead = head[place]
    n_more = 0
    while lead & (0x80 >> n_more):
        n_more += 1
    if n_more in (1, 8) or place + max(1, n_more) > len(head):
        return None, place
    number = lead & (0x7F >> n_more)
    for byte in head[place + 1 : place + max(1, n_more)]:
        if byte & 0xC0 != 0x80:
            return None, place
        number = number << 6 | byte & 0x3F
    return number, place + max(1, n_more)


def _crc(content: bytes, polynomial: int, bits: int) -> int:
    top, mask, crc = 1 << (bits - 1), (1 << bits) - 1, 0
    for byte in content:
        crc ^= byte << (bits - 8)
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc & top else 0)) & mask
    return crc


def _crc8(content: bytes) -> int:
    return _crc(content, 0x07, 8)


def _crc16(content: bytes) -> int:
    return _crc(content, 0x8005, 16)
