"""One service left out: what is learned elsewhere is judged there, and a new one is foretold."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.callers.schema import check_calls
from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings
from voicerisk.validation.audit.services_out import (
    NEW,
    leave_services_out,
    new_service,
    service_findings,
)
from voicerisk.validation.protocols.ridge import ridge_paths
from voicerisk.validation.resume import Resume

SETTINGS = ValidationSettings(designs=["grouped_kfold"], repeats=1, inner_folds=3, bootstraps=100)


def _calls(n=40, services=("a", "b", "c"), shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    parts = []
    for name in services:
        y = np.arange(n) % 2 if name != services[-1] else (np.arange(n) % 4 > 0).astype(int)
        x = y + rng.normal(size=n) + (shift if name == services[-1] else 0.0)
        ids = [f"{name}{i:02d}" for i in range(n)]
        parts.append(
            pd.DataFrame({"call_id": ids, "caller_id": ids, "y": y, "n_frames": 5, "service": name, "x": x})
        )
    return pd.concat(parts, ignore_index=True)


def _left_out(calls, **more):
    table = calls.drop(columns="x")
    of = calls.set_index("call_id")["x"]

    def make(part):
        return ridge_paths(part.assign(x=part["call_id"].map(of)), ["x"])

    return leave_services_out(table, make, SETTINGS, "service", **more)


def test_scores_of_a_service_come_from_a_model_of_the_others():
    calls = _calls()
    kept = {}
    found = _left_out(calls, resume=Resume(keep=kept.__setitem__))
    rows = found.set_index(["service", "metric"])
    # One marker: whatever is learned elsewhere, the AUROC is that of the marker itself.
    from sklearn.metrics import roc_auc_score

    for name, part in check_calls(calls).groupby("service"):
        x = calls.set_index("call_id").loc[part["call_id"], "x"]
        assert rows.loc[(name, "auroc"), "estimate"] == pytest.approx(roc_auc_score(part["y"], x))
    # Outcomes of the service that is left out do not touch its own scores.
    changed = calls.copy()
    here = changed["service"] == "a"
    changed.loc[here, "y"] = 1 - changed.loc[here, "y"]
    again = {}
    _left_out(changed, resume=Resume(keep=again.__setitem__))
    assert again["a"] == kept["a"] and again["b"] != kept["b"]
    # Three of four callers of c have the outcome, one in two elsewhere: risks learned there are too low.
    assert rows.loc[("c", "observed_expected"), "lower"] > 1.0
    mechanisms = [one.finding for one in service_findings(found)]
    assert any("too low for c" in text for text in mechanisms)
    # What was kept is not run again.
    resumed = leave_services_out(calls.drop(columns="x"), None, SETTINGS, "service", Resume(kept))
    pd.testing.assert_frame_equal(resumed, found)


def test_the_summary_is_that_of_random_effects_by_hand():
    from scipy.optimize import brentq
    from scipy.stats import t

    area, se = np.array([0.6, 0.7, 0.8, 0.75]), np.array([0.3, 0.2, 0.4, 0.25])
    effect = np.log(area / (1 - area))
    rows = pd.DataFrame({"service": list("abcd"), "metric": "auroc", "estimate": area, "n_callers": 9})
    rows["lower"], rows["upper"] = (1 / (1 + np.exp(-(effect + side * 1.96 * se))) for side in (-1, 1))
    rows = rows.assign(n_calls=9, n_events=4, note="")

    # Paule and Mandel: the tau2 at which Q = k - 1.
    def excess(tau2):
        weights = 1 / (se**2 + tau2)
        return (weights * (effect - np.average(effect, weights=weights)) ** 2).sum() - 3

    tau2 = brentq(excess, 0.0, 10.0)
    weights = 1 / (se**2 + tau2)
    mean = np.average(effect, weights=weights)
    half = t.ppf(0.975, 2) * np.sqrt(tau2 + 1 / weights.sum())
    prediction = new_service(rows).iloc[1]
    assert prediction["service"] == NEW
    assert prediction["estimate"] == pytest.approx(1 / (1 + np.exp(-mean)), abs=1e-4)
    assert prediction["lower"] == pytest.approx(1 / (1 + np.exp(-(mean - half))), abs=1e-4)
    assert prediction["upper"] == pytest.approx(1 / (1 + np.exp(-(mean + half))), abs=1e-4)
    # Services that truly differ widen it.
    apart = rows.assign(estimate=[0.55, 0.9, 0.6, 0.95])
    wide_effect = np.log(apart["estimate"] / (1 - apart["estimate"]))
    apart["lower"], apart["upper"] = (1 / (1 + np.exp(-(wide_effect + side * 0.3))) for side in (-1, 1))
    assert new_service(apart).iloc[1]["upper"] - new_service(apart).iloc[1]["lower"] > 0.5
    assert new_service(rows.iloc[:2]).empty
    # Services that agree by chance do not make the mean more certain than their own errors do.
    alike = rows.assign(estimate=0.75)
    centre = np.log(3.0)
    alike["lower"], alike["upper"] = (1 / (1 + np.exp(-(centre + side * 1.96 * se))) for side in (-1, 1))
    mean_row = new_service(alike).iloc[0]
    half = t.ppf(0.975, 3) * (se**-2).sum() ** -0.5
    assert mean_row["upper"] == pytest.approx(1 / (1 + np.exp(-(centre + half))), abs=1e-4)
    # A service without interval is named.
    apart = pd.concat([alike, alike.iloc[:1].assign(service="e", estimate=1.0, lower=np.nan, upper=np.nan)])
    assert "4 of 5 services (without e" in new_service(apart).iloc[0]["note"]


def test_callers_of_two_services_and_services_of_one_class_are_said():
    calls = _calls(n=16)
    calls.loc[calls["call_id"] == "b00", "caller_id"] = "a00"
    calls.loc[calls["service"] == "c", "y"] = 1
    found = _left_out(calls).set_index(["service", "metric"])
    assert "1 callers of several services left out" in found.loc[("a", "auroc"), "note"]
    assert np.isnan(found.loc[("c", "auroc"), "estimate"])
    assert "no AUROC: 0 and 16 callers" in found.loc[("c", "auroc"), "note"]
    with pytest.raises(ValidationError, match="names one service"):
        _left_out(_calls(services=("a",)))
