"""The new folder of a simulated cohort, refused where it is not empty or a number is too small."""

from collections.abc import Mapping
from pathlib import Path

from voicerisk.errors import StudyError


def new_folder(folder: str | Path, least: Mapping[str, tuple[float, float]]) -> Path:
    """Make the folder.

    Parameters
    ----------
    folder : str or Path
    least : mapping of str to (value, smallest value allowed)

    Raises
    ------
    StudyError
        For a folder that is not empty, or a number that is too small.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file; name a folder for the simulated cohort.")
    if folder.is_dir() and any(folder.iterdir()):
        raise StudyError(
            f"{folder} is not empty; name a new folder for the simulated cohort, nothing is overwritten."
        )
    for name, (value, smallest) in least.items():
        if value < smallest:
            raise StudyError(
                f"{name} = {value} is too small for a simulated cohort; it must be at least {smallest}."
            )
    folder.mkdir(parents=True, exist_ok=True)
    return folder
