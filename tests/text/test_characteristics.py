import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway, t

from voicerisk.text.characteristics import characteristics, group_differences


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


def written(users=60, seed=1):
    """Return sessions whose ages and words depend on the user and not on the class: 1 to 8 a user."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rng.integers(1, 9, users))
    long = rng.normal(100, 30, users)[user] + rng.normal(0, 10, len(user))
    return pd.DataFrame(
        {
            "user_id": [f"u{one:03d}" for one in user], "label": np.array(["NS", "SI", "ASE"])[user % 3],
            "age": rng.normal(18, 3, users)[user], "n_messages": 3, "n_words": long, "messages_cut": 0,
        }
    )  # fmt: skip


def test_the_interval_of_words_a_session_is_clustered_by_user():
    import statsmodels.api as sm

    sessions = written()
    row = characteristics(sessions, ()).set_index("variable").loc["words"]
    codes = pd.factorize(sessions["user_id"])[0]
    model = sm.OLS(sessions["n_words"], np.ones(len(sessions)))
    low, high = model.fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True).conf_int().iloc[0]
    # The same formula in other words: equal but for rounding.
    assert (row["lower"], row["upper"]) == pytest.approx((low, high), abs=1e-9)
    assert (row["n"], row["units"]) == (len(sessions), 60)
    # Every session told twice is not more users.
    twice = characteristics(pd.concat([sessions, sessions]), ()).set_index("variable").loc["words"]
    assert twice["upper"] - twice["lower"] == pytest.approx(row["upper"] - row["lower"])


def test_with_one_session_a_user_the_interval_is_the_plain_t_interval():
    words = np.array([10.0, 20.0, 40.0, 70.0])
    sessions = pd.DataFrame(
        {
            "user_id": list("abcd"), "label": "NS", "age": np.nan, "n_messages": 1, "n_words": words,
            "messages_cut": 0,
        }
    )  # fmt: skip
    row = characteristics(sessions, (), users_known=False).set_index("variable").loc["words"]
    half = t.ppf(0.975, 3) * words.std(ddof=1) / 2
    assert (row["lower"], row["upper"]) == pytest.approx((35 - half, 35 + half))
    table = characteristics(sessions, ("NS",), users_known=False)
    assert set(table["unit"]) == {"session"}
    assert "sessions a user" not in set(table["variable"])


def test_without_a_difference_a_twentieth_of_the_tests_rejects():
    classes = ("NS", "SI", "ASE")
    tables = [group_differences(written(seed=seed), classes) for seed in range(300)]
    p = pd.concat(tables).pivot_table(index=np.repeat(range(300), 2), columns="variable", values="p_value")
    # 0.05 and three Monte Carlo standard errors of 300; over sessions it was 0.6.
    assert ((p < 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)).all()
    assert ((p < 0.05).mean() > 0.01).all()


def test_a_user_is_tested_once_and_one_of_several_classes_is_left_out_and_counted():
    sessions = pd.DataFrame(
        {
            "user_id": ["a", "a", "a", "b", "c", "d", "e", "e", "f", "g", "g"],
            "label": ["NS", "NS", "NS", "NS", "SI", "SI", "NS", "SI", "NS", "NS", "SI"],
            "age": [14.0, 14.0, np.nan, 16.0, 17.0, 20.0, 30.0, 30.0, np.nan, 30.0, np.nan],
            "n_words": [10, 20, 30, 50, 60, 90, 5, 5, 40, 5, 5],
        }
    )
    found = group_differences(sessions, ("NS", "SI")).set_index("variable")
    expected = f_oneway([14, 16], [17, 20])
    age, words = found.loc["age"], found.loc["n_words"]
    assert (age["f"], age["p_value"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert (age["n"], age["left_out"], age["df_within"]) == (4, 2, 2)
    assert (age["mean_NS"], age["mean_SI"]) == (15, 18.5)
    expected = f_oneway([20, 50, 40], [60, 90])
    assert (words["f"], words["p_value"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert (words["n"], words["left_out"]) == (5, 2)


def test_what_cannot_be_tested_has_a_row_without_a_p_value():
    sessions = pd.DataFrame(
        {"user_id": list("abcd"), "label": ["NS", "NS", "SI", "SI"], "age": np.nan, "n_words": 7}
    )
    found = group_differences(sessions, ("NS", "SI")).set_index("variable")
    assert found["p_value"].isna().all()
    assert found["n"].to_dict() == {"n_words": 4, "age": 0}
