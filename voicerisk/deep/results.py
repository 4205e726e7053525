"""Tables of a results folder of chats or of several tasks, read as `write_csv` wrote them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

TEXTS = ("call_id", "caller_id", "case_id", "session_id", "user_id", "class")


def read_results(file: Path, texts: Sequence[str] = ()) -> pd.DataFrame:
    r"""Read a table of results: an empty cell is missing, and nothing else is; ids and classes are text.

    A class may be called None, NA or 1, which pandas by itself takes for missing or for a number.

    Parameters
    ----------
    file : Path
    texts : sequence of str
        Further columns that are text whatever they look like.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "metrics.csv"
    >>> _ = file.write_text("class,user_id,estimate\nNone,007,0.5\nmild,008,\n")
    >>> read_results(file)["class"].tolist()
    ['None', 'mild']
    """
    return pd.read_csv(
        file, keep_default_na=False, na_values=[""], dtype=dict.fromkeys((*TEXTS, *texts), str)
    )
