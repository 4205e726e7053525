"""cvrisk by caller, stability selection over caller halves, and runs that are killed and resumed."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.models.boosting.engine.test_lanes import loco, same, simulate
from tests.models.boosting.test_mboost_parity import folds, parse_formula, read_data
from voicerisk.errors import ModelError
from voicerisk.models import (
    Lane,
    LazyLanes,
    cvrisk,
    fit_lanes,
    fit_lanes_in_folder,
    learners_for,
    stability_selection,
)
from voicerisk.models.boosting.resampling import caller_halves, error_bound


def test_cvrisk_is_mboosts(reference):
    folder = reference / "mboost"
    ref = json.loads((folder / "n300_by_FM.json").read_text())
    data = read_data(folder, "n300")
    result = cvrisk(data, parse_formula(ref["formula"]), folds(folder, "n300"), 200)
    np.testing.assert_allclose(result.mean, ref["cvrisk_mean"], rtol=0, atol=1e-8)
    assert result.mstop == ref["cv_mstop"]
    third = result.risk.query("fold == 2")["risk"].to_numpy()
    np.testing.assert_allclose(third, ref["cvrisk"][2], rtol=0, atol=1e-8)


def test_cvrisk_weights_the_held_out_rows():
    data = simulate(400, 8)
    weights = np.random.default_rng(0).integers(0, 3, data.n).astype(float)
    fold = data.caller % 4
    result = cvrisk(data, learners_for(["a"]), fold, 10, weights=weights)
    (path,) = fit_lanes(data, [Lane("x", weights * (fold != 1), learners_for(["a"]))], 10)
    rows = fold == 1
    p = 1 / (1 + np.exp(-path.link()[rows]))
    loss = -np.log(np.where(data.y[rows] == 1, p, 1 - p))
    expected = (weights[rows] * loss).sum() / weights[rows].sum()
    assert result.risk.query("fold == 1 and step == 10")["risk"].item() == pytest.approx(expected, abs=1e-12)


def test_cvrisk_refuses_folds_that_split_a_caller():
    data = simulate(200, 5)
    with pytest.raises(ModelError, match="lies in two folds"):
        cvrisk(data, learners_for(["a"]), np.arange(data.n) % 3, 5)
    with pytest.raises(ModelError, match="one fold"):
        cvrisk(data, learners_for(["a"]), np.zeros(data.n), 5)


def test_halves_are_complementary_balanced_and_stable_under_the_seed():
    data = simulate(800, 20)
    halves = caller_halves(data, 6, seed=4)
    np.testing.assert_array_equal(halves, caller_halves(data, 6, seed=4))
    np.testing.assert_array_equal(halves[:2], caller_halves(data, 2, seed=4))
    assert (halves.sum(1) == 10).all()
    men = np.arange(20) % 2 == 1
    assert (np.abs(halves[:, men].sum(1) - 5) <= 1).all()


def test_stability_selection_finds_what_matters():
    data = simulate(1500, 30)
    result = stability_selection(
        data, learners_for(("a", "b", "c")), q=4, seed=1, pairs=8, mstop=40, cutoff=0.9
    )
    table = result.table.set_index("learner")
    assert table.loc["bbs(a, by = male)", "stable"]
    assert table.loc["bbs(c, by = female)", "stable"]
    assert table.loc["bbs(b, by = male)", "frequency"] == 0
    assert table["frequency"].sum() == pytest.approx(4)
    assert result.n_short == 0


def test_error_bounds():
    # Meinshausen and Buehlmann: q^2 / ((2 cutoff - 1) p)
    assert error_bound(100, 10, 0.75, 50, "none") == pytest.approx(2.0)
    # Shah and Samworth, theorem 2, B = 50, q/p = 0.1: 1 / (2 (0.5 - 0.01)) and 4 (0.11) / 1.02
    assert error_bound(100, 10, 0.75, 50, "unimodal") == pytest.approx(1 / 0.98)
    assert error_bound(100, 10, 0.9, 50, "unimodal") == pytest.approx(0.44 / 1.02)
    with pytest.raises(ModelError, match="too low for the unimodal bound"):
        error_bound(10, 5, 0.6, 50, "unimodal")


def test_finished_lanes_are_read_and_changed_ones_fitted_again(tmp_path):
    data = simulate(400, 8)
    lanes = loco(data, learners_for(["a"]))
    plain = list(fit_lanes(data, lanes, 12))
    fitted = []

    def counting(data, lanes, *args, **options):
        fitted.append(len(lanes))
        return fit_lanes(data, lanes, *args, **options)

    first = fit_lanes_in_folder(data, lanes, 12, 0.1, tmp_path, fit=counting)
    for _ in range(3):
        next(first)
    first.close()
    stored = sorted(tmp_path.glob("*.npz"))
    assert len(stored) == 3
    stored[0].write_bytes(stored[0].read_bytes()[:100])  # damaged
    calls = []
    again = list(
        fit_lanes_in_folder(data, lanes, 12, 0.1, tmp_path, fit=counting, progress=lambda *x: calls.append(x))
    )
    assert fitted == [8, 6]
    assert calls[-1] == (8, 8)
    for one, other in zip(again, plain, strict=True):
        same(one, other)
        assert one.key == other.key
    list(fit_lanes_in_folder(data, lanes, 13, 0.1, tmp_path, fit=counting))
    assert fitted[-1] == 8


KILLED = """
import sys
from pathlib import Path
from tests.models.boosting.engine.test_lanes import loco, simulate
from voicerisk.models import fit_lanes_in_folder, learners_for
data = simulate(6000, 40)
paths = fit_lanes_in_folder(data, loco(data, learners_for(("a", "b", "c"))), 60, 0.1, Path({folder!r}))
for _ in range(18):
    next(paths)
Path({folder!r}, ".half.npz.tmp").write_bytes(b"PK")  # what a kill in the midst of writing leaves
print("half way", flush=True)
sys.stdin.read()  # until the kill: how fast either process is does not matter
"""


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_result(tmp_path, request):
    script = KILLED.format(root=str(request.path.parent), folder=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "half way\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(tmp_path.glob("[!.]*.npz"))) == 18
    data = simulate(6000, 40)
    lanes = loco(data, learners_for(("a", "b", "c")))
    fitted = []

    def counting(data, lanes, *args, **options):
        fitted.append(len(lanes))
        return fit_lanes(data, lanes, *args, **options)

    resumed = list(fit_lanes_in_folder(data, lanes, 60, 0.1, tmp_path, fit=counting))
    assert fitted == [22]
    for one, other in zip(resumed, fit_lanes(data, LazyLanes(lanes.__getitem__, 40), 60), strict=True):
        same(one, other)
    assert len(list(tmp_path.glob("[!.]*.npz"))) == 40
