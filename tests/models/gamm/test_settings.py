"""The settings of the GAMM, adjusted p-values, and the caller split: no R here."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ModelError
from voicerisk.models.gamm.fit import GammSettings
from voicerisk.models.gamm.p_values import benjamini_hochberg, caller_split, holm


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "lme4"}, r"\[gamm\] engine must be one of bam, gam, gamm, not 'lme4'"),
        ({"level": "call"}, r"\[gamm\] level must be one of .*, not 'call'"),
        ({"k": 2}, r"\[gamm\] k must be a whole number of at least 3, not 2"),
        ({"k": 5.0}, r"\[gamm\] k must be .*, not 5\.0"),
        ({"random": ["caller", "service"]}, r"\[gamm\] random holds 'service'"),
        ({"random": ["caller", "caller"]}, r"names an intercept twice"),
        ({"random": ["segment"]}, r"random = 'segment' needs level = 'frame'"),
        ({"drop": 1}, r"\[gamm\] drop must be true or false, not 1"),
    ],
)
def test_settings_name_the_key(settings, message):
    with pytest.raises(ModelError, match=message):
        GammSettings(**settings)


def test_settings_take_lists():
    assert GammSettings(random=["caller", "call"]).random == ("caller", "call")
    assert GammSettings(random=[]).random == ()


def test_adjusted_p_values_are_those_of_p_adjust():
    # R: p.adjust(c(.01, .04, .03, .005, .8), "holm") and "BH"
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.8])
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.025, 0.8])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.025, 0.05, 0.05, 0.025, 0.8])


def callers_of_two_segments(n):
    caller = np.repeat(np.arange(n), 2)
    return pd.DataFrame(
        {
            "caller_id": [f"c{i:02d}" for i in caller],
            "sex": np.where(caller % 2, "male", "female"),
            "outcome": (caller // 2) % 2,
        }
    )


def test_a_missing_p_value_is_no_test_and_spoils_no_other():
    # R: p.adjust(c(.01, NA, .03), "holm"), and "BH"
    p = np.array([0.01, np.nan, 0.03])
    np.testing.assert_allclose(holm(p), [0.02, np.nan, 0.03], rtol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, np.nan, 0.03], rtol=1e-12)
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_caller_split_halves_callers_alike():
    rows = callers_of_two_segments(40)
    select, test = caller_split(rows, seed=3)
    assert not (select & test).any()
    assert (select | test).all()
    assert not set(rows.loc[select, "caller_id"]) & set(rows.loc[test, "caller_id"])
    counts = [rows[half].groupby(["sex", "outcome"])["caller_id"].nunique() for half in (select, test)]
    assert (counts[0] - counts[1]).abs().max() <= 1
    with pytest.raises(ModelError, match="at least 4 callers; there are 3"):
        caller_split(callers_of_two_segments(3))
