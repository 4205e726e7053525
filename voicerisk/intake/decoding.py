"""Bytes of a text file to text: UTF-8 or UTF-16, with or without a byte order mark; nothing is guessed."""

from pathlib import Path

from voicerisk.errors import VoiceriskError

# The first bytes of files that are no text, and what to do about each.
BINARY = {
    b"ooBinaryFile": "is a binary file of Praat's; save it with 'Save as text file'",
    b"PK\x03\x04": "is a workbook or a zip archive; a workbook must be named .xlsx",
    b"\xd0\xcf\x11\xe0": "is an old or password-protected Excel file; save it as .xlsx without password",
    b"PAR1": "is a Parquet file; name it .parquet",
    b"\x1f\x8b": "is compressed (gzip or an R file); unpack it, or write it as CSV",
    b"BZh": "is compressed (bzip2); unpack it",
    b"\xfd7zXZ": "is compressed (xz or an R file); unpack it, or write it as CSV",
    b"RDX": "is a file of R's; write it with write.csv(..., row.names = FALSE)",
    b"$FL2": "is a file of SPSS; save it as CSV in UTF-8",
    b"%PDF": "is a PDF; save the table as CSV",
}
SAMPLE = 1024


def read_text(path: Path, error: type[VoiceriskError]) -> str:
    """Return the content of a text file.

    Parameters
    ----------
    path : Path
        UTF-8 or UTF-16, each with or without a byte order mark.
    error : type
        Class of the error to raise.

    Raises
    ------
    error
        If there is no such file, it is of another kind, or in another encoding; with the line of the first
        byte that does not fit.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise error(f"There is no file {path}.") from None
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror}.") from problem
    for start, what in BINARY.items():
        if raw.startswith(start):
            raise error(f"{path} {what}.")
    return decoded(raw, path, error)


def decoded(raw: bytes, path: Path, error: type[VoiceriskError]) -> str:
    """Return the bytes of a text file as text; `path` is named in errors."""
    encoding = _encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        byte = raw[problem.start] if problem.start < len(raw) else 0
        name = encoding.removesuffix("-sig").upper()
        raise error(
            f"{path}, line {line}: the byte 0x{byte:02x} is not {name}; save the file as UTF-8 (in Excel: "
            "'CSV UTF-8')."
        ) from problem
    if "\0" in text:
        raise error(f"{path} holds null bytes; it is not a file of text.")
    return text


def _encoding(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    # UTF-16 of mostly Latin letters has a null in every second byte; UTF-8 has none at all.
    sample = raw[:SAMPLE]
    half = len(sample) // 2
    if half and len(raw) % 2 == 0:
        if sample[1::2].count(0) > 0.4 * half and sample[::2].count(0) == 0:
            return "utf-16-le"
        if sample[::2].count(0) > 0.4 * half and sample[1::2].count(0) == 0:
            return "utf-16-be"
    return "utf-8-sig"
