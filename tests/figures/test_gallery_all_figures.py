"""Every figure: right artists for its table, exact width, readable, hostile ids as text, no pyplot."""

import sys

import numpy as np
import pandas as pd
import pytest

from voicerisk import figures
from voicerisk.errors import ReportError
from voicerisk.figures.style import MM_PER_INCH
from voicerisk.figures.wording import one_interval, p_value


@pytest.fixture(scope="module")
def drawn(made):
    """All figures, each with the width it was asked for in mm."""
    predictions = made.predictions()
    points = figures.curve_points(predictions)
    curve, strip = figures.calibration_points(predictions, bootstraps=30)
    curves, labels = made.curves(), made.LABELS
    chosen = [made.MARKERS[: k % 9] for k in range(40)]
    often = figures.selection_table(chosen, made.MARKERS)
    missing = figures.missing_table(made.frames(), made.MARKERS, ("outcome", "sex", "service"))
    envelope, spectrogram = figures.sound_tables(*made.call_sound())
    tracks, contributions, scores = made.call_frames()
    parts = {"spectrogram": spectrogram, "spans": made.call_spans(), "tracks": tracks,
             "contributions": contributions,
             "scores": scores}  # fmt: skip
    return {
        "decision": figures.decision_curves(made.decision_curve(), relevant=(0.1, 0.5), width_mm=89),
        "ladder": figures.audit_ladder(made.ladder(), width_mm=183),
        "null": figures.permutation_null(made.null_draws(), width_mm=183),
        "subgroups": figures.subgroup_forest(made.metrics(), width_mm=183),
        "listening": figures.draw("listening", envelope, parts, labels, width_mm=183),
        "flow": figures.exclusion_flow(made.flow(), groups=made.groups(), width_mm=120),
        "gamm": figures.gamm_curves(curves, labels, observed=made.observed(), width_mm=183),
        "free": figures.gamm_curves(curves, labels, scales="free", width_mm=140),
        "partial": figures.partial_effects(curves[["marker", "sex", "x", "estimate"]], labels, width_mm=183),
        "difference": figures.difference_curves(curves[curves["sex"] == "female"], labels, width_mm=183),
        "lasso": figures.lasso_path(
            made.lasso_path(), labels, lambda_min=0.0126, lambda_1se=0.04, width_mm=183
        ),
        "risk": figures.risk_path(made.risk_path(), width_mm=183),
        "selection": figures.selection_frequencies(often, labels, width_mm=89),
        "roc": figures.roc(points, metrics=made.metrics(), width_mm=130),
        "pr": figures.precision_recall(points, metrics=made.metrics(), width_mm=130),
        "calibration": figures.calibration(curve, strip=strip, width_mm=89),
        "thresholds": figures.threshold_distribution(
            made.thresholds(), draws=made.threshold_draws(), width_mm=183
        ),
        "scores": figures.score_dots(figures.call_scores(predictions), width_mm=183),
        "protocols": figures.protocols_compared(made.metrics(), width_mm=183),
        "missing": figures.missing_values(missing, labels, width_mm=183),
        "grades": figures.grade_calibration(figures.grade_points(made.graded_predictions()), width_mm=183),
        "predicted": figures.predicted_observed(made.graded_predictions(), width_mm=89),
    }


WIDTHS = {"flow": 120, "free": 140, "selection": 89, "roc": 130, "pr": 130, "calibration": 89, "decision": 89,
          "predicted": 89}  # fmt: skip
