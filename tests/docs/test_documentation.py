"""Pages and vignettes: links lead somewhere, lists are complete, the citation is this version's."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Written by the code itself when the site is built.
BUILT = {"docs/reference/cli.md", "docs/reference/r_functions.md"}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("vignettes/*.md"),
]
PAGES = [page for page in PAGES if "_build" not in page.parts and str(page.relative_to(ROOT)) not in BUILT]
VIGNETTES = sorted(path.stem for path in (ROOT / "vignettes").glob("*.*md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_project(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http", "mailto:")):
            assert (page.parent / target).exists(), f"{target} in {page.name}"


def test_every_vignette_is_listed_among_the_tutorials():
    listed = re.findall(
        r"vignettes/(?:knitted/)?(\S+)", (ROOT / "docs/tutorials.md").read_text(encoding="utf-8")
    )
    assert sorted(listed) == VIGNETTES
    assert [name[:2] for name in VIGNETTES] == [f"{number:02d}" for number in range(1, len(VIGNETTES) + 1)]


def test_every_vignette_asserts_its_numbers_and_has_exercises():
    for name in VIGNETTES:
        (file,) = (ROOT / "vignettes").glob(f"{name}.*")
        text = file.read_text(encoding="utf-8")
        assert "assert " in text or "stopifnot(" in text, name
        assert "## Exercise" in text and "Solution" in text, name


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    fields = dict(re.findall(r"^([a-z-]+): (\S.*)$", citation, flags=re.MULTILINE))
    assert fields["cff-version"] == "1.2.0"
    assert fields["version"] == project["version"]
    assert fields["license"] == project["license"]


def test_the_study_file_page_has_every_table_of_a_study():
    from voicerisk.study.settings import Study

    page = (ROOT / "docs/reference/study_file.md").read_text(encoding="utf-8")
    tables = [name for name in Study.__dataclass_fields__ if name not in ("path", "digest")]
    assert [name for name in tables if f"## [{name}]" not in page] == []


def public_names() -> dict[str, list[str]]:
    """Return the public names of every room that the Python reference lists."""
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^   (voicerisk[\w.]*)$", page, flags=re.MULTILINE)
    return {room: list(getattr(importlib.import_module(room), "__all__", [])) for room in rooms}


def test_every_room_with_public_names_has_a_page():
    faces = [
        ".".join(face.relative_to(ROOT).parent.parts)
        for face in (ROOT / "voicerisk").rglob("__init__.py")
        if re.search(r"^__all__", face.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]
    # The commands have a page of their own; fusion is offered by its commands.
    elsewhere = {"voicerisk", "voicerisk.cli", "voicerisk.validation.fusion"}
    assert set(faces) - elsewhere <= set(public_names())


def test_the_reference_lists_the_front_door():
    import voicerisk

    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    assert [name for name in voicerisk.__all__ if f"`{name}`" not in page] == ["__version__"]
