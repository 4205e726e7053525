"""One model: scaling, the shared network, its training, and risks of new cases, a modality missing or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.inputs import Scaling, columns_by_modality, learn_scaling
from voicerisk.deep.multitask.settings import NetworkSettings
from voicerisk.errors import MultitaskError
from voicerisk.validation.metrics.classes.recalibration import ClassRecalibration, temper_classes

# Table 4 of the paper: warm-up ratio and dropout by (several modalities, several tasks).
TABLE_4: Mapping[tuple[bool, bool], tuple[str, float, float]] = {
    (False, False): ("SMSTL", 0.30, 0.2),
    (True, False): ("MMSTL", 0.35, 0.1),
    (False, True): ("SMMTL", 0.35, 0.1),
    (True, True): ("MMMTL", 0.25, 0.1),
}


@dataclass(frozen=True, slots=True)
class Regime:
    """What training of one model uses after Table 4 and the user's own settings.

    Parameters
    ----------
    name : str
        SMSTL, MMSTL, SMMTL or MMMTL.
    warmup, dropout : float
    """

    name: str
    warmup: float
    dropout: float


def regime(settings: NetworkSettings, n_modalities: int, n_tasks: int) -> Regime:
    """Return warm-up and dropout: the user's own, else those of Table 4.

    Examples
    --------
    >>> regime(NetworkSettings(), n_modalities=2, n_tasks=2)
    Regime(name='MMMTL', warmup=0.25, dropout=0.1)
    """
    name, warmup, dropout = TABLE_4[n_modalities > 1, n_tasks > 1]
    return Regime(
        name,
        warmup if settings.warmup is None else settings.warmup,
        dropout if settings.dropout is None else settings.dropout,
    )


def warmup_factor(step: int, total: int, warmup: float) -> float:
    """Return the factor on the learning rate: a line up over the warm-up, then a line down to 0.

    Parameters
    ----------
    step : int
        From 0.
    total : int
        Steps of all epochs.
    warmup : float
        Share of them.

    Returns
    -------
    float
        In (0, 1].
    """
    rising = max(round(warmup * total), 1)
    return (step + 1) / rising if step < rising else max(total - step, 1) / max(total - rising + 1, 1)


class MultitaskModel:
    """A trained single- or multitask model of one input combination.

    Made by `fit_model`; `save_model_file` and `load_model_file` write and read it.

    Parameters
    ----------
    symbols : sequence of str
        Inputs in the order in which they are concatenated.
    modalities : mapping of str to str
    classes : mapping of str to sequence of str
        Classes of each task.
    scalings : mapping of str to Scaling
    network : SharedNetwork
    recalibrations : mapping of str to ClassRecalibration
        Of each task, learned on validation rows; none in the published protocol.
    history : DataFrame
        One row an epoch: train_loss, log_loss (unweighted mean over tasks, of the validation rows), that of
        each task, the weight of each loss, chosen.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        modalities: Mapping[str, str],
        classes: Mapping[str, Sequence[str]],
        scalings: Mapping[str, Scaling],
        network: Any,
        recalibrations: Mapping[str, ClassRecalibration],
        history: pd.DataFrame,
    ) -> None:
        self.symbols = tuple(symbols)
        self.modalities = {symbol: modalities[symbol] for symbol in symbols}
        self.classes = {task: tuple(names) for task, names in classes.items()}
        self.scalings = dict(scalings)
        self.network = network
        self.recalibrations = dict(recalibrations)
        self.history = history

    def matrix(
        self, blocks: Mapping[str, np.ndarray], rows: np.ndarray | None = None, hide: Sequence[str] = ()
    ) -> np.ndarray:
        """Return scaled, concatenated inputs.

        Parameters
        ----------
        blocks : mapping of str to ndarray, shape (n, d)
            A symbol that is not there counts as missing in every case.
        rows : ndarray of int, optional
        hide : sequence of {'audio', 'text'}
            Modalities to leave out: the training mean stands in their place.

        Returns
        -------
        ndarray of float32, shape (n, sum of d)
        """
        there = [symbol for symbol in self.symbols if symbol in blocks]
        if not there:
            raise MultitaskError(f"None of the inputs {', '.join(self.symbols)} is there to predict from.")
        n = len(blocks[there[0]]) if rows is None else len(rows)
        parts = []
        for symbol in self.symbols:
            scaling = self.scalings[symbol]
            if symbol not in blocks or self.modalities[symbol] in hide:
                parts.append(np.zeros((n, len(scaling.mean)), dtype=np.float32))
                continue
            block = blocks[symbol] if rows is None else blocks[symbol][rows]
            if block.shape[1] != len(scaling.mean):
                raise MultitaskError(
                    f"Input {symbol} has {block.shape[1]} numbers a case; the model was trained with "
                    f"{len(scaling.mean)}."
                )
            parts.append(scaling(block))
        return np.hstack(parts)

    def predict(
        self, blocks: Mapping[str, np.ndarray], rows: np.ndarray | None = None, hide: Sequence[str] = ()
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return what the network says of each case, and the risks after recalibration.

        Parameters
        ----------
        blocks, rows, hide
            As in `matrix`. One case is enough: nothing depends on the other cases.

        Returns
        -------
        dict
            Task -> (p_raw, p), each of shape (n, classes).
        """
        import torch

        x = torch.from_numpy(self.matrix(blocks, rows, hide))
        self.network.eval()
        with torch.no_grad():
            raw = {
                task: torch.softmax(logits.double(), dim=1).numpy()
                for task, logits in self.network(x).items()
            }
        fits = self.recalibrations
        return {task: (p, fits[task](p) if task in fits else p) for task, p in raw.items()}


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a model learns, and from which rows.

    Attributes
    ----------
    labels : mapping of str to ndarray of int, shape (n,)
        Class numbers of each task to train; one task is single-task learning.
    classes : mapping of str to sequence of str
    fit, validation : ndarray of int
        Rows; the second is where training is stopped and risks are recalibrated.
    persons : ndarray of str, shape (n,), or None
        Whose case each row is: in recalibration all cases of a person count as one.
    """

    labels: Mapping[str, np.ndarray]
    classes: Mapping[str, Sequence[str]]
    fit: np.ndarray
    validation: np.ndarray
    persons: np.ndarray | None = None


def fit_model(
    blocks: Mapping[str, np.ndarray],
    modalities: Mapping[str, str],
    lesson: Lesson,
    settings: NetworkSettings,
    seed: int,
    published: bool = False,
) -> MultitaskModel:
    """Train one model.

    Parameters
    ----------
    blocks : mapping of str to ndarray, shape (n, d)
        Inputs, in the order in which they are concatenated.
    modalities : mapping of str to str
    lesson : Lesson
    settings : NetworkSettings
    seed : int
    published : bool
        Training may stop within the warm-up, and risks are not recalibrated, as published.

    Returns
    -------
    MultitaskModel

    Raises
    ------
    MultitaskError
        With fewer than 2 training rows or none to stop on.
    """
    import torch

    from voicerisk.deep.multitask.network import SharedNetwork
    from voicerisk.deep.networks.training import TrainingSettings, deterministic, train

    labels, classes, persons = lesson.labels, lesson.classes, lesson.persons
    fit, validation = lesson.fit, lesson.validation
    if len(fit) < 2 or len(validation) < 1:
        raise MultitaskError(
            f"{len(fit)} training and {len(validation)} validation cases are too few: batch normalisation "
            "needs 2, and stopping needs 1."
        )
    symbols = tuple(blocks)
    columns = columns_by_modality(symbols, blocks, modalities)
    used = regime(settings, len(columns), len(labels))
    model = MultitaskModel(
        symbols, modalities, {task: classes[task] for task in labels},
        {symbol: learn_scaling(blocks[symbol], fit) for symbol in symbols}, None,
        {}, pd.DataFrame(),
    )  # fmt: skip
    x_fit = torch.from_numpy(model.matrix(blocks, fit))
    x_stop = torch.from_numpy(model.matrix(blocks, validation))
    y_fit = {task: torch.from_numpy(values[fit].astype(np.int64)) for task, values in labels.items()}
    y_stop = {task: torch.from_numpy(values[validation].astype(np.int64)) for task, values in labels.items()}
    rising = int(np.ceil(used.warmup * settings.epochs))
    training = TrainingSettings(
        epochs=settings.epochs,
        patience=settings.patience,
        min_epochs=1 if published else min(rising + settings.patience, settings.epochs),
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    hiding = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    with deterministic(seed):
        sizes = {task: len(classes[task]) for task in labels}
        network = SharedNetwork(x_fit.shape[1], sizes, settings.hidden, used.dropout, settings.loss)
        optimiser = torch.optim.AdamW(_groups(network, settings))

        def batch_loss(rows: np.ndarray) -> Any:
            at = torch.from_numpy(rows)
            x = _hidden(x_fit[at], columns, settings.modality_dropout, hiding)
            return network.total(network.losses(x, {task: y[at] for task, y in y_fit.items()}))

        def validate() -> dict[str, float]:
            losses = network.losses(x_stop, y_stop)
            found = {"log_loss": float(losses.mean())}
            found |= {f"log_loss_{task}": float(one) for task, one in zip(labels, losses, strict=True)}
            if network.weighting is not None:
                weights = network.weighting.weights
                found |= {f"weight_{task}": float(one) for task, one in zip(labels, weights, strict=True)}
            return found

        trained = train(
            network, len(fit), batch_loss, validate, training, seed, optimiser=optimiser,
            schedule=lambda step, total: warmup_factor(step, total, used.warmup),
        )  # fmt: skip
    model.network, model.history = network, trained.history
    if not published:
        raw = model.predict(blocks, validation)
        weights = np.ones(len(validation)) if persons is None else _each_person_alike(persons[validation])
        for task, names in model.classes.items():
            # Half a case a class: one that no training row has is rare, not impossible.
            counts = np.bincount(labels[task][fit], minlength=len(names)) + 0.5
            model.recalibrations[task] = temper_classes(
                raw[task][0], labels[task][validation], weights, counts / counts.sum()
            )
    return model


def _each_person_alike(persons: np.ndarray) -> np.ndarray:
    _, of_person, counts = np.unique(persons, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[of_person])


def _groups(network: Any, settings: NetworkSettings) -> list[dict[str, Any]]:
    """Return optimiser groups: weight decay on the network, none on the weights of the losses."""
    own = [parameter for name, parameter in network.named_parameters() if not name.startswith("weighting.")]
    groups = [{"params": own, "lr": settings.learning_rate, "weight_decay": settings.weight_decay}]
    if network.weighting is not None:
        free = list(network.weighting.parameters())
        groups.append({"params": free, "lr": settings.learning_rate, "weight_decay": 0.0})
    return groups


def _hidden(x: Any, columns: Mapping[str, np.ndarray], share: float, rng: np.random.Generator) -> Any:
    """Hide one modality, at random, from a share of the rows of a batch."""
    if share == 0.0 or len(columns) < 2:
        return x
    x = x.clone()
    which = rng.integers(len(columns), size=len(x))
    chosen = rng.random(len(x)) < share
    for number, places in enumerate(columns.values()):
        rows = np.flatnonzero(chosen & (which == number))
        if len(rows):
            x[np.ix_(rows, places)] = 0.0
    return x