NAMES = [
    "flow", "gamm", "free", "partial", "difference", "lasso", "risk", "selection", "roc", "pr", "calibration",
    "thresholds", "scores", "protocols", "missing", "decision", "ladder", "null", "subgroups", "listening",
    "grades", "predicted",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_width_is_exact_and_text_is_readable(drawn, legible, name):
    assert drawn[name].get_figwidth() * MM_PER_INCH == pytest.approx(WIDTHS.get(name, 183))
    legible(drawn[name])


def test_pyplot_is_never_imported():
    import subprocess

    code = (
        "import sys, pandas as pd; from voicerisk import figures\n"
        "figures.exclusion_flow(pd.DataFrame([dict(step='a', unit='call', reason='b', n=1, remaining=2)]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_drawing_leaves_matplotlibs_settings_alone(made):
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.protocols_compared(made.metrics())
    assert dict(matplotlib.rcParams) == before


def test_gamm_curves_draw_the_table_they_are_given(made, drawn):
    table = made.curves()
    panels = drawn["gamm"].axes
    assert len(panels) == len(made.MARKERS)
    for panel, marker in zip(panels, made.MARKERS, strict=True):
        assert panel.get_xlabel().replace("\n", " ") == made.LABELS[marker]
        lines = [line for line in panel.lines if len(line.get_xdata()) == 100]
        assert len(lines) == 2
        assert lines[0].get_linestyle() != lines[1].get_linestyle()
        for line, sex in zip(lines, ("female", "male"), strict=True):
            rows = table[(table["marker"] == marker) & (table["sex"] == sex)]
            np.testing.assert_array_equal(line.get_ydata(), rows["estimate"])
            np.testing.assert_array_equal(line.get_xdata(), rows["x"])


def test_shared_scales_show_every_estimate_and_the_bands_where_callers_were(made, drawn):
    table = made.curves()
    limits = {panel.get_ylim() for panel in drawn["gamm"].axes}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low < table["estimate"].min() and high > table["estimate"].max()
    low, high = figures.gamm_curves(table, made.LABELS).axes[0].get_ylim()
    assert low < table["lower"].min() and high > table["upper"].max()
    seen = made.observed()
    for (marker, sex), rows in table.groupby(["marker", "sex"]):
        mine = seen[(seen["marker"] == marker) & (seen["sex"] == sex)]["x"]
        inside = rows["x"].between(mine.quantile(0.01), mine.quantile(0.99))
        low, high = drawn["gamm"].axes[0].get_ylim()
        assert low < rows.loc[inside, "lower"].min() and high > rows.loc[inside, "upper"].max()
    assert len({panel.get_ylim() for panel in drawn["free"].axes}) == len(made.MARKERS)


def test_tests_of_smooths_and_notes_are_printed(made):
    smooths = made.smooths()
    figure = figures.gamm_curves(made.curves().assign(note="Not to be read."), smooths=smooths)
    row = smooths.iloc[0]
    panel = figure.axes[[str(m) for m in made.curves()["marker"].unique()].index(row["marker"])]
    said = [text.get_text() for text in panel.texts]
    p = p_value(row["p_value"])
    assert f"EDF {row['edf']:.1f}, naive P{p if p[0] in '<>' else '=' + p}" in said
    assert figure.get_supxlabel() == "Not to be read."


def test_intervals_say_that_they_take_scores_as_given(made):
    assert "given these scores" in figures.protocols_compared(made.metrics()).get_supxlabel()
    bare = one_interval(made.metrics()).assign(method="wilson")
    # What is left is how many there were.
    said = figures.protocols_compared(bare, method="wilson").get_supxlabel()
    assert " ".join(said.split()) == "60 calls, 15 with the outcome, of 48 callers."


def test_measured_coverage_stands_below_intervals_but_not_where_the_model_is_fixed(made):
    from voicerisk.figures.captions import caption
    from voicerisk.figures.wording import COVERAGE, FIXED_MODEL, GIVEN_SHORT

    # In short below the figure, with the coverage in its caption.
    below = " ".join(figures.protocols_compared(made.metrics()).get_supxlabel().split())
    said = caption("protocols_compared", figures.DRAWINGS["protocols_compared"], made.metrics(), {})
    assert below.endswith(GIVEN_SHORT) and said.endswith(COVERAGE) and "95%" in COVERAGE
    elsewhere = made.metrics().query("protocol == 'nested' and design == 'loco'")
    elsewhere = elsewhere.assign(protocol="saved", design="external")
    forest = figures.subgroup_forest(elsewhere)
    assert " ".join(forest.get_supxlabel().split()) == FIXED_MODEL
    curve, strip = figures.calibration_points(made.predictions().query("protocol == 'nested'"))
    figure = figures.calibration(curve.assign(protocol="saved"), strip=strip.assign(protocol="saved"))
    assert " ".join(figure.get_supxlabel().split()) == FIXED_MODEL
    # The score of a saved model is not recalibrated, and the axis must not say so.
    assert "score as a risk" in [panel.get_xlabel() for panel in figure.axes]


def test_curves_of_several_classes_say_that_no_coverage_was_measured(made):
    from voicerisk.figures.wording import COVERAGE, GIVEN_MODELS, GIVEN_SHORT

    assert COVERAGE not in GIVEN_MODELS
    predictions = made.predictions().query("protocol == 'nested'")
    curve, strip = figures.calibration_points(predictions)
    metrics = made.metrics()
    benefit = made.decision_curve()
    drawn = {
        figures.calibration: (curve, {"strip": strip}),
        figures.decision_curves: (benefit, {}),
        figures.protocols_compared: (metrics, {}),
    }
    for draw, (table, parts) in drawn.items():
        alone = " ".join(draw(table, **parts).get_supxlabel().split())
        assert alone.endswith(GIVEN_SHORT), draw  # the caption says the rest
        several = draw(table.assign(**{"class": "SI"}), **parts).get_supxlabel()
        assert " ".join(several.split()) == GIVEN_MODELS, draw


def test_calibration_prints_slope_and_intercept_with_their_intervals(made):
    curve, strip = figures.calibration_points(made.predictions(), bootstraps=5)
    rows = [
        {"protocol": "nested", "design": design, "unit": "call", "subgroup": "all", "metric": name,
         "estimate": value, "lower": value - 0.5, "upper": value + 0.5, "method": made.PERCENTILE}
        for design, name, value in (
            ("grouped_kfold", "calibration_slope", 3.0), ("loco", "calibration_slope", 0.8),
            ("loco", "calibration_intercept", -0.1),
        )
    ]  # fmt: skip
    figure = figures.calibration(curve, strip=strip, metrics=pd.DataFrame(rows))
    said = [text.get_text() for text in figure.axes[0].texts]
    # Of the folds that the curve is of, which are those that leave one caller out.
    assert said == [
        "leave one caller out",
        "slope 0.80 (0.30 to 1.30)",
        "intercept \u22120.10 (\u22120.60 to 0.40)",
    ]


def test_a_single_cut_is_told_and_takes_no_panel(made):
    figure = figures.threshold_distribution(made.thresholds())
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["nested protocol"]
    assert figure.get_supxlabel().startswith("One cut for all calls: published protocol 0.")


def test_odds_ratios_label_the_same_curves(made):
    one = figures.gamm_curves(made.curves(), odds_ratios=True).axes[0]
    other = figures.gamm_curves(made.curves()).axes[0]
    np.testing.assert_array_equal(one.lines[1].get_ydata(), other.lines[1].get_ydata())
    for label, at in zip(one.get_yticklabels(), one.get_yticks(), strict=True):
        assert float(label.get_text()) == pytest.approx(np.exp(at))
    with pytest.raises(ReportError, match="odds ratios need curves in log-odds"):
        figures.gamm_curves(made.curves().assign(scale="points"), odds_ratios=True)


def test_adjusted_p_stands_beside_p(made):
    smooths = made.smooths().assign(p_selective=0.012, p_selective_holm=0.28)
    panel = figures.gamm_curves(made.curves(), smooths=smooths).axes[0]
    assert all(text.get_text().endswith("P=.01 (.28)") for text in panel.texts if "EDF" in text.get_text())


def test_differences_shade_where_the_simultaneous_band_leaves_zero(made):
    x = np.linspace(0, 1, 11)
    table = pd.DataFrame({"marker": "dom", "x": x, "estimate": x, "lower": x - 0.1, "upper": x + 0.1,
                          "lower_simultaneous": x - 0.55, "upper_simultaneous": x + 0.55})  # fmt: skip
    figure = figures.difference_curves(table)
    shade = figure.axes[0].collections[-1].get_paths()[0].get_extents()
    assert shade.x0 == pytest.approx(0.6) and shade.x1 == pytest.approx(1.0)


def test_curve_points_are_those_of_scikit_learn(made):
    from sklearn.metrics import average_precision_score, roc_auc_score

    predictions = made.predictions()
    points = figures.curve_points(predictions)
    calls = predictions[(predictions["protocol"] == "nested") & (predictions["design"] == "loco")].copy()
    calls.loc[calls.index[:20], "p_raw"] = 0.25  # ties
    ours = figures.curve_points(calls)
    area = np.trapezoid(ours["sensitivity"], ours["false_positive_rate"])
    assert area == pytest.approx(roc_auc_score(calls["y"], calls["p_raw"]), abs=1e-12)
    steps = np.diff(ours["sensitivity"]) * ours["precision"].to_numpy()[1:]
    assert steps.sum() == pytest.approx(average_precision_score(calls["y"], calls["p_raw"]), abs=1e-12)
    assert set(points["design"]) == {"loco", "grouped_kfold"}
    assert points.groupby(["protocol", "design", "repeat"]).ngroups == 6
    first = points[points["threshold"] == np.inf]
    assert (first["sensitivity"] == 0).all() and first["precision"].isna().all()


def test_mean_roc_of_repeats_keeps_the_steps():
    from voicerisk.figures.discrimination import _at

    steps = pd.DataFrame(
        {"false_positive_rate": [0.0, 0.0, 0.5, 0.5, 1.0], "sensitivity": [0.0, 0.4, 0.4, 0.9, 1.0]}
    )
    np.testing.assert_allclose(_at(steps, np.array([0.0, 0.25, 0.5, 0.75, 1.0])), [0.4, 0.4, 0.9, 0.95, 1.0])


def test_hover_points_lie_on_the_drawn_line(made):
    import io

    curves = made.curves().query("marker == 'dom'")
    figure = figures.gamm_curves(curves, made.LABELS, width_mm=89)
    figure.savefig(io.BytesIO(), format="svg")
    first = figures.hover_points(figure)[0]
    rows = curves[curves["sex"] == "female"]
    assert first["series"] == "women" and first["x_label"] == "Dominant frequency (Hz)"
    assert [point[2] for point in first["points"]] == pytest.approx(list(rows["x"]), rel=1e-3)
    assert [point[3] for point in first["points"]] == pytest.approx(
        list(rows["estimate"]), rel=1e-3, abs=1e-3
    )
    page = (figure.get_figwidth() * 72, figure.get_figheight() * 72)
    assert all(0 < point[0] < page[0] and 0 < point[1] < page[1] for point in first["points"])
    xs = [point[0] for point in first["points"]]
    assert xs == sorted(xs)


def test_curve_points_refuse_one_class_and_missing_scores(made):
    calls = made.predictions()
    with pytest.raises(ReportError, match="one class only"):
        figures.curve_points(calls.assign(y=1))
    with pytest.raises(ReportError, match="60 calls of published have no score"):
        figures.curve_points(calls.assign(p_raw=np.where(calls["protocol"] == "published", np.nan, 0.4)))
    with pytest.raises(ReportError, match="no rows of unit 'call'"):
        figures.curve_points(calls.assign(unit="frame"))


def test_calibration_groups_hold_every_call_once(made):
    curve, strip = figures.calibration_points(made.predictions(), bins=4, bootstraps=20)
    groups = curve[curve["layer"] == "group"]
    assert groups["n"].sum() == len(strip) == 60
    assert (groups["observed"] * groups["n"]).sum() == pytest.approx(strip["y"].sum())
    assert set(curve["protocol"]) == {"nested"}  # the published protocol has no recalibrated risk
    assert (curve["lower"] <= curve["upper"]).all()
    again, _ = figures.calibration_points(made.predictions(), bins=4, bootstraps=20)
    pd.testing.assert_frame_equal(curve, again)


def test_calibration_refuses_what_it_cannot_draw(made):
    calls = made.predictions()
    with pytest.raises(ReportError, match="evaluation weight other than 1"):
        figures.calibration_points(calls.assign(weight=2.0))
    with pytest.raises(ReportError, match="no call has a recalibrated risk"):
        figures.calibration_points(calls.assign(p=np.nan))


def test_constant_risks_have_one_group_and_no_curve(made):
    calls = made.predictions().assign(p=0.25)
    curve, strip = figures.calibration_points(calls, bootstraps=20)
    assert list(curve["layer"]) == ["group", "group"]
    assert figures.calibration(curve, strip=strip).axes


def test_call_scores_say_which_decisions_were_wrong(made):
    scores = figures.call_scores(made.predictions())
    published = scores[scores["protocol"] == "published"]
    assert len(published) == 60
    expected = (published["p_raw"] >= published["threshold"]).astype(int) != published["y"]
    assert (published["wrong"] == expected).all() and published["wrong"].sum() == 2
    assert (scores["design"] == "loco").all()
    without = made.predictions().assign(threshold=np.nan)
    # Without a cut nobody is flagged: who had the outcome was missed.
    unflagged = figures.call_scores(without)
    assert (unflagged["wrong"] == (unflagged["y"] == 1)).all()


def test_every_wrong_call_is_ringed_and_named_by_its_display_name(made):
    scores = figures.call_scores(made.predictions())
    names = {call: f"call {i}" for i, call in enumerate(made.calls()["call_id"])}
    figure = figures.score_dots(scores, names=names)
    for panel, (_, rows) in zip(figure.axes, scores.groupby("protocol", sort=False), strict=True):
        rings = [line for line in panel.lines if line.get_markerfacecolor() == "none"]
        assert len(rings[0].get_xdata()) == rows["wrong"].sum()
        shown = {text.get_text() for text in panel.texts} - {"a", "b"}  # letters of the panels
        assert shown and all(text.startswith("call ") for text in shown)


def test_hostile_ids_are_shown_as_they_are(made, legible):
    scores = pd.DataFrame(
        {
            "protocol": "nested", "call_id": list(made.HOSTILE), "y": 1, "p_raw": np.linspace(0.1, 0.4, 5),
            "threshold": 0.5, "wrong": True,
        }
    )  # fmt: skip
    figure = figures.score_dots(scores)
    legible(figure)  # raises where mathematics would not parse
    shown = {text.get_text().replace(r"\$", "$") for text in figure.axes[0].texts}
    assert shown == {name if len(name) <= 22 else name[:21] + "\u2026" for name in made.HOSTILE}


def test_protocols_compared_writes_each_estimate_once(made, drawn):
    metrics = made.metrics()
    rows = metrics.query("subgroup == 'all' and metric == 'auroc' and method == @made.PERCENTILE")
    written = [text.get_text() for text in drawn["protocols"].axes[0].texts]
    numbers = [text for text in written if text[0].isdigit()]
    for value in rows["estimate"]:
        assert f"{value:.2f}" in numbers
    assert len(numbers) == len(rows) + 1  # and the frames' AUROC under automatic direction


def test_protocols_compared_shows_an_automatic_direction_only_where_it_changes_the_number(made, drawn):
    legend = [text.get_text() for text in drawn["protocols"].legends[0].get_texts()]
    assert "published protocol, direction chosen from the same scores" in legend
    without = made.metrics()[lambda table: ~table["metric"].str.endswith("_auto")]
    figure = figures.protocols_compared(without)
    assert len(figure.legends[0].get_texts()) == len(legend) - 1


def test_protocols_compared_refuses_two_rows_for_one_place(made):
    metrics = made.metrics()
    with pytest.raises(ReportError, match="2 rows for auroc, published, loco"):
        figures.protocols_compared(pd.concat([metrics, metrics]))


def test_missing_table_counts(made):
    frames = made.frames()
    table = figures.missing_table(frames, made.MARKERS, ("outcome",))
    row = table[
        (table["marker"] == "specSlope") & (table["group"] == "outcome") & (table["level_name"] == "1")
    ]
    expected = frames.loc[frames["outcome"] == 1, "specSlope"].isna()
    assert row["n_missing"].item() == expected.sum() and row["n"].item() == len(expected)
    assert set(table["group"]) == {"all", "outcome"}


def test_selection_table_counts_empty_folds_and_unknown_markers():
    table = figures.selection_table([["a"], [], ["a", "b"]], ["a", "b", "c"])
    assert list(table["n_selected"]) == [2, 1, 0] and (table["n_folds"] == 3).all()
    with pytest.raises(ReportError, match="z was chosen but is not among the candidates"):
        figures.selection_table([["z"]], ["a"])


def started(flow: pd.DataFrame, unit: str) -> str:
    row = flow[flow["unit"] == unit].iloc[0]
    return f"{row['n'] + row['remaining']:,}".replace(",", "\u2009")


def test_flow_states_counts_before_and_after(made):
    figure = figures.exclusion_flow(made.flow(), groups=made.groups())
    text = [item.get_text() for item in figure.axes[0].texts]
    assert text[:3] == ["Listed", "96 calls", "77 callers"]
    # What is counted later for the first time stands in the box that it leaves from.
    assert (
        f"{started(made.flow(), 'span')} spans" in text and f"{started(made.flow(), 'frame')} frames" in text
    )
    for line in (
        "outcome is empty: 4 of 96 calls, 3 of 77 callers",
        "C-SSRS 0, which the study file does not map: 2 of 96",
        "recording has no sample: 1 of 66 calls, 1 of 54 callers",
        "797 spans",
        "352\u2009332 frames",
        "36 callers",
    ):
        assert line in text
    assert not [line for line in text if "1190" in line or " 0 " in line]


def test_flow_that_starts_with_an_exclusion_says_what_there_was_before(made):
    table = pd.DataFrame(
        {"step": ["outcome"], "unit": ["call"], "reason": ["empty"], "n": [4], "remaining": [6]}
    )
    text = [item.get_text() for item in figures.exclusion_flow(table).axes[0].texts]
    assert text[:2] == ["Before any exclusion", "10 calls"]
    assert sorted(text[2:]) == ["6 calls", "Left out", "Outcome", "empty: 4 of 10 calls"]


@pytest.mark.parametrize(
    ("function", "table", "message"),
    [
        ("gamm_curves", pd.DataFrame({"marker": []}), "GAMM curves: the table has no column sex"),
        ("roc", pd.DataFrame({"x": [1]}), "ROC: the table has no column protocol"),
        ("exclusion_flow", pd.DataFrame(columns=["step", "unit", "reason", "n", "remaining"]), "no rows"),
        ("lasso_path", pd.DataFrame({"lambda": [0.0], "deviance": [1.0], "se": [0.1], "n_nonzero": [0]}),
         "lambda holds values that are not positive"),
    ],
)  # fmt: skip
def test_unusable_tables_say_what_is_wrong(function, table, message):
    with pytest.raises(ReportError, match=message):
        getattr(figures, function)(table)


def test_calibration_of_grades_shows_the_shares_of_each_grade(made):
    rows = made.graded_predictions()
    points = figures.grade_points(rows)
    for grade, mine in points.groupby("grade"):
        assert mine["n"].sum() == len(rows)
        assert (mine["observed"] * mine["n"]).sum() == (rows["y"] >= grade).sum()
    panels = figures.grade_calibration(points).axes
    assert [panel.get_title(loc="left") for panel in panels] == [f"grade {k} or more" for k in (1, 2, 3)]


def test_every_call_is_a_dot_and_a_number_has_no_bars(made):
    rows = made.graded_predictions()
    (panel,) = figures.predicted_observed(rows).axes
    assert sum(len(line.get_xdata()) for line in panel.lines if line.get_marker() == "o") == len(rows)
    assert len(panel.collections) == rows["y"].nunique()
    (panel,) = figures.predicted_observed(rows.assign(y=rows["y"] + 0.123)).axes
    assert not panel.collections and panel.get_xlabel() == "observed"
