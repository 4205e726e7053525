"""What is reached without hearing or reading anything: class shares alone, and demographics alone."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.folds import Fold
from voicerisk.deep.multitask.prediction_rows import prediction_rows
from voicerisk.errors import MultitaskError

MAJORITY, DEMOGRAPHICS = "majority", "demographics"
MAX_ITER = 2000


def majority(
    protocol: str, task: str, cases: pd.DataFrame, classes: Mapping[str, Sequence[str]], folds: Sequence[Fold]
) -> pd.DataFrame:
    """Return predictions that are the shares of the classes in the whole study, the same for every case.

    Shares of each training set would differ between folds in the wrong direction (a fold with more cases of
    a class leaves fewer to train on) and give an AUROC below 0.5.
    """
    shares = np.array([(cases[task] == name).mean() for name in classes[task]])
    parts = []
    for fold in folds:
        p = np.repeat(shares[None, :], len(fold.test), axis=0)
        parts.append(prediction_rows(protocol, MAJORITY, task, fold, cases, classes, p, p))
    return pd.concat(parts, ignore_index=True)


def demographics_only(
    protocol: str,
    task: str,
    cases: pd.DataFrame,
    columns: Sequence[str],
    classes: Mapping[str, Sequence[str]],
    folds: Sequence[Fold],
) -> pd.DataFrame:
    """Return predictions of a ridge-penalised multinomial logistic regression on demographics.

    Numbers are scaled, missing ones are the training median with an indicator; texts are one column a value
    of the training rows. The penalty is fixed (C = 1): nothing is tuned.

    Raises
    ------
    MultitaskError
        Without columns.
    """
    from sklearn.linear_model import LogisticRegression

    if not columns:
        raise MultitaskError("The demographics-only baseline needs columns; see [multitask] demographics.")
    parts = []
    names = tuple(classes[task])
    y = cases[task].to_numpy(dtype=str)
    for fold in folds:
        # In the published protocol the stopping rows are the held-out ones.
        rows = np.setdiff1d(np.union1d(fold.fit, fold.validation), fold.test)
        x = _design(cases, columns, rows)
        fitted = LogisticRegression(max_iter=MAX_ITER).fit(x[rows], y[rows])
        p = np.zeros((len(fold.test), len(names)))
        p[:, [names.index(name) for name in fitted.classes_]] = fitted.predict_proba(x[fold.test])
        parts.append(prediction_rows(protocol, DEMOGRAPHICS, task, fold, cases, classes, p, p))
    return pd.concat(parts, ignore_index=True)


def _design(cases: pd.DataFrame, columns: Sequence[str], rows: np.ndarray) -> np.ndarray:
    parts = []
    for name in columns:
        column = cases[name]
        if pd.api.types.is_numeric_dtype(column):
            values = column.to_numpy(dtype=np.float64)
            own = values[rows][np.isfinite(values[rows])]
            middle, spread = (float(np.median(own)), float(own.std())) if len(own) else (0.0, 0.0)
            filled = np.where(np.isfinite(values), values, middle)
            parts.append((filled - middle) / (spread if spread > 0 else 1.0))
            if not np.isfinite(values).all():
                parts.append((~np.isfinite(values)).astype(np.float64))
        else:
            texts = column.astype("string").fillna("").to_numpy(dtype=str)
            parts += [(texts == value).astype(np.float64) for value in sorted(set(texts[rows]))]
    return np.column_stack(parts)
