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
    assert [path.name for path in written] == ["gamm_curves.png", "gamm_curves.caption.txt"]
    assert seen == [(1, 1)]
    # No older drawing is left beside the new one; other figures stay.
    left = {path.name for path in (folder / "figures").glob("*.svg")}
    assert left == {"score_dots.svg", "lasso_path.svg"}
    with Image.open(written[0]) as image:
        assert image.width == pytest.approx(120 / MM_PER_INCH * 100, abs=1)
    written[0].unlink()


def test_figures_go_to_a_folder_of_their_own_with_captions_that_stand_alone(folder, made, tmp_path):
    before = {path.name for path in (folder / "figures").iterdir()}
    options = {"scales": "free", "odds_ratios": True}
    written = figures.redraw(folder, "jmir", 89, ("png",), 72, out=tmp_path / "new", options=options)
    assert {path.name for path in (folder / "figures").iterdir()} == before
    assert {path.parent for path in written} == {tmp_path / "new"} and len(written) == 6
    said = (tmp_path / "new" / "gamm_curves.caption.txt").read_text(encoding="utf-8")
    assert said.startswith("Markers and risk. ") and "EDF: effective degrees of freedom" in said
    assert (tmp_path / "new" / "score_dots.caption.txt").stat().st_mode & 0o777 == 0o600


def test_every_figure_says_how_to_read_it():
    from voicerisk.figures.captions import READ

    assert set(READ) == set(figures.DRAWINGS)


def test_captions_say_sizes_and_what_intervals_leave_out(made):
    from voicerisk.figures.captions import caption

    points = figures.curve_points(made.predictions())
    units, parts = {"call": "session", "caller": "user"}, {"metrics": made.metrics()}
    said = caption("roc", figures.DRAWINGS["roc"], points, units, parts)
    row = points.iloc[0]
    assert f"{row['n']} sessions, {row['n_events']} with the outcome." in said
    assert "Intervals resample users, given these scores." in said and "cover 79 to 91%" in said
    # Without intervals there is nothing to say of them.
    assert "given these scores" not in caption("roc", figures.DRAWINGS["roc"], points, {})


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
