"""No function hands on more than 8 arguments, and none is longer than 80 lines."""

import ast
import importlib
from collections.abc import Iterator

from voicerisk.pipeline.code import PACKAGE

MOST_ARGUMENTS = 8
MOST_LINES = 80
FACES = (
    "",
    ".biomarkers",
    ".figures",
    ".models",
    ".report",
    ".screening",
    ".simulate",
    ".study",
    ".validation",
    ".deep.multitask",
)
# Reached by their own path, with keywords, as the names of the faces are.
KEYWORDS = {"listening", "plan_study", "stability_selection", "extract_files"}
# One file a command: each option of the command line is an argument of its function.
COMMANDS = "cli/"


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield each function of the package beside the path of its file."""
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield place, node


def public_names() -> set[str]:
    """Return what users call with keywords: it hands nothing on, it is where choices come in."""
    return {name for face in FACES for name in importlib.import_module(f"voicerisk{face}").__all__}


def number_of_arguments(node: ast.FunctionDef) -> int:
    named = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
    own = 1 if named[:1] in (["self"], ["cls"]) else 0
    return len(named) + len(node.args.kwonlyargs) - own


def is_compiled(node: ast.FunctionDef) -> bool:
    """Return whether numba compiles it: by `njit`, or by what the engine calls `compiled` and `vector`."""
    names = [ast.unparse(one).partition("(")[0] for one in node.decorator_list]
    return bool({"njit", "compiled", "vector"} & set(names))


def lines_of_code(node: ast.FunctionDef) -> int:
    """Return the lines of a function, its docstring not counted."""
    text = node.body[0]
    described = ast.get_docstring(node) is not None
    return node.end_lineno - node.lineno + 1 - (text.end_lineno - text.lineno + 1 if described else 0)


def test_no_function_hands_on_more_than_eight_arguments():
    # Settings and estimators are made with keywords, as in scikit-learn. Compiled loops take arrays.
    free = public_names() | KEYWORDS | {"__init__"}
    many = [
        f"{place}: {node.name} takes {number_of_arguments(node)}"
        for place, node in functions()
        if number_of_arguments(node) > MOST_ARGUMENTS
        and node.name not in free
        and not place.startswith(COMMANDS)
        and not is_compiled(node)
    ]
    assert not many, "group what belongs together in a frozen dataclass"


def test_no_function_is_longer_than_eighty_lines():
    long = [
        f"{place}: {node.name} has {lines_of_code(node)}"
        for place, node in functions()
        if lines_of_code(node) > MOST_LINES and not is_compiled(node)
    ]
    assert not long, "cut it where its subject changes"
