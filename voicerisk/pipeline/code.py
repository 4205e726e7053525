"""Which code a stage depends on: read from the import statements, so that nobody has to list it.

A stage is entered at a function. Of that function's own module, the statements that the function reaches by
name count; of every other module all imports count, also those inside functions. What only type checkers read
does not count. A face (`__init__.py`) counts for the modules that its names come from, and is no code itself.
"""

import ast
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from voicerisk.lazy import homes_of

PACKAGE = Path(__file__).resolve().parents[1]
# Where the R functions are called from: what reaches it depends on them too.
CALLS_R = "rbridge.session"

# Reading statements by a pattern takes a tenth of the time of parsing; a test holds both to the same answer.
_FROM = re.compile(r"^([ \t]*)from[ ]+(voicerisk[\w.]*)[ ]+import[ ]+(\([^)]*\)|[^\n]*)", re.M)
_IMPORT = re.compile(r"^([ \t]*)import[ ]+(voicerisk[\w.]*)", re.M)
# A module that is named in a string: for `import_module`, or for a process of its own.
_BY_NAME = re.compile(r"f?\"voicerisk\.([\w.]+)[\"{]")
_FOR_TYPES = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t]+.*\n|\n)+", re.M)
_DATA = re.compile(r"[\"']([\w.]+\.(?:toml|css|js|j2))[\"']")

Entry = str | Callable[..., Any]


class ImportGraph:
    """The modules of a package and what each imports of it.

    Parameters
    ----------
    root : Path
        Folder of the package `voicerisk`, or of a changed copy.
    """

    def __init__(self, root: Path = PACKAGE) -> None:
        self.root = root
        self._read = cache(self._read_imports)
        self._homes = cache(lambda file: homes_of(file.read_text(encoding="utf-8")))

    def reached(self, *entries: Entry) -> frozenset[str]:
        """Return the modules that functions or modules depend on, themselves included.

        Parameters
        ----------
        entries : function or str
            A function, a method, or the dotted name of a module below `voicerisk`.

        Returns
        -------
        frozenset of str
            Dotted names below `voicerisk`.
        """
        found: set[str] = set()
        waiting: list[str] = []
        for entry in entries:
            module, function = _place(entry)
            if function is None:
                waiting.append(module)
            else:
                found.add(module)
                waiting += self._imports_of_function(module, function)
        while waiting:
            module = waiting.pop()
            if module not in found:
                found.add(module)
                waiting += self._read(module)
        return frozenset(found)

    def files(self, *entries: Entry) -> list[Path]:
        """Return the files that functions or modules depend on: code, the data beside it, the R functions."""
        reached = self.reached(*entries)
        files = {self._file(module) for module in reached}
        for file in list(files):
            beside = _DATA.findall(file.read_text(encoding="utf-8"))
            files |= {place for name in beside if (place := file.with_name(name)).is_file()}
        if CALLS_R in reached:
            homes = (self.root / "_r", self.root.parent / "r")  # in a wheel, and in a checkout
            files |= set(next(home for home in homes if home.is_dir()).joinpath("R").glob("*.R"))
        return sorted(files)

    def digest(self, *entries: Entry) -> str:
        """Return a hash of everything that functions or modules depend on."""
        found = hashlib.sha256()
        ours: list[Entry] = []
        for entry in map(_bare, entries):
            if isinstance(entry, str) or entry.__module__.partition(".")[0] == "voicerisk":
                ours.append(entry)
            else:  # a function of the user's own: its source
                found.update(inspect.getsource(entry).encode())
        for file in self.files(*ours):
            place = file.relative_to(self.root) if file.is_relative_to(self.root) else Path("_r", file.name)
            found.update(place.as_posix().encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        return found.hexdigest()

    def _file(self, module: str) -> Path:
        place = self.root.joinpath(*module.split("."))
        return place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"

    def _is_module(self, module: str) -> bool:
        return self._file(module).is_file()

    def _read_imports(self, module: str) -> tuple[str, ...]:
        text = self._file(module).read_text(encoding="utf-8")
        text = _FOR_TYPES.sub("", text)
        found: list[str] = []
        for _, source, names in _FROM.findall(text):
            found += self._sources(source, _names(names))
        for _, source in _IMPORT.findall(text):
            found += self._sources(source, [])
        for place in _BY_NAME.findall(text):
            found += self._named_later(place)
        return tuple(sorted({name for name in found if name != module}))

    def _named_later(self, place: str) -> Iterator[str]:
        """Yield what a string names: one module, or all of a folder where the module's name is put in."""
        if not place.endswith("."):
            if self._is_module(place) and self._file(place).name != "__init__.py":
                yield place
            return
        for file in self.root.joinpath(*place.strip(".").split(".")).glob("*.py"):
            if file.name != "__init__.py":
                yield place + file.stem

    def _sources(self, source: str, names: list[str]) -> Iterator[str]:
        """Yield the modules that names come from: submodules, or what a face took them from."""
        place = source.removeprefix("voicerisk").strip(".")
        file = self._file(place) if place else self.root / "__init__.py"
        if file.name != "__init__.py":
            yield place
            return
        homes = self._homes(file)
        for name in names:
            inside = f"{place}.{name}".strip(".")
            home, original = homes.get(name, ("", ""))
            if home.startswith("voicerisk") and home != source:
                yield from self._sources(home, [original])
            elif self._is_module(inside) and self._file(inside).name != "__init__.py":
                yield inside

    def _imports_of_function(self, module: str, qualified: str) -> set[str]:
        """Return what is imported by a function and by whatever of its module it reaches by name."""
        tree = ast.parse(self._file(module).read_text(encoding="utf-8"))
        statements = list(tree.body)
        owner, _, method = qualified.rpartition(".")
        if owner:  # of the class, what the method reaches by name
            home = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner)
            statements = [node for node in tree.body if node is not home] + home.body
        bound: dict[str, list[ast.stmt]] = {}
        for statement in statements:
            for name in _bound(statement):
                bound.setdefault(name, []).append(statement)
        found: set[str] = set()
        waiting, seen = [method], set[str]()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for statement in bound.get(name, ()):
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name):
                        waiting.append(node.id)
                    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                        if node.value.id in ("self", "cls"):
                            waiting.append(node.attr)
                    elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("voicerisk"):
                        found |= set(self._sources(node.module or "", [alias.name for alias in node.names]))
                    elif isinstance(node, ast.Import):
                        for alias in node.names:
                            if alias.name.startswith("voicerisk"):
                                found |= set(self._sources(alias.name, []))
        return found


