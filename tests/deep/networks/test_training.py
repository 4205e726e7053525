import numpy as np
import pytest
import torch

from voicerisk.deep.networks.training import TrainingSettings, deterministic, minibatches, seed_of, train
from voicerisk.errors import ModelError


def fit(seed, epochs=30, **more):
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(120, 3)), dtype=torch.float32)
    y = (x[:, 0] > 0).long()
    settings = TrainingSettings(epochs=epochs, batch=16, learning_rate=0.05, **more)
    loss = torch.nn.functional.cross_entropy
    with deterministic(seed):
        network = torch.nn.Linear(3, 2)
        trained = train(
            network, 80, lambda rows: loss(network(x[rows]), y[rows]),
            lambda: {"log_loss": float(loss(network(x[80:]), y[80:]))}, settings, seed,
        )  # fmt: skip
    return network, trained, float(loss(network(x[80:]), y[80:]).detach())


def test_the_same_seed_gives_the_same_bits_and_the_state_outside_is_left_alone():
    threads, before = torch.get_num_threads(), torch.get_rng_state()
    one, first, _ = fit(3)
    other, second, _ = fit(3)
    assert torch.equal(one.weight, other.weight)
    assert first.history.equals(second.history)
    assert not torch.equal(one.weight, fit(4)[0].weight)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_best_epoch_is_kept():
    _, trained, loss = fit(3)
    assert trained.history["log_loss"].min() == pytest.approx(loss, abs=1e-7)
    assert trained.history.loc[trained.history["chosen"], "epoch"].tolist() == [trained.best_epoch]


def test_stopping_waits_for_patience_and_for_the_least_number_of_epochs():
    settings = TrainingSettings(epochs=50, patience=2, min_epochs=6)
    network = torch.nn.Linear(1, 1)
    values = iter(range(100))
    trained = train(
        network, 4, lambda rows: (network(torch.ones(len(rows), 1)) ** 2).mean(),
        lambda: {"log_loss": next(values)}, settings, 0,
    )  # fmt: skip
    assert len(trained.history) == 6
    assert trained.best_epoch == 1
    assert trained.stopped_early


def test_accuracy_is_better_when_high():
    values = iter([0.2, 0.9, 0.5, 0.4])
    network = torch.nn.Linear(1, 1)
    trained = train(
        network, 4, lambda rows: (network(torch.ones(len(rows), 1)) ** 2).mean(),
        lambda: {"accuracy": next(values)}, TrainingSettings(patience=2, monitor="accuracy"), 0,
    )  # fmt: skip
    assert trained.best_epoch == 2


@pytest.mark.parametrize("n", [1, 2, 8, 9, 16, 17])
def test_no_batch_of_one_row_remains_and_every_row_comes_once(n):
    batches = minibatches(n, 8, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(n))
    assert n == 1 or min(len(one) for one in batches) > 1


def test_what_is_not_finite_is_an_error():
    network = torch.nn.Linear(1, 1)
    with pytest.raises(ModelError, match="loss is nan in epoch 1"):
        train(
            network, 4, lambda rows: network(torch.ones(2, 1)).sum() * torch.nan, dict, TrainingSettings(), 0
        )
    with pytest.raises(ModelError, match="patience must be at least 1"):
        TrainingSettings(patience=0)


def test_seeds_differ_by_place():
    assert len({seed_of(1), seed_of(2), seed_of(1, 0), seed_of(1, 1), seed_of(1, 1, 0)}) == 5
