"""What cannot be used is refused in a sentence that names file, row and value."""

import pytest

from voicerisk.cohort import CohortSettings
from voicerisk.errors import CohortError


@pytest.mark.parametrize(
    ("row", "content", "message"),
    [
        (
            3,
            "002,b,male,002.wav,2,002.txt",
            r"calls.csv, row 3: outcome is '2', but must be 0, 1 or empty \(for C-SSRS",
        ),
        (3, "002,b,male,002.wav,yes,002.txt", r"row 3: outcome is 'yes'"),
        (3, "002,b,male,002.wav,0.5,002.txt", r"row 3: outcome is '0.5'"),
        (3, "002,b,,002.wav,0,002.txt", r"row 3: sex is ''; write it, or set \[cohort\] missing_level"),
        (3, "002,a,X,002.wav,0,002.txt", r"rows 2 and 3: caller 'a' is female in one and X in the other"),
        (3, "001,b,male,002.wav,0,002.txt", r"rows 2 and 3: the call_id '001' occurs 2 times"),
        (3, ",b,male,002.wav,0,002.txt", r"row 3: call_id is missing \(''\)"),
        (3, "002,NaN,male,002.wav,0,002.txt", r"row 3: caller_id is missing \('NaN'\)"),
        (3, "002,b,male,,0,002.txt", r"row 3: file is missing"),
        (
            3,
            "002,a,male,002.wav,0,002.txt",
            r"rows 2 and 3: caller 'a' is female in one and male in the other",
        ),
        (
            3,
            "002,b,male,nine.wav,0,002.txt",
            r"call '002', row 3 of calls.csv: there is no file 'nine.wav' in ",
        ),
        (
            3,
            "002,b,male,002.WAV,0,002.txt",
            r"no file '002.WAV' in .*; there is '002.wav': upper and lower case",
        ),
        (3, "002,b,male,002.wav,0,nine.txt", r"row 3 of calls.csv: there is no labels 'nine.txt' in "),
        (
            3,
            "002,b,male,../002.wav,0,002.txt",
            r"row 3 of calls.csv: the file '../002.wav' leads out of the folder",
        ),
        (3, "002,b,male,x/../../002.wav,0,002.txt", r"leads out of the folder"),
        (3, "002,b,male,/etc/passwd,0,002.txt", r"the file '/etc/passwd' leads out of the folder"),
        (3, "002,b,male,002.wav,0,../x.txt", r"row 3 of calls.csv: the labels '../x.txt' leads out"),
        (3, "002,b,male,002.wav,0", r"calls.csv, row 3: 5 fields, but the header has 6"),
        (3, "002,b,male,002.wav,0,002.txt,more", r"calls.csv, row 3: 7 fields, but the header has 6"),
        (3, "002,a,F,002.wav,0,002.txt", r"outcome 0 \(low risk\) has calls of a single caller, 'a'"),
    ],
)
def test_a_bad_row_is_named(study, replace_row, row, content, message):
    replace_row(row, content)
    with pytest.raises(CohortError, match=message):
        study.load()


def test_a_whole_path_within_the_folder_is_told_as_that(study, replace_row):
    replace_row(3, f"002,b,male,{study.folder / '002.wav'},0,002.txt")
    with pytest.raises(CohortError, match=r"is a whole path; write it from the folder .* on: '002.wav'"):
        study.load()


def test_many_bad_rows_are_counted(study):
    study.table(*(f"{i},{i},,00{i}.wav,{i % 2},00{i}.txt" for i in range(1, 5)))
    with pytest.raises(CohortError, match=r"row 2: sex is '';.* \(and 3 more rows\)"):
        study.load()


def test_one_class_only_is_refused(study):
    study.table(*(f"{i},{i},F,00{i}.wav,1,00{i}.txt" for i in range(1, 5)))
    with pytest.raises(CohortError, match=r"none of the 4 calls left has outcome 0 \(low risk\)"):
        study.load()


def test_no_outcome_at_all_is_told_as_that(study):
    study.table(*(f"{i},{i},F,00{i}.wav,,00{i}.txt" for i in range(1, 5)))
    with pytest.raises(CohortError, match=r"none of the 0 calls left has outcome 0 \(low risk\)"):
        study.load(labels=["caller"])


def test_a_class_that_loses_its_last_call_with_its_labels_is_told(study):
    study.write("003.txt", "1\t1\tcaller\n")
    study.write("004.txt", "1\t2\tcounsellor\n")
    with pytest.raises(CohortError, match=r"none of the 2 calls left has outcome 1 \(imminent risk\)"):
        study.load(labels=["caller"])


