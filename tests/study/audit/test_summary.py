"""The whole procedure in an audit: beside the interval given the scores, with the coverage of both."""

import io

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import SETTINGS
from voicerisk.figures.wording import COVERAGE
from voicerisk.study import load_study
from voicerisk.study.audit.run import run_audit
from voicerisk.study.audit.steps import AuditOptions
from voicerisk.study.audit.summary import print_audit


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

    shown = io.StringIO()
    print_audit(result, Console(file=shown, width=200))
    said = " ".join(shown.getvalue().split())
    assert COVERAGE in said
    assert f"auroc kfold whole procedure: {whole['estimate']:.3f}" in said
