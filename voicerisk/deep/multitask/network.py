"""The shared fully connected encoder with one softmax head a task."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from voicerisk.deep.multitask.losses import UncertaintyWeighting


class SharedNetwork(nn.Module):
    """Concatenated embeddings, shared layers, a linear head a task (hard parameter sharing).

    Parameters
    ----------
    n_inputs : int
        Length of the concatenated vector.
    classes : mapping of str to int
        Number of classes of each task. One task is the single-task model.
    hidden : sequence of int
        Units of each shared layer: linear, batch normalisation, ReLU, dropout.
    dropout : float
    loss : str
        Form of `UncertaintyWeighting`; a single task has plain cross-entropy.
    """

    def __init__(
        self, n_inputs: int, classes: Mapping[str, int], hidden: Sequence[int], dropout: float, loss: str
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size, units in zip((n_inputs, *hidden[:-1]), hidden, strict=True):
            layers += [nn.Linear(size, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(dropout)]
        self.shared = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({task: nn.Linear(hidden[-1], k) for task, k in classes.items()})
        self.weighting = UncertaintyWeighting(len(classes), loss) if len(classes) > 1 else None

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the logits of each task, shape (b, classes), of inputs of shape (b, n_inputs)."""
        shared = self.shared(x)
        return {task: head(shared) for task, head in self.heads.items()}

    def losses(self, x: Tensor, y: Mapping[str, Tensor]) -> Tensor:
        """Return the cross-entropy of each task, shape (tasks,)."""
        logits = self(x)
        return torch.stack([nn.functional.cross_entropy(logits[task], y[task]) for task in self.heads])

    def total(self, losses: Tensor) -> Tensor:
        """Return the loss that is trained on: the weighted sum, or the one task's own."""
        return losses[0] if self.weighting is None else self.weighting(losses)
