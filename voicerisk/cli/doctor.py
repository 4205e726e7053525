"""`voicerisk doctor`."""

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import console, styled


@app.command(epilog="Example: `voicerisk doctor`")
def doctor() -> None:
    """Check Python, R and their packages, fit a tiny model, and say how to mend what is missing."""
    from voicerisk.doctor import check_installation

    screen = console()
    failed = False
    for check in check_installation():
        mark = {"ok": ("✓", "green"), "optional": ("–", "yellow"), "failed": ("✗", "red")}[check.status]
        screen.print(styled(*mark, f"{check.name:<18} {check.found}"), soft_wrap=True)
        failed = failed or check.status == "failed"
    if failed:
        raise typer.Exit(1)
