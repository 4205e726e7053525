"""Losses with closed forms, training, risks with a missing modality, folds, leaks."""

import numpy as np
import pandas as pd
import pytest
import torch

from voicerisk.deep.multitask import (
    Features,
    NetworkSettings,
    fit_model,
    load_model_file,
    make_folds,
    save_model_file,
    simulate_tasks,
)
from voicerisk.deep.multitask.experiments import Run, class_numbers, run_one
from voicerisk.deep.multitask.inputs import learn_scaling
from voicerisk.deep.multitask.losses import UncertaintyWeighting
from voicerisk.deep.multitask.model import Lesson, regime, warmup_factor
from voicerisk.deep.networks.training import deterministic
from voicerisk.errors import MultitaskError

SMALL = NetworkSettings(hidden=(6,), epochs=3, batch=16, learning_rate=5e-3)


def best_weights(form, losses):
    """Minimise the total over the log-variances, losses held fixed."""
    weighting = UncertaintyWeighting(len(losses), form).double()
    fixed = torch.tensor(losses, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(
        weighting.parameters(), max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        total = weighting(fixed)
        total.backward()
        return total

    optimiser.step(closure)
    return weighting.weights.detach().numpy(), float(weighting(fixed).detach())


def test_the_optimum_of_each_form_is_the_closed_one():
    losses = np.array([0.3, 0.1])
    weights, total = best_weights("eq6", losses)
    np.testing.assert_allclose(weights, 1.0 / losses, rtol=1e-5)
    assert total == pytest.approx((1.0 + np.log(losses / 2.0)).sum(), abs=1e-5)
    weights, total = best_weights("liebel_korner", losses)
    variance = (losses + np.sqrt(losses**2 + 8.0 * losses)) / 4.0
    np.testing.assert_allclose(weights, 0.5 / variance, rtol=1e-5)
    assert total == pytest.approx((losses / (2.0 * variance) + np.log1p(variance)).sum(), abs=1e-5)


def test_the_forms_start_alike_and_only_one_is_bounded_below():
    losses = torch.tensor([0.8, 0.4])
    for form, start in (("eq6", 0.5), ("liebel_korner", 0.5)):
        np.testing.assert_allclose(UncertaintyWeighting(2, form).weights.detach(), start)
    # The identity with sum of L / (2 p^2) + log(1 + p^2), p = sigma, by which the form is implemented
    # elsewhere.
    weighting = UncertaintyWeighting(2, "liebel_korner")
    with torch.no_grad():
        weighting.log_variance.copy_(torch.tensor([0.7, -1.3]))
    p2 = torch.exp(weighting.log_variance.detach())
    expected = (losses / (2 * p2) + torch.log1p(p2)).sum()
    assert float(weighting(losses).detach()) == pytest.approx(float(expected), rel=1e-6)
    tiny = np.array([1e-6, 1e-6])
    assert best_weights("eq6", tiny)[1] < -5.0
    assert best_weights("liebel_korner", tiny)[1] > 0.0
    with pytest.raises(MultitaskError, match="eq6, liebel_korner"):
        UncertaintyWeighting(2, "awl")


def test_table_4_and_the_warm_up():
    names = [regime(NetworkSettings(), m, t).name for m, t in ((1, 1), (2, 1), (1, 2), (2, 2))]
    assert names == ["SMSTL", "MMSTL", "SMMTL", "MMMTL"]
    assert regime(NetworkSettings(warmup=0.0), 2, 2).warmup == 0.0
    factors = np.array([warmup_factor(step, 100, 0.3) for step in range(100)])
    assert factors[0] == pytest.approx(1 / 30)
    assert factors.argmax() in (29, 30)
    assert factors.max() <= 1.0 and factors.min() > 0.0
    assert (np.diff(factors[:30]) > 0).all() and (np.diff(factors[31:]) <= 0).all()


def test_scaling_sees_training_rows_only_and_missing_becomes_the_mean():
    block = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [1e6, np.nan, 2.0]])
    scaling = learn_scaling(block, np.array([0, 1]))
    np.testing.assert_allclose(scaling.mean, [2.0, 5.0, 0.0])
    scaled = scaling(block)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaled[:2, 1:], 0.0)
    assert scaled[2, 1] == 0.0


