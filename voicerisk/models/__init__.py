"""Models: component-wise gradient boosting of P-splines (own engine, exact to R's mboost) and GAMMs by mgcv.

May be imported: the settings `BoostSettings`, `learners_for`, `Learner`, `BoostData`, `Lane`, `LazyLanes`;
`fit_lanes`, `alike_order`, `fit_lanes_in_folder`, `fit_lanes_by_joblib` and `LanePath` for many fits at once;
`fit_jointly` and `JointLanes` for folds that tune a fit; `cvrisk` and `stability_selection`; the estimator
`GamBoost`; for saved models `read_model`, `write_model`, `scoring_model`, `AdditiveModel` and `Procedure`;
for GAMMs the estimator `Gamm`, `GammSettings`, `fit_gamm`, `GammFit`, `split_levels`, and `remedies` for
separated data. Everything loads on first use, because numba and scikit-learn are slow to import.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "BoostSettings": "boosting.spec",
    "BoostData": "boosting.spec",
    "Lane": "boosting.spec",
    "Learner": "boosting.spec",
    "learners_for": "boosting.spec",
    "FittedLearner": "boosting.path",
    "LanePath": "boosting.path",
    "fit_lanes": "boosting.engine.lanes",
    "alike_order": "boosting.engine.groups",
    "JointLanes": "boosting.engine.joint",
    "fit_jointly": "boosting.engine.joint",
    "LazyLanes": "boosting.resampling",
    "fit_lanes_by_joblib": "boosting.cluster",
    "fit_jointly_by_joblib": "boosting.cluster",
    "fit_lanes_in_folder": "boosting.resampling",
    "cvrisk": "boosting.resampling",
    "stability_selection": "boosting.resampling",
    "GamBoost": "boosting.estimator",
    "scoring_model": "boosting.additive",
    "AdditiveModel": "saved.additive",
    "Procedure": "saved.procedure",
    "read_model": "saved.model_file",
    "write_model": "saved.model_file",
    "Gamm": "gamm.estimator",
    "GammSettings": "gamm.fit",
    "split_levels": "gamm.levels",
    "remedies": "gamm.remedies",
    "GammFit": "gamm.fit",
    "fit_gamm": "gamm.fit",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
