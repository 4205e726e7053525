"""A stage's fingerprint holds every module that runs in it; changed code runs its stage and what follows."""

import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from voicerisk.pipeline.code import PACKAGE, ImportGraph
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


@pytest.mark.r
def test_changed_code_runs_its_stage_and_the_followers(write_study, told, tmp_path, monkeypatch):
    study = load_study(write_study())
    run_study(study, tmp_path / "out", reporter=told())
    true_code = stages.code_of

    def changed_in(stage):
        def code_of(*entries):
            changed = any(entry.__qualname__ == stage for entry in entries)
            return "changed" if changed else true_code(*entries)

        return code_of

    monkeypatch.setattr(stages, "code_of", changed_in("write_metrics"))
    second = told()
    run_study(study, tmp_path / "out", reporter=second)
    assert "Metrics and intervals" in second.ran
    assert {"Figures and tables", "Reporting evidence"} <= set(second.ran)
    assert {"Biomarkers", "Lasso screening", "GAMM (mgcv)", "Published protocol", "Nested protocol"} <= set(
        second.unchanged
    )
