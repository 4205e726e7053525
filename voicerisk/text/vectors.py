"""Word vectors in fastText's text format, read line by line: the whole file never lies in memory."""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from voicerisk.errors import TextError


@dataclass(frozen=True, slots=True)
class WordVectors:
    """The vectors of the words asked for.

    Parameters
    ----------
    words : tuple of str
        Words with a vector, sorted.
    matrix : ndarray of float32, shape (n, d)
    asked : int
        How many distinct words were asked for.
    """

    words: tuple[str, ...]
    matrix: np.ndarray
    asked: int

    @property
    def coverage(self) -> float:
        """Share of the words asked for that have a vector."""
        return len(self.words) / self.asked if self.asked else 0.0


def read_vectors(path: Path, wanted: Iterable[str]) -> WordVectors:
    """Read the vectors of some words.

    A word that the file lacks takes the vector of its lower-case form, where there is one.

    Parameters
    ----------
    path : Path
        `.vec` or `.vec.gz`: a line "number of words, length of a vector", then a word and its numbers a line.
    wanted : iterable of str

    Returns
    -------
    WordVectors

    Raises
    ------
    TextError
        If the file is missing or a line is not of this form; the message gives its number.
    """
    words = set(wanted)
    asked = words | {word.lower() for word in words}
    if not path.is_file():
        raise TextError(f"There is no file of word vectors {path}.")
    found: dict[str, np.ndarray] = {}
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        size = _header(stream.readline(), path)
        for number, line in enumerate(stream, start=2):
            key, _, rest = line.rstrip(b"\r\n ").partition(b" ")
            word = key.decode("utf-8", errors="replace")
            if word not in asked or word in found:
                continue
            found[word] = _numbers(rest, size, path, number)
    kept = sorted(word for word in words if word in found or word.lower() in found)
    if not kept:
        raise TextError(
            f"{path.name} has a vector for none of the {len(words)} words; are the vectors of another "
            f"language?"
        )
    matrix = np.stack([found[word] if word in found else found[word.lower()] for word in kept])
    return WordVectors(tuple(kept), matrix, len(words))


def _header(line: bytes, path: Path) -> int:
    cells = line.split()
    if len(cells) != 2 or not all(cell.isdigit() for cell in cells) or int(cells[1]) < 1:
        raise TextError(
            f'{path.name}, line 1: expected "number of words, length of a vector" (fastText .vec).'
        )
    return int(cells[1])


def _numbers(cells: bytes, size: int, path: Path, number: int) -> np.ndarray:
    try:
        vector = np.array(cells.split(), dtype=np.float32)
    except ValueError:
        vector = np.empty(0, dtype=np.float32)
    if len(vector) != size or not np.isfinite(vector).all():
        raise TextError(f"{path.name}, line {number}: expected a word and {size} finite numbers.")
    return vector


def write_vectors(stream: IO[str], words: Iterable[str], matrix: np.ndarray) -> None:
    """Write word vectors in the same format."""
    names = list(words)
    stream.write(f"{len(names)} {matrix.shape[1]}\n")
    for word, row in zip(names, matrix, strict=True):
        stream.write(word + " " + " ".join(f"{value:.6g}" for value in row) + "\n")
