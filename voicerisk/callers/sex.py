"""The two codes of sex, read from text."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.errors import ModelError


def sex_codes(column: pd.Series) -> NDArray[np.int8]:
    """Return 0 for female and 1 for male; female/male/F/M in any case.

    Raises
    ------
    ModelError
        For anything else, naming the row and the value.
    """
    # Few distinct values stand for millions of rows.
    place, values = pd.factorize(column, use_na_sentinel=False)
    text = pd.Series(values).astype("str").str.strip().str.lower()
    codes = text.map({"female": 0, "f": 0, "male": 1, "m": 1})
    unknown = codes.isna().to_numpy()[place]
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise ModelError(
            f"Column {column.name}, row {row}: sex is {column.iloc[row]!r}; it must be female or male."
        )
    return np.asarray(codes.to_numpy(np.int8)[place], np.int8)
