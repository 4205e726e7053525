"""The code of a stage is found from imports: all of it, and nothing else."""

import ast
import importlib
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from voicerisk.pipeline.code import PACKAGE, ImportGraph, code_of

MODULES = sorted(
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
    for file in PACKAGE.rglob("*.py")
    if file.name != "__init__.py"
)


def imports_by_parsing(graph: ImportGraph, module: str) -> set[str]:
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import, which the pattern does not read"
            if (node.module or "").startswith("voicerisk"):
                found.update(graph._sources(node.module, [alias.name for alias in node.names]))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("voicerisk"):
                    found.update(graph._sources(alias.name, []))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text()))
    return found - {module}


def test_the_pattern_reads_what_the_parser_reads():
    graph = ImportGraph()
    for module in MODULES:
        read, parsed = set(graph._read(module)), imports_by_parsing(graph, module)
        assert parsed <= read, module
        # The rest is named in strings: drawings by name, the engine of R's mboost, the child process.
        if module not in {"figures.gallery", "models.boosting.estimator", "rbridge.worker"}:
            assert read == parsed, module


@pytest.mark.parametrize(
    ("module", "needs"),
    [
        ("models.boosting.estimator", "models.boosting.mboost"),
        ("rbridge.worker", "rbridge.session"),
        ("figures.gallery", "figures.curves"),
        ("study.stages", "models.boosting.engine.kernels"),
    ],
)
def test_what_is_imported_late_or_by_name_is_seen(module, needs):
    assert needs in ImportGraph().reached(module)


def test_r_functions_and_data_files_belong_to_what_uses_them():
    names = {file.name for file in ImportGraph().files("models.gamm.fit")}
    assert {"gamm.R", "worker.py"} <= names
    assert "catalogue.toml" in {file.name for file in ImportGraph().files("biomarkers.catalogue")}
    assert not any(file.suffix == ".R" for file in ImportGraph().files("screening.screen"))


PIECES = {
    "__init__.py": "",
    "room/__init__.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from voicerisk.room.lazy_home import later\n"
        "__all__ = ['later']\n"
    ),
    "room/lazy_home.py": "from voicerisk.ground import one\n\ndef later(): return one()\n",
    "room/data.py": "FILE = 'numbers.toml'\n",
    "room/numbers.toml": "a = 1\n",
    "ground.py": "def one(): return 1\n",
    "hints.py": "class Hint: ...\n",
    "unrelated.py": "x = 1\n",
    "only_second.py": "def two(): return 2\n",
    "stages.py": (
        "from typing import TYPE_CHECKING\n"
        "from voicerisk.only_second import two\n"
        "if TYPE_CHECKING:\n    from voicerisk.hints import Hint\n\n"
        "def first():\n    from voicerisk.room import later\n    return helper() + later()\n\n"
        "def helper():\n    from voicerisk.room import data\n    return data\n\n"
        "def second():\n    return two()\n"
    ),
}
# Which stages are run again after a change of each file.
STALE = {
    "room/lazy_home.py": {"first"},
    "room/data.py": {"first"},
    "room/numbers.toml": {"first"},
    "ground.py": {"first"},
    "only_second.py": {"second"},
    "stages.py": {"first", "second"},
    "hints.py": set(),
    "unrelated.py": set(),
    "room/__init__.py": set(),
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "voicerisk"
    for name, text in PIECES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def function(name: str) -> object:
    def work() -> None: ...

    work.__module__, work.__qualname__ = "voicerisk.stages", name
    return work


@pytest.mark.parametrize("changed", STALE)
def test_a_change_makes_exactly_those_stale_that_use_it(package, changed):
    def marks() -> dict[str, str]:
        return {name: ImportGraph(package).digest(function(name)) for name in ("first", "second")}

    before = marks()
    with (package / changed).open("a") as file:
        file.write("\n# a change\n")
    after = marks()
    assert {name for name in before if before[name] != after[name]} == STALE[changed]


def test_faces_hold_names_and_no_code():
    """Faces are left out of the hash, so nothing may be computed in them."""
    for face in PACKAGE.rglob("__init__.py"):
        for node in ast.parse(face.read_text()).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            types = isinstance(node, ast.If) and isinstance(node.test, ast.Name)
            assert docstring or types or isinstance(node, ast.Import | ast.ImportFrom | ast.Assign), face


def test_every_name_of_a_lazy_face_is_found_and_listed():
    for face in sorted(PACKAGE.rglob("__init__.py")):
        if "attach(" not in face.read_text() or "deep" in face.parts:
            continue
        name = ".".join(("voicerisk", *face.relative_to(PACKAGE).parent.parts))
        module: ModuleType = importlib.import_module(name)
        assert dir(module) == sorted(module.__all__)
        assert all(getattr(module, public) is not None for public in module.__all__), name
        with pytest.raises(AttributeError, match="has no attribute 'nothing_of_the_kind'"):
            _ = sys.modules[name].nothing_of_the_kind


def test_a_function_from_elsewhere_counts_by_its_source():
    def first() -> int:
        return 1

    def second() -> int:
        return 2

    assert code_of(first) != code_of(second)
    assert code_of(first) == code_of(first) == code_of(partial(first))
