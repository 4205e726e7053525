import json
import re

import pandas as pd
import pytest

from tests.text.sessions_of_words import make_messages
from voicerisk.errors import TextError
from voicerisk.text.sessions import load_text_cohort
from voicerisk.text.settings import TextSettings


def load(folder, table, **settings):
    table.to_csv(folder / "messages.csv", index=False)
    return load_text_cohort(TextSettings(messages="messages.csv", **settings), folder)


def test_csv_json_lines_and_parquet_give_the_same_sessions(tmp_path):
    table = make_messages(12)
    cohort = load(tmp_path, table)
    table.to_parquet(tmp_path / "m.parquet")
    table.to_json(tmp_path / "m.jsonl", orient="records", lines=True)
    nested = [
        {"session_id": name, "label": part["label"].iloc[0], "user_id": part["user_id"].iloc[0],
         "age": int(part["age"].iloc[0]), "messages": part[["time", "text"]].to_dict("records")}
        for name, part in table.groupby("session_id")
    ]  # fmt: skip
    (tmp_path / "n.jsonl").write_text("\n".join(json.dumps(one) for one in nested))
    for name in ("m.parquet", "m.jsonl", "n.jsonl"):
        other = load_text_cohort(TextSettings(messages=name), tmp_path)
        assert other.texts == cohort.texts
        pd.testing.assert_frame_equal(other.sessions, cohort.sessions)


def test_messages_stand_in_time_order_and_other_roles_are_counted(tmp_path):
    table = make_messages(6)
    shuffled = table.sample(frac=1, random_state=1)
    assert load(tmp_path, shuffled).texts == load(tmp_path, table).texts
    reply = table.iloc[[0]].assign(role="counsellor", text="was ist los", time="2022-03-01T09:00:00")
    cohort = load(tmp_path, pd.concat([table, reply]), roles=("user",))
    assert cohort.texts == load(tmp_path, table).texts
    assert any("1 messages of other roles" in note for note in cohort.notes)


def test_every_exclusion_is_counted_by_reason(tmp_path):
    table = make_messages(30)
    table["complete"] = "yes"
    of = table["session_id"].eq
    table.loc[of("s000"), "age"] = 13
    table["age"] = table["age"].astype("Int64")
    table.loc[of("s001"), "age"] = pd.NA
    table.loc[of("s002"), "label"] = "unclear"
    table.loc[of("s003"), "label"] = ""
    table.loc[of("s004"), "complete"] = "no"
    table.loc[of("s005"), "text"] = "https://example.org 😢"
    table = table[~(of("s006") & (table.groupby("session_id").cumcount() > 0))]
    cohort = load(tmp_path, table, min_messages=2)
    left = cohort.flow[cohort.flow["unit"] == "session"]
    gone = dict(zip(left["reason"], left["n"], strict=True))
    assert gone == {
        "": 0, "label of no class": 1, "no label": 1, "age not known": 1, "younger than 14": 1,
        "ended too early": 1, "fewer than 2 messages with words": 2, "fewer than 1 words": 0,
            "every word is another session's": 0,
    }  # fmt: skip
    assert left["remaining"].iloc[-1] == len(cohort.sessions) == 23
    assert left["n"].sum() == len(cohort.exclusions) == 7
    assert set(cohort.exclusions["session_id"]) == {f"s00{k}" for k in range(7)}


def test_long_sessions_are_cut_at_the_named_end_and_counted(tmp_path):
    table = make_messages(6)
    whole = load(tmp_path, table)
    head = load(tmp_path, table, max_messages=3, truncate="head")
    tail = load(tmp_path, table, max_messages=3, truncate="tail")
    for full, first, last in zip(whole.texts, head.texts, tail.texts, strict=True):
        assert first == full[:3]
        assert last == full[-3:]
    cut = sum(len(full) - 3 for full in whole.texts)
    assert head.sessions["messages_cut"].sum() == cut
    assert any(f"{cut} messages" in note for note in head.notes)


