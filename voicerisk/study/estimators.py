"""Estimators that a study names, to be judged beside the nested protocol on its folds: `[rivals.<name>]`."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from voicerisk.errors import StudyError
from voicerisk.pipeline.study_file import nearest
from voicerisk.types import Floats
from voicerisk.validation.protocols.rivals import Learn

# A study file can come from elsewhere: it may name a class of these packages, and nothing else is imported.
PACKAGES = ("sklearn", "xgboost", "lightgbm")
ROWS = ("summaries", "means", "segments")
KEYS = ("estimator", "parameters", "rows")
OWN = ("nested", "published", "ridge_means", "elastic_net", "ridge_segments", "no_voice")
CLIP = 1e-6  # a forest's share of 0 or 1 has no log-odds


@dataclass(frozen=True, slots=True)
class Estimator:
    """One `[rivals.<name>]` of a study file.

    Attributes
    ----------
    name : str
        Its `model` in the tables.
    estimator : str
        Dotted path of a classifier of scikit-learn, xgboost or lightgbm.
    parameters : mapping of str to any
        What its constructor is given. Where it takes a `random_state` and none is given, it is the seed of
        the study.
    rows : {'summaries', 'means', 'segments'}
        What it learns from: means and standard deviations of calls, means of calls, or means of segments.

    Examples
    --------
    >>> forest = Estimator("forest", "sklearn.ensemble.RandomForestClassifier", {"n_estimators": 50})
    >>> forest.made(seed=1)
    RandomForestClassifier(n_estimators=50, random_state=1)
    """

    name: str
    estimator: str
    parameters: Mapping[str, Any]
    rows: str = "summaries"

    def made(self, seed: int) -> Any:
        """Return a new estimator.

        Raises
        ------
        StudyError
            If there is no such class, it is no classifier with probabilities, or it refuses its parameters.
        """
        kind = self._kind()
        given = dict(self.parameters)
        takes = inspect.signature(kind).parameters
        unknown = [key for key in given if key not in takes]
        if unknown and not any(one.kind is one.VAR_KEYWORD for one in takes.values()):
            raise StudyError(
                f"[rivals.{self.name}] parameters: {self.estimator} has no {unknown[0]!r}"
                f"{nearest(unknown[0], list(takes))}"
            )
        if "random_state" in takes:
            given.setdefault("random_state", seed)
        try:
            made = kind(**given)
        except (TypeError, ValueError) as problem:
            raise StudyError(
                f"[rivals.{self.name}]: {self.estimator} refuses its parameters: {problem}"
            ) from problem
        if not hasattr(made, "predict_proba"):  # some have it with certain parameters only
            raise self._without_probabilities()
        return made

    def learn(self, seed: int) -> Learn:
        """Return what a `Rival` learns by: one column of log-odds."""

        def learned(known: Floats, y: Floats, weights: Floats, new: Floats) -> Floats:
            model = self.made(seed)
            weighted = "sample_weight" in inspect.signature(model.fit).parameters
            model.fit(known, y.astype(np.int64), **({"sample_weight": weights} if weighted else {}))
            p = np.clip(np.asarray(model.predict_proba(new), np.float64)[:, 1], CLIP, 1.0 - CLIP)
            return np.asarray((np.log(p) - np.log1p(-p))[:, None])

        return learned

    def _kind(self) -> type:
        module, _, name = self.estimator.rpartition(".")
        if module.split(".")[0] not in PACKAGES:
            raise StudyError(
                f"[rivals.{self.name}] estimator is {self.estimator!r}; it must be a class of "
                f'{", ".join(PACKAGES)}, such as "sklearn.ensemble.RandomForestClassifier".'
            )
        try:
            found = getattr(import_module(module), name, None)
        except ImportError as problem:
            raise StudyError(
                f"[rivals.{self.name}]: {module} cannot be imported ({problem}); install it, or mend "
                "its name."
            ) from problem
        # A module of these packages also holds what it imports from elsewhere.
        if not inspect.isclass(found) or found.__module__.split(".")[0] not in PACKAGES:
            raise StudyError(f"[rivals.{self.name}]: {module} has no class {name!r}.")
        if not hasattr(found, "fit") or not hasattr(found, "predict_proba"):
            raise self._without_probabilities()
        return found

    def _without_probabilities(self) -> StudyError:
        return StudyError(
            f"[rivals.{self.name}]: {self.estimator} gives no probabilities (predict_proba); name a "
            "classifier that does."
        )


def read_estimators(file: str, table: Mapping[str, Any], seed: int) -> tuple[Estimator, ...]:
    """Read the tables `[rivals.<name>]` of a study file, and try each estimator once.

    Raises
    ------
    StudyError
        Where a table cannot be meant.
    """
    found = []
    for name, given in table.items():
        where = f"{file}, [rivals.{name}]"
        if not isinstance(given, Mapping):
            raise StudyError(f"{file}: [rivals] holds tables, one a model: [rivals.{name}].")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in OWN:
            raise StudyError(
                f"{where}: the name must be a word of letters, digits and _, and none of {', '.join(OWN)}."
            )
        for key in given:
            if key not in KEYS:
                raise StudyError(f"{where} has the unknown key {key!r}{nearest(key, list(KEYS))}")
        if not isinstance(given.get("estimator"), str):
            raise StudyError(
                f'{where} must name an estimator, such as "sklearn.ensemble.RandomForestClassifier".'
            )
        rows, parameters = given.get("rows", ROWS[0]), given.get("parameters", {})
        if rows not in ROWS:
            raise StudyError(f"{where} rows is {rows!r}; it is one of {', '.join(ROWS)}.")
        if not isinstance(parameters, Mapping):
            raise StudyError(f"{where} parameters must be a table, such as {{ n_estimators = 500 }}.")
        one = Estimator(name, given["estimator"], dict(parameters), rows)
        one.made(seed)
        found.append(one)
    return tuple(found)
