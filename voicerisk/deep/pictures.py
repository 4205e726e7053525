"""Figures of several series of binary predictions: the classes of one model, or the models of one class."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from voicerisk.study.output.figures import Picture


def series_pictures(series: pd.DataFrame, areas: pd.DataFrame, suffix: str) -> Iterator[Picture]:
    """Yield ROC, precision-recall and calibration curves.

    Parameters
    ----------
    series : DataFrame
        Binary predictions tables, stacked; the name of each series stands in `protocol`.
    areas : DataFrame
        Rows of metrics.csv with the same names in `protocol`.
    suffix : str
        Of the figures' names.
    """
    from voicerisk.figures import calibration_points, curve_points

    points = curve_points(series)
    yield Picture(f"roc--{suffix}", points, {"metrics": areas})
    yield Picture(f"precision_recall--{suffix}", points, {"metrics": areas})
    curve, strip = calibration_points(_pooled(series))
    yield Picture(f"calibration--{suffix}", of_class(curve, curve["protocol"]), {"strip": strip})


def of_class(curve: pd.DataFrame, names: str | pd.Series) -> pd.DataFrame:
    """Name the class, by which figures see that no coverage was measured for the intervals."""
    return curve.assign(**{"class": names})


def _pooled(table: pd.DataFrame) -> pd.DataFrame:
    """Put the repeats of a binary table together, repetitions of a published test part as rows."""
    times = table["weight"].to_numpy().astype(np.int64)
    return table.loc[table.index.repeat(times)].assign(weight=1.0, repeat=0).reset_index(drop=True)
