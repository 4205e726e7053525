"""Results in a notebook: the answer, the table and the figures, with nothing from data as markup."""

import sys
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest

from voicerisk import figures
from voicerisk.errors import StudyError
from voicerisk.pipeline.notebook import InNotebook, usual_reporter
from voicerisk.pipeline.progress import Silent
from voicerisk.study import RunResult
from voicerisk.study.audit.run import AuditResult
from voicerisk.study.shown import as_html
from voicerisk.validation.audit.findings import Finding, findings_table


def metrics() -> pd.DataFrame:
    rows = [("auroc", 0.92), ("sensitivity", 0.8), ("specificity", 0.9)]
    return pd.DataFrame(
        [
            {"protocol": "nested", "design": "loco", "unit": "call", "subgroup": "all", "metric": name,
             "estimate": value, "lower": value - 0.1, "upper": value + 0.05, "n": 40, "n_events": 20,
             "n_callers": 40, "method": "caller_bootstrap_percentile_given_scores"}
            for name, value in rows
        ]
    )  # fmt: skip


def test_a_run_shows_its_answer_its_numbers_and_its_figures(tmp_path):
    cuts = pd.DataFrame({"protocol": "nested", "threshold": [0.41, 0.44, 0.43]})
    figures.make("threshold_distribution", cuts, tmp_path / "figures", formats=("svg",))
    result = RunResult(tmp_path, metrics(), pd.DataFrame(), pd.DataFrame())
    shown = result._repr_html_()
    assert "the honest model found 16 and missed 4" in shown and "0.92 (0.82 to 0.97)" in shown
    assert result.plot("threshold_distribution")._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(StudyError, match="has no figure 'rock'; it has threshold_distribution"):
        result.plot("rock")


def test_an_audit_shows_its_verdict_and_text_stays_text(tmp_path):
    found = findings_table([Finding("a", "leak", "<script>x</script> tells.", "AUROC 1.000", "Rename.")])
    ladder = pd.DataFrame(
        {
            "unit": ["call", "call"],
            "auroc": [0.6, 0.9],
            "auroc_call": [0.6, 0.9],
            "null_mean_kfold": [0.5, 0.8],
        }
    )
    empty = pd.DataFrame()
    shown = AuditResult(tmp_path, ladder, found, empty, empty, empty, 3)._repr_html_()
    assert "Leak. 1 leak in the study" in shown and "<script>" not in shown and "AUROC 1.000" in shown
    assert as_html(["a < b"], pd.DataFrame({"<i>": ["<b>"]})).count("&lt;") == 3


def test_progress_shows_in_a_notebook_and_nowhere_else(monkeypatch):
    assert isinstance(usual_reporter(), Silent)
    said: list[str] = []

    def display(made: str, display_id: bool) -> SimpleNamespace:
        said.append(made)
        return SimpleNamespace(update=said.append)

    python, parts = ModuleType("IPython"), ModuleType("IPython.display")
    python.get_ipython = lambda: SimpleNamespace(kernel=object())
    parts.HTML, parts.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", parts)
    reporter = usual_reporter()
    assert isinstance(reporter, InNotebook)
    with reporter.stage("Fits <1>") as move:
        move(2, 2)
    reporter.note("<b>")
    assert said[0] == "Fits &lt;1&gt; …" and "value='2' max='2'" in said[1] and said[2].startswith("✓ Fits")
    assert said[3] == "<small>Note: &lt;b&gt;</small>"
    python.get_ipython = lambda: None  # IPython without a kernel
    assert isinstance(usual_reporter(), Silent)
