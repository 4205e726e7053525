"""The results folder of one study: who owns it, which stages are done, and what they were made from.

A stage has a fingerprint: a hash of its settings, of its inputs' fingerprints and of the code it depends
on (`voicerisk.pipeline.code`). A stage whose fingerprint and outputs are unchanged is not run again.
Everything the folder remembers lies in `.state`. A folder that came from elsewhere is data: what it says of
files counts within it only.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voicerisk.errors import StudyError
from voicerisk.files import PRIVATE, sha256_file, write_json

STATE = ".state"
ORIGIN = "origin.json"  # where the study file lies, as seen from the results
_RECORD = {"fingerprint": str, "seconds": float, "notes": list, "outputs": dict}


def fingerprint(**parts: Any) -> str:
    """Return the SHA-256 of `parts` as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def keep_only(folder: Path, wanted: Collection[str]) -> None:
    """Make a private folder of finished steps, and remove the files in it that are not among `wanted`."""
    _refuse_link(folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for file in folder.iterdir():
        if file.name not in wanted:
            file.unlink()


def read_record(file: Path) -> dict[str, Any] | None:
    """Return what a JSON file of `.state` remembers; None where it is missing or damaged."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _refuse_link(place: Path) -> None:
    if place.is_symlink():
        raise StudyError(
            f"{place} is a link to another place, where nothing may be removed; remove the link."
        )


class ResultsFolder:
    """The folder a study writes to.

    Parameters
    ----------
    path : Path
        Made when missing. A folder that holds another study, or files that are no study, is refused.
    identity : dict
        `study` (hash of the study file's place) and `calls` (hash of the calls table); a folder is taken to
        hold the same study when either agrees, so that a study may be moved, or its table mended.
    """

    def __init__(self, path: Path, identity: dict[str, str]) -> None:
        self.path = path.absolute()
        self.state = self.path / STATE
        self._claim(identity)

    def _claim(self, identity: dict[str, str]) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise StudyError(f"{self.path} is a file; --out must name a folder.")
        _refuse_link(self.state)
        owner = self.state / "study.json"
        if owner.exists():
            known = read_record(owner)
            if known is None:
                raise StudyError(
                    f"{owner} is damaged, so nobody can say whose results {self.path} holds; choose an empty "
                    "folder for --out."
                )
            if all(known.get(key) != value for key, value in identity.items()):
                raise StudyError(
                    f"{self.path} holds the results of another study; choose another folder for --out."
                )
        elif self.path.exists() and any(entry.name != STATE for entry in self.path.iterdir()):
            raise StudyError(
                f"{self.path} is not empty and holds no study; choose an empty folder for --out."
            )
        self.state.mkdir(parents=True, exist_ok=True)
        if not owner.exists():
            self.path.chmod(0o700)
        self.state.chmod(0o700)
        write_json(owner, identity)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out of the folder; the lock goes with the process, however it ends."""
        with (self.state / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StudyError(
                    f"Another run is writing to {self.path}; wait for it, or stop it first."
                ) from None
            self._sweep()
            yield

    def _sweep(self) -> None:
        # A run that was killed may leave half-written files beside their places.
        for place in [self.path, *self.path.rglob("*")]:
            if place.is_dir() and not place.is_symlink():
                for leftover in place.glob(".*.????????.*"):
                    if leftover.is_file() and not leftover.is_symlink():
                        leftover.unlink()

    def remember(self, study_file: Path) -> None:
        """Keep the way from here to the study file, for whoever asks for a call's sound later."""
        way = os.path.relpath(study_file, self.path)
        write_json(self.state / ORIGIN, {"study": Path(way).as_posix()}, PRIVATE)

    def file(self, name: str) -> Path:
        """Return the path of an output."""
        return self.path / name

    def is_done(self, stage: str, mark: str) -> bool:
        """Say whether a stage was finished with this fingerprint and its outputs are as it left them."""
        record = self._record(stage)
        if record is None or record["fingerprint"] != mark:
            return False
        return all(
            self.file(name).is_file() and sha256_file(self.file(name)) == digest
            for name, digest in record["outputs"].items()
        )

    def finish(
        self, stage: str, mark: str, outputs: Iterable[str], started: float, notes: Iterable[str] = ()
    ) -> None:
        """Remember that a stage is done, what it wrote, what it has to say, and how long it took."""
        write_json(
            self.state / "stages" / f"{stage}.json",
            {
                "fingerprint": mark,
                "seconds": round(time.monotonic() - started, 3),
                "notes": list(notes),
                "outputs": {name: sha256_file(self.file(name)) for name in outputs},
            },
        )

    def forget(self, stage: str) -> None:
        """Remove a stage's record and outputs."""
        record = self._record(stage)
        for name in record["outputs"] if record else ():
            self.file(name).unlink(missing_ok=True)
        (self.state / "stages" / f"{stage}.json").unlink(missing_ok=True)

    def records(self) -> dict[str, dict[str, Any]]:
        """Return what is remembered of every finished stage: fingerprint, seconds, notes, outputs."""
        files = sorted((self.state / "stages").glob("*.json"))
        return {file.stem: record for file in files if (record := self._record(file.stem)) is not None}

    def _record(self, stage: str) -> dict[str, Any] | None:
        """Return the record of a stage, None where it is damaged or names files elsewhere (it runs again)."""
        record = read_record(self.state / "stages" / f"{stage}.json")
        if record is None or any(type(record.get(key)) is not kind for key, kind in _RECORD.items()):
            return None
        known = all(isinstance(name, str) and self._holds(name) for name in record["outputs"])
        return record if known and all(isinstance(note, str) for note in record["notes"]) else None

    def _holds(self, name: str) -> bool:
        """Say whether a name leads to a place within the folder, links followed."""
        home = self.path.resolve()
        return self.file(name).resolve().is_relative_to(home) and self.file(name).resolve() != home

    def checkpoints(self, stage: str, mark: str) -> Path:
        """Return the folder for a stage's finished steps; those of another fingerprint are removed."""
        root = self.state / "checkpoints" / stage
        for folder in (root.parent, root):
            _refuse_link(folder)
        place = root / mark[:16]
        if root.exists():
            for other in root.iterdir():
                if other != place:
                    shutil.rmtree(other)
        place.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        return place

    def drop_checkpoints(self, stage: str) -> None:
        """Remove a stage's finished steps, once its outputs are written."""
        shutil.rmtree(self.state / "checkpoints" / stage, ignore_errors=True)
