"""One network for two tasks: depression severity and suicide risk from what is said and how.

`run_multitask` runs a study file; `run_experiments` the experiments on embeddings that are there already;
`fit_model` one model. Importing this package loads neither torch nor transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from voicerisk.deep.multitask.settings import (
    MultitaskSettings,
    NetworkSettings,
    SoundSettings,
    TargetSettings,
)

if TYPE_CHECKING:
    from voicerisk.deep.multitask.baselines import demographics_only, majority
    from voicerisk.deep.multitask.cases import Cases, classify, load_cases
    from voicerisk.deep.multitask.comparisons import compare_models, transfer_sentences, transfer_table
    from voicerisk.deep.multitask.experiments import run_experiments
    from voicerisk.deep.multitask.folds import Fold, make_folds
    from voicerisk.deep.multitask.inputs import Features
    from voicerisk.deep.multitask.losses import UncertaintyWeighting
    from voicerisk.deep.multitask.model import MultitaskModel, fit_model
    from voicerisk.deep.multitask.model_file import load_model_file, save_model_file
    from voicerisk.deep.multitask.simulate import simulate_tasks
    from voicerisk.deep.multitask.study import run_multitask
    from voicerisk.deep.multitask.study_file import load_multitask_study

_HOME = {
    "Cases": "cases",
    "Features": "inputs",
    "Fold": "folds",
    "MultitaskModel": "model",
    "UncertaintyWeighting": "losses",
    "classify": "cases",
    "compare_models": "comparisons",
    "demographics_only": "baselines",
    "fit_model": "model",
    "load_cases": "cases",
    "load_model_file": "model_file",
    "load_multitask_study": "study_file",
    "majority": "baselines",
    "make_folds": "folds",
    "run_experiments": "experiments",
    "run_multitask": "study",
    "save_model_file": "model_file",
    "simulate_tasks": "simulate",
    "transfer_sentences": "comparisons",
    "transfer_table": "comparisons",
}

__all__ = [
    "Cases",
    "Features",
    "Fold",
    "MultitaskModel",
    "MultitaskSettings",
    "NetworkSettings",
    "SoundSettings",
    "TargetSettings",
    "UncertaintyWeighting",
    "classify",
    "compare_models",
    "demographics_only",
    "fit_model",
    "load_cases",
    "load_model_file",
    "load_multitask_study",
    "majority",
    "make_folds",
    "run_experiments",
    "run_multitask",
    "save_model_file",
    "simulate_tasks",
    "transfer_sentences",
    "transfer_table",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
