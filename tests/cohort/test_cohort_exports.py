"""The cohort in numbers, and without names."""

import numpy as np
import pytest

from voicerisk.cohort import describe_cohort, pseudonymise, rating_table
from voicerisk.errors import CohortError

KEY = "sixteen bytes or more"


@pytest.fixture
def rated(study):
    study.table(
        "anna-1,anna,F,001.wav,0,001.txt,40,hello anna,1,2", "bert-1,bert,M,002.wav,0,002.txt,30,,2,5",
        "anna-2,anna,F,003.WAV,1,003.txt,41,,5,5", "dora-1,dora,F,004.wav,1,004.txt,50,,6,6",
        "emil-1,emil,M,005.wav,,005.txt,60,,3,4", "fritz-1,fritz,M,006.wav,1,006.txt,60,,3,4",
        header="call_id,caller_id,sex,file,outcome,labels,age,remark,smith,jones",
    )  # fmt: skip
    study.recording("003.WAV")
    return study.load(where="caller_id != 'fritz'", labels=["caller"], ratings=["smith", "jones"])


def test_numbers_of_the_cohort(rated):
    found = describe_cohort(rated, covariates=["age"]).set_index(["quantity", "group"])
    assert found.loc[("calls", "all"), "n"] == 4
    assert found.loc[("callers", "all"), "n"] == 3
    assert found.loc[("calls of women", "outcome 1"), "n"] == 2
    assert found.loc[("calls of men", "outcome 0"), "n"] == 1
    length = found.loc[("segment length (s)", "all")]
    assert length["n"] == 8
    assert length["mean"] == pytest.approx(0.75) and length["sd"] == pytest.approx(
        np.std([1, 0.5] * 4, ddof=1)
    )
    assert (length["minimum"], length["median"], length["maximum"]) == (0.5, 0.75, 1.0)
    assert found.loc[("segments per call", "outcome 0"), "median"] == 2
    assert found.loc[("speech per call (s)", "all"), "mean"] == pytest.approx(1.5)
    assert found.loc[("age", "outcome 1"), "mean"] == 45.5
    assert found.loc[("calls per caller", "all"), "maximum"] == 2
    with pytest.raises(CohortError, match="no column 'weight' to describe"):
        describe_cohort(rated, ["weight"])
    with pytest.raises(CohortError, match="'remark' holds text"):
        describe_cohort(rated, ["remark"])


def everything(cohort):
    tables = (
        cohort.calls,
        cohort.spans,
        cohort.flow,
        cohort.exclusions,
        cohort.ratings,
        cohort.disagreements,
    )
    return "\n".join(table.to_csv() for table in tables) + "\n".join(cohort.notes)


def test_no_name_is_left(rated):
    shared = everything(pseudonymise(rated, KEY, keep=["age"]))
    before = everything(rated)
    for name in (
        "anna",
        "bert",
        "dora",
        "emil",
        "smith",
        "jones",
        "001",
        "005.wav",
        "fritz",
        "hello",
        "counsellor",
    ):
        assert name in before
        assert name not in shared


def test_what_belongs_together_stays_together(rated):
    shared = pseudonymise(rated, KEY, keep=["age"])
    assert list(shared.calls.columns) == ["call_id", "caller_id", "sex", "outcome", "file", "path", "age"]
    assert shared.calls["caller_id"].nunique() == 3
    by_age = shared.calls.set_index("age")
    assert by_age.loc[40, "caller_id"] == by_age.loc[41, "caller_id"] != by_age.loc[50, "caller_id"]
    assert by_age.loc[41, "file"] == by_age.loc[41, "call_id"] + ".wav"
    assert set(shared.spans["call_id"]) == set(shared.calls["call_id"])
    assert len(shared.exclusions) == len(rated.exclusions)
    assert set(shared.ratings["call_id"]) - set(shared.calls["call_id"]) <= set(shared.exclusions["call_id"])
    assert shared.calls["call_id"].is_monotonic_increasing
    assert shared.ratings.groupby("rater")["value"].sum().sort_values().tolist() == [17.0, 22.0]


def test_one_key_gives_one_pseudonym_and_another_key_another(rated):
    one, same, other = (pseudonymise(rated, key) for key in (KEY, KEY.encode(), KEY + "!"))
    assert one.calls["caller_id"].tolist() == same.calls["caller_id"].tolist()
    assert not set(one.calls["caller_id"]) & set(other.calls["caller_id"])


def test_label_texts_are_kept_only_when_asked(rated):
    assert set(pseudonymise(rated, KEY).spans["label"]) == {""}
    assert set(pseudonymise(rated, KEY, keep_labels=True).spans["label"]) == {"caller"}


def test_what_was_left_out_is_said(rated):
    (note,) = pseudonymise(rated, KEY, keep=["age"]).notes
    assert "label texts are left out" in note and "4 further columns are left out" in note


def test_ratings_are_arranged_for_kappa(rated):
    from voicerisk.validation.metrics.rater_agreement import agreement_table

    wide = rating_table(rated.ratings)
    assert wide.loc["emil-1"].to_dict() == {"smith": 3.0, "jones": 4.0}
    levels = rating_table(rated.ratings, levels=True)
    assert levels["smith"].tolist() == [0.0, 2.0, 0.0, 2.0, 1.0]
    measured = agreement_table(levels.dropna(), n_boot=10).set_index("metric")
    # Four of five recordings alike; chance from the pooled categories 3, 2 and 5 of 10.
    chance = 0.3**2 + 0.2**2 + 0.5**2
    assert measured.loc["fleiss_kappa", "estimate"] == pytest.approx((0.8 - chance) / (1 - chance))
    with pytest.raises(CohortError, match="no rating on the scale 'counsellor'"):
        rating_table(rated.ratings, "counsellor")


def test_bad_keys_and_columns_are_told(rated):
    with pytest.raises(CohortError, match="The key has 5 bytes; pseudonyms need one of at least 16"):
        pseudonymise(rated, "short")
    with pytest.raises(CohortError, match="no column 'ward' to keep"):
        pseudonymise(rated, KEY, keep=["ward"])
