"""Simple models stand in the report by name, and never among the numbers of the two protocols."""

import pandas as pd
import pytest

from tests.figures.synthetic_tables import metrics as both_protocols
from voicerisk.figures import protocols_compared
from voicerisk.report.tables.comparisons import comparison_table
from voicerisk.report.tables.publication import performance_table
from voicerisk.report.tables.rivals import rivals_line, rivals_table
from voicerisk.study.shown import side_by_side


@pytest.fixture
def metrics():
    table = both_protocols()
    row = table[(table["protocol"] == "nested") & (table["unit"] == "call") & (table["metric"] == "auroc")]
    row = row[row["design"] == "grouped_kfold"].iloc[0].to_dict() | {"protocol": "rival"}
    made = []
    for model, area in (("elastic_net", 0.64), ("ridge_means", 0.71)):
        ends = {"lower": area - 0.2, "upper": area + 0.2}
        made.append(row | ends | {"model": model, "estimate": area})
    return pd.concat([table, pd.DataFrame(made)], ignore_index=True)


@pytest.fixture
def comparisons():
    row = {"protocol": "nested", "model": "gamboost", "other_protocol": "rival", "design": "grouped_kfold",
           "metric": "auroc", "method": "paired_caller_bootstrap_given_scores", "n": 60, "n_events": 15,
           "n_callers": 48, "level": 0.95}  # fmt: skip
    gaps = {"ridge_means": -0.012, "elastic_net": 0.058}
    return pd.DataFrame(
        [
            row | {"other_model": model, "difference": gap, "lower": gap - 0.1, "upper": gap + 0.1}
            for model, gap in gaps.items()
        ]
    )


def test_the_sentence_sets_the_nested_model_beside_the_best_of_them(metrics, comparisons):
    said = rivals_line(metrics, comparisons)
    told = (
        "Two simple models on the same folds (grouped k-fold) had AUROC 0.71 and 0.64 (ridge on call means, "
        "elastic net on call summaries)"
    )
    assert said.startswith(f"{told}; the nested model had 0.")
    assert (
        "neither shown to be better nor shown to be worse than the best of them, ridge on call means "
        "(difference \N{MINUS SIGN}0.01, 95% interval \N{MINUS SIGN}0.11 to 0.09)." in said
    )
    assert said.endswith("The best was chosen on the same calls, which flatters it.")
    for lower, upper, shown in ((0.01, 0.2, "better"), (-0.2, -0.01, "worse")):
        ends = comparisons.assign(lower=lower, upper=upper)
        assert f", {shown} than the best of them, ridge on call means (" in rivals_line(metrics, ends)
    assert rivals_line(both_protocols()) == "" and rivals_table(both_protocols()) is None
    published = comparisons.assign(other_protocol="published")
    assert rivals_line(metrics, published) == rivals_line(metrics) == f"{told}."


@pytest.mark.parametrize(
    ("area", "gap", "lower", "upper", "ending"),
    [
        (0.55, 0.3, 0.1, 0.5, "; the voice adds about 0.30 (95% interval 0.10 to 0.50)."),
        (0.55, 0.1, 0.0, 0.2, "; no gain over the covariates is shown (difference 0.10, 95% interval 0.00 to"
                              " 0.20)."),
        (0.8, -0.2, -0.3, -0.1, "; with the voice the nested model does worse (difference "
                                "\N{MINUS SIGN}0.20, 95% interval \N{MINUS SIGN}0.30 to "
                                "\N{MINUS SIGN}0.10)."),
        (0.3, 0.5, 0.3, 0.7, "compare the nested model with 0.5; no difference from it is taken."),
    ],
)  # fmt: skip
def test_what_the_voice_adds_is_said_only_where_it_is_shown(
    metrics, comparisons, area, gap, lower, upper, ending
):
    row = metrics[metrics["model"] == "ridge_means"].iloc[0].to_dict()
    own = pd.DataFrame([row | {"model": "no_voice", "estimate": area}])
    pair = comparisons.iloc[0].to_dict()
    pair |= {"other_model": "no_voice", "difference": gap, "lower": lower, "upper": upper}
    said = rivals_line(pd.concat([metrics, own]), pd.concat([comparisons, pd.DataFrame([pair])]))
    # It is no simple model of the voice, and not the best of them.
    assert "Two simple models" in said and "the best of them, ridge on call means" in said
    assert f"the nested model's other columns alone had AUROC {area:.2f} on these folds" in said
    assert said.endswith(ending)


def test_tables_have_a_row_a_model(metrics, comparisons):
    cells = rivals_table(metrics).cells
    assert cells["Model"].tolist() == [
        "Nested protocol",
        "Ridge on call means",
        "Elastic net on call summaries",
    ]
    assert cells["AUROC"].tolist()[1].startswith("0.71 (0.51")
    assert comparison_table(comparisons).cells["Difference"].tolist() == [
        "Nested minus ridge on call means",
        "Nested minus elastic net on call summaries",
    ]


def test_the_numbers_of_the_protocols_do_not_move(metrics):
    pd.testing.assert_frame_equal(performance_table(metrics).cells, performance_table(both_protocols()).cells)
    pd.testing.assert_frame_equal(side_by_side(metrics), side_by_side(both_protocols()))


def test_the_headline_figure_names_them(metrics):
    figure = protocols_compared(metrics)
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert [text for text in texts if not text.startswith(("published", "without"))] == [
        "nested protocol", "elastic net on call summaries", "ridge on call means"
    ]  # fmt: skip


def test_the_model_without_voice_looks_like_no_other(metrics):
    from voicerisk.figures.style import DEFAULT, series_styles

    shown = series_styles(
        ["published", "nested", "elastic_net", "no_voice", "ridge_means", "ridge_segments"], DEFAULT
    )
    assert len({(one.colour, one.marker) for one in shown.values()}) == len(shown)
