"""What the command line prints at the end of a run."""

from typing import Any


def print_summary(result: Any, console: Any) -> None:
    """Print."""
    console.print(result.metrics.head(40))
