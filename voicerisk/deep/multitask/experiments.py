"""The paper's three experiments over all inputs: the same folds for every model, predictions out of fold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.baselines import majority
from voicerisk.deep.multitask.folds import Fold, all_cases, make_folds
from voicerisk.deep.multitask.inputs import Features
from voicerisk.deep.multitask.model import Lesson, MultitaskModel, fit_model
from voicerisk.deep.multitask.prediction_rows import prediction_rows
from voicerisk.deep.multitask.settings import NetworkSettings
from voicerisk.errors import MultitaskError
from voicerisk.types import Progress

TASKS = {"severity": ("severity",), "risk": ("risk",), "both": ("severity", "risk")}
STL, MTL = "stl", "mtl"


@dataclass(frozen=True, slots=True)
class Run:
    """One experiment with one input combination, over all folds.

    Parameters
    ----------
    protocol : {'published', 'nested'}
    experiment : {'severity', 'risk', 'both'}
    combination : str
        As "W+E".
    """

    protocol: str
    experiment: str
    combination: str

    @property
    def model(self) -> str:
        """Name in the predictions table: 'stl:W+E' or 'mtl:W+E'."""
        return f"{MTL if self.experiment == 'both' else STL}:{self.combination}"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that are trained."""
        return TASKS[self.experiment]

    @property
    def key(self) -> str:
        """Stable name of the run."""
        return f"{self.protocol}-{self.experiment}-{self.combination.replace('+', '_')}"


@dataclass(frozen=True, slots=True, eq=False)
class RunOutcome:
    """What one run left behind.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        Task -> predictions table of several classes, `p_raw_<class>` and `p_<class>`.
    hidden : mapping of str to DataFrame
        The same with one modality missing at prediction time: model 'mtl:W+E without audio'. Empty for
        inputs of one modality.
    history : DataFrame
        protocol, model, experiment, repeat, fold and the history of training.
    provenance : list of dict
        model, experiment, repeat, fold, and the persons that the weights, the scaling, the stopping and the
        recalibration have seen.
    """

    predictions: Mapping[str, pd.DataFrame]
    hidden: Mapping[str, pd.DataFrame]
    history: pd.DataFrame
    provenance: list[dict[str, Any]]


def plan_runs(
    protocols: Sequence[str], experiments: Sequence[str], combinations: Sequence[str]
) -> tuple[Run, ...]:
    """Return every run, by protocol, input and experiment."""
    return tuple(
        Run(protocol, experiment, combination)
        for protocol in protocols
        for combination in combinations
        for experiment in experiments
    )


