"""Class factor and caller weights leave the ladder on rungs of their own."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from tests.validation.toys import cohort, stepwise_paths
from voicerisk.validation import ValidationSettings, caller_shares, training_weights
from voicerisk.validation.audit.climb import audit_ladder, ladder
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.protocols.ridge import ridge_logistic, ridge_paths
from voicerisk.validation.resume import Resume

SETTINGS = ValidationSettings(inner_folds=3, bootstraps=30, seed=3)
MARKERS = [f"x{j}" for j in range(5)]


@pytest.fixture(scope="module")
def talkers():
    """Return 40 callers with one call each, 4 of whom talk 40 times as long."""
    rng = np.random.default_rng(3)
    y = np.r_[np.zeros(24, int), np.ones(16, int)][rng.permutation(40)]
    n_frames = np.full(40, 10)
    n_frames[rng.choice(40, 4, replace=False)] = 400
    ids = [f"c{i:02d}" for i in range(40)]
    x = rng.normal(size=(40, 5))
    x[:, 0] += 0.8 * y
    calls = pd.DataFrame({"call_id": ids, "caller_id": ids, "y": y, "n_frames": n_frames})
    return calls, pd.DataFrame(x, columns=MARKERS).assign(call_id=ids)


def by_hand(calls, means, weight):
    """Leave one caller out with a ridge logistic on standardised means, rows weighing `weight`."""
    X, y = means[MARKERS].to_numpy(), calls["y"].to_numpy()
    score = np.empty(len(y))
    for i in range(len(y)):
        k = np.arange(len(y)) != i
        w = weight(calls[k])
        w = w * k.sum() / w.sum()
        centre = np.average(X[k], axis=0, weights=w)
        spread = np.sqrt(np.average((X[k] - centre) ** 2, axis=0, weights=w))
        beta = ridge_logistic((X[k] - centre) / spread, y[k], w, 1.0)
        score[i] = expit(beta[0] + (X[i] - centre) / spread @ beta[1:])
    return auroc(y, score.round(12))


def test_the_class_factor_goes_before_the_caller_weights(talkers):
    calls, means = talkers

    def make(switches, table):
        return ridge_paths(table.merge(means, on="call_id"), MARKERS)

    names = ("no_recalibration", "shifting_prior", "row_weights")
    rungs = [rung for rung in ladder() if rung.name in names]
    audit = audit_ladder(calls, make, SETTINGS, rungs=rungs)
    found = audit.table.set_index("rung")["auroc_call"]
    prior = calls["y"].mean()
    expected = {
        "no_recalibration": by_hand(
            calls,
            means,
            lambda t: np.where(t["y"] == 1, prior / t["y"].mean(), (1 - prior) / (1 - t["y"]).mean()),
        ),
        "shifting_prior": by_hand(calls, means, lambda t: np.ones(len(t))),
        "row_weights": by_hand(calls, means, lambda t: t["n_frames"].to_numpy(float)),
    }
    # The same sums in another order.
    assert found.to_dict() == pytest.approx(expected, abs=1e-12)
    # Each switch moves the AUROC, the caller weights most.
    assert 0.01 < found["no_recalibration"] - found["shifting_prior"] < 0.1
    assert found["shifting_prior"] - found["row_weights"] > 0.1
    said = {one.mechanism: one for one in audit.findings}
    assert "class prior" in said["shifting_prior"].finding and "most frames" in said["row_weights"].finding
    assert f"{found['row_weights']:.3f} after {found['shifting_prior']:.3f}" in said["row_weights"].evidence


def test_every_refit_of_the_ladder_is_asked_for_the_weights_of_its_rung():
    """Leave-one-out, permutations, and what is asked ahead of these; a maker need not look at the switch."""
    calls, frames = cohort(10, 8, seed=2)
    asked = {}

    def make(switches, table):
        fit = stepwise_paths(table, frames, steps=3)

        def watched(sets, progress):
            for one in sets:
                seen = asked.setdefault((switches.row_weights, one.class_prior is None), set())
                seen.add((one.key.split("/")[1], one.caller_weights, one.weighted))
            return fit(sets, progress)

        return watched

    foretold = set()

    def ahead(wanted):
        for switches, _, sets in wanted:
            foretold.update((switches.row_weights, one.class_prior is None, one.weighted) for one in sets)

    rungs = [rung for rung in ladder() if rung.name in ("honest", "shifting_prior", "row_weights")]
    audit_ladder(calls, make, SETTINGS, n_permutations=1, rungs=rungs, resume=Resume(ahead=ahead))
    designs = ("loco", "grouped_kfold")
    assert asked == {
        (False, False): {(design, True, True) for design in designs},
        (False, True): {(design, True, True) for design in designs},
        (True, True): {(design, False, False) for design in designs},
    }
    assert foretold == {(False, False, True), (False, True, True), (True, True, False)}


def test_an_empty_model_is_told_from_what_it_learned_by():
    """Without the class factor it copies the share of callers, without caller weights that of frames."""
    calls, frames = cohort(10, 8, seed=2, frames=300)

    def make(switches, table):
        return stepwise_paths(table, frames, steps=0)

    rungs = [rung for rung in ladder() if rung.name in ("shifting_prior", "row_weights")]
    table = audit_ladder(calls, make, SETTINGS, rungs=rungs).table
    assert (table["auroc_call"] == 0).all()
    assert table["copies_empty_model"].all() and table["degenerate"].all()


def test_without_a_class_factor_every_caller_weighs_one():
    caller, y = np.array(["a", "a", "a", "b", "c"]), np.array([1, 1, 0, 0, 1])
    weights = training_weights(caller, y, None)
    np.testing.assert_allclose(weights, caller_shares(caller), rtol=0)
    np.testing.assert_allclose(weights, [1 / 3, 1 / 3, 1 / 3, 1, 1], rtol=1e-15)
    # Calls that stand for their frames weigh as these would.
    np.testing.assert_allclose(training_weights(["a", "a", "b"], [1, 1, 0], None, [1, 3, 7]), [0.25, 0.75, 1])