def _names(text: str) -> list[str]:
    """Return the names of an import statement, without comments, brackets and `as`."""
    bare = re.sub(r"#[^\n]*", "", text).strip("() \n")
    return [part.split(" as ")[0].strip() for part in bare.split(",") if part.strip()]


def _bound(statement: ast.AST) -> list[str]:
    """Return the names that a statement binds."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(alias.asname or alias.name).split(".")[0] for alias in names]
        case ast.Assign(targets=targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _bare(entry: Entry) -> Entry:
    """Return the function below partial applications."""
    while isinstance(entry, partial):
        entry = entry.func
    return entry


def _place(entry: Entry) -> tuple[str, str | None]:
    """Return the module of an entry below `voicerisk`, and the function's name."""
    entry = _bare(entry)
    if isinstance(entry, str):
        return entry.removeprefix("voicerisk."), None
    return entry.__module__.removeprefix("voicerisk."), entry.__qualname__


_GRAPH = ImportGraph()


@cache
def code_of(*entries: Entry) -> str:
    """Return a hash of all code that functions or modules depend on: a changed formula runs them again.

    Parameters
    ----------
    entries : function or str
        What does the work of a stage, or the dotted name of a module below `voicerisk`.

    Returns
    -------
    str

    Examples
    --------
    >>> from voicerisk.pipeline.code import code_of
    >>> from voicerisk.screening import screen
    >>> len(code_of(screen))
    64
    """
    return _GRAPH.digest(*entries)
