"""Files named in a table, found in either Unicode form of their name."""

import os
from pathlib import Path

from voicerisk.intake.cells import clean


def leads_out(root: Path, name: str) -> bool:
    """Say whether a name in a table leads out of the folder that holds its files, links followed."""
    wanted = Path(os.path.normpath(root / name))
    if Path(name).is_absolute() or not wanted.is_relative_to(root):
        return True
    try:
        return not find_file(root, name).resolve().is_relative_to(root.resolve())
    except (ValueError, RuntimeError):  # a NUL byte; links that lead to each other
        return True


def is_there(path: Path) -> bool:
    """Say whether there is such a file or folder; a name that no file system takes is none."""
    try:
        return path.exists()
    except OSError:
        return False


def same_but_for_case(path: Path) -> str:
    """Return the name of a file beside that differs in upper and lower case only, '' where there is none."""
    if not is_there(path.parent) or not path.parent.is_dir():
        return ""
    names = (entry.name for entry in path.parent.iterdir())
    return next((name for name in names if name.casefold() == path.name.casefold()), "")


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
    if is_there(wanted) or name.isascii() or not wanted.is_relative_to(root):
        return wanted
    place = root
    for part in wanted.relative_to(root).parts:
        if not is_there(place / part) and place.is_dir():
            alike = [entry.name for entry in place.iterdir() if clean(entry.name) == clean(part)]
            if len(alike) != 1:
                return wanted
            part = alike[0]
        place = place / part
    return place
