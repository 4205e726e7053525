"""The cohort as a whole: what is kept, what is counted, what is refused."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from voicerisk.cohort import CohortSettings, cssrs_to_outcome, load_cohort
from voicerisk.errors import CohortError

GATES = "call_id,caller_id,sex,file,cssrs,thoughts,plan,means,counsellor,second"


def counted(cohort, unit, reason):
    rows = cohort.flow.query("unit == @unit and reason == @reason")
    return list(rows[["n", "remaining"]].itertuples(index=False, name=None))


def test_calls_and_spans_are_as_listed(study):
    found = study.load(labels=["caller"])
    assert list(found.calls.columns) == ["call_id", "caller_id", "sex", "outcome", "file", "path", "labels"]
    assert list(found.calls["call_id"]) == ["001", "002", "003", "004"]
    assert list(found.calls["sex"]) == ["female", "male", "female", "male"]
    assert list(found.calls["outcome"]) == [0, 0, 1, 1]
    assert found.calls["path"].iloc[0] == str(study.folder.resolve() / "001.wav")
    assert list(found.spans.columns) == ["call_id", "segment", "start_s", "end_s", "label"]
    first = found.spans[found.spans["call_id"] == "001"]
    assert list(first["segment"]) == [0, 1]
    assert list(first["start_s"]) == [0.5, 2.0]
    assert list(first["end_s"]) == [1.5, 2.5]
    assert set(found.spans["label"]) == {"caller"}
    assert found.spans["segment"].dtype == np.int32
    assert counted(found, "span", "label not among those kept") == [(4, 8)]
    assert found.notes == ()


def test_every_count_of_the_flow_follows_from_the_one_before(study):
    study.table(
        "1,a,F,001.wav,0,001.txt", "2,b,F,002.wav,0,002.txt", "3,c,F,003.wav,1,003.txt",
        "4,d,F,004.wav,1,004.txt", "5,a,F,5.wav,,x.txt", "6,e,F,6.wav,NA,x.txt", "7,f,F,7.wav,1,silent.txt",
    )  # fmt: skip
    study.recording("7.wav")
    study.write("silent.txt", "1\t1\tcaller\n")
    found = study.load(labels=["caller"])
    for unit in ("call", "caller", "span"):
        flow = found.flow[found.flow["unit"] == unit]
        remaining = None
        for row in flow.itertuples():
            if row.reason:
                assert row.remaining == remaining - row.n
            elif remaining is not None:
                assert row.remaining == remaining
            remaining = row.remaining
    # Caller e has no other call; caller a has one.
    assert counted(found, "call", "outcome is empty") == [(2, 5)]
    assert counted(found, "caller", "outcome is empty") == [(1, 5)]
    assert counted(found, "call", "no span is left") == [(1, 4)]
    assert counted(found, "span", "zero length") == [(1, 8)]
    assert len(found.calls) == 4
    gone = found.exclusions.set_index("call_id")
    assert gone.loc["5", "row"] == 6 and gone.loc["6", "value"] == "NA"
    assert list(gone.loc["7", "reason"]) == ["zero length", "no span is left"]
    calls_left = found.flow.query("unit == 'call' and n > 0")["n"].sum()
    assert len(found.exclusions) == calls_left + found.flow.query("unit == 'span'")["n"].sum()


def test_cssrs_ratings_are_coded_and_the_middle_is_counted(study):
    study.table(
        "1,a,F,001.wav,1", "2,b,F,002.wav,2", "3,c,F,003.wav,5", "4,d,F,004.wav,6",
        "5,e,F,x.wav,3", "6,f,F,x.wav,4.0", "7,g,F,x.wav,0", "8,h,F,x.wav,",
        header="call_id,caller_id,sex,file,cssrs",
    )  # fmt: skip
    found = study.load(cssrs="cssrs")
    assert list(found.calls["outcome"]) == [0, 0, 1, 1]
    assert counted(found, "call", "C-SSRS 3-4 (moderate risk)")[0][0] == 2
    assert counted(found, "call", "C-SSRS 0 (no ideation)")[0][0] == 1
    assert counted(found, "call", "cssrs is empty")[0][0] == 1
    assert found.calls["cssrs"].tolist() == [1, 2, 5, 6]


def test_cssrs_zero_is_kept_only_where_the_study_maps_it(study):
    study.table(
        "1,a,F,001.wav,0", "2,b,F,002.wav,2", "3,c,F,003.wav,5", "4,d,F,004.wav,5",
        header="call_id,caller_id,sex,file,rating",
    )  # fmt: skip
    found = study.load(cssrs={"column": "rating", "low": [0, 1, 2]})
    assert list(found.calls["outcome"]) == [0, 0, 1, 1]


def test_cssrs_coding_as_in_the_paper():
    assert [cssrs_to_outcome(rating) for rating in range(7)] == [None, 0, 0, None, None, 1, 1]


def test_a_further_outcome_column_is_kept_under_another_name(study):
    study.table(
        "1,a,F,001.wav,1,0", "2,b,F,002.wav,2,0", "3,c,F,003.wav,5,1", "4,d,F,004.wav,6,0",
        header="call_id,caller_id,sex,file,cssrs,outcome",
    )  # fmt: skip
    found = study.load(cssrs="cssrs")
    assert list(found.calls["outcome"]) == [0, 0, 1, 1]
    assert list(found.calls["outcome_listed"]) == [0, 0, 1, 0]
    assert "kept as outcome_listed" in found.notes[0]


def test_gates_are_kept_and_disagreements_listed(study):
    study.table(
        "1,a,F,001.wav,1,no,no,no,0,2", "2,b,F,002.wav,2,yes,yes,yes,1,1", "3,c,F,003.wav,5,1,1,1,3,6",
        "4,d,F,004.wav,6,1,1,0,6,", "5,e,F,x.wav,4,1,,1,5,5",
        header=GATES,
    )  # fmt: skip
    scales = {
        "cssrs": ["cssrs", "second"],
        "counsellor": ["counsellor"],
        "screening": ["thoughts", "plan", "means"],
    }
    found = study.load(cssrs="cssrs", ratings=scales)
    # Ratings of the moderate call count for kappa though it is not analysed.
    assert set(found.ratings["call_id"]) == {"1", "2", "3", "4", "5"}
    assert len(found.ratings) == 5 * 6 - 2
    second = found.ratings.query("rater == 'second'").set_index("call_id")["value"]
    assert second.to_dict() == {"1": 2.0, "2": 1.0, "3": 6.0, "5": 5.0}
    pairs = set(
        found.disagreements[["call_id", "gate", "level", "other_gate", "other_level"]].itertuples(
            index=False, name=None
        )
    )
    assert pairs == {
        ("2", "cssrs", "low", "screening", "imminent"),
        ("2", "second", "low", "screening", "imminent"),
        ("2", "counsellor", "low", "screening", "imminent"),
        ("3", "cssrs", "imminent", "counsellor", "moderate"),
        ("3", "second", "imminent", "counsellor", "moderate"),
        ("3", "counsellor", "moderate", "screening", "imminent"),
        ("4", "cssrs", "imminent", "screening", "not imminent"),
        ("4", "counsellor", "imminent", "screening", "not imminent"),
        ("5", "cssrs", "moderate", "second", "imminent"),
        ("5", "cssrs", "moderate", "counsellor", "imminent"),
    }
    assert found.disagreements.set_index("call_id").loc["3", "row"].unique() == [4]
    assert {"thoughts", "counsellor"} <= set(found.calls.columns)


def test_a_filter_counts_what_it_leaves_out_and_what_it_cannot_tell(study):
    study.table(
        "1,a,F,001.wav,0,40", "2,b,F,002.wav,0,30", "3,c,F,003.wav,1,30", "4,d,F,004.wav,1,50",
        "5,e,X,none.wav,7,12", "6,f,F,none.wav,1,",
        header="call_id,caller_id,sex,file,outcome,age",
    )  # fmt: skip
    found = study.load(where="age >= 18", covariates=["age"])
    assert list(found.calls["call_id"]) == ["1", "2", "3", "4"]
    assert counted(found, "call", "where age >= 18: a value is missing") == [(1, 5)]
    assert counted(found, "call", "where age >= 18: not met") == [(1, 4)]


def test_a_filter_sees_sex_as_female_and_male(study):
    study.table(
        *(f"{i},{i},{sex},{i:03d}.wav,{i % 2}" for i, sex in enumerate("FFFFm", 1)),
        header="call_id,caller_id,sex,file,outcome",
    )
    found = study.load(where="sex == 'female'")
    assert list(found.calls["call_id"]) == ["1", "2", "3", "4"]


def test_without_a_track_the_whole_file_is_one_span_and_that_is_said(study, replace_row):
    replace_row(3, "002,b,male,002.wav,0,")
    found = study.load()
    only = found.spans[found.spans["call_id"] == "002"]
    assert only[["segment", "start_s", "end_s", "label"]].to_numpy().tolist() == [[0, 0.0, 3.0, ""]]
    assert found.notes == (
        "1 of 4 calls have no label track: the whole file is taken as the caller's speech.",
    )


def test_progress_counts_every_call(study, replace_row):
    replace_row(5, "004,d,M,004.wav,1,NA")
    seen = []
    settings = CohortSettings(calls="calls.csv")
    load_cohort(settings, study.folder, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_caller_with_both_outcomes_is_legal_and_said(study, replace_row):
    replace_row(5, "004,a,F,004.wav,1,004.txt")
    found = study.load()
    assert "1 of 3 callers have calls of both outcomes" in found.notes[0]


def test_labels_may_have_wildcards_and_keep_their_text(study):
    study.write("001.txt", "0.5\t1\tcaller: flat, slowed\n1.2\t1.4\tcounsellor\n1.5\t2\tcaller: tearful\n")
    found = study.load(labels=["caller*"])
    assert list(found.spans.query("call_id == '001'")["label"]) == ["caller: flat, slowed", "caller: tearful"]


def test_labels_out_of_order_are_put_in_order(study):
    study.write("001.txt", "2\t2.5\tb\n0\t1\ta\n")
    spans = study.load().spans.query("call_id == '001'")
    assert list(spans["label"]) == ["a", "b"] and list(spans["segment"]) == [0, 1]


def test_a_label_to_the_end_of_the_file_may_exceed_it_by_its_rounding(study):
    study.recording("001.wav", 16001 / 8000)
    study.write("001.txt", "0.000000\t2.000126\tcaller\n")
    assert study.load().spans.query("call_id == '001'")["end_s"].iloc[0] == 16001 / 8000


def test_touching_spans_do_not_overlap(study):
    study.write("001.txt", "0\t1\tx\n1\t2\tx\n")
    assert len(study.load().spans.query("call_id == '001'")) == 2


def test_overlaps_of_labels_not_kept_do_not_matter(study):
    study.write("001.txt", "0\t1\tcaller\n0.5\t2\tcounsellor\n")
    assert len(study.load(labels=["caller"]).spans.query("call_id == '001'")) == 1


def test_textgrids_are_read_by_content(study):
    grid = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n3\n<exists>\n2\n'
        '"IntervalTier"\n"speech"\n0\n3\n3\n'
        '0\n1\n""\n1\n2\n"caller"\n2\n3\n""\n"IntervalTier"\n"other"\n0\n3\n1\n0\n3\n"x"\n'
    )
    study.write("001.txt", grid, encoding="utf-16")
    found = study.load(tier="speech").spans.query("call_id == '001'")
    assert found[["start_s", "end_s", "label"]].to_numpy().tolist() == [[1.0, 2.0, "caller"]]
    with pytest.raises(CohortError, match=r"001.txt has 2 interval tiers \('speech', 'other'\)"):
        study.load()


def test_a_track_named_textgrid_must_be_one(study, replace_row):
    study.write("001.TextGrid", "0\t1\tcaller\n")
    replace_row(2, "001,a,F,001.wav,0,001.TextGrid")
    with pytest.raises(CohortError, match=r"001\.TextGrid is not a TextGrid in Praat's text format"):
        study.load()


def test_files_may_lie_under_another_root(study, tmp_path):
    inner = tmp_path / "studies" / "one"
    inner.mkdir(parents=True)
    (study.folder / "calls.csv").rename(inner / "calls.csv")
    found = load_cohort(CohortSettings(calls="calls.csv", root="../.."), inner)
    assert len(found.calls) == 4
    with pytest.raises(CohortError, match=r"call '001', row 2 of calls.csv: there is no file '001.wav' in"):
        load_cohort(CohortSettings(calls="calls.csv"), inner)


def test_a_file_beside_a_table_in_a_subfolder_is_pointed_at(study):
    study.recording("data/001.wav")
    (study.folder / "001.wav").unlink()
    (study.folder / "calls.csv").rename(study.folder / "data" / "calls.csv")
    with pytest.raises(CohortError, match=r"there is one beside calls\.csv: set root"):
        load_cohort(CohortSettings(calls="data/calls.csv"), study.folder)


def test_two_calls_in_one_file_need_tracks_of_their_own(study, replace_row):
    study.write("002.txt", "1.6\t1.9\tcaller\n")
    replace_row(3, "002,b,male,001.wav,0,002.txt")
    assert study.load(labels=["caller"]).notes == (
        "2 calls share a file with another, each with its own label track.",
    )
    replace_row(3, "002,b,male,001.wav,0,001.txt")
    with pytest.raises(CohortError, match=r"calls.csv, rows 2 and 3: the file '001.wav' is listed 2 times"):
        study.load()
    study.write("002.txt", "1.4\t1.9\tcaller\n")
    replace_row(3, "002,b,male,./001.wav,0,002.txt")
    message = r"rows 2 and 3: calls '001' and '002' share .* spans 0.5-1.5 s and 1.4-1.9 s overlap"
    with pytest.raises(CohortError, match=message):
        study.load(labels=["caller"])


def test_the_order_of_rows_changes_nothing_but_the_order(study):
    one = study.load()
    rows = (study.folder / "calls.csv").read_text().splitlines()
    study.table(*rows[:0:-1])
    other = study.load()
    pd.testing.assert_frame_equal(
        one.calls, other.calls.sort_values("call_id", ignore_index=True), check_exact=True
    )
    pd.testing.assert_frame_equal(
        one.spans, other.spans.sort_values(["call_id", "segment"], ignore_index=True), check_exact=True
    )


def test_reading_changes_no_file(study):
    def state():
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in study.folder.iterdir()}

    before = state()
    study.load()
    assert state() == before


@pytest.mark.real
def test_the_real_calls(real_data):
    every = load_cohort(CohortSettings(calls="calls.csv", strata=["sex"]), real_data)
    assert len(every.calls) == 48 and every.calls["caller_id"].nunique() == 24
    assert counted(every, "call", "outcome is empty") == [(24, 48)]
    assert len(every.spans) == 576
    between = load_cohort(CohortSettings(calls="calls.csv", where="between_subject == 1"), real_data)
    assert between.calls.groupby(["outcome", "sex"]).size().tolist() == [6, 6, 6, 6]
    assert between.notes == ()
