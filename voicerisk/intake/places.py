"""Files named in a table, found in either Unicode form of their name."""

import os
from pathlib import Path

from voicerisk.intake.cells import clean


def find_file(root: Path, name: str) -> Path:
    """Return the path of a file that a table names.

    macOS and Linux may write `Müller` in two ways that look the same. A name that is not there as written is
    looked for, folder by folder, among the names that look the same.

    Parameters
    ----------
    root : Path
    name : str
        Relative to `root`.

    Returns
    -------
    Path
        Normalised. Where there is no such file, the path as written.
    """
    wanted = Path(os.path.normpath(root / name))
    if wanted.exists() or name.isascii() or not wanted.is_relative_to(root):
        return wanted
    place = root
    for part in wanted.relative_to(root).parts:
        if not (place / part).exists() and place.is_dir():
            alike = [entry.name for entry in place.iterdir() if clean(entry.name) == clean(part)]
            if len(alike) != 1:
                return wanted
            part = alike[0]
        place = place / part
    return place