@pytest.mark.parametrize(
    ("track", "message"),
    [
        (
            "0\t1\ta\n0.5\t2\tb\n",
            r"001.txt, lines 1 and 2: the spans 0-1 s \('a'\) and 0.5-2 s \('b'\) overlap \(call '001'",
        ),
        ("0\t1\ta\n0\t1\ta\n", r"lines 1 and 2: the spans 0-1 s"),
        (
            "0\t9\ta\n",
            r"line 1: the span 0-9 s \('a'\) lies outside 001.wav, which lasts 3.000000 s \(call '001'",
        ),
        ("3.0001\t3.00012\ta\n", r"the span 3.0001-3.00012 s \('a'\) lies outside 001.wav"),
        ("-1\t1\ta\n", r"the span -1-1 s \('a'\) lies outside 001.wav"),
        ("2\t1\ta\n", r"001.txt, line 1: the label ends at 1.0 s, before it starts at 2.0 s"),
        ("nan\t1\ta\n", r"001.txt, line 1: the time 'nan' is not a finite number"),
        ("0\tinf\ta\n", r"the time 'inf' is not a finite number"),
        ("0,5\t1,5\ta\n", r"the time '0,5' is not a number; write decimals with a point"),
        ("caller\n", r"001.txt, line 1: 'caller' is not a label"),
    ],
)
def test_a_bad_label_is_named(study, track, message):
    study.write("001.txt", track)
    with pytest.raises(CohortError, match=message):
        study.load()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"RIFF", "cannot be read as sound"),
        (b"not audio", "cannot be read as sound"),
    ],
)
def test_a_broken_recording_is_named(study, content, why):
    (study.folder / "002.wav").write_bytes(content)
    with pytest.raises(CohortError, match=rf"call '002', row 3 of calls.csv: .*002.wav {why}"):
        study.load()


def test_an_empty_recording_is_named(study):
    study.recording("002.wav", 0.0)
    with pytest.raises(CohortError, match=r"row 3 of calls.csv: .*002.wav holds no samples"):
        study.load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outcome": "risk"}, r"has no column 'risk', which outcome in \[cohort\] names; it has call_id, "),
        ({"cssrs": "outcom"}, r"no column 'outcom', which cssrs .* did you mean 'outcome'\?"),
        ({"strata": ["service"]}, r"no column 'service', which strata"),
        ({"covariates": ["age"]}, r"no column 'age', which covariates"),
        ({"moderator": "gender"}, r"no column 'gender', which moderator"),
        ({"ratings": ["rater1"]}, r"no column 'rater1', which ratings"),
        ({"ratings": ["sex"]}, r"row 2: sex is 'F', but must be a C-SSRS rating from 0 to 6 or empty"),
        (
            {"labels": ["Caller"]},
            r"labels keeps 'Caller', which occurs in no label track; did you mean 'caller'\?",
        ),
        ({"where": "outcom == 1"}, r"uses the column 'outcom', which is not there; did you mean 'outcome'\?"),
        ({"where": "outcome == 7"}, r"The filter 'outcome == 7' keeps none of the 4 calls"),
        ({"where": "call_id == 1"}, r"compares the column 'call_id', which holds texts, with a number \(1\)"),
    ],
)
def test_settings_that_do_not_fit_the_table_are_told(study, settings, message):
    with pytest.raises(CohortError, match=message):
        study.load(**settings)


def test_strata_may_not_have_gaps(study):
    study.table(
        "1,a,F,001.wav,0,x", "2,b,F,002.wav,0,", "3,c,F,003.wav,1,y", "4,d,F,004.wav,1,y",
        header="call_id,caller_id,sex,file,outcome,service",
    )  # fmt: skip
    with pytest.raises(CohortError, match=r"row 3: service is empty, but strata in \[cohort\] uses it"):
        study.load(strata=["service"])


def test_a_call_without_track_where_labels_are_chosen_is_refused(study, replace_row):
    replace_row(3, "002,b,male,002.wav,0,")
    with pytest.raises(
        CohortError, match=r"call '002', row 3 of calls.csv: there is no label track, but labels"
    ):
        study.load(labels=["caller"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"calls": ""}, r"\[cohort\] calls must be a text"),
        ({"calls": 3}, r"\[cohort\] calls must be a text"),
        ({"where": "os.system('x')"}, "os.system"),
        ({"labels": "caller"}, r"\[cohort\] labels must be a list of texts, not 'caller'"),
        ({"labels": []}, r"\[cohort\] labels is an empty list"),
        ({"labels": ["a", "a"]}, r"\[cohort\] labels holds 'a' more than once"),
        ({"strata": ["fold"]}, r"\[cohort\] strata names 'fold', which is a column of the result tables"),
        ({"outcome": "y", "cssrs": "c"}, r"\[cohort\] has both outcome and cssrs"),
        ({"cssrs": {"columns": "c"}}, r"\[cohort\] cssrs has no key 'columns'"),
        ({"cssrs": {"low": [1]}}, r"\[cohort\] cssrs must name a column"),
        (
            {"cssrs": {"column": "c", "low": [7]}},
            r"\[cohort\] cssrs.low holds 7, but C-SSRS ratings are 0 to 6",
        ),
        ({"cssrs": {"column": "c", "low": [5]}}, r"\[cohort\] cssrs maps rating 5 to low and to imminent"),
        ({"ratings": {"phq": ["a"]}}, r"\[cohort\] ratings has no scale 'phq'"),
        ({"ratings": ["a", "a"]}, r"\[cohort\] ratings names the column 'a' more than once"),
        ({"moderator": None}, r"\[cohort\] moderator must be a list of texts"),
        ({"moderator": ["sex", "sex"]}, r"\[cohort\] moderator holds 'sex' more than once"),
        (
            {"moderator": "label"},
            r"\[cohort\] moderator names 'label', which is a column of the result tables",
        ),
        ({"level_callers": 0}, r"\[cohort\] level_callers must be a whole number of at least 1, not 0"),
        ({"missing_level": " "}, r"\[cohort\] missing_level must be a text that is not empty"),
    ],
)
def test_settings_name_the_key(settings, message):
    with pytest.raises(CohortError, match=message):
        CohortSettings(**({"calls": "calls.csv"} | settings))


