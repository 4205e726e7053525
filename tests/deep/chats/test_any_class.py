"""Any class against the reference, and subgroups: by hand."""

import numpy as np
import pandas as pd
import pytest

from tests.text.sessions_of_words import make_messages
from voicerisk.deep.chats.results import any_metrics, text_metrics
from voicerisk.errors import TextError
from voicerisk.text.sessions import load_text_cohort
from voicerisk.text.settings import TextSettings


def predictions():
    """Six sessions of each class: two ASE are taken for NS, one NS for SI; SI and ASE are mixed up freely."""
    rows = []
    for label, likeliest in (
        ("NS", ["NS"] * 5 + ["SI"]), ("SI", ["SI"] * 3 + ["ASE"] * 3),
        ("ASE", ["ASE"] * 3 + ["SI"] + ["NS"] * 2),
    ):  # fmt: skip
        for k, name in enumerate(likeliest):
            score = {one: 0.6 if one == name else 0.2 for one in ("NS", "SI", "ASE")}
            rows.append(
                {
                    "y": label,
                    "call_id": f"{label}{k}",
                    "caller_id": f"u{label}{k}",
                    "sex": "fm"[k % 2],
                    **score,
                }
            )
    table = pd.DataFrame(rows)
    for name in ("NS", "SI", "ASE"):
        score = table.pop(name)
        table[f"p_raw_{name}"], table[f"p_{name}"] = score, score
    return table.assign(
        protocol="nested", model="tfidf", target="text_class", design="holdout", repeat=0, fold=0,
        unit="call", segment=None, frame=None, time_s=np.nan, threshold=np.nan, weight=1.0,
    )  # fmt: skip


def test_any_class_counts_who_is_taken_for_nobody_in_need():
    settings = TextSettings("m.csv", bootstraps=100, subgroups=("sex",))
    found = any_metrics(predictions(), settings)
    own = found[found["subgroup"] == "all"].drop_duplicates("metric").set_index("metric")["estimate"]
    # 10 of 12 are found, whatever they were taken for; 5 of 6 others are left alone.
    assert own["sensitivity"] == pytest.approx(10 / 12)
    assert own["specificity"] == pytest.approx(5 / 6)
    assert own["ppv"] == pytest.approx(10 / 11)
    # Ranks are of 1 - p(NS): 10 at 0.8 and 2 at 0.4 against 1 at 0.8 and 5 at 0.4.
    assert own["auroc"] == pytest.approx((10 * 5 + 0.5 * (10 * 1 + 2 * 5)) / 72)
    women = found[(found["subgroup"] == "sex=f") & (found["metric"] == "sensitivity")]["estimate"].iloc[0]
    assert women == pytest.approx(5 / 6)
    assert set(found["class"]) == {"any"}


def test_a_subgroup_that_a_repeat_does_not_hold_out_is_measured_in_the_others():
    first = predictions()
    second = first.assign(repeat=1, sex="f", service="x")
    both = pd.concat([first.assign(service="x"), second], ignore_index=True)
    settings = TextSettings("m.csv", bootstraps=100, subgroups=("sex",))
    for table in (both, both.assign(repeat=1 - both["repeat"])):
        metrics, _, notes = text_metrics(table, table, settings)
        assert any(
            "1 of 2 repeats hold out nobody of sex=m; it is measured in the others" in n for n in notes
        )
        men = metrics[(metrics["subgroup"] == "sex=m") & (metrics["class"] == "ASE")]
        alone, _, _ = text_metrics(first, first, settings)
        alone = alone[(alone["subgroup"] == "sex=m") & (alone["class"] == "ASE")]
        for name in ("auroc", "sensitivity", "brier"):
            one, other = (t.loc[t["metric"] == name, "estimate"].iloc[0] for t in (men, alone))
            assert one == pytest.approx(other), name
        assert len(any_metrics(table, settings))


def test_subgroups_are_read_banded_and_small_ones_pooled(tmp_path):
    table = make_messages(30)
    number = table["session_id"].str[1:].astype(int)
    table["gender"] = np.where(number < 15, "w", np.where(number < 28, "m", "d"))
    table["age"] = np.where(number < 12, 15, 17)
    table.to_csv(tmp_path / "m.csv", index=False)
    cohort = load_text_cohort(TextSettings("m.csv", subgroups=("gender", "age")), tmp_path)
    assert cohort.subgroups == ("gender", "age_band")
    assert cohort.sessions["gender"].value_counts().to_dict() == {"w": 15, "m": 13, "<few>": 2}
    assert cohort.sessions["age_band"].value_counts().to_dict() == {"16-17": 18, "to 15": 12}
    with pytest.raises(TextError, match="No table has the column service"):
        load_text_cohort(TextSettings("m.csv", subgroups=("service",)), tmp_path)
    with pytest.raises(TextError, match="a column of the results itself"):
        TextSettings("m.csv", subgroups=("label",))
