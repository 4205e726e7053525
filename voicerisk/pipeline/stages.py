"""Stages of any study: each is kept, and run again only where something it depends on has changed."""

import time
from collections.abc import Callable, Iterable

from voicerisk.pipeline.progress import Reporter
from voicerisk.pipeline.results_folder import ResultsFolder

Move = Callable[[int, int], None]
Work = Callable[[Move], tuple[Iterable[str], Iterable[str]]]


class Stages:
    """Runs stages in a results folder.

    Parameters
    ----------
    folder : ResultsFolder
        Locked by who runs the study.
    reporter : Reporter
    """

    def __init__(self, folder: ResultsFolder, reporter: Reporter) -> None:
        self.folder = folder
        self.reporter = reporter
        self.marks: dict[str, str] = {}

    def run(self, name: str, title: str, mark: str, work: Work) -> bool:
        """Run a stage unless its fingerprint and outputs are unchanged; say whether it was run.

        Parameters
        ----------
        name : str
        title : str
            For the screen.
        mark : str
            Fingerprint of everything the stage depends on.
        work : callable
            Takes progress(done, total), writes files; returns their names and the stage's notes.
        """
        self.marks[name] = mark
        if self.folder.is_done(name, mark):
            self.reporter.kept(title)
            return False
        started = time.monotonic()
        with self.reporter.stage(title) as move:
            outputs, notes = work(move)
            notes = tuple(notes)
            self.folder.finish(name, mark, outputs, started, notes)
        for note in notes:
            self.reporter.note(note)
        return True