def simulated_fit(tasks, **more):
    data = simulate_tasks(60, seed=4, n_features=5)
    labels = {task: data_labels(data)[task] for task in tasks}
    settings = NetworkSettings(hidden=(6,), epochs=3, batch=8, learning_rate=5e-3, **more)
    model = fit_model(
        data.features.blocks, data.features.modalities,
        Lesson(labels, data.classes, np.arange(41), np.arange(41, 50)), settings, seed=5,
    )  # fmt: skip
    return data, model


def data_labels(data):
    return class_numbers(data.cases, data.classes)


def test_a_batch_of_one_is_handled_in_training_and_prediction():
    # 41 training rows in batches of 8 leave one over.
    data, model = simulated_fit(("severity", "risk"))
    rows = np.arange(50, 60)
    together = model.predict(data.features.blocks, rows)
    for task, (p_raw, p) in together.items():
        assert p_raw.shape == (10, len(data.classes[task]))
        np.testing.assert_allclose(p_raw.sum(axis=1), 1.0, atol=1e-9)
        np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-9)
        alone = np.vstack([model.predict(data.features.blocks, rows[[k]])[task][0] for k in range(10)])
        np.testing.assert_allclose(alone, p_raw, atol=1e-6)
    with pytest.raises(MultitaskError, match="batch normalisation needs 2"):
        fit_model(
            data.features.blocks, data.features.modalities,
            Lesson(data_labels(data), data.classes, np.array([0]), np.array([1])), SMALL, seed=1,
        )  # fmt: skip


def test_the_weights_of_the_losses_are_trained_without_decay_and_recorded():
    _, model = simulated_fit(("severity", "risk"))
    assert {"weight_severity", "weight_risk", "log_loss_severity"} <= set(model.history.columns)
    assert model.history["weight_severity"].iloc[-1] != 0.5
    mean = model.history[["log_loss_severity", "log_loss_risk"]].mean(axis=1)
    np.testing.assert_allclose(model.history["log_loss"], mean, rtol=1e-5)
    _, single = simulated_fit(("risk",))
    assert not any(name.startswith("weight_") for name in single.history.columns)


def test_a_missing_modality_is_the_training_mean():
    data, model = simulated_fit(("risk",), modality_dropout=0.3)
    rows = np.arange(50, 60)
    hidden = model.predict(data.features.blocks, rows, hide=("audio",))["risk"][0]
    only_text = model.predict({"E": data.features.blocks["E"]}, rows)["risk"][0]
    unknown = dict(data.features.blocks) | {"W": np.full_like(data.features.blocks["W"], np.nan)}
    np.testing.assert_array_equal(hidden, only_text)
    np.testing.assert_array_equal(hidden, model.predict(unknown, rows)["risk"][0])
    assert np.abs(hidden - model.predict(data.features.blocks, rows)["risk"][0]).max() > 1e-4
    with pytest.raises(MultitaskError, match="None of the inputs W, E"):
        model.predict({})
    with pytest.raises(MultitaskError, match="2 numbers a case; the model was trained with 5"):
        model.predict({"W": np.zeros((3, 2))})


def test_a_model_file_gives_the_same_bits_back(tmp_path):
    data, model = simulated_fit(("severity", "risk"))
    file = tmp_path / "model.safetensors"
    save_model_file(model, file)
    assert file.stat().st_mode & 0o777 == 0o600
    again, _ = load_model_file(file)
    for task, (raw, p) in model.predict(data.features.blocks).items():
        np.testing.assert_array_equal(again.predict(data.features.blocks)[task][0], raw)
        np.testing.assert_array_equal(again.predict(data.features.blocks)[task][1], p)
    whole = file.read_bytes()
    for part in (b"layers", b"scaling.W.mean", b"network."):
        assert part in whole
        file.write_bytes(whole.replace(part, b"x" * len(part)))
        with pytest.raises(MultitaskError, match="damaged multitask model"):
            load_model_file(file)
    file.write_bytes(b"nothing")
    with pytest.raises(MultitaskError, match="not readable as safetensors"):
        load_model_file(file)


def grouped_cases(rng, persons=40):
    owner = np.repeat(np.arange(persons), rng.integers(1, 4, size=persons))
    severity = rng.choice(["none", "low_moderate", "high"], size=persons, p=[0.5, 0.2, 0.3])[owner]
    return pd.DataFrame(
        {
            "case_id": [f"c{k}" for k in range(len(owner))], "person_id": [f"p{k}" for k in owner],
            "severity": severity, "risk": rng.choice(["low", "raised"], size=len(owner)),
        }
    )  # fmt: skip


