"""Simple models stand in the report by name, and never among the numbers of the two protocols."""

import pandas as pd
import pytest

from tests.figures.synthetic_tables import metrics as both_protocols
from voicerisk.figures import protocols_compared
from voicerisk.report.rivals import rivals_line, rivals_table
from voicerisk.report.tables import performance_table
from voicerisk.study.summary import side_by_side


@pytest.fixture
def metrics():
    table = both_protocols()
    row = table[(table["protocol"] == "nested") & (table["unit"] == "call") & (table["metric"] == "auroc")]
    row = row[row["design"] == row["design"].iloc[0]].iloc[0].to_dict() | {"protocol": "rival"}
    made = []
    for model, area, gap in (("ridge_means", 0.71, -0.012), ("elastic_net", 0.64, 0.058)):
        ends = {"lower": area - 0.2, "upper": area + 0.2}
        made.append(row | ends | {"model": model, "estimate": area})
        made.append(
            row | {"model": model, "metric": "auroc_difference", "estimate": gap, "lower": gap - 0.1,
                   "upper": gap + 0.1}
        )  # fmt: skip
    return pd.concat([table, pd.DataFrame(made)], ignore_index=True)


def test_the_sentence_sets_the_nested_model_beside_the_best_of_them(metrics):
    said = rivals_line(metrics)
    assert "ridge on call means had AUROC 0.71 and elastic net on call summaries had AUROC 0.64" in said
    assert "the nested model lies 0.01 below the best of them, ridge on call means" in said
    assert "−0.11 to 0.09" in said
    assert rivals_line(both_protocols()) == "" and rivals_table(both_protocols()) is None


def test_the_table_has_a_row_a_model_and_the_paired_difference(metrics):
    cells = rivals_table(metrics).cells
    assert cells["Model"].tolist() == [
        "Nested protocol",
        "Ridge on call means",
        "Elastic net on call summaries",
    ]
    assert cells["Nested minus this"].tolist()[0] == "–"
    assert "0.06" in cells["Nested minus this"].tolist()[2]


def test_the_numbers_of_the_protocols_do_not_move(metrics):
    pd.testing.assert_frame_equal(performance_table(metrics).cells, performance_table(both_protocols()).cells)
    pd.testing.assert_frame_equal(side_by_side(metrics), side_by_side(both_protocols()))


def test_the_headline_figure_names_them(metrics):
    figure = protocols_compared(metrics)
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert [text for text in texts if not text.startswith(("published", "without"))] == [
        "nested protocol", "ridge on call means", "elastic net on call summaries"
    ]  # fmt: skip
