"""What an earlier run finished, and where this one keeps what it finishes: long refits lose nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicerisk.types import Progress


@dataclass(frozen=True, slots=True)
class Resume:
    """How a long run of refits goes on from an earlier one.

    Attributes
    ----------
    finished : mapping
        Number or name of a step -> what an earlier run kept of it: it is not run again.
    keep : callable or None
        Called with the number or name of each finished step and its record.
    progress : callable or None
        Called with how many steps are done, and of how many.
    ahead : callable or None
        Called with what several steps will ask for before they are refitted, for learners that fit many
        models in less time together. It must not change what the refits give.

    Examples
    --------
    >>> kept = {}
    >>> Resume(keep=kept.__setitem__).done(3, 0.5)
    >>> kept
    {3: 0.5}
    """

    finished: Mapping[Any, Any] = field(default_factory=dict)
    keep: Callable[[Any, Any], None] | None = None
    progress: Progress | None = None
    ahead: Callable[[Any], None] | None = None

    def done(self, step: Any, record: Any) -> None:
        """Keep the record of a step, where somebody wants it."""
        if self.keep is not None:
            self.keep(step, record)

    def advance(self, done: int, total: int) -> None:
        """Say how far the run is."""
        if self.progress is not None:
            self.progress(done, total)