def class_numbers(cases: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Return the class number of each case, by task.

    Raises
    ------
    MultitaskError
        For a label that is none of the classes.
    """
    out = {}
    for task, names in classes.items():
        number = cases[task].map({name: k for k, name in enumerate(names)})
        if number.isna().any():
            label = cases[task][number.isna()].iloc[0]
            raise MultitaskError(f"The {task} of a case is {label!r}, none of {', '.join(names)}.")
        out[task] = number.to_numpy(dtype=np.int64)
    return out


def run_one(
    run: Run,
    cases: pd.DataFrame,
    features: Features,
    classes: Mapping[str, Sequence[str]],
    folds: Sequence[Fold],
    settings: NetworkSettings,
    seed: int,
    progress: Progress | None = None,
) -> RunOutcome:
    """Train one experiment in every fold and score the cases held out.

    Parameters
    ----------
    run : Run
    cases : DataFrame
        case_id, person_id, and a column of class names a task.
    features : Features
        In the order of the cases.
    classes : mapping of str to sequence of str
    folds : sequence of Fold
        From `make_folds`; the same for every run of a protocol.
    settings : NetworkSettings
    seed : int
    progress : callable, optional

    Returns
    -------
    RunOutcome
    """
    from voicerisk.deep.networks.training import seed_of

    blocks = features.of(run.combination)
    labels = {task: number for task, number in class_numbers(cases, classes).items() if task in run.tasks}
    kinds = features.kinds(run.combination)
    persons = cases["person_id"].to_numpy(dtype=str)
    published = run.protocol == "published"
    tables: dict[str, list[pd.DataFrame]] = {task: [] for task in run.tasks}
    without: dict[str, list[pd.DataFrame]] = {task: [] for task in run.tasks if len(kinds) > 1}
    histories, provenance = [], []
    for done, fold in enumerate(folds):
        # Single- and multitask models of an input start from the same seed, so that it does not part them.
        start = seed_of(seed, fold.repeat, fold.fold)
        lesson = Lesson(labels, classes, fold.fit, fold.validation, persons)
        model = fit_model(blocks, features.modalities, lesson, settings, start, published)
        for task, found in model.predict(blocks, fold.test).items():
            tables[task].append(prediction_rows(run.protocol, run.model, task, fold, cases, classes, *found))
        for kind in kinds if len(kinds) > 1 else ():
            name = f"{run.model} without {kind}"
            for task, found in model.predict(blocks, fold.test, hide=(kind,)).items():
                without[task].append(prediction_rows(run.protocol, name, task, fold, cases, classes, *found))
        place: dict[str, Any] = {
            "protocol": run.protocol, "model": run.model, "experiment": run.experiment,
        }  # fmt: skip
        place |= {"repeat": fold.repeat, "fold": fold.fold}
        histories.append(model.history.assign(**place))
        fit, stop = (sorted(set(persons[rows])) for rows in (fold.fit, fold.validation))
        saw: dict[str, Any] = {"weights": fit, "scaling": fit, "stopping": stop}
        provenance.append({**place, "saw": saw if published else saw | {"recalibration": stop}})
        if progress is not None:
            progress(done + 1, len(folds))
    history = pd.concat(histories, ignore_index=True)
    return RunOutcome(
        {task: pd.concat(parts, ignore_index=True) for task, parts in tables.items()},
        {task: pd.concat(parts, ignore_index=True) for task, parts in without.items()},
        history[[*place, *(name for name in history.columns if name not in place)]],
        provenance,
    )


def fit_final(
    run: Run,
    cases: pd.DataFrame,
    features: Features,
    classes: Mapping[str, Sequence[str]],
    validation_share: float,
    settings: NetworkSettings,
    seed: int,
    repeats: int,
) -> MultitaskModel:
    """Train, by the recipe of a fold of the nested protocol, the model that leaves: no case is held out.

    Parameters
    ----------
    run, cases, features, classes, settings, seed
        As in `run_one`.
    validation_share : float
        Of the persons; there training is stopped and risks are recalibrated.
    repeats : int
        Of the study: the seeds of its folds are not used again.

    Returns
    -------
    MultitaskModel
    """
    from voicerisk.deep.networks.training import seed_of

    labels = {task: number for task, number in class_numbers(cases, classes).items() if task in run.tasks}
    fit, validation = all_cases(cases, classes, validation_share, seed, repeats)
    lesson = Lesson(labels, classes, fit, validation, cases["person_id"].to_numpy(dtype=str))
    blocks = features.of(run.combination)
    return fit_model(blocks, features.modalities, lesson, settings, seed_of(seed, repeats, 0))


def run_experiments(
    cases: pd.DataFrame,
    features: Features,
    classes: Mapping[str, Sequence[str]],
    combinations: Sequence[str],
    settings: NetworkSettings,
    *,
    protocols: Sequence[str] = ("nested",),
    experiments: Sequence[str] = ("severity", "risk", "both"),
    k: int = 10,
    repeats: int = 1,
    validation_share: float = 0.15,
    seed: int = 1,
    progress: Progress | None = None,
) -> dict[str, pd.DataFrame]:
    """Run experiments on embeddings that are there already.

    Parameters
    ----------
    cases : DataFrame
        case_id, person_id, severity and risk (class names).
    features : Features
    classes : mapping of str to sequence of str
        Classes of 'severity' and of 'risk', from least to most severe.
    combinations : sequence of str
    settings : NetworkSettings
    protocols, experiments : sequence of str
    k, repeats, validation_share, seed
        As in `MultitaskSettings`.
    progress : callable, optional
        Called as progress(done, total), in folds.

    Returns
    -------
    dict
        Task -> predictions table (checked), all runs and both baselines that need no demographics.

    Examples
    --------
    >>> from voicerisk.deep.multitask import simulate_tasks
    >>> data = simulate_tasks(60, relation="shared", seed=1)
    >>> small = NetworkSettings(hidden=(8,), epochs=3)
    >>> found = run_experiments(data.cases, data.features, data.classes, ["E"], small, k=3)
    >>> sorted(found["risk"]["model"].unique())
    ['majority', 'mtl:E', 'stl:E']
    """
    from voicerisk.validation import check_predictions

    tables: dict[str, list[pd.DataFrame]] = {task: [] for task in classes}
    runs = plan_runs(protocols, experiments, combinations)
    for number, (run, folds) in enumerate(
        _with_folds(runs, cases, classes, k, repeats, validation_share, seed)
    ):

        def move(done: int, total: int, number: int = number) -> None:
            if progress is not None:
                progress(number * total + done, len(runs) * total)

        outcome = run_one(run, cases, features, classes, folds, settings, seed, move)
        for task, table in outcome.predictions.items():
            tables[task].append(table)
    for protocol in protocols:
        folds = make_folds(cases, classes, k, repeats, validation_share, seed, protocol == "published")
        for task in classes:
            tables[task].append(majority(protocol, task, cases, classes, folds))
    found = {task: pd.concat(parts, ignore_index=True) for task, parts in tables.items()}
    for table in found.values():
        check_predictions(table)
    return found


def _with_folds(
    runs: Sequence[Run],
    cases: pd.DataFrame,
    classes: Mapping[str, Sequence[str]],
    k: int,
    repeats: int,
    validation_share: float,
    seed: int,
) -> Iterator[tuple[Run, tuple[Fold, ...]]]:
    for run in runs:
        published = run.protocol == "published"
        yield run, make_folds(cases, classes, k, repeats, validation_share, seed, published)
