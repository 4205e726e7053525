"""Faces of rooms: a public name is imported when it is first used.

A face lists under `if TYPE_CHECKING` what it lends to other rooms, where editors and type checkers read it;
`attach` reads the same lines, so that no second list can disagree with them. Nothing is read before a name is
asked for. `__all__` is what a user reaches for: documented with an example, listed by `dir` and in the
reference.
"""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all the rest of a face
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def homes_of(source: str) -> dict[str, tuple[str, str]]:
    """Return the module and the name there of each name that a face imports, at once or later."""
    import ast

    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    return found


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a face.

    Parameters
    ----------
    package : str
        `__name__` of the face.
    file : str
        `__file__` of the face.

    Returns
    -------
    tuple of callable

    Examples
    --------
    The last line of a face, below its docstring, its `if TYPE_CHECKING` and its `__all__`:

    >>> __getattr__, __dir__ = attach(__name__, __file__)  # doctest: +SKIP
    """
    face = sys.modules[package]
    homes: dict[str, tuple[str, str]] = {}

    def get(name: str) -> Any:
        if not homes and (name in face.__all__ or not name.startswith("__")):
            with open(file, encoding="utf-8") as source:  # noqa: PTH123 - pathlib is slow to import
                homes.update(homes_of(source.read()))
        if name in homes:
            module, inside = homes[name]
            found = import_module(f"{package}.{name}") if module == package else None
            found = getattr(import_module(module), inside) if found is None else found
            setattr(face, name, found)
            return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted(face.__all__)
