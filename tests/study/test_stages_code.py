"""A stage's fingerprint holds every module that runs in it; changed code runs its stage and what follows."""

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.study.small_study import GAMBOOST
from voicerisk.files import write_json
from voicerisk.pipeline.code import PACKAGE, ImportGraph
from voicerisk.pipeline.stages import Stages
from voicerisk.pipeline.tables import read_table, schemas
from voicerisk.study import load_study, run_study, stages

# What runs a stage is not what it computes.
ENGINE = {
    "pipeline.progress",
    "pipeline.results_folder",
    "pipeline.code",
    "pipeline.stages",
    "study.stages",
    "lazy",
}


class Watched:
    """Notes which modules' functions are called in each stage."""

    def __init__(self, entries: dict[str, tuple]) -> None:
        self.entries, self.used, self.last = entries, {}, ()

    def code_of(self, *entries):
        self.last = entries
        return "code of " + " ".join(entry.__qualname__ for entry in entries)

    @contextmanager
    def stage(self, title):
        self.entries[title] = self.last
        files: set[str] = set()
        sys.setprofile(lambda frame, event, _: files.add(frame.f_code.co_filename))
        try:
            yield lambda done, total: None
        finally:
            sys.setprofile(None)
        within = [Path(name) for name in files if name.startswith(str(PACKAGE))]
        self.used[title] = {
            ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            for path in within
            if path.name != "__init__.py"
        }

    def kept(self, title): ...

    def note(self, text): ...


@pytest.mark.r
def test_no_stage_runs_code_that_its_fingerprint_forgets(write_study, tmp_path, monkeypatch):
    entries: dict[str, tuple] = {}
    watched = Watched(entries)
    monkeypatch.setattr(stages, "code_of", watched.code_of)
    run_study(load_study(write_study()), tmp_path / "out", reporter=watched)
    assert {
        "Biomarkers",
        "Lasso screening",
        "GAMM (mgcv)",
        "Nested protocol",
        "Metrics and intervals",
    } <= set(watched.used)
    graph = ImportGraph()
    for title, used in watched.used.items():
        forgotten = used - graph.reached(*entries[title]) - ENGINE
        assert not forgotten, title
    every_table_has_its_schema(tmp_path / "out")


def every_table_has_its_schema(results: Path) -> None:
    known = {schema.file: schema for schema in schemas().values()}
    for file in results.rglob("*"):
        name = file.relative_to(results).as_posix()
        if file.suffix in (".csv", ".parquet") and not name.startswith((".state", "figures/", "tables/")):
            assert name in known, "describe it in pipeline/tables.toml"
            schema = known[name]
            columns, described = set(read_table(results, schema.name)), {one.name for one in schema.columns}
            assert described <= columns, name
            assert schema.others or columns == described, name


FROM_METRICS = {"metrics", "boost", "reporting", "show", "report"}
PROTOCOLS = {"published", "nested"}
EDITED = {
    "biomarkers/frame/spectrum": {"extract", "screen", "gamm", "rivals"} | PROTOCOLS | FROM_METRICS,
    "screening/lasso": {"screen", "gamm"} | PROTOCOLS | FROM_METRICS,
    "models/gamm/fit": {"gamm", "reporting", "show", "report"},
    "study/rivals": {"rivals"} | FROM_METRICS,
    "validation/metrics/compute": FROM_METRICS,
    "figures/curves": {"show", "report"},
    "report/html": {"report"},
}


def test_an_edited_module_makes_exactly_its_stages_and_their_followers_stale(
    write_study, tmp_path, monkeypatch
):
    study = load_study(write_study(settings=GAMBOOST))
    copy = tmp_path / "copy" / "voicerisk"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "r" / "R", tmp_path / "copy" / "r" / "R")
    out, true_run = tmp_path / "out", Stages.run
    stale: set[str] = set()

    def without_r_and_pictures(self, name, title, mark, work):
        """Run what is quick; of the rest only the fingerprint matters here."""

        def nothing(move):
            if name != "gamm":
                return [], []
            write_json(self.folder.file("gamm/notes.json"), {"kept": []})
            return ["gamm/notes.json"], []

        slow = name in ("gamm", "reporting", "show", "report")
        return true_run(self, name, title, mark, nothing if slow else work)

    def only_noted(self, name, title, mark, work):
        self.marks[name] = mark
        if not self.folder.is_done(name, mark):
            stale.add(name)
        return False

    def run_on_the_copy(run):
        stale.clear()
        with monkeypatch.context() as patched:
            patched.setattr(stages, "code_of", ImportGraph(copy).digest)
            patched.setattr(Stages, "run", run)
            run_study(study, out)
        return set(stale)

    run_on_the_copy(without_r_and_pictures)
    assert run_on_the_copy(only_noted) == set()
    for module, expected in EDITED.items():
        file = copy / f"{module}.py"
        before = file.read_bytes()
        file.write_bytes(before + b"\n# edited\n")
        assert run_on_the_copy(only_noted) == expected, module
        file.write_bytes(before)
