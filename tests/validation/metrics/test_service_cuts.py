"""Cuts side by side, of 1,000 calls."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from voicerisk.report.tables.service_cuts import service_cuts_table
from voicerisk.validation import ValidationSettings
from voicerisk.validation.metrics.service_cuts import service_cuts

SETTINGS = ValidationSettings(seed=2)


def predictions(n: int = 400, design: str = "loco", effect: float = 1.5) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    y = (np.arange(n) % 4 == 0).astype(int)
    score = 1.0 / (1.0 + np.exp(-(rng.normal(size=n) + effect * y)))
    names = [f"c{i}" for i in range(n)]
    return pd.DataFrame(
        {"protocol": "nested", "design": design, "repeat": 0, "unit": "call", "call_id": names,
         "caller_id": names, "y": y, "p_raw": score}
    )  # fmt: skip


def test_rules_keep_what_they_promise_and_calls_add_up() -> None:
    found = service_cuts(predictions(), SETTINGS).set_index("rule")
    # 100 callers with the outcome: a learned floor is met on others to a few hundredths
    assert found.loc["sensitivity 0.95", "sensitivity"] == pytest.approx(0.95, abs=0.03)
    assert found.loc["sensitivity 0.8", "sensitivity"] == pytest.approx(0.8, abs=0.04)
    assert found.loc["sensitivity 0.95", "specificity"] < found.loc["sensitivity 0.8", "specificity"]
    assert found.loc["capacity 10", "flagged"] == pytest.approx(100, abs=25)
    np.testing.assert_allclose(found["with_outcome"], 250.0)
    np.testing.assert_allclose(found["found"] + found["missed"], found["with_outcome"])
    np.testing.assert_allclose(found["flagged"], found["found"] + found["false_alarms"])
    np.testing.assert_allclose(found["false_alarms"], (1 - found["specificity"]) * 750.0)


def test_a_stated_prevalence_moves_the_calls_and_the_youden_cut_not_at_all() -> None:
    here = service_cuts(predictions(), SETTINGS).set_index("rule")
    rare = service_cuts(predictions(), replace(SETTINGS, prevalence=0.02)).set_index("rule")
    assert rare.loc["youden", "sensitivity"] == here.loc["youden", "sensitivity"]
    np.testing.assert_allclose(rare["with_outcome"], 20.0)
    # with few cases a price of 10 false alarms asks for a higher cut
    assert rare.loc["cost 10", "sensitivity"] < here.loc["cost 10", "sensitivity"]


def test_grouped_folds_come_first_and_constant_scores_give_none() -> None:
    both = pd.concat([predictions(), predictions(design="grouped_kfold")])
    assert set(service_cuts(both, SETTINGS)["design"]) == {"grouped_kfold"}
    assert service_cuts(predictions().assign(p_raw=0.5), SETTINGS).empty
    assert service_cuts(predictions().assign(protocol="published"), SETTINGS).empty


def test_the_table_says_calls() -> None:
    table = service_cuts_table(service_cuts(predictions(), replace(SETTINGS, prevalence=0.1)))
    cells = table.cells.set_index("The cut")
    assert list(cells.index)[1] == "finds at least 95% of calls with the outcome"
    assert (cells["Of them with the outcome"].astype(int) + cells["Missed"].astype(int) == 100).all()
    assert table.notes[0] == "Of 1,000 calls, 100 of them with the outcome."
