"""Models: component-wise gradient boosting of P-splines (own engine, exact to R's mboost) and GAMMs by mgcv.

May be imported: the settings `BoostSettings`, `learners_for`, `Learner`, `BoostData`, `Lane`, `LazyLanes`;
`fit_lanes`, `alike_order`, `fit_lanes_in_folder`, `fit_lanes_by_joblib`, `LanePath` and `held_out_path` for
many fits at once; `fit_jointly` and `JointLanes` for folds that tune a fit; `cvrisk`, `stability_selection`;
`fit_ordinal` (`OrdinalPath`) and `fit_numeric` for ordered grades and numbers; the estimator `GamBoost`; for
saved models `read_model`, `write_model`, `scoring_model`, `AdditiveModel` and `Procedure`; for GAMMs the
estimator `Gamm`, `GammSettings`, `GammModel`, `fit_gamm`, `GammFit`, `split_levels`, and `remedies` for
separated data. Everything loads on first use, because numba and scikit-learn are slow to import.
"""

from typing import TYPE_CHECKING

from voicerisk.lazy import attach

if TYPE_CHECKING:
    from voicerisk.models.boosting.additive import scoring_model
    from voicerisk.models.boosting.cluster import fit_jointly_by_joblib, fit_lanes_by_joblib
    from voicerisk.models.boosting.engine.groups import alike_order
    from voicerisk.models.boosting.engine.joint import JointLanes, fit_jointly
    from voicerisk.models.boosting.engine.lanes import fit_lanes
    from voicerisk.models.boosting.estimator import GamBoost
    from voicerisk.models.boosting.families import OrdinalPath, fit_numeric, fit_ordinal
    from voicerisk.models.boosting.path import FittedLearner, LanePath
    from voicerisk.models.boosting.resampling import (
        cvrisk,
        fit_lanes_in_folder,
        stability_selection,
    )
    from voicerisk.models.boosting.scores import held_out_path
    from voicerisk.models.boosting.spec import (
        BoostData,
        BoostSettings,
        Lane,
        LazyLanes,
        Learner,
        learners_for,
    )
    from voicerisk.models.gamm.estimator import Gamm
    from voicerisk.models.gamm.fit import GammFit, fit_gamm
    from voicerisk.models.gamm.levels import split_levels
    from voicerisk.models.gamm.remedies import remedies
    from voicerisk.models.gamm.settings import GammModel, GammSettings
    from voicerisk.models.saved.additive import AdditiveModel
    from voicerisk.models.saved.model_file import read_model, write_model
    from voicerisk.models.saved.procedure import Procedure

__all__ = [
    "BoostData",
    "BoostSettings",
    "GamBoost",
    "Gamm",
    "GammModel",
    "GammSettings",
    "Lane",
    "Procedure",
    "alike_order",
    "cvrisk",
    "fit_gamm",
    "fit_lanes",
    "fit_numeric",
    "fit_ordinal",
    "held_out_path",
    "learners_for",
    "read_model",
    "remedies",
    "split_levels",
    "write_model",
]

__getattr__, __dir__ = attach(__name__, __file__)
