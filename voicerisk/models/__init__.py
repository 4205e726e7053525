"""Models: component-wise gradient boosting of P-splines (own engine, exact to R's mboost) and GAMMs by mgcv.

May be imported: the settings `BoostSettings`, `learners_for`, `Learner`, `BoostData`, `Lane`, `LazyLanes`;
`fit_lanes`, `alike_order`, `fit_lanes_in_folder`, `fit_lanes_by_joblib` and `LanePath` for many fits at once;
`fit_jointly` and `JointLanes` for folds that tune a fit; `cvrisk` and `stability_selection`; the estimator
`GamBoost`; for saved models `read_model`, `write_model`, `scoring_model` and `ScoringModel`; for GAMMs the
estimator `Gamm`, `GammSettings`, `fit_gamm`, `GammFit`, `split_levels`, and `remedies` for separated data.
Everything loads on first use, because numba and scikit-learn are slow to import.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "BoostSettings": "boost_spec",
    "BoostData": "boost_spec",
    "Lane": "boost_spec",
    "Learner": "boost_spec",
    "learners_for": "boost_spec",
    "FittedLearner": "boost_path",
    "LanePath": "boost_path",
    "fit_lanes": "boost_lanes",
    "alike_order": "boost_groups",
    "JointLanes": "boost_joint",
    "fit_jointly": "boost_joint",
    "LazyLanes": "boost_resampling",
    "fit_lanes_by_joblib": "boost_cluster",
    "fit_jointly_by_joblib": "boost_cluster",
    "fit_lanes_in_folder": "boost_resampling",
    "cvrisk": "boost_resampling",
    "stability_selection": "boost_resampling",
    "GamBoost": "gamboost",
    "ScoringModel": "boost_file",
    "scoring_model": "boost_file",
    "read_model": "boost_file",
    "write_model": "boost_file",
    "Gamm": "gamm_estimator",
    "GammSettings": "gamm",
    "split_levels": "gamm_levels",
    "remedies": "gamm_remedies",
    "GammFit": "gamm",
    "fit_gamm": "gamm",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
