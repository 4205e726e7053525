"""Figures by name, and drawing a study's figures again from the tables beside them."""

import pytest

from voicerisk import figures
from voicerisk.errors import ReportError
from voicerisk.figures.style import MM_PER_INCH


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    """A study folder with three figures, written as PNG only."""
    study = tmp_path_factory.mktemp("study")
    place = study / "figures"
    two = made.curves().query("marker in ['dom', 'entropy']")
    scores = figures.call_scores(made.predictions())
    figures.make(
        "gamm_curves", two, place, parts={"observed": made.observed()}, labels=made.LABELS, formats=("svg",)
    )
    figures.make("score_dots", scores, place, formats=("svg",))
    figures.make("lasso_path", made.lasso_path(), place, constants={"lambda_min": 0.01}, formats=("svg",))
    return study


def test_redraw_gives_the_same_figure_from_the_stored_tables(folder):
    place = folder / "figures"
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    figures.redraw(folder, formats=("svg",))
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert {"gamm_curves.csv", "gamm_curves.observed.csv", "labels.csv"} <= set(before)


def test_redraw_changes_style_width_and_format(folder, tmp_path):
    from PIL import Image

    seen = []
    written = figures.redraw(folder / "figures", "nature", 120, ("png",), dpi=100, names=["gamm_curves"],
                             progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    assert [path.name for path in written] == ["gamm_curves.png"] and seen == [(1, 1)]
    with Image.open(written[0]) as image:
        assert image.width == pytest.approx(120 / MM_PER_INCH * 100, abs=1)
    written[0].unlink()


def test_figures_of_single_calls_are_private(folder):
    assert (folder / "figures" / "score_dots.csv").stat().st_mode & 0o777 == 0o600
    assert (folder / "figures" / "score_dots.svg").stat().st_mode & 0o777 == 0o600
    assert (folder / "figures" / "gamm_curves.csv").stat().st_mode & 0o777 == 0o644


def test_constants_are_kept_in_the_table(folder):
    table = figures.read_table(folder / "figures" / "lasso_path.csv")
    assert (table["lambda_min"] == 0.01).all()


def test_unknown_names_and_empty_folders_are_refused(folder, tmp_path, made):
    with pytest.raises(ReportError, match="there is no table of a figure here"):
        figures.redraw(tmp_path)
    with pytest.raises(ReportError, match="there is no table of figure 'roc'"):
        figures.redraw(folder, names=["roc"])
    with pytest.raises(ReportError, match="figure 'rocs' is not known"):
        figures.draw("rocs", made.flow())
    with pytest.raises(ReportError, match="it has no part 'rug'"):
        figures.draw("gamm_curves", made.curves(), {"rug": made.observed()})


def test_every_figure_has_its_function_and_its_parts():
    import inspect
    from importlib import import_module

    for name, known in figures.DRAWINGS.items():
        function = getattr(import_module(f"voicerisk.figures.{known.module}"), name)
        parameters = inspect.signature(function).parameters
        assert set(known.parts) <= set(parameters) and {"labels", "style", "width_mm"} <= set(parameters)
