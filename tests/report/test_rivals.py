"""Simple models stand in the report by name, and never among the numbers of the two protocols."""

import pandas as pd
import pytest

from tests.figures.synthetic_tables import metrics as both_protocols
from voicerisk.figures import protocols_compared
from voicerisk.report.comparisons import comparison_table
from voicerisk.report.rivals import rivals_line, rivals_table
from voicerisk.report.tables import performance_table
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
    assert "ridge on call means had AUROC 0.71 and elastic net on call summaries had AUROC 0.64" in said
    assert "the nested model lies 0.01 below the best of them, ridge on call means" in said
    assert "−0.11 to 0.09" in said
    assert rivals_line(both_protocols()) == "" and rivals_table(both_protocols()) is None
    published = comparisons.assign(other_protocol="published")
    assert rivals_line(metrics, published) == rivals_line(metrics)


def test_what_the_voice_adds_has_a_sentence_of_its_own(metrics, comparisons):
    row = metrics[metrics["model"] == "ridge_means"].iloc[0].to_dict()
    table = pd.concat(
        [metrics, pd.DataFrame([row | {"model": "no_voice", "estimate": 0.95}])], ignore_index=True
    )
    pair = comparisons.iloc[0].to_dict()
    gaps = pd.concat(
        [
            comparisons,
            pd.DataFrame([pair | {"other_model": "no_voice", "difference": 0.3, "lower": 0.1, "upper": 0.5}]),
        ],
        ignore_index=True,
    )
    said = rivals_line(table, gaps)
    # It is no simple model of the voice, and not the best of them.
    assert "the best of them, ridge on call means" in said
    assert (
        "Covariates without voice had AUROC 0.95 on these folds; the nested model lies 0.30 above that"
        in said
    )
    assert "0.10 to 0.50" in said


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
    from voicerisk.figures.style import DEFAULT, looks

    shown = looks(
        ["published", "nested", "elastic_net", "no_voice", "ridge_means", "ridge_segments"], DEFAULT
    )
    assert len({(one.colour, one.marker) for one in shown.values()}) == len(shown)
