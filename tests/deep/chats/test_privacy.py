"""What somebody wrote stays where it is: fed into every column, it is looked for in all that is written."""

import json
import logging
import zipfile
from functools import partial
from io import StringIO

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.text.sessions_of_words import make_messages
from voicerisk.cli import app
from voicerisk.errors import TextError
from voicerisk.figures import make
from voicerisk.text.coding import CSSRS_ITEMS

CANARY = "kanarienvogel"
STUDY = """
[text]
messages = "messages.{suffix}"
models = ["tfidf"]
repeats = {repeats}
bootstraps = 100
{more}
"""


def sentence(number):
    """Return what nobody else wrote, as a person writes."""
    return f"der {CANARY}{number}, er singt nicht mehr; {CANARY}{number}"


def written(folder):
    """Yield each file below a folder with all it holds, unpacked."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        content = path.name.encode() + path.read_bytes()
        if path.suffix == ".parquet":
            content += pd.read_parquet(path).to_csv().encode()
        if path.suffix == ".docx":
            with zipfile.ZipFile(path) as packed:
                content += b"".join(packed.read(name) for name in packed.namelist())
        yield path, content.lower()


def holding_it(folder):
    return [path.name for path, content in written(folder) if CANARY.encode() in content]


def command(*words):
    """Run a command; return whether it ended well, and all it printed, logged or raised."""
    logged, root = StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(logged), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # It writes down its bytecode, and is slow at that.
    logging.getLogger("numba").setLevel(logging.INFO)
    try:
        done = CliRunner().invoke(app, [str(one) for one in words])
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    said, problem = done.output + logged.getvalue(), done.exception
    while problem is not None:
        said += repr(problem)
        problem = problem.__cause__ or problem.__context__
    return done.exit_code == 0, said.lower()


def tables(folder, messages, suffix="csv", more="", repeats=1, **others):
    messages = messages.astype(object)
    if suffix == "csv":
        messages.to_csv(folder / "messages.csv", index=False)
    elif suffix == "parquet":
        messages.astype(str).to_parquet(folder / "messages.parquet")
    else:
        messages.to_json(folder / "messages.jsonl", orient="records", lines=True)
    for name, table in others.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "study.toml").write_text(STUDY.format(suffix=suffix, more=more, repeats=repeats))
    return folder / "study.toml"


def rated(messages, *, of=("a", "b", "c")):
    one = messages.drop_duplicates("session_id")[["session_id", "label"]]
    return pd.concat([one.assign(rater=rater) for rater in of], ignore_index=True)


def test_a_whole_study_writes_no_word_of_it(tmp_path, monkeypatch):
    messages = make_messages(90)
    for place in range(0, len(messages), 2):
        messages.loc[place, "text"] += " " + sentence(place)
    reply = messages.iloc[::7].assign(role="helper", text=sentence("by another role"))
    messages = pd.concat([messages, reply], ignore_index=True)
    messages["notes"] = [sentence(f"note {k}") for k in range(len(messages))]
    messages["service"] = "phone"
    of = messages["session_id"].eq
    for session, column in (("s003", "label"), ("s005", "service")):
        messages.loc[of(session), column] = sentence(column)
    more = """
