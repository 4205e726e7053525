"""One network for two tasks: depression severity and suicide risk from what is said and how.

`run_multitask` runs a study file; `run_experiments` the experiments on embeddings that are there already;
`fit_model` one model. Importing this package loads neither torch nor transformers.
"""

from typing import TYPE_CHECKING

from voicerisk.deep.multitask.settings import (
    MultitaskSettings,
    NetworkSettings,
    SoundSettings,
    TargetSettings,
)
from voicerisk.lazy import attach

if TYPE_CHECKING:
    from voicerisk.deep.multitask.baselines import demographics_only, majority
    from voicerisk.deep.multitask.cases import Cases, classify, load_cases
    from voicerisk.deep.multitask.comparisons import compare_models, transfer_sentences, transfer_table
    from voicerisk.deep.multitask.experiments import run_experiments
    from voicerisk.deep.multitask.folds import Fold, make_folds
    from voicerisk.deep.multitask.inputs import Features
    from voicerisk.deep.multitask.model import MultitaskModel, fit_model
    from voicerisk.deep.multitask.model_file import load_model_file, save_model_file
    from voicerisk.deep.multitask.simulate import simulate_tasks
    from voicerisk.deep.multitask.study import run_multitask
    from voicerisk.deep.multitask.study_file import load_multitask_study


__all__ = [
    "classify",
    "load_multitask_study",
    "make_folds",
    "run_experiments",
    "run_multitask",
    "simulate_tasks",
]

__getattr__, __dir__ = attach(__name__, __file__)
