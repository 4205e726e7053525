"""Small studies on marker tables of their own, without audio."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.figures import gallery, saving
from voicerisk.models import BoostSettings
from voicerisk.screening import ScreeningSettings
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.fitters import GamboostFitter, LearnedWhere


@pytest.fixture(scope="session", autouse=True)
def figures_as_svg() -> Iterator[None]:
    """Draw figures of studies as SVG alone: PDF and PNG would take most of a small study's time.

    `tests/figures` looks at all formats, and one whole run here (`every_format`).
    """

    def as_svg(
        figure: Any, table: Any, stem: Path, formats: Sequence[str], *rest: Any, **more: Any
    ) -> list[Path]:
        return saving.save(figure, table, stem, ("svg",), *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "save", as_svg)
        yield


@pytest.fixture
def every_format() -> Callable[[], AbstractContextManager[None]]:
    """Return what a run is put in that shall draw every format."""

    @contextmanager
    def drawn() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gallery, "save", saving.save)
            yield

    return drawn


@pytest.fixture
def write_study(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a study on own markers and gives the path of its file."""

    def write(
        calls: pd.DataFrame | None = None,
        frames: pd.DataFrame | None = None,
        settings: str = SETTINGS,
        name: str = "study",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        default_calls, default_frames = marker_frames()
        calls = default_calls if calls is None else calls
        frames = default_frames if frames is None else frames
        for n, file in enumerate(dict.fromkeys(calls["file"])):
            sound = np.zeros(32_000)
            sound[1000 + 100 * n] = 0.01  # no two recordings are alike, and none tells the outcome
            soundfile.write(folder / file, sound, 8000, subtype="PCM_16")
        calls.to_csv(folder / "calls.csv", index=False)
        frames.to_csv(folder / "markers.csv", index=False)
        (folder / "study.toml").write_text(settings, encoding="utf-8")
        return folder / "study.toml"

    return write


class Told:
    """A reporter that remembers which stages ran and which were kept."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.unchanged: list[str] = []
        self.notes: list[str] = []

    def stage(self, title: str):
        from contextlib import contextmanager

        @contextmanager
        def opened():
            self.ran.append(title)
            yield lambda done, total: None

        return opened()

    def kept(self, title: str) -> None:
        self.unchanged.append(title)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def told() -> Callable[[], Told]:
    return Told


@pytest.fixture
def fitter(tmp_path: Path) -> GamboostFitter:
    """Return the refitting function of a small study, without a Lasso."""
    calls, frames = marker_frames(callers=16, frames=40, effect=0.5, seed=3)
    frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id")
    frames["time_s"] = 0.0
    calls = calls.rename(columns={"outcome": "y"}).assign(n_frames=40).drop(columns="file")
    tables = ModelTables(calls, frames, pd.DataFrame(), ("x", "noise"))
    return GamboostFitter(
        tables=tables,
        boost=BoostSettings(mstop=50),
        screening=ScreeningSettings(unit="none"),
        inner_folds=3,
        learned=LearnedWhere(None, "train", "clamp"),
        mstop=150,
        checkpoints=tmp_path / "full",
        seed=1,
    )
