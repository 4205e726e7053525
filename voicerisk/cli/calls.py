"""Which single calls a command shows, and where their recordings lie: shared by `figures` and `report`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from voicerisk.study.output.one_call import HeardCall

Calls = Annotated[
    list[str] | None,
    typer.Option(
        "--call",
        help="Show this call: sound, markers, and what adds up to its score. May be repeated; `missed` names "
        "all calls decided wrongly, `all` every call.",
        metavar="ID",
    ),
]
StudyFile = Annotated[
    Path | None,
    typer.Option("--study", help="The study file, where it has moved.", metavar="STUDY.toml"),
]
Protocol = Annotated[
    str | None, typer.Option(help="Whose scores: nested (default) or published.", metavar="PROTOCOL")
]


def heard(
    results: Path,
    wanted: Sequence[str],
    study_file: Path | None,
    protocol: str | None,
    move: Callable[[int, int], None],
) -> "Iterator[HeardCall]":
    """Yield the calls that a user named, each with its sound and the tables of its listening figure."""
    from voicerisk.errors import VoiceriskError
    from voicerisk.study import load_study
    from voicerisk.study.output.one_call import calls_of, listen_to, missed_calls_of, study_of

    if protocol not in (None, "nested", "published"):
        raise VoiceriskError(f"--protocol {protocol} is not known; choose nested or published.")
    study = load_study(study_file) if study_file else study_of(results)
    known = calls_of(results)
    names: list[str] = []
    for one in wanted:
        if one == "all" and one not in known:
            names += known
        elif one == "missed" and one not in known:
            names += missed_calls_of(results, protocol)
        else:
            names.append(one)
    names = list(dict.fromkeys(names))
    for done, name in enumerate(names, start=1):
        yield listen_to(study, results, name, protocol)
        move(done, len(names))