def test_labels_may_come_from_items_of_the_cssrs_or_from_raters(tmp_path):
    table = make_messages(6).drop(columns="label")
    table.to_csv(tmp_path / "messages.csv", index=False)
    ids = [f"s{k:03d}" for k in range(6)]
    items = pd.DataFrame({"session_id": ids, "wish_dead": list("010101"), "plan": list("001001")})
    items.to_csv(tmp_path / "sessions.csv", index=False)
    cohort = load_text_cohort(TextSettings(messages="messages.csv", sessions="sessions.csv"), tmp_path)
    assert cohort.sessions["label"].tolist() == ["NS", "SI", "ASE", "SI", "NS", "ASE"]
    ratings = pd.DataFrame([(name, rater, "SI") for name in ids[:4] for rater in "ABC"])
    ratings.columns = ["session_id", "rater", "label"]
    ratings.loc[0, "label"] = "NS"
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    cohort = load_text_cohort(TextSettings(messages="messages.csv", ratings="ratings.csv"), tmp_path)
    assert cohort.sessions["label"].tolist() == ["SI"] * 4
    assert len(cohort.ratings) == 12


def test_other_names_of_classes_and_columns(tmp_path):
    table = make_messages(6).rename(columns={"session_id": "chat", "text": "body"})
    cohort = load(
        tmp_path, table, session="chat", text="body", classes=("low", "high"),
        labels={"NS": "low", "SI": "low", "ASE": "high"},
    )  # fmt: skip
    assert cohort.sessions["label"].tolist() == ["low", "low", "high"] * 2


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda t: t.drop(columns="text"), "messages.csv has no column text (set [text] text"),
        (lambda t: t.assign(session_id=""), "messages.csv, row 2: session_id is empty"),
        (lambda t: t.assign(time="gestern"), "row 2: time is no ISO 8601 time"),
        (
            lambda t: t.assign(label=t.index.map(lambda k: "NS" if k else "SI")),
            "the session has another label in a row above",
        ),
        (lambda t: t.assign(age="alt"), "neither a number nor a band"),
        (
            lambda t: t.assign(complete=t["label"]),
            "6 sessions have a value of complete that is neither yes nor no",
        ),
        (
            lambda t: t.assign(label="Ja"),
            "no session is left after the exclusions (label of no class: 6). 6 sessions have a label "
            "that is no class (1 different ones); classes are NS, SI, ASE",
        ),
        (lambda t: t.assign(text=""), "(fewer than 1 messages with words: 6)"),
        (lambda t: t.assign(text="https://example.org"), "(fewer than 1 messages with words: 6)"),
        (lambda t: t.assign(age=12), "(younger than 14: 6)"),
        (
            lambda t: t.assign(user_id=t["user_id"].where(t["session_id"] != "s003", "")),
            "1 of 6 sessions have no user_id",
        ),
        (lambda t: t.drop(columns="label"), "neither a column label"),
    ],
)
def test_what_cannot_be_used_is_named_and_no_message_is_quoted(tmp_path, spoil, says):
    with pytest.raises(TextError, match=re.escape(says)) as problem:
        load(tmp_path, spoil(make_messages(6, users=1)))
    assert "schule" not in str(problem.value)


def test_missing_texts_in_parquet_are_empty_messages_and_counted(tmp_path):
    table = make_messages(6)
    table.loc[0, "text"], table.loc[1, "text"] = None, float("nan")
    table.to_parquet(tmp_path / "m.parquet")
    cohort = load_text_cohort(TextSettings(messages="m.parquet"), tmp_path)
    assert any(note.startswith("2 messages hold no word") for note in cohort.notes)
    assert sum(map(len, cohort.texts)) == len(table) - 2


def test_rows_that_repeat_another_and_labels_of_no_class_are_said(tmp_path):
    table = make_messages(6)
    table.loc[table["session_id"] == "s000", "label"] = "unclear"
    cohort = load(tmp_path, pd.concat([table, table.iloc[-3:]]))
    assert any(note.startswith("3 messages repeat another") for note in cohort.notes)
    assert any("1 sessions have a label that is no class (1 different" in note for note in cohort.notes)
    assert not any("unclear" in note for note in cohort.notes)
    assert not any("repeat" in note or "no class" in note for note in load(tmp_path, make_messages(6)).notes)


