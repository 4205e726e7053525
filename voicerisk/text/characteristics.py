"""Who wrote, and how much: sessions and users by class, as the paper's Table S2 describes its sample."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

LEVEL = 0.95


def characteristics(sessions: pd.DataFrame, classes: Sequence[str], users_known: bool = True) -> pd.DataFrame:
    """Describe the sessions, all together and by class.

    Parameters
    ----------
    sessions : DataFrame
        user_id, label, age (NaN where not known), n_messages, n_words, messages_cut.
    classes : sequence of str
    users_known : bool
        False where each session stands for a user of its own: the unit of every row is then the session, and
        there are no 'sessions a user'.

    Returns
    -------
    DataFrame
        class ('all' first), variable, unit ('session' or 'user'), n (with a value), missing, mean, sd,
        median, q1, q3, lower and upper of the mean's 95% interval, and units, how many users it rests on.
        Ages are users', a user with several known ages by their mean; a user with sessions of several classes
        is in each. Of 'sessions cut' the mean is their share.

    Notes
    -----
    Sessions of one user are not independent: the variance of a mean is that between users, whose deviations
    are summed over their sessions first (the linearised variance of a ratio; Cochran 1977, section 11.8),
    and t has units - 1 degrees of freedom. With one session a user this is the plain t interval.

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
        by_user = part.groupby("user_id")
        of_session = part.set_index("user_id")
        values = {
            ("sessions a user", "user"): by_user.size(),
            ("age", "user"): by_user["age"].mean(),
            ("messages", "session"): of_session["n_messages"],
            ("words", "session"): of_session["n_words"],
            ("sessions cut", "session"): of_session["messages_cut"] > 0,
        }
        rows += [
            {"class": name, "variable": variable, "unit": unit, **_described(column)}
            for (variable, unit), column in values.items()
        ]
    table = pd.DataFrame(rows)
    if users_known:
        return table
    return table[table["variable"] != "sessions a user"].assign(unit="session").reset_index(drop=True)


def _described(column: pd.Series) -> dict[str, float]:
    """Describe a column whose index says which user a value is of."""
    from scipy.stats import t

    known = column.dropna().astype(np.float64)
    x = known.to_numpy()
    n = len(x)
    sd = float(x.std(ddof=1)) if n > 1 else np.nan
    mean = float(x.mean()) if n else np.nan
    of_user = (known - mean).groupby(level=0).sum().to_numpy()
    units = len(of_user)
    half = np.nan
    if units > 1:
        error = np.sqrt(units / (units - 1) * (of_user**2).sum()) / n
        half = float(t.ppf((1.0 + LEVEL) / 2.0, units - 1) * error)
    q1, median, q3 = np.quantile(x, [0.25, 0.5, 0.75]) if n else (np.nan, np.nan, np.nan)
    return {
        "n": n, "missing": len(column) - n, "mean": mean, "sd": sd, "median": float(median), "q1": float(q1),
        "q3": float(q3), "lower": mean - half, "upper": mean + half, "units": units,
    }  # fmt: skip


def group_differences(sessions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Test whether word count and age differ between the classes, by one-way analysis of variance of users.

    A user enters once, by the mean over their sessions (of age: over those that know it). Analysis of
    variance compares groups that share nobody, and a user with sessions of several classes belongs to no one
    of them: entering such users in each class makes the test reject too seldom (2% at nominal 5%, in a
    simulation where a tenth of the sessions took a class by chance), so they are left out and counted.

    Parameters
    ----------
    sessions : DataFrame
        user_id, label, n_words, age. Where users are not known, user_id is the session's own.
    classes : sequence of str

    Returns
    -------
    DataFrame
        variable, n (users compared), left_out (users with a value and sessions of several classes), f,
        df_between, df_within, p_value, and mean_<class> of the users compared. f and p_value are NaN where a
        class has fewer than two users, or all users have one value.

    Examples
    --------
    >>> table = pd.DataFrame({"user_id": list("aabcdef"), "label": ["NS"] * 4 + ["SI"] * 3,
    ...                       "age": [15.0, 15, 17, 16, 19, 20, 21], "n_words": 10})
    >>> group_differences(table, ("NS", "SI"))[["variable", "n", "df_within", "p_value"]].round(4)
      variable  n  df_within  p_value
    0  n_words  6          4      NaN
    1      age  6          4    0.008
    """
    from scipy.stats import f_oneway

    by_user = sessions.groupby("user_id")
    single, label = by_user["label"].nunique() == 1, by_user["label"].first()
    rows = []
    for column in ("n_words", "age"):
        mean = by_user[column].mean().astype(np.float64)
        known = mean.notna()
        values = [mean[known & single & (label == name)].to_numpy() for name in classes]
        n = sum(len(one) for one in values)
        f = p = np.nan
        if min(len(one) for one in values) > 1 and np.ptp(np.concatenate(values)) > 0:
            f, p = f_oneway(*values)
        means = {
            f"mean_{name}": one.mean() if len(one) else np.nan
            for name, one in zip(classes, values, strict=True)
        }
        rows.append(
            {
                "variable": column, "n": n, "left_out": int((known & ~single).sum()), "f": float(f),
                "df_between": len(classes) - 1, "df_within": n - len(classes), "p_value": float(p), **means,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
