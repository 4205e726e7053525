"""A trained model as one file: safetensors with its classes, inputs and scaling; no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.inputs import Scaling
from voicerisk.deep.multitask.model import MultitaskModel
from voicerisk.errors import MultitaskError
from voicerisk.files import PRIVATE, replacing
from voicerisk.validation.metrics.classes.recalibration import ClassRecalibration

FORMAT = "voicerisk-multitask-3"


def save_model_file(model: MultitaskModel, path: Path, seen: Mapping[str, Any] | None = None) -> None:
    """Write a trained model (mode 0600: weights can tell about those they were learned from).

    Parameters
    ----------
    model : MultitaskModel
    path : Path
        Ends in .safetensors.
    seen : mapping, optional
        How the inputs were made (`input_settings`), in values that JSON knows; new cases must be read so.
    """
    from safetensors.numpy import save_file

    network = {f"network.{name}": tensor.numpy() for name, tensor in model.network.state_dict().items()}
    scaling = {
        f"scaling.{symbol}.{part}": np.ascontiguousarray(getattr(one, part), dtype=np.float64)
        for symbol, one in model.scalings.items()
        for part in ("mean", "sd")
    }
    head = {
        "format": FORMAT, "symbols": model.symbols, "modalities": model.modalities,
        "classes": model.classes, "layers": _layers(model), "seen": dict(seen or {}),
        "recalibrations": {
            task: {"slope": fit.slope, "offsets": fit.offsets.tolist(), "at_bound": fit.at_bound}
            for task, fit in model.recalibrations.items()
        },
    }  # fmt: skip
    with replacing(path, PRIVATE) as temporary:
        save_file(network | scaling, temporary, metadata={"model": json.dumps(head)})


def load_model_file(path: Path) -> tuple[MultitaskModel, dict[str, Any]]:
    """Read a model that `save_model_file` wrote, and how its inputs were made.

    Returns
    -------
    model : MultitaskModel
        Without its history; it predicts the same bits.
    seen : dict
        Empty where it was saved without.

    Raises
    ------
    MultitaskError
        For a missing file, or one that is no such model.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise MultitaskError(f"There is no model file {path}.")
    try:
        with safe_open(path, framework="np") as file:
            head = json.loads((file.metadata() or {}).get("model", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, RecursionError) as problem:
        raise MultitaskError(f"{path} is not readable as safetensors ({problem}).") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise MultitaskError(f"{path} holds no multitask model of the format {FORMAT}.")
    try:
        return _built(head, tensors), dict(head["seen"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as problem:
        raise MultitaskError(f"{path} is a damaged multitask model ({problem}); save it again.") from problem


def _built(head: dict[str, Any], tensors: dict[str, Any]) -> MultitaskModel:
    """Return the model that a file describes."""
    import torch

    from voicerisk.deep.multitask.network import SharedNetwork

    symbols = tuple(head["symbols"])
    scalings = {s: Scaling(tensors[f"scaling.{s}.mean"], tensors[f"scaling.{s}.sd"]) for s in symbols}
    sizes = {task: len(names) for task, names in head["classes"].items()}
    n_inputs = sum(len(one.mean) for one in scalings.values())
    # Dropout and the form of the loss play no part in prediction.
    network = SharedNetwork(n_inputs, sizes, head["layers"], 0.0, "eq6")
    own = {name[8:]: value for name, value in tensors.items() if name.startswith("network.")}
    state = {name: torch.from_numpy(np.array(value)) for name, value in own.items()}
    network.load_state_dict(state)
    fits = {
        task: ClassRecalibration(one["slope"], np.array(one["offsets"]), one["at_bound"])
        for task, one in head["recalibrations"].items()
    }
    return MultitaskModel(
        symbols, head["modalities"], head["classes"], scalings, network.eval(), fits, pd.DataFrame()
    )


def _layers(model: MultitaskModel) -> list[int]:
    state = model.network.state_dict()
    return [
        int(tensor.shape[0])
        for name, tensor in state.items()
        if name.startswith("shared.") and tensor.ndim == 2
    ]
