"""Finished steps on disk: what is found again is what was written, to the last bit, or it counts as missing.

A step that somebody edited, a disk damaged or a crash cut short is done again; it never changes a number.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from voicerisk.files import PRIVATE, sha256_file, write_json


def keep_step(file: Path, value: Any, *beside: Path) -> None:
    """Write what a finished step found, as JSON that carries its own hash.

    Parameters
    ----------
    file : Path
        Written last: its presence says that the step is done.
    value : object
        What JSON can hold.
    *beside : Path
        Further files of the step, written before in the same folder.
    """
    hashes = {one.name: sha256_file(one) for one in beside}
    value = json.loads(json.dumps(value))  # as it will be read: names are texts, tuples lists
    write_json(file, {"value": value, "beside": hashes, "sha256": _digest(value, hashes)}, PRIVATE)


def kept_step(file: Path) -> Any | None:
    """Return what `keep_step` wrote; None where it, or a file beside it, is missing or not as it was written.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "step.json"
    >>> keep_step(place, {"auroc": 0.75})
    >>> kept_step(place)
    {'auroc': 0.75}
    >>> _ = place.write_text(place.read_text().replace("0.75", "0.85"))
    >>> kept_step(place) is None
    True
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        value, hashes = record["value"], dict(record["beside"])
        whole = record["sha256"] == _digest(value, hashes)
        known = whole and all(_is(file.parent / name, hash_) for name, hash_ in hashes.items())
        return value if known else None
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _is(file: Path, hash_: str) -> bool:
    return file.is_file() and sha256_file(file) == hash_


def _digest(value: Any, hashes: dict[str, str]) -> str:
    text = json.dumps([value, hashes], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
