import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from voicerisk.text.characteristics import characteristics


def test_sessions_and_users_by_class():
    sessions = pd.DataFrame(
        {
            "user_id": ["a", "a", "b", "c"], "label": ["NS", "SI", "NS", "SI"],
            "age": [14.0, 16.0, 18.0, np.nan], "n_messages": [1, 2, 3, 4], "n_words": [10, 20, 30, 60],
            "messages_cut": [0, 0, 2, 0],
        }
    )  # fmt: skip
    found = characteristics(sessions, ("NS", "SI")).set_index(["class", "variable"])
    age = found.loc[("all", "age")]
    # User a is 15 on average; user c has no age.
    assert (age["n"], age["missing"], age["mean"], age["unit"]) == (2, 1, 16.5, "user")
    half = t.ppf(0.975, 1) * np.std([15, 18], ddof=1) / np.sqrt(2)
    assert age["lower"] == pytest.approx(16.5 - half)
    assert found.loc[("SI", "words"), "mean"] == 40
    assert found.loc[("all", "words"), "median"] == 25
    assert found.loc[("all", "sessions cut"), "mean"] == 0.25
    assert found.loc[("all", "sessions a user"), "n"] == 3
    assert np.isnan(found.loc[("SI", "age"), "lower"])


def test_without_ages_every_user_counts_as_missing():
    sessions = pd.DataFrame(
        {
            "user_id": ["a", "b"],
            "label": "NS",
            "age": np.nan,
            "n_messages": 1,
            "n_words": 2,
            "messages_cut": 0,
        }
    )
    age = characteristics(sessions, ("NS",)).set_index(["class", "variable"]).loc[("all", "age")]
    assert (age["n"], age["missing"]) == (0, 2)
    assert np.isnan(age["mean"])
