"""Pages of executed vignettes in the repository show what the vignettes' code says today."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "vignettes" / "rendered").glob("*.md"))


def script():
    spec = importlib.util.spec_from_file_location("rendered", ROOT / "scripts" / "rendered.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_was_made_from_the_code_of_its_vignette(page):
    rendered = script()
    assert rendered.made_from(page) == rendered.digest(ROOT / "vignettes" / page.name), "run make rendered"
    pictures = [name.partition(")")[0] for name in page.read_text().split("![png](")[1:]]
    assert all((page.parent / name).stat().st_size < 300_000 for name in pictures)


def test_an_edited_cell_makes_a_page_stale(tmp_path):
    rendered = script()
    vignette = tmp_path / "01_x.md"
    vignette.write_text("# X\n\n```{code-cell} python\nprint(1)\n```\n")
    before = rendered.digest(vignette)
    vignette.write_text("# Y\n\n```{code-cell} python\nprint(1)\n```\n")
    assert rendered.digest(vignette) == before  # words do not change what the code prints
    vignette.write_text("# Y\n\n```{code-cell} python\nprint(2)\n```\n")
    assert rendered.digest(vignette) != before
