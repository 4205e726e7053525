"""The simple models that stand beside the nested protocol: what ten lines would have found on these calls."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from voicerisk.callers.schema import NO_VOICE
from voicerisk.files import write_parquet
from voicerisk.models.calls.ridge import ridge_logistic
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.study.estimators import Estimator
from voicerisk.study.fitting.covariates import covariate_columns
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.settings import Study
from voicerisk.types import Floats
from voicerisk.validation.protocols.choice import BOOSTED
from voicerisk.validation.protocols.rivals import Rival, run_rival
from voicerisk.validation.settings import ValidationSettings

# Of standardised columns, callers weighing 1: scikit-learn's C is 1 over it.
RIDGES = (100.0, 10.0, 1.0)
PREDICTIONS = "predictions_rivals"
MIX = 0.5  # half Lasso, half ridge
LAMBDAS = tuple(np.geomspace(0.99, 0.05, 8))  # shares of the penalty at which nothing is left


def simple_models(tables: ModelTables, named: Sequence[Estimator] = (), seed: int = 1) -> tuple[Rival, ...]:
    """Return the simple models of a study, on the markers that the nested protocol is given.

    Parameters
    ----------
    tables : ModelTables
    named : sequence of Estimator
        Further ones, which the study file names.
    seed : int
        Of estimators that draw at random.

    Returns
    -------
    tuple of Rival
        `ridge_means` (ridge logistic on call means), `elastic_net` (on means and standard deviations of
        calls), `ridge_segments` (ridge logistic on segments; a call's log-odds are their mean), then the
        named ones.
    """
    names = list(tables.inputs)
    by_call = tables.frames.groupby("call_id", sort=False)[names]
    means = by_call.mean()
    spreads = by_call.std().add_suffix(" (SD)")
    summaries = pd.concat([means, spreads], axis=1)
    segments = tables.frames.groupby(["call_id", "segment"], sort=False)[names].mean()
    rows = {
        "means": means.reset_index(),
        "summaries": summaries.reset_index(),
        "segments": segments.reset_index().drop(columns="segment"),
    }
    return (
        Rival("ridge_means", rows["means"], ridge_path),
        Rival("elastic_net", rows["summaries"], elastic_net_path),
        Rival("ridge_segments", rows["segments"], ridge_path),
        *(Rival(one.name, rows[one.rows], one.learn(seed)) for one in named),
    )


def without_voice(tables: ModelTables, names: Sequence[str]) -> Rival | None:
    """Return the model that hears no voice: a ridge logistic on columns of the calls alone.

    Parameters
    ----------
    tables : ModelTables
    names : sequence of str
        Columns of the calls: numbers, or text whose values become columns of 0 and 1.

    Returns
    -------
    Rival or None
        None where no column has two values.
    """
    calls = tables.calls
    known = [name for name in dict.fromkeys(names) if name in calls and calls[name].nunique() > 1]
    if not known:
        return None
    rows = covariate_columns(calls, known)
    return Rival(NO_VOICE, rows.assign(call_id=calls["call_id"]), ridge_path)


def beside_the_markers(study: Study, tables: ModelTables) -> Rival | None:
    """Return the model without voice on what the nested protocol is given beside the markers, no more.

    Were it given more, the nested model minus it would not be what the voice adds. So [cohort] covariates
    are left out, and the moderator where no member of the family knows its levels; levels that share a curve
    are one level here too.

    Parameters
    ----------
    study : Study
    tables : ModelTables

    Returns
    -------
    Rival or None
        None where the nested protocol is given markers alone.
    """
    names = list(study.boost.covariates)
    moderator, family = tables.moderator, study.validation.family
    if moderator is not None and any(name == BOOSTED or name.endswith("by_level") for name in family):
        names.insert(0, moderator.name)
        if moderator.shared:
            level = np.array(moderator.levels, dtype=object)[moderator.codes(tables.calls[moderator.name])]
            own = pd.Series(level, index=tables.calls.index)
            own = own.mask(own.isin(moderator.shared), f"one of {', '.join(moderator.shared)}")
            tables = replace(tables, calls=tables.calls.assign(**{moderator.name: own}))
    return without_voice(tables, names)


def ridge_path(known: Floats, y: Floats, weights: Floats, new: Floats) -> Floats:
    """Learn ridge logistic regressions, strongest penalty first; return the log-odds of new rows."""
    fits = [ridge_logistic(known, y, weights, penalty) for penalty in RIDGES]
    return np.column_stack([intercept + new @ beta for intercept, beta in fits])


def elastic_net_path(known: Floats, y: Floats, weights: Floats, new: Floats) -> Floats:
    """Learn elastic-net logistic regressions, strongest penalty first; return the log-odds of new rows."""
    from glmnet import LogitNet

    share = weights / weights.sum()
    largest = float(np.abs((share * (y - share @ y)) @ known).max()) / MIX
    if not largest > 0.0:  # no column varies
        prior = float(share @ y)
        return np.full((len(new), len(LAMBDAS)), np.log(prior / (1.0 - prior)))
    net = LogitNet(
        alpha=MIX, lambda_path=largest * np.array(LAMBDAS), standardize=False, n_splits=0, fit_intercept=True
    )
    net.fit(known, y, sample_weight=weights)
    link = net.intercept_path_.ravel() + new @ net.coef_path_[0]
    # Where the classes are separated the solver stops early; its last solution stands for the rest.
    return np.asarray(link[:, np.minimum(np.arange(len(LAMBDAS)), link.shape[1] - 1)])


def run_rivals_stage(
    study: Study, tables: ModelTables, folder: ResultsFolder, move: Callable[[int, int], None]
) -> tuple[list[str], list[str]]:
    """Judge the simple models on the nested protocol's folds, in the design told first."""
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", *study.cohort.groups]]
    designs = study.validation.designs
    headline = "grouped_kfold" if "grouped_kfold" in designs else designs[0]
    settings = replace(study.validation, designs=(headline,))
    alone = beside_the_markers(study, tables)
    simple = simple_models(tables, study.rivals, study.validation.seed)
    rivals = (*simple, *([alone] if alone is not None else []))
    write_parquet(folder.file(f"{PREDICTIONS}.parquet"), judged(rivals, calls, settings, move))
    return [f"{PREDICTIONS}.parquet"], []


def judged(
    rivals: Sequence[Rival],
    calls: pd.DataFrame,
    settings: ValidationSettings,
    move: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return the predictions of several rivals, stacked."""
    parts = []
    for number, rival in enumerate(rivals):

        def told(done: int, of: int, before: int = number) -> None:
            if move is not None:
                move(before * of + done, len(rivals) * of)

        parts.append(run_rival(rival, calls, settings, told).predictions)
    return pd.concat(parts, ignore_index=True)