def test_folds_hold_whole_persons_and_both_labels_evenly(rng):
    classes = simulate_tasks(10).classes
    cases = grouped_cases(rng)
    folds = make_folds(cases, classes, 5, 2, 0.2, seed=3)
    assert len(folds) == 10
    persons = cases["person_id"].to_numpy()
    for fold in folds:
        parts = [set(persons[rows]) for rows in (fold.fit, fold.validation, fold.test)]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
        assert sum(map(len, (fold.fit, fold.validation, fold.test))) == len(cases)
    for repeat in (0, 1):
        held = np.concatenate([f.test for f in folds if f.repeat == repeat])
        assert sorted(held) == list(range(len(cases)))
    single = simulate_tasks(120, seed=2).cases
    for task in ("severity", "risk"):
        counts = pd.concat(
            [single[task].iloc[f.test].value_counts() for f in make_folds(single, classes, 10, 1, 0.15, 1)],
            axis=1,
        ).fillna(0)
        # Cells of both labels are dealt in turn: a class of c cells differs by at most c between folds.
        assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 3
    published = make_folds(cases, classes, 5, 2, 0.2, seed=3, published=True)
    for ours, theirs in zip(folds, published, strict=True):
        np.testing.assert_array_equal(ours.test, theirs.test)
        np.testing.assert_array_equal(theirs.validation, theirs.test)
    with pytest.raises(MultitaskError, match="cannot be dealt"):
        make_folds(cases.head(3), classes, 10, 1, 0.2, 1)


@pytest.mark.parametrize("protocol", ["nested", "published"])
def test_labels_and_inputs_of_held_out_cases_reach_nothing_but_published_stopping(protocol):
    data = simulate_tasks(60, seed=6, n_features=4)
    folds = make_folds(data.cases, data.classes, 3, 1, 0.2, 1, protocol == "published")[:1]
    test = folds[0].test
    run = Run(protocol, "both", "W+E")
    settings = NetworkSettings(hidden=(5,), epochs=6, patience=1, batch=8, learning_rate=2e-2, warmup=0.0)

    def scores(cases, features):
        return run_one(run, cases, features, data.classes, folds, settings, 1)

    honest = scores(data.cases, data.features)
    saw = honest.provenance[0]["saw"]
    held = set(data.cases["person_id"].iloc[test])
    assert not held & set(saw["weights"]) and not held & set(saw["scaling"])
    assert (set(saw["stopping"]) == held) == (protocol == "published")
    assert bool(set(saw["stopping"]) & held) == (protocol == "published")

    # Other labels of the held-out cases: not one score may move unless training was stopped on them.
    turned = data.cases.copy()
    turned.loc[test, "risk"] = np.where(turned["risk"].iloc[test] == "low", "raised", "low")
    other = scores(turned, data.features)
    columns = ["p_raw_low", "p_raw_raised"]
    if protocol == "nested":
        pd.testing.assert_frame_equal(other.predictions["risk"][columns], honest.predictions["risk"][columns])
        pd.testing.assert_frame_equal(other.history, honest.history)
    else:
        assert not other.history["log_loss"].equals(honest.history["log_loss"])

    # Other inputs of one held-out case move that case alone.
    blocks = {symbol: block.copy() for symbol, block in data.features.blocks.items()}
    for block in blocks.values():
        block[test[0]] += 5.0
    moved = scores(data.cases, Features(blocks, data.features.modalities)).predictions["risk"]
    if protocol == "nested":
        pd.testing.assert_frame_equal(moved[columns].iloc[1:], honest.predictions["risk"][columns].iloc[1:])
    assert not moved[columns].iloc[0].equals(honest.predictions["risk"][columns].iloc[0])


def test_the_same_seed_gives_the_same_bits():
    data = simulate_tasks(40, seed=6, n_features=4)
    folds = make_folds(data.cases, data.classes, 2, 1, 0.2, 1)
    run = Run("nested", "both", "W+E")
    with deterministic(99):  # whatever the state outside
        one = run_one(run, data.cases, data.features, data.classes, folds, SMALL, 1)
    two = run_one(run, data.cases, data.features, data.classes, folds, SMALL, 1)
    pd.testing.assert_frame_equal(one.predictions["severity"], two.predictions["severity"])
    three = run_one(run, data.cases, data.features, data.classes, folds, SMALL, 2)
    assert not one.predictions["severity"].equals(three.predictions["severity"])
    assert set(one.hidden["risk"]["model"]) == {"mtl:W+E without audio", "mtl:W+E without text"}
