"""`voicerisk report`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.calls import Calls, Protocol, StudyFile, heard
from voicerisk.cli.progress import ProgressBars, console
from voicerisk.errors import VoiceriskError


@app.command(
    epilog="Examples: `voicerisk report results --out report.html`; "
    "`voicerisk report results --call missed --audio`"
)
def report(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.")] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the report.")] = None,
    style: Annotated[str, typer.Option(help="default, nature, jmir, lecture, or a TOML file.")] = "default",
    ids: Annotated[bool, typer.Option("--ids", metavar="", help="Show ids instead of pseudonyms.")] = False,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels", metavar="", help="Show the label texts of missed calls and of single calls."
        ),
    ] = False,
    call: Calls = None,
    audio: Annotated[
        bool,
        typer.Option(
            "--audio", metavar="", help="Put the voices of the calls named by --call into the file."
        ),
    ] = False,
    study: StudyFile = None,
    protocol: Protocol = None,
) -> None:
    """Write one self-contained HTML report of a study; ids are pseudonyms unless asked otherwise.

    Single calls, label texts and sound are left out unless asked for; a report that holds any of them is
    written for its owner alone.
    """
    from voicerisk.report import CallInReport, write_report

    if audio and not call:
        raise VoiceriskError("--audio needs --call: name the calls whose voices may be in the report.")
    screen = console()
    bars = ProgressBars(screen)
    shown = []
    if call:
        from voicerisk.study.output.one_call import sound_of

        with bars.stage("Single calls") as move:
            for one in heard(study_dir, call, study, protocol, move):
                sound = sound_of(one) if audio else None
                shown.append(CallInReport(one.call_id, one.envelope, one.parts, sound))
    with bars.stage("Report") as move:
        written = write_report(
            study_dir,
            out,
            style=style,
            show_ids=ids,
            show_labels=labels,
            calls=shown,
            progress=move,
            title=title,
        )
    screen.print(str(written), highlight=False, soft_wrap=True)
