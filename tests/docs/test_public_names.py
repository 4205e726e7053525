"""Every public name says what it is, has an example and a page, and the example does what it says."""

import doctest
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# The commands have a page of their own.
ROOMS = [
    ".".join(face.relative_to(ROOT).parent.parts)
    for face in sorted((ROOT / "voicerisk").rglob("__init__.py"))
    if re.search(r"^__all__", face.read_text(encoding="utf-8"), flags=re.MULTILINE)
    and face.parent.name != "cli"
]
PAGE = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")


def public(room: str) -> Iterator[tuple[str, Any]]:
    """Yield public functions and classes of a room, but not what needs an extra that is not installed."""
    face = importlib.import_module(room)
    for name in face.__all__:
        try:
            found = getattr(face, name)
        except ModuleNotFoundError as missing:
            assert missing.name in ("torch", "transformers"), name
            continue
        if callable(found):
            yield name, inspect.unwrap(found)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_a_docstring_an_example_and_a_page(room):
    listed = room == "voicerisk" or re.search(rf"^   {re.escape(room)}$", PAGE, flags=re.MULTILINE)
    assert listed, f"{room} is missing in docs/reference/python.md"
    for name, found in public(room):
        text = inspect.getdoc(found) or ""
        assert len(text.split("\n")[0]) > 10, f"{room}.{name} does not say what it is"
        assert ">>> " in text, f"{room}.{name} has no example"
        if room == "voicerisk":
            assert f"`{name}`" in PAGE, f"{name} is missing in docs/reference/python.md"


@pytest.mark.parametrize("room", ROOMS)
def test_every_example_does_what_it_says(room, monkeypatch, tmp_path):
    if room.startswith("voicerisk.deep"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    for name, found in public(room):
        names = dict(vars(sys.modules[found.__module__]))
        for example in doctest.DocTestFinder(recurse=False).find(found, f"{room}.{name}", globs=names):
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=told.append)
    assert told == []


def test_a_face_shows_less_than_it_lends():
    import voicerisk.models

    assert "fit_jointly" not in dir(voicerisk.models)
    assert callable(voicerisk.models.fit_jointly)
    with pytest.raises(AttributeError, match=r"module 'voicerisk\.models' has no attribute 'fit_jointy'"):
        _ = voicerisk.models.fit_jointy