OTHERS = ("003,c,f,003.wav,1,003.txt", "004,d,M,004.wav,1,004.txt")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("002,A17,F,002.wav,0,002.txt", r"rows 2 and 3: ids in caller_id look like one: 'a17' and 'A17'"),
        ("002,a 17,F,002.wav,0,002.txt", "ids in caller_id look like one"),
        ("01,b,F,002.wav,0,002.txt", r"rows 2 and 3: ids in call_id look like one: '001' and '01'"),
        ("002,4.91765E+12,F,002.wav,0,002.txt", r"damaged the ids of caller_id \(row 3: '4.91765E\+12'\)"),
        ("002,M\ufffdller,F,002.wav,0,002.txt", "damaged the ids of caller_id"),
        ("002,b,F,002.wav,0,#N/A", r"row 3: labels is '#N/A', an error of Excel's"),
    ],
)
def test_ids_that_look_alike_or_are_damaged_are_refused(study, second, message):
    study.table("001,a17,F,001.wav,0,001.txt", second, *OTHERS)
    with pytest.raises(CohortError, match=message):
        study.load()


def test_ids_that_look_alike_stay_where_the_study_says_so(study):
    study.table("001,7,F,001.wav,0,001.txt", "002,007,F,002.wav,0,002.txt", *OTHERS)
    cohort = study.load(ids_as_they_are=True)
    assert cohort.calls["caller_id"].tolist()[:2] == ["7", "007"]
    assert any(
        "1 groups of ids in caller_id look alike and count as different" in note for note in cohort.notes
    )


def test_one_id_in_two_unicode_forms_is_one_caller(study):
    zoe = "001,Zo\u00eb,F,001.wav,0,001.txt", "002,Zoe\u0308,F,002.wav,0,002.txt"
    study.recording("005.wav")
    study.table(*zoe, OTHERS[0], "004,d\u200b,F,004.wav,1,004.txt", "005,e,F,005.wav,0,")
    cohort = study.load()
    assert cohort.calls["caller_id"].tolist() == ["Zo\u00eb", "Zo\u00eb", "c", "d", "e"]
    assert any("2 cell(s) of the column 'caller_id'" in note for note in cohort.notes)


def test_text_among_the_numbers_of_a_covariate_is_refused_with_its_cell(study):
    ages = ["20", "21", "22", "k.A.", "24", "25", "26", "27"]
    rows = [f"{n},{n}x,F,{n}.wav,{n % 2},{a}" for n, a in enumerate(ages)]
    for n in range(len(ages)):
        study.recording(f"{n}.wav")
    study.table(*rows, header="call_id,caller_id,sex,file,outcome,age")
    with pytest.raises(CohortError, match=r"covariate 'age' holds numbers, but text in row 5: 'k\.A\.'"):
        study.load(covariates=["age"])
    study.table(
        *(row.replace("k.A.", "#NV") for row in rows), header="call_id,caller_id,sex,file,outcome,age"
    )
    cohort = study.load(covariates=["age"])
    assert cohort.calls["age"].isna().sum() == 1 and cohort.calls["age"].max() == 27.0
    assert any("column 'age'" in note and "row 5: '#NV'" in note for note in cohort.notes)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('"=1+1",c2,F,002.wav,1,002.txt', r"the call_id '=1\+1' would be run as a formula by a spreadsheet"),
        ("002,@x,F,002.wav,1,002.txt", r"the caller_id '@x' would be run as a formula"),
        ("00\x072,c2,F,002.wav,1,002.txt", r"the call_id '00\\x072' holds a control character"),
        ('002,"c\n2",F,002.wav,1,002.txt', r"the caller_id 'c\\n2' holds a control character"),
    ],
)
def test_ids_that_run_or_cannot_be_shown_are_refused(study, replace_row, row, says):
    replace_row(3, row)
    with pytest.raises(CohortError, match=rf"calls\.csv, row 3: {says}"):
        study.load()
