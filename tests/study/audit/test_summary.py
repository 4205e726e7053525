"""The whole procedure in an audit: beside the interval given the scores, with the coverage of both."""

import io

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import SETTINGS
from voicerisk.figures.wording import COVERAGE
from voicerisk.study import load_study
from voicerisk.study.audit.run import AuditResult, run_audit
from voicerisk.study.audit.steps import AuditOptions
from voicerisk.study.audit.summary import print_audit
from voicerisk.validation.audit.findings import Finding, exit_code, findings_table


def test_bootstraps_put_an_interval_with_the_variance_of_learning_beside_the_one_given_scores(
    write_study, tmp_path, told
):
    from rich.console import Console

    study = load_study(write_study(settings=SETTINGS + '\n[screening]\nunit = "none"\n'))
    options = AuditOptions(permutations=0, bootstraps=8, frames_per_caller=10)
    result = run_audit(study, tmp_path / "out", options, reporter=told())
    rows = pd.read_csv(tmp_path / "out" / "audit" / "procedure.csv").set_index("quantity")
    given, whole = rows.loc["auroc_kfold"], rows.loc["auroc_kfold_whole_procedure"]
    # The same folds as the audit's other k-fold numbers.
    control = result.controls.set_index("control").loc["none"]
    assert given["estimate"] == pytest.approx(control["auroc"])
    assert given["lower"] <= given["estimate"] <= given["upper"]
    assert whole["estimate"] == given["estimate"]
    # A handful of bootstraps gives no interval, and says so instead of one that is too short.
    assert np.isnan(whole["lower"]) and "too few for an interval; 90 or more" in whole["how"]
    assert "given these scores" in given["how"]
    # The models themselves are kept, and with so few of them no band is drawn.
    audit = tmp_path / "out" / "audit"
    lines = pd.read_csv(audit / "refit_lines.csv")
    assert lines["refit"].nunique() == len(
        pd.read_csv(audit / "calibration_instability.csv")["refit"].unique()
    )
    assert (lines["frames_per_caller"] == 10).all() and not (audit / "effect_bands.csv").exists()
    assert pd.read_parquet(audit / "refits.parquet")["coefficient"].notna().all()

    shown = io.StringIO()
    print_audit(result, Console(file=shown, width=200), details=True)
    said = " ".join(shown.getvalue().split())
    assert COVERAGE in said
    assert f"auroc kfold whole procedure: {whole['estimate']:.3f}" in said


def said_of(tmp_path, *findings: Finding) -> str:
    from rich.console import Console

    ladder = pd.DataFrame(
        {
            "label": ["honest", "+ all"], "unit": ["call", "frame"], "auroc": [0.61, 0.994],
            "auroc_call": [0.61, 0.9], "null_mean_kfold": [0.497, 0.873],
        }
    )  # fmt: skip
    empty = pd.DataFrame()
    code = exit_code(findings)
    result = AuditResult(tmp_path, ladder, findings_table(findings), empty, empty, empty, code)
    shown = io.StringIO()
    print_audit(result, Console(file=shown, width=400))
    return shown.getvalue().strip()


def test_the_verdict_stands_first_and_each_finding_has_its_number(tmp_path):
    leak = Finding(
        "a", "leak", "The file name predicts the outcome.", "AUROC 1.000 of [b]file[/b]", "Rename."
    )
    bias = Finding("b", "bias", "The recording predicts the outcome.", "AUROC 0.83", "Ask why.")
    aside = Finding("c", "leak", "Taken on purpose.", "AUROC 0.99", "None.", "the ladder")
    clean = said_of(tmp_path, aside)
    assert clean.startswith("Clean. No leak and no bias were found") and "Taken on purpose" not in clean
    assert "Exit code 0." in clean
    assert said_of(tmp_path, bias, aside).startswith("Bias. No leak was found, but 1 reason why")
    both = said_of(tmp_path, bias, leak)
    assert both.startswith("Leak. 1 leak in the study: do not trust")
    assert "leak  The file name predicts the outcome: AUROC 1.000 of [b]file[/b]." in both
    assert both.index("→ Rename.") < both.index("bias  The recording predicts the outcome: AUROC 0.83.")
    # The rest of the tables is there on request only.
    assert "it prints 0.99 (of frames)" in both and "they print 0.50 and 0.87 on average" in both
    assert "same command with --details" in both and "Negative controls" not in both