def test_users_that_are_not_known_are_not_counted(tmp_path):
    cohort = load(tmp_path, make_messages(6).drop(columns="user_id"))
    assert not cohort.users_known
    assert set(cohort.flow["unit"]) == {"session"}
    assert any("No column says" in note for note in cohort.notes)
    assert set(load(tmp_path, make_messages(6)).flow["unit"]) == {"session", "user"}


def test_a_column_of_sessions_says_nothing_of_users(tmp_path):
    cohort = load(tmp_path, make_messages(6), user="session_id")
    assert not cohort.users_known
    assert any("No column says which sessions are one user's" in note for note in cohort.notes)


def test_a_session_that_stands_twice_in_its_table_is_an_error(tmp_path):
    make_messages(3).to_csv(tmp_path / "messages.csv", index=False)
    twice = pd.DataFrame({"session_id": ["s000", "s001", "s001", "s002"], "label": "NS"})
    twice.to_csv(tmp_path / "sessions.csv", index=False)
    with pytest.raises(TextError, match=r"sessions\.csv, row 4: the session stands in a row above already"):
        load_text_cohort(TextSettings(messages="messages.csv", sessions="sessions.csv"), tmp_path)


def test_unreadable_files(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"session_id": "a", "text": "x"}\n{"session_id"\n')
    (tmp_path / "latin.csv").write_bytes("session_id,text\na,\xfcber".encode("latin-1"))
    (tmp_path / "chat.docx").write_bytes(b"")
    for name, says in (
        ("bad.jsonl", "line 2 is not valid JSON"), ("latin.csv", "not UTF-8"), ("chat.docx", "must be "
        "one of"),
        ("none.csv", "There is no file"),
    ):  # fmt: skip
        with pytest.raises(TextError, match=says):
            load_text_cohort(TextSettings(messages=name), tmp_path)


def test_settings_that_do_not_fit_are_refused():
    for wrong, says in (
        ({"models": ("t_mlp",)}, "needs encoder"), ({"models": ("w2v_mlp",)}, "needs vectors"),
        ({"models": ("lstm",)}, "must be one of"), ({"preset": "papr"}, "must be one of default, paper, "
        "both"),
        ({"prevalence": {"NS": 0.9}}, "every class a share"), ({"test_share": 0.9}, "between 0 and 0.6"),
        ({"device": "tpu"}, "device must be one of"),
        ({"session": "text"}, "session names the column of the messages"),
        ({"subgroups": ("text",)}, "what somebody wrote is no subgroup"),
        ({"baseline": "t_mlp"}, "does not run it"), ({"labels": {"x": "HIGH"}}, "not one of NS, SI, ASE"),
    ):  # fmt: skip
        with pytest.raises(TextError, match=says):
            TextSettings(messages="m.csv", **wrong)


CANARY = "kanarienvogel"


def wrong_settings():
    columns = ("session_id", "user_id", "text", "time", "role", "label", "age", "complete", "rater")
    keys = ("session", "user", "text", "time", "role", "label", "age", "complete")
    for key in keys:
        for column in columns:
            yield {key: column}
    yield {"sessions": "messages.csv"}
    yield {"ratings": "messages.csv"}
    yield {"ratings": "messages.csv", "label": "text"}
    yield {"roles": ("user",), "role": "text"}


@pytest.mark.parametrize("settings", list(wrong_settings()), ids=str)
@pytest.mark.parametrize("header", [True, False])
def test_no_setting_makes_a_message_part_of_an_error_or_a_note(tmp_path, settings, header):
    table = make_messages(8).assign(role="user", complete="yes", rater="a")
    said = iter(range(1000))
    table["text"] = [f"{CANARY}{next(said)} {text}" if k % 2 else f"{CANARY}{next(said)}"
                     for k, text in enumerate(table["text"])]  # fmt: skip
    table.to_csv(tmp_path / "messages.csv", index=False, header=header)
    try:
        cohort = load_text_cohort(TextSettings(messages="messages.csv", **settings), tmp_path)
    except TextError as problem:
        assert CANARY not in str(problem)
        assert problem.__cause__ is None or CANARY not in str(problem.__cause__)
        return
    assert CANARY not in " ".join(cohort.notes)
    assert CANARY not in cohort.flow.to_csv()
    assert CANARY not in cohort.exclusions.drop(columns="session_id").to_csv()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.jsonl", b"[" * 100_000, "line 1 is not valid JSON"),
        ("m.jsonl", b'{"session_id": "a", "text": ' + b"1" * 5000 + b"}", "line 1 is not valid JSON"),
        ("m.jsonl", b'{"session_id": "a", "\\ud800": 1}', "line 1 is not valid JSON in UTF-8"),
        ("m.jsonl", b'{"session_id": "a", "text": "\\ud800"}', "line 1 is not valid JSON in UTF-8"),
        ("m.jsonl", b'{"session_id": "a", "text": ["b"]}', "record 1: column 2 holds a list"),
        ("m.jsonl", b'{"session_id": {"a": 1}, "text": "b"}', "record 1: column 1 holds a dict"),
        ("m.csv", b"session_id,text\na,\x00b\n", "holds null bytes"),
        ("m.csv", b"session_id,text\na,\xff\n", "is not UTF-8"),
        ("m.parquet", b"PAR1" + bytes(100) + b"PAR1", "is not readable as Parquet"),
    ],
)
def test_damaged_tables_are_one_sentence(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TextError, match=re.escape(says)):
        load_text_cohort(TextSettings(messages=name, label="session_id"), tmp_path)


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.xlsx"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tables_of_any_spreadsheet_hold_the_same_messages(tmp_path, name, encoding):
    from voicerisk.text.messages import as_id, read_table

    rows = [
        ["session_id", "text"],
        ["007", " ja,\u200d nein; \U0001f469\u200d\U0001f467 "],
        ["Zoe\u0308", "b"],
    ]
    if name.endswith("xlsx"):
        import openpyxl

        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / name)
    else:
        text = "sep=;\r\n" + "\r\n".join(";".join(f'"{cell}"' for cell in row) for row in rows)
        (tmp_path / name).write_bytes(text.encode(encoding))
    table = read_table(tmp_path / name)
    assert table["text"].tolist() == [row[1] for row in rows[1:]]
    assert as_id(table, "session_id", tmp_path / name).tolist() == ["007", "Zo\u00eb"]


