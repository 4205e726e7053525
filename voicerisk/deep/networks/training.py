"""The training loop of all networks: seeded, deterministic, stopped early on rows it does not learn from."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import ModelError


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        At most so many passes.
    patience : int
        Stop after so many epochs without a better value of `monitor`.
    min_epochs : int
        Never stop before (a warm-up may not have ended).
    batch : int
        Rows a step. A last batch of one row joins the one before, since batch normalisation cannot take it.
    learning_rate, weight_decay : float
        Of the default optimiser (Adam, decoupled weight decay).
    gradient_clip : float
        Largest norm of a step's gradient.
    monitor : str
        Key of what `validate` returns; names that start with 'accuracy' or 'auroc' are better when high, all
        others when low.
    """

    epochs: int = 100
    patience: int = 5
    min_epochs: int = 1
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    monitor: str = "log_loss"

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "min_epochs", "batch"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if not self.learning_rate > 0 or not self.gradient_clip > 0 or self.weight_decay < 0:
            raise ModelError(
                "learning_rate and gradient_clip must be above 0 and weight_decay not below it, not "
                f"{self.learning_rate}, {self.gradient_clip} and {self.weight_decay}."
            )

    @property
    def higher_is_better(self) -> bool:
        """Whether `monitor` grows as the network gets better."""
        return self.monitor.startswith(("accuracy", "auroc"))


@dataclass(frozen=True, slots=True)
class Trained:
    """What training left behind; the network itself holds the weights of the best epoch.

    Parameters
    ----------
    history : DataFrame
        One row an epoch: epoch (from 1), train_loss, what `validate` returned, chosen (bool).
    best_epoch : int
    stopped_early : bool
        False where the last epoch allowed was reached.
    """

    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool


@contextmanager
def deterministic(seed: int, threads: int = 1) -> Iterator[None]:
    """Run torch with a seed, deterministic algorithms and some threads; what was set before comes back.

    Parameters
    ----------
    seed : int
        Not negative.
    threads : int
        1 for the small networks here: more threads cost more than they bring, and change the rounding.
    """
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1])


def seed_of(*key: int) -> int:
    """Return a seed for torch from the study's seed and the place in the study (repeat, fold, model)."""
    return int(np.random.SeedSequence(key[0], spawn_key=tuple(key[1:])).generate_state(1, np.uint32)[0])


def minibatches(n_rows: int, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return shuffled row numbers in batches; a remainder of one row joins the batch before it."""
    order = rng.permutation(n_rows)
    starts = list(range(0, n_rows, size))
    if len(starts) > 1 and n_rows - starts[-1] == 1:
        starts.pop()
    return [order[a:b] for a, b in zip(starts, [*starts[1:], n_rows], strict=True)]


def train(
    network: Any,
    n_rows: int,
    batch_loss: Callable[[np.ndarray], Any],
    validate: Callable[[], Mapping[str, float]],
    settings: TrainingSettings,
    seed: int,
    *,
    optimiser: Any = None,
    schedule: Callable[[int, int], float] | None = None,
) -> Trained:
    """Train a network and leave it with the weights of its best epoch.

    Call it inside `deterministic`, in which the network was made, so that the same seed gives the same bits.

    Parameters
    ----------
    network : torch.nn.Module
    n_rows : int
        Training rows.
    batch_loss : callable
        Takes row numbers (ndarray of int), returns the loss of that batch as a tensor with a gradient.
    validate : callable
        Called in eval mode without gradients after every epoch; returns the numbers of the history. It must
        look at rows that are not trained on.
    settings : TrainingSettings
    seed : int
        Seeds the order of the batches.
    optimiser : torch.optim.Optimizer, optional
        Default: Adam with decoupled weight decay over all parameters.
    schedule : callable, optional
        Takes step and total steps (from 0), returns the factor on each group's learning rate.

    Returns
    -------
    Trained

    Raises
    ------
    ModelError
        Where the loss or the monitored value is not finite, or there are no rows.
    """
    import torch

    if n_rows < 1:
        raise ModelError("A network cannot be trained without rows.")
    trained = [p for p in network.parameters() if p.requires_grad]
    if optimiser is None:
        optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    rates = [group["lr"] for group in optimiser.param_groups]
    rng = np.random.default_rng(seed)
    total = settings.epochs * len(minibatches(n_rows, settings.batch, np.random.default_rng(0)))
    rows: list[dict[str, float]] = []
    best, best_epoch, step = -np.inf, 0, 0
    kept: dict[str, Any] = {}
    for epoch in range(1, settings.epochs + 1):
        network.train()
        loss_sum = 0.0
        for batch in minibatches(n_rows, settings.batch, rng):
            if schedule is not None:
                for group, rate in zip(optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate * schedule(step, total)
            optimiser.zero_grad()
            loss = batch_loss(batch)
            value = float(loss.detach())
            if not np.isfinite(value):
                raise ModelError(f"The training loss is {value} in epoch {epoch}; lower the learning rate.")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
            optimiser.step()
            loss_sum += value * len(batch)
            step += 1
        network.eval()
        with torch.no_grad():
            measured = {name: float(number) for name, number in validate().items()}
        monitored = measured[settings.monitor]
        if not np.isfinite(monitored):
            raise ModelError(
                f"{settings.monitor} is {monitored} after epoch {epoch}, so nothing can be chosen."
            )
        rows.append({"epoch": epoch, "train_loss": loss_sum / n_rows, **measured})
        score = monitored if settings.higher_is_better else -monitored
        if score > best:
            best, best_epoch = score, epoch
            kept = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        if epoch - best_epoch >= settings.patience and epoch >= settings.min_epochs:
            break
    network.load_state_dict(kept)
    network.eval()
    history = pd.DataFrame(rows)
    history["epoch"] = history["epoch"].astype(int)
    history["chosen"] = history["epoch"] == best_epoch
    return Trained(history, best_epoch, len(history) < settings.epochs)
