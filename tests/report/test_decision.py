"""Decision, interval and advice: what is said is what the tables hold, and a doubt is never left out."""

import pandas as pd
import pytest

from voicerisk.report.decision import of_call, of_model, of_validation, validated

METHOD = "caller_bootstrap_percentile_given_scores"


def metrics(**values) -> pd.DataFrame:
    rows = [
        {"protocol": protocol, "design": design, "unit": "call", "subgroup": "all", "metric": name,
         "estimate": one[0], "lower": one[1], "upper": one[2], "n": 40, "n_events": 20, "method": METHOD}
        for protocol, design in (("nested", "grouped_kfold"), ("nested", "loco"))
        for name, one in values.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


GOOD = {
    "auroc": (0.92, 0.8, 0.99), "sensitivity": (0.8, 0.6, 0.95), "specificity": (0.9, 0.7, 1.0),
    "calibration_in_the_large": (0.1, -0.4, 0.6), "calibration_slope": (0.9, 0.5, 1.4),
}  # fmt: skip


def line(predicted: float = 0.45) -> pd.DataFrame:
    return pd.DataFrame({"group": ["all"], "method": ["as is"], "mean_p": [predicted], "prevalence": [0.5]})


def test_the_file_keeps_how_the_procedure_did_and_the_console_says_it():
    kept = validated(metrics(**GOOD), "nested")
    assert kept["design"] == "grouped_kfold" and kept["auroc"] == [0.92, 0.8, 0.99]
    assert validated(metrics(**GOOD), "published") is None
    said = " ".join(of_model({"validated": kept}))
    assert "AUROC 0.92 (0.80 to 0.99); it flagged 16 of 20 calls with the outcome and 2 of 20 others." in said
    assert "not safe: 4 of 20 with the outcome were not flagged" in said
    without = validated(metrics(auroc=(0.5, float("nan"), float("nan"))), "nested")
    assert without["auroc"] == [0.5, None, None] and without["sensitivity"] == [None, None, None]
    assert "Advice" not in " ".join(of_model({"validated": without}))
    for strange in ({}, {"validated": None}, {"validated": {"n": 3}}):
        assert of_model(strange) == ["The file does not say how this model did on callers left out."]


def test_a_call_without_a_cut_has_no_decision():
    call = {"call_id": "c[/]", "p_raw": 0.4, "n_frames": 3}
    assert of_call(call) == "c[/]: no decision, since the file holds no cut. Score 0.400, 3 frames."
    assert "not flagged, since no cut could be learned. Score" in of_call(call | {"cut": float("nan")})
    below = of_call(call | {"cut": 0.3, "flagged": False})
    assert below.startswith("c[/]: not flagged. Score 0.400, cut 0.300")


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({}, "nothing speaks against its risks here (mean 0.45, seen 0.50)"),
        ({"auroc": (0.6, 0.45, 0.75)}, "do not use it here"),
        ({"calibration_in_the_large": (0.9, 0.3, 1.5)}, "its risks are too low here (mean 0.45, seen 0.50)"),
        ({"calibration_in_the_large": (-0.9, -1.5, -0.3)}, "its risks are too high here"),
        ({"calibration_slope": (0.5, 0.2, 0.8)}, "its risks are too extreme here (slope 0.50)"),
    ],
)
def test_the_advice_follows_the_intervals(changed, advice):
    first, interval, last = of_validation(metrics(**GOOD | changed), line())
    assert first.startswith("Of 20 calls with the outcome the saved model flagged 16 and missed 4; it also")
    assert first.endswith("flagged 2 of 20 others.")
    assert interval.startswith("AUROC 0.") and last.startswith("Advice: " + advice)
    assert of_validation(metrics(auroc=(0.9, 0.8, 1.0)), line())[0].startswith("No call is decided")