def test_a_table_without_header_is_refused_without_quoting_it(tmp_path):
    from voicerisk.text.messages import read_table

    (tmp_path / "m.csv").write_text("1,ich will nicht mehr,ich will nicht mehr\n2,a,b\n")
    with pytest.raises(TextError, match="the column in places 2 and 3 occurs more than once") as refused:
        read_table(tmp_path / "m.csv")
    assert "nicht" not in str(refused.value)


def test_users_that_look_alike_are_counted_in_a_note(tmp_path):
    messages = make_messages(12)
    users = {name: f"{n // 2:02d}" for n, name in enumerate(messages["session_id"].unique())}
    messages["user_id"] = messages["session_id"].map(users).replace({"01": "2"})
    messages.to_csv(tmp_path / "m.csv", index=False)
    notes = load_text_cohort(TextSettings(messages="m.csv"), tmp_path).notes
    assert any(note.startswith("1 groups of user ids look alike") for note in notes)


def test_copies_under_new_ids_are_left_out_and_counted(tmp_path):
    table = make_messages(12)
    copy = table[table["session_id"] == "s003"].assign(session_id="zz", user_id="other", label="ASE")
    short = pd.DataFrame(
        {"session_id": ["k1", "k2"], "user_id": ["a", "b"], "text": "hallo du", "label": "NS"}
    )
    short = short.assign(time="2022-03-01T10:00:00", age=17)
    cohort = load(tmp_path, pd.concat([table, copy, short], ignore_index=True))
    assert "zz" not in set(cohort.sessions["session_id"]) and len(cohort.sessions) == 14
    assert cohort.exclusions["session_id"].tolist() == ["zz"]
    row = cohort.flow.query("step == 'copy' and unit == 'session'").iloc[0]
    assert (row["n"], row["remaining"]) == (1, 14)
    assert any("1 sessions repeat every word" in note and "1 of them" in note for note in cohort.notes)