roles = ["user"]
subgroups = ["service"]
[text.explain]
models = ["tfidf"]
sessions = 1
words = 4
"""
    study = tables(tmp_path, messages, more=more, repeats=2)
    # What a drawing holds can be searched in one format.
    monkeypatch.setattr("voicerisk.figures.make", partial(make, formats=("svg",)), raising=False)
    out = tmp_path / "results"
    final = out / "models" / "final" / "tfidf"
    for words in (
        ("text", "run", study, "--out", out),
        ("report", out),
        ("text", "explain", study, "--out", out, "--model", "tfidf", "--misses", "--false-alarms"),
        ("text", "score", final, tmp_path / "messages.csv", "--out", out / "scores"),
        ("text", "validate", final, study, "--out", out / "validated"),
    ):
        done, said = command(*words)
        assert done, said
        assert CANARY not in said
    assert (out / "report.html").is_file() and (out / "explanations" / "tfidf.html").is_file()
    assert holding_it(out) == []
    # The search finds what is there.
    (out / "found.txt").write_text(sentence(1))
    assert holding_it(out) == ["found.txt"]


def enough(*_):
    raise TextError("All was read.")


def spoiled_cells():
    """Yield a name, and what makes of good messages a study that cannot be read."""
    for column in ("time", "age", "label", "role", "complete", "user_id"):
        yield f"one cell of {column}", {"cell": column}
        yield f"all of {column}", {"column": column}
    for item in CSSRS_ITEMS[:1] + CSSRS_ITEMS[-1:]:
        yield f"C-SSRS {item}", {"cssrs": item}
    yield "a rating", {"rating": "label"}
    yield "a rater", {"rating": "rater"}
    for key in ("time", "label", "age", "complete", "user", "session", "role"):
        yield f"{key} names the messages", {"more": f'{key} = "text"'}
    yield "wrong time column", {"more": 'time = "notes"'}
    yield "wrong column of roles", {"more": 'role = "notes"\nroles = ["user"]'}
    for key in ("label", "age", "complete", "role"):
        yield f"wrong column of {key}", {"more": f'{key} = "notes"'}
    yield "wrong column of subgroups", {"more": 'subgroups = ["notes"]'}
    yield "time format", {"more": 'time_format = "%d.%m.%Y"', "cell": "time"}
    yield "subgroups", {"more": 'subgroups = ["text"]'}
    yield "no header", {"header": True}
    yield "scores", {"more": 'scores = { llm = "messages.csv" }'}
    yield "embeddings", {"more": 'embeddings = "messages.csv"'}
    yield "sessions", {"more": 'sessions = "messages.csv"'}
    yield "lexicons", {"more": '[text.explain]\nmodels = ["tfidf"]\nwords = 1\nlexicons = "messages.csv"'}


# Which column is which is the same in every format; what is in a cell is not.
CASES = [
    pytest.param(name, how, suffix, id=f"{name}, {suffix}")
    for name, how in spoiled_cells()
    for suffix in (("csv", "jsonl", "parquet") if {"cell", "column", "cssrs"} & set(how) else ("csv",))
]


@pytest.mark.parametrize(("name", "how", "suffix"), CASES)
def test_no_column_puts_it_into_an_error_or_a_file(tmp_path, monkeypatch, name, how, suffix):
    # What is fitted, measured and drawn is searched in the other test; reading is what meets the cells.
    monkeypatch.setattr("voicerisk.deep.chats.study._Run.protocol", enough)
    messages = make_messages(12)
    messages["text"] = [f"{text} {sentence(k)}" for k, text in enumerate(messages["text"])]
    messages["complete"] = "yes"
    messages["notes"] = [sentence(session) for session in messages["session_id"]]
    more, others = how.get("more", ""), {}
    if "cell" in how:
        messages[how["cell"]] = messages[how["cell"]].astype(object)
        messages.loc[messages["session_id"] == "s003", how["cell"]] = sentence("cell")
    if "column" in how:
        messages[how["column"]] = [sentence(session) for session in messages["session_id"]]
    if "cssrs" in how:
        messages = messages.drop(columns="label").assign(**dict.fromkeys(CSSRS_ITEMS, "no"))
        messages.loc[5, how["cssrs"]] = sentence("item")
    if "rating" in how:
        others["ratings"] = rated(messages)
        others["ratings"].loc[4, how["rating"]] = sentence("rating")
        more = 'ratings = "ratings.csv"'
    if how.get("header"):
        messages.columns = [sentence(k) for k in range(len(messages.columns))]
    study = tables(tmp_path, messages, suffix, more, **others)
    _, said = command("text", "run", study, "--out", tmp_path / "results")
    assert CANARY not in said, name
    assert "traceback" not in said
    held = holding_it(tmp_path / "results") if (tmp_path / "results").is_dir() else []
    # Ids are what private tables are about; everything else holds nothing.
    assert held == [] or how.get("column", how.get("cell")) == "user_id", name


def test_ready_tables_and_sessions_quote_nothing(tmp_path):
    messages = make_messages(12)
    ids = messages["session_id"].unique()
    for key, table in (
        ("scores", pd.DataFrame({"session_id": ids, "NS": 0.2, "SI": 0.3, "ASE": sentence(1)})),
        ("embeddings", pd.DataFrame({"session_id": ids, "v1": 0.2, "v2": sentence(2)})),
        ("sessions", pd.DataFrame({"session_id": ids, "label": "NS", "age": sentence(3)})),
    ):
        value = '{ llm = "other.csv" }' if key == "scores" else '"other.csv"'
        study = tables(tmp_path, messages.drop(columns="label"), more=f"{key} = {value}", other=table)
        done, said = command("text", "run", study, "--out", tmp_path / key)
        assert not done
        assert CANARY not in said, key


def test_json_that_is_damaged_is_not_quoted(tmp_path):
    study = tables(tmp_path, make_messages(12), "jsonl")
    lines = (tmp_path / "messages.jsonl").read_text().splitlines()
    for bad in (json.dumps(sentence(1)), json.dumps({"session_id": [sentence(2)]}), sentence(3)):
        (tmp_path / "messages.jsonl").write_text("\n".join([lines[0], bad]))
        done, said = command("text", "run", study, "--out", tmp_path / "results")
        assert not done and CANARY not in said
