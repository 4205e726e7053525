"""Settings of the biomarker stage: the `[biomarkers]` table of the study file."""

from collections.abc import Sequence
from dataclasses import dataclass

from voicerisk.biomarkers.catalogue import select_markers
from voicerisk.errors import BiomarkerError

LEVELS = ("frame", "segment", "both", "caller")
MISSING = ("masked", "named", "complete")


@dataclass(frozen=True, slots=True)
class BiomarkerSettings:
    """Which markers are taken, at which level, and what becomes of frames with missing ones.

    Attributes
    ----------
    preset : {'published', 'soundgen-2.5.1'}
        Definitions: the paper's pipeline with sound pitch-dependent markers, or parity with soundgen 2.5.1.
    set : 'named', 'all' or tuple of str
        The 12 markers named in the paper's Table 1 (default), all 36, or a choice by name.
    levels : {'frame', 'segment', 'both', 'caller'}
        At which level markers become predictors; 'caller' parts each into the mean over all calls of its
        caller and the deviation from it.
    missing : {'masked', 'named', 'complete'}
        ``masked`` keeps every non-silent frame; ``named`` drops frames that miss one of the 12 named markers,
        ``complete`` those that miss any chosen marker but subRatio (see `keep_frames`).
    frames : str or None
        Path of a table of the user's own markers that takes the place of extraction.

    Raises
    ------
    BiomarkerError
        For a value that is not one of these; the message names the key.

    Examples
    --------
    >>> BiomarkerSettings(set=["pitch", "HNR"]).markers
    ('HNR', 'pitch')
    """

    preset: str = "published"
    set: str | Sequence[str] = "named"
    levels: str = "frame"
    missing: str = "masked"
    frames: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.set, str):
            if not isinstance(self.set, Sequence) or not all(isinstance(name, str) for name in self.set):
                raise BiomarkerError(
                    f"[biomarkers] set = {self.set!r} must be 'named', 'all' or a list of names."
                )
            object.__setattr__(self, "set", tuple(self.set))
        select_markers(self.set, self.preset)
        for key, known in (("levels", LEVELS), ("missing", MISSING)):
            value = getattr(self, key)
            if value not in known:
                raise BiomarkerError(f"[biomarkers] {key} = {value!r} is not one of {', '.join(known)}.")
        if self.frames is not None and not (isinstance(self.frames, str) and self.frames):
            raise BiomarkerError(f"[biomarkers] frames = {self.frames!r} must be the path of a table.")

    @property
    def markers(self) -> tuple[str, ...]:
        """Names of the chosen markers, in the order of the catalogue."""
        return select_markers(self.set, self.preset)
