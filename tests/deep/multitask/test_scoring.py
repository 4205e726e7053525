"""A study of one task alone, and its saved model on cases without scores."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.deep.multitask.small_encoders import build_speech, build_text, write_study
from voicerisk.cli import app
from voicerisk.deep.multitask.model_file import load_model_file
from voicerisk.deep.multitask.scoring import score_cases
from voicerisk.deep.multitask.study import run_multitask
from voicerisk.deep.multitask.study_file import load_multitask_study
from voicerisk.errors import MultitaskError

ALONE = 'experiments = ["risk"]\ninputs = ["W+E"]\n'


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run a study of risk alone, whose cases have no HAMD at all."""
    root = tmp_path_factory.mktemp("risk-alone")
    encoders = {
        "W": build_speech(root / "w", "wav2vec2"), "H": build_speech(root / "h", "hubert", mask=False),
        "L": build_text(root / "l", "longformer"), "E": build_text(root / "e", "ernie"),
    }  # fmt: skip
    file = write_study(root / "study", encoders, extra=ALONE)
    target = '\n[multitask.risk]\ncolumn = "sad_persons"\nclasses = ["low", "raised"]\n'
    file.write_text(file.read_text() + target)
    table = pd.read_csv(file.parent / "cases.csv", dtype=str).drop(columns="hamd17")
    # Class names in place of a score: a target without cuts has no upper bound.
    table["sad_persons"] = table["sad_persons"].astype(int).ge(4).map({False: "low", True: "raised"})
    table.to_csv(file.parent / "cases.csv", index=False)
    return file, run_multitask(load_multitask_study(file), root / "out")


def test_a_study_of_one_task_needs_no_other_score(finished):
    _, result = finished
    assert set(result.metrics["target"]) == {"risk"}
    assert not (result.folder / "predictions_severity.parquet").exists() and result.transfer.empty
    names = {file.name for file in result.folder.rglob("*.*")}
    assert {"table2_risk.csv", "figure3_single_task_nested.svg", "report.html", "folds.csv"} <= names
    curves = ("roc", "precision_recall", "calibration", "decision_curves")
    assert {f"{one}--nested_risk_raised.svg" for one in curves} <= names
    assert "roc--nested_risk_low.svg" not in names
    assert "severity" not in (result.folder / "report.html").read_text().lower()
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["settings"]["multitask"]["risk"]["highest"] is None


def test_means_of_folds_stand_beside_pooled_numbers(finished):
    _, result = finished
    heat = pd.read_csv(result.folder / "figures" / "figure3_single_task_nested.csv")
    means = pd.read_csv(result.folder / "fold_means.csv").query("model == 'stl:W+E'").set_index("metric")
    np.testing.assert_allclose(heat["fold_mean"], means.loc[heat["metric"], "mean"])
    table = pd.read_csv(result.folder / "tables" / "folds.csv").set_index("Model")
    assert set(table.index) == {"stl:W+E", "majority", "demographics"}
    assert table.loc["majority", "Mean of folds (SD)"] == "0.50 (0.00)"
    roc = pd.read_csv(result.folder / "figures" / "roc--nested_risk_raised.csv")
    assert set(roc["protocol"]) == {"Single-task", "Demographics alone"}


def test_scores_are_those_of_the_saved_model_and_need_no_score_column(finished, tmp_path):
    file, result = finished
    model = result.folder / "models" / "final" / "risk-W_E.safetensors"
    new = pd.read_csv(file.parent / "cases.csv", dtype=str).drop(columns=["sad_persons", "age"])
    new.loc[0, "audio"] = np.nan
    new.iloc[:6].to_csv(file.parent / "new.csv", index=False)
    command = ["multitask", "score", str(model), str(file), "--cases", str(file.parent / "new.csv")]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "scores.csv")])
    said = " ".join(done.output.split())
    assert "Likeliest risk of 5 cases" in said and "1 cases were not scored: no recording." in said
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["case_id"].tolist() == [f"c{k}" for k in range(1, 6)]
    np.testing.assert_allclose(scores[["p_risk_low", "p_risk_raised"]].sum(axis=1), 1.0, atol=1e-9)
    # One case alone is given the same: nothing depends on the others.
    new.iloc[[3]].to_csv(file.parent / "new.csv", index=False)
    alone = score_cases(model, load_multitask_study(file), file.parent / "new.csv").cases
    assert alone["p_risk_raised"].iloc[0] == pytest.approx(scores["p_risk_raised"].iloc[2], abs=1e-5)


@pytest.mark.parametrize(
    ("old", "changed", "message"),
    [
        ("max_tokens = 32", "max_tokens = 16", "max_tokens is 16, but .* was trained with 32"),
        ("/e\"", "/l\"", "the encoder E is not the one"),
        ("E = ", "F = ", "takes the input E, which"),
    ],
)  # fmt: skip
def test_other_inputs_are_refused(finished, tmp_path, old, changed, message):
    file, result = finished
    text = file.read_text().replace('inputs = ["W+E"]\n', "")
    assert old in text
    other = file.parent / "other.toml"
    other.write_text(text.replace(old, changed))
    with pytest.raises(MultitaskError, match=message):
        score_cases(result.folder / "models" / "final" / "risk-W_E.safetensors", load_multitask_study(other))


def test_a_voice_score_needs_the_risk_task(finished):
    file, _ = finished
    text = file.read_text().replace('["risk"]', '["severity"]\nvoice_scores = "voice.parquet"')
    other = file.parent / "other.toml"
    other.write_text(text)
    with pytest.raises(MultitaskError, match="voice_scores are fused with the risk of suicide"):
        load_multitask_study(other)
    model, seen = load_model_file(next((finished[1].folder / "models" / "final").glob("*.safetensors")))
    assert set(model.classes) == {"risk"} and set(seen["encoders"]) == {"W", "E"}
