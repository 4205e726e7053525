"""Markers on two levels: the mean of a segment, and each frame's deviation from it."""

from collections.abc import Sequence

import pandas as pd

from voicerisk.errors import ModelError


def split_levels(
    table: pd.DataFrame,
    markers: Sequence[str],
    caller: str = "caller_id",
    call: str = "call_id",
    segment: str = "segment",
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Split each marker into its segment's mean (level 2) and the row's deviation from it (level 1).

    Parameters
    ----------
    table : DataFrame
        One row a frame.
    markers : sequence of str
        Columns to split; a missing value takes no part in its segment's mean and stays a missing deviation.
    caller, call, segment : str
        Columns that together name a segment.

    Returns
    -------
    table : DataFrame
        The table with `<marker>_segment` and `<marker>_deviation` in place of each marker.
    names : tuple of str
        The new columns: all means, then all deviations.

    Raises
    ------
    ModelError
        If a column is absent, or no segment has two rows, so that every deviation is 0.

    Examples
    --------
    >>> import pandas as pd
    >>> from voicerisk.models import split_levels
    >>> rows = pd.DataFrame({"caller_id": "a", "call_id": "b", "segment": [0, 0, 1], "dom": [1.0, 3.0, 5.0]})
    >>> split_levels(rows, ["dom"])[0][["dom_segment", "dom_deviation"]].to_numpy().tolist()
    [[2.0, -1.0], [2.0, 1.0], [5.0, 0.0]]
    """
    keys = [caller, call, segment]
    for name in (*keys, *markers):
        if name not in table.columns:
            raise ModelError(
                f"The table has no column {name!r}; two levels need {', '.join(keys)} and markers."
            )
    if not table.duplicated(keys).any():
        raise ModelError("Every segment has one row, so no marker deviates from its mean; give frames.")
    values = table[list(markers)]
    means = values.groupby([table[key] for key in keys], sort=False, dropna=False).transform("mean")
    level_two = means.add_suffix("_segment")
    level_one = (values - means).add_suffix("_deviation")
    split = pd.concat([table.drop(columns=list(markers)), level_two, level_one], axis=1)
    return split, (*level_two.columns, *level_one.columns)