def test_both_ends_of_a_long_session_stay(tmp_path):
    rows = [("s", k, f"wort{k} und noch eins", "NS") for k in range(9)] + [("t", 0, "danke", "SI")]
    table = pd.DataFrame(rows, columns=["session_id", "time", "text", "label"])
    kept = {
        end: load(tmp_path, table, max_messages=5, truncate=end).texts[0] for end in ("ends", "head", "tail")
    }
    assert [text.split()[0] for text in kept["ends"]] == ["wort0", "wort1", "wort6", "wort7", "wort8"]
    assert [text.split()[0] for text in kept["head"]] == [f"wort{k}" for k in range(5)]
    assert [text.split()[0] for text in kept["tail"]] == [f"wort{k}" for k in range(4, 9)]
    assert load(tmp_path, table, max_messages=5).texts[0] == kept["ends"]


def test_times_are_read_as_said_and_never_guessed(tmp_path):
    table = make_messages(6)
    table["time"] = [f"0{1 + k % 5}.04.2022 10:00" for k in range(len(table))]
    with pytest.raises(TextError, match=r'row 2: time is no ISO 8601 time.*time_format = "%d.%m.%Y %H:%M"'):
        load(tmp_path, table)
    cohort = load(tmp_path, table, time_format="%d.%m.%Y %H:%M")
    own = table[table["session_id"] == "s000"].sort_values("time", kind="stable")
    assert list(cohort.texts[0]) == list(own["text"])
    with pytest.raises(TextError, match=r"row 2: time is not written as .* time_format says"):
        load(tmp_path, table, time_format="%Y/%m/%d")


def test_bands_of_age_exclude_by_their_lower_end(tmp_path):
    table = make_messages(9).assign(age="14-17")
    table.loc[table["session_id"] == "s000", "age"] = "10 - 13"
    table.loc[table["session_id"] == "s001", "age"] = "18+"
    cohort = load(tmp_path, table)
    assert cohort.exclusions["session_id"].tolist() == ["s000"]
    assert cohort.sessions["age"].isna().all()
    with pytest.raises(TextError, match="neither a number nor a band"):
        load(tmp_path, table.assign(age="jung"))


def test_roles_are_listed_where_they_look_like_roles(tmp_path):
    table = make_messages(6)
    table.loc[0, "role"] = "bot"
    n = len(table)
    notes = load(tmp_path, table, roles=("user",)).notes
    assert f"1 messages of other roles than user are not read (found: bot 1, user {n - 1})." in notes
    assert any("Messages of every role are read" in note for note in load(tmp_path, table).notes)
    with pytest.raises(TextError, match=r"no message has a role of klient \(found: bot 1"):
        load(tmp_path, table, roles=("klient",))
    with pytest.raises(TextError) as error:
        load(tmp_path, table.assign(said=table["text"]), role="said", roles=("klient",))
    assert "not shown" in str(error.value) and "schule" not in str(error.value)


def test_errors_name_the_row_of_the_file_where_empty_rows_were_skipped(tmp_path):
    (tmp_path / "m.csv").write_text("session_id,text,label\ns1,hallo du,NS\n\n,wer da,NS\n")
    with pytest.raises(TextError, match=r"m\.csv, row 4: session_id is empty"):
        load_text_cohort(TextSettings(messages="m.csv"), tmp_path)
    (tmp_path / "c.csv").write_text("session_id,text,plan\ns1,a,0\ns1,b,0\ns2,c,vielleicht\n")
    with pytest.raises(TextError, match=r"c\.csv, row 4, column plan"):
        load_text_cohort(TextSettings(messages="c.csv"), tmp_path)
