"""Who wrote, and how much: sessions and users by class, as the paper's Table S2 describes its sample."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

LEVEL = 0.95


def characteristics(sessions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Describe the sessions, all together and by class.

    Parameters
    ----------
    sessions : DataFrame
        user_id, label, age (NaN where not known), n_messages, n_words, messages_cut.
    classes : sequence of str

    Returns
    -------
    DataFrame
        class ('all' first), variable, unit ('session' or 'user'), n (with a value), missing, mean, sd,
        median, q1, q3, and lower and upper of the mean's 95 % t interval. Ages are users', a user with
        several known ages by their mean; a user with sessions of several classes is in each. Of 'sessions
        cut' the mean is their share.

    Examples
    --------
    >>> table = pd.DataFrame({"user_id": ["a", "b"], "label": "NS", "age": [14.0, 16.0], "n_messages": 3,
    ...                       "n_words": [10, 20], "messages_cut": 0})
    >>> characteristics(table, ("NS",)).query("variable == 'age'")["mean"].tolist()
    [15.0, 15.0]
    """
    rows = []
    for name in ("all", *classes):
        part = sessions if name == "all" else sessions[sessions["label"] == name]
        per_user = part.groupby("user_id")
        values = {
            ("sessions a user", "user"): per_user.size(),
            ("age", "user"): per_user["age"].mean(),
            ("messages", "session"): part["n_messages"],
            ("words", "session"): part["n_words"],
            ("sessions cut", "session"): part["messages_cut"] > 0,
        }
        rows += [
            {"class": name, "variable": variable, "unit": unit, **_described(column)}
            for (variable, unit), column in values.items()
        ]
    return pd.DataFrame(rows)


def _described(column: pd.Series) -> dict[str, float]:
    from scipy.stats import t

    x = column.dropna().to_numpy(dtype=np.float64)
    n = len(x)
    sd = float(x.std(ddof=1)) if n > 1 else np.nan
    mean = float(x.mean()) if n else np.nan
    half = float(t.ppf((1.0 + LEVEL) / 2.0, n - 1)) * sd / np.sqrt(n) if n > 1 else np.nan
    q1, median, q3 = np.quantile(x, [0.25, 0.5, 0.75]) if n else (np.nan, np.nan, np.nan)
    return {
        "n": n, "missing": len(column) - n, "mean": mean, "sd": sd, "median": float(median), "q1": float(q1),
        "q3": float(q3), "lower": mean - half, "upper": mean + half,
    }  # fmt: skip
