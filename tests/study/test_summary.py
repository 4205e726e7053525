"""What the console says at the end of a run about its intervals."""

import io

import pandas as pd

from voicerisk.figures.wording import GIVEN_SCORES
from voicerisk.report.tables.publication import performance_table
from voicerisk.study.shown import METHOD
from voicerisk.study.summary import print_summary
from voicerisk.study.whole_run import RunResult


def test_the_console_prints_the_coverage_and_the_whole_procedure_where_an_audit_has_it(tmp_path):
    from rich.console import Console

    row = {"protocol": "nested", "design": "grouped_kfold", "unit": "call", "subgroup": "all",
           "metric": "auroc", "method": METHOD, "estimate": 0.7, "lower": 0.62, "upper": 0.78, "n": 60,
           "n_events": 17, "n_callers": 60}  # fmt: skip
    result = RunResult(tmp_path, pd.DataFrame([row]), pd.DataFrame(), pd.DataFrame())

    def said() -> str:
        shown = io.StringIO()
        print_summary(result, Console(file=shown, width=100))
        return " ".join(shown.getvalue().split())

    before = said()
    assert "0.70 (0.62 to 0.78)" in before and GIVEN_SCORES in before
    assert "`voicerisk audit --bootstraps 200` adds an interval" in before
    (tmp_path / "audit").mkdir()
    pd.DataFrame(
        {"quantity": ["auroc_kfold_whole_procedure"], "estimate": [0.7], "lower": [0.55], "upper": [0.82],
         "how": ["200 bootstraps"], "frames_per_caller": ["all"]}
    ).to_csv(tmp_path / "audit" / "procedure.csv", index=False)  # fmt: skip
    after = said()
    assert "AUROC of calls 0.70 (0.55 to 0.82)." in after and "adds an interval" not in after


def test_a_middle_class_that_was_left_out_is_told_with_its_number_and_only_where_there_was_one(tmp_path):
    from rich.console import Console

    row = {"protocol": "nested", "design": "grouped_kfold", "unit": "call", "subgroup": "all",
           "metric": "auroc", "method": METHOD, "estimate": 0.7, "lower": 0.62, "upper": 0.78, "n": 60,
           "n_events": 17, "n_callers": 60}  # fmt: skip
    flow = pd.DataFrame(
        {
            "step": ["outcome"] * 4,
            "unit": ["call", "caller", "call", "call"],
            "reason": ["C-SSRS 3-4 (moderate risk)"] * 2 + ["C-SSRS 0 (no ideation)", "cssrs is empty"],
            "n": [7, 6, 3, 2],
        }
    )

    def said(flow: pd.DataFrame) -> str:
        shown = io.StringIO()
        result = RunResult(tmp_path, pd.DataFrame([row]), pd.DataFrame(), flow)
        print_summary(result, Console(file=shown, width=200))
        return " ".join(shown.getvalue().split())

    assert "7 calls of a middle class were left out beside the 60 analysed" in said(flow)
    assert "middle class" not in said(flow.iloc[2:])
    table = performance_table(pd.DataFrame([row]), flow=flow)
    assert any("7 calls of a middle class" in note for note in table.notes)
    assert not any("middle class" in note for note in performance_table(pd.DataFrame([row])).notes)
