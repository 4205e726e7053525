"""`voicerisk extract`: one recording, a folder, a table of calls, and what is refused."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.biomarkers import DEFINITION_VERSION, extract, read_definitions, select_markers
from voicerisk.cli import main
from voicerisk.errors import StudyError
from voicerisk.study.extraction import files as markers_of_files
from voicerisk.study.extraction.files import extract_files

HEAD = ["call_id", "segment", "frame", "time_s", "silent"]


@pytest.fixture
def sound() -> np.ndarray:
    """One and a half seconds of a vowel, on the 16-bit grid."""
    t = np.arange(12000) / 8000
    vowel = sum(np.sin(2 * np.pi * 150 * k * t + k) / k for k in range(1, 20))
    return np.rint(3000 * vowel) / 32768


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command in this process; returns its exit code and what it printed."""
    monkeypatch.setattr(sys.modules["voicerisk.cli.app"].signal, "signal", lambda *_: None)

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["voicerisk", "extract", *map(str, words), "--jobs", "1"])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((printed.out + printed.err).split())

    return run


def write(folder: Path, name: str, samples: np.ndarray, **keys: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, 8000, **keys)
    return path


def test_one_recording_becomes_a_table_with_its_definitions(command, sound, tmp_path):
    path = write(tmp_path, "a.wav", sound)
    out = tmp_path / "frames.parquet"
    code, said = command(path, "--out", out)
    assert code == 0
    table = pd.read_parquet(out)
    assert list(table.columns) == [*HEAD, *select_markers("all")]
    assert (table["call_id"] == "a").all()
    assert f"{len(table)} frames" in said
    whole = extract(sound, 8000)
    pd.testing.assert_frame_equal(table.drop(columns="call_id"), whole, check_exact=True)
    version, rows = read_definitions(out)
    assert version == DEFINITION_VERSION
    assert [row["name"] for row in rows] == list(select_markers("all"))
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_folder_of_any_formats_becomes_one_csv(command, sound, tmp_path):
    write(tmp_path, "calls/b.flac", sound)
    write(tmp_path, "calls/night/a.wav", sound[:8000], subtype="ULAW")
    (tmp_path / "calls" / "notes.txt").write_text("not a recording")
    out = tmp_path / "frames.csv"
    code, _ = command(tmp_path / "calls", "-o", out, "--markers", "pitch,rms_db", "--preset", "published")
    assert code == 0
    table = pd.read_csv(out)
    assert list(table.columns) == [*HEAD, "rms_db", "pitch"]
    assert table["call_id"].unique().tolist() == ["b", "night/a"]
    assert table["call_id"].value_counts().to_dict() == {"b": 73, "night/a": 48}


def test_a_table_of_calls_names_files_ids_and_labels(command, sound, tmp_path):
    write(tmp_path, "sound/one.wav", np.column_stack([sound, np.zeros_like(sound)]))
    write(tmp_path, "sound/two.wav", np.column_stack([0.5 * sound, np.zeros_like(sound)]))
    (tmp_path / "one.txt").write_text("0.1\t0.5\tcaller\n0.6\t0.9\tcounsellor\n1.0\t1.4\tcaller\n")
    pd.DataFrame(
        {"call_id": ["c1", "c2"], "file": ["sound/one.wav", "sound/two.wav"], "labels": ["one.txt", ""]}
    ).to_csv(tmp_path / "calls.csv", index=False)
    out = tmp_path / "frames.parquet"
    code, _ = command(
        tmp_path / "calls.csv", "-o", out, "--markers", "named", "--labels", "caller", "--channel", "left"
    )
    assert code == 0
    table = pd.read_parquet(out)
    assert set(table.columns) == {*HEAD, *select_markers("named")}
    first = table[table["call_id"] == "c1"]
    expected = extract(sound, 8000, spans=[(0.1, 0.5), (1.0, 1.4)], markers="named")
    np.testing.assert_allclose(first["quartile50"], expected["quartile50"])
    np.testing.assert_allclose(first["time_s"], expected["time_s"])
    assert (table["call_id"] == "c2").sum() == 73


def test_results_do_not_depend_on_the_number_of_jobs(sound, tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path, f"calls/{name}.wav", sound[: 9000 + 100 * ord(name)])
    moves: list[tuple[int, int]] = []
    one = extract_files(
        tmp_path / "calls", tmp_path / "one.csv", ["entropy"], progress=lambda *m: moves.append(m)
    )
    two = extract_files(tmp_path / "calls", tmp_path / "two.csv", ["entropy"], jobs=2)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert moves == [(1, 3), (2, 3), (3, 3)]
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    table = pd.read_csv(tmp_path / "one.csv")
    assert one.to_dict("list") == {
        "call_id": ["a", "b", "c"],
        "n_frames": table.groupby("call_id").size().tolist(),
        "n_silent": table.groupby("call_id")["silent"].sum().tolist(),
        "whole": [True, True, True],
    }


def test_recordings_that_differ_in_their_ending_alone_keep_apart(command, sound, tmp_path):
    write(tmp_path, "calls/a.wav", sound)
    write(tmp_path, "calls/a.flac", sound[:8000])
    write(tmp_path, "calls/b.wav", sound)
    code, _ = command(tmp_path / "calls", "-o", tmp_path / "frames.csv", "--markers", "rms_db")
    assert code == 0
    table = pd.read_csv(tmp_path / "frames.csv")
    assert table["call_id"].value_counts(sort=False).to_dict() == {"a.flac": 48, "a.wav": 73, "b": 73}


def test_a_recording_without_a_whole_frame_has_no_row_and_spoils_no_column(command, sound, tmp_path):
    write(tmp_path, "calls/a.wav", sound[:1])
    write(tmp_path, "calls/b.wav", sound)
    out = tmp_path / "frames.parquet"
    code, said = command(tmp_path / "calls", "-o", out, "--markers", "rms_db")
    assert code == 0
    assert "73 frames" in said
    assert pd.read_parquet(out)["call_id"].unique().tolist() == ["b"]


def test_a_folder_takes_every_recording_and_names_what_it_leaves_out(command, sound, tmp_path):
    soundfile.write(tmp_path / "a.opus", sound, 8000, format="OGG", subtype="OPUS")
    (tmp_path / "calls").mkdir()
    for name in ("b.opus", "c.OGA", "d.oga"):
        shutil.copy(tmp_path / "a.opus", tmp_path / "calls" / name)
    write(tmp_path, "calls/e.WAV", sound)
    soundfile.write(tmp_path / "calls" / "f.rf64", sound, 8000, format="RF64", subtype="PCM_16")
    write(tmp_path, "calls/short.wav", sound[:100])
    (tmp_path / "calls" / "[notes].txt").write_text("a label track")
    (tmp_path / "calls" / "night").mkdir()
    (tmp_path / "calls" / "night" / "g.dvf").write_bytes(b"\0")
    code, said = command(tmp_path / "calls", "-o", tmp_path / "frames.csv", "--markers", "rms_db")
    assert code == 0
    counts = pd.read_csv(tmp_path / "frames.csv")["call_id"].value_counts().to_dict()
    assert counts == dict.fromkeys("bcdef", 73)
    assert "2 files are no recordings by their names and were left out: '[notes].txt', 'night/g.dvf'." in said
    assert "1 recordings hold no whole frame (40 ms): 'short'." in said


@pytest.mark.parametrize("column", ["file", "labels"])
@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "link/secret.txt", "a/../../secret.txt"])
def test_a_table_names_no_file_outside_its_folder(command, sound, tmp_path, column, name):
    write(tmp_path, "study/a.wav", sound)
    (tmp_path / "secret.txt").write_text("nobody reads this line\n")
    (tmp_path / "study" / "link").symlink_to(tmp_path)
    row = {"call_id": "c", "file": "a.wav", "labels": ""} | {column: name}
    pd.DataFrame([row]).to_csv(tmp_path / "study" / "calls.csv", index=False)
    code, said = command(tmp_path / "study" / "calls.csv", "-o", tmp_path / "frames.csv")
    assert code == 1
    assert f"row 2: {column} '{name}' leads out of the folder" in said
    assert "nobody" not in said


def test_a_name_that_no_file_system_takes_is_not_there(command, tmp_path):
    (tmp_path / "calls.csv").write_text(f"call_id,file\nc,{'x' * 300}.wav\n")
    code, said = command(tmp_path / "calls.csv", "-o", tmp_path / "frames.csv")
    assert code == 1
    assert "is not there" in said


def test_one_recording_without_a_whole_frame_is_refused(command, sound, tmp_path):
    code, said = command(write(tmp_path, "a.wav", sound[:100]), "-o", tmp_path / "frames.csv")
    assert code == 1
    assert "a.wav holds no whole frame" in said


def test_broken_recordings_are_all_named_and_the_others_are_kept(command, sound, tmp_path, monkeypatch):
    write(tmp_path, "calls/a.wav", sound)
    write(tmp_path, "calls/c.wav", sound)
    for name in ("b", "d"):
        path = write(tmp_path, f"calls/{name}.wav", sound)
        path.write_bytes(path.read_bytes()[:5000])
    out = tmp_path / "frames.parquet"
    code, said = command(tmp_path / "calls", "-o", out)
    assert code == 1
    assert "2 of 4 recordings cannot be analysed." in said
    assert "b.wav is truncated" in said
    assert "d.wav is truncated" in said
    assert "The others are kept for the next run." in said
    assert not out.exists()
    write(tmp_path, "calls/b.wav", sound)
    (tmp_path / "calls" / "d.wav").unlink()

    analysed = []
    whole = markers_of_files.extract_call_file
    monkeypatch.setattr(
        markers_of_files,
        "extract_call_file",
        lambda path, *rest: analysed.append(path.name) or whole(path, *rest),
    )
    code, _ = command(tmp_path / "calls", "-o", out)
    assert code == 0
    assert analysed == ["b.wav"]
    table = pd.read_parquet(out)
    assert table["call_id"].unique().tolist() == ["a", "b", "c"]
    assert not (tmp_path / ".frames.parquet.parts").exists()


def test_a_killed_run_goes_on_and_gives_the_same_table(sound, tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path, f"calls/{name}.wav", sound[: 9000 + 100 * ord(name)])
    extract_files(tmp_path / "calls", tmp_path / "whole.csv", ["entropy"])
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from voicerisk.study.extraction.files import extract_files\n"
        "source, out = map(Path, sys.argv[1:])\n"
        "def stop(done, n):\n    if done == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "extract_files(source, out, ['entropy'], progress=stop)\n"
    )
    out = tmp_path / "frames.csv"
    ended = subprocess.run([sys.executable, "-c", script, tmp_path / "calls", out], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not out.exists()
    parts = tmp_path / ".frames.csv.parts"
    assert len(list(parts.glob("*.parquet"))) >= 2
    assert parts.stat().st_mode & 0o777 == 0o700
    moves: list[tuple[int, int]] = []
    extract_files(tmp_path / "calls", out, ["entropy"], progress=lambda *m: moves.append(m))
    assert moves in ([(3, 3)], [])
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_what_was_kept_is_not_taken_for_other_settings_or_a_changed_recording(sound, tmp_path):
    path = write(tmp_path, "calls/a.wav", sound)
    broken = write(tmp_path, "calls/b.wav", sound)
    broken.write_bytes(broken.read_bytes()[:5000])
    out = tmp_path / "frames.csv"
    with pytest.raises(StudyError, match=r"1 of 2 recordings cannot be analysed.*The others are kept"):
        extract_files(tmp_path / "calls", out, ["entropy"])
    broken.unlink()
    write(tmp_path, "calls/a.wav", 0.5 * sound[:8000])
    extract_files(tmp_path / "calls", out, ["rms_db"], "published")
    assert list(pd.read_csv(out).columns) == [*HEAD, "rms_db"]
    assert len(pd.read_csv(out)) == 48
    assert path.exists()


def broken_wav(folder: Path, sound: np.ndarray) -> Path:
    path = write(folder, "calls/broken.wav", sound)
    path.write_bytes(path.read_bytes()[:5000])
    return folder / "calls"


def stereo(folder: Path, sound: np.ndarray) -> Path:
    return write(folder, "both.wav", np.column_stack([sound, sound]))


def calls_without_file(folder: Path, sound: np.ndarray) -> Path:
    (folder / "calls.csv").write_text("call_id,recording\na,a.wav\n")
    return folder / "calls.csv"


def calls_twice(folder: Path, sound: np.ndarray) -> Path:
    write(folder, "a.wav", sound)
    (folder / "calls.csv").write_text("call_id,file\na,a.wav\na,a.wav\n")
    return folder / "calls.csv"


def calls_with_a_missing_file(folder: Path, sound: np.ndarray) -> Path:
    write(folder, "a.wav", sound)
    (folder / "calls.csv").write_text("call_id,file\na,a.wav\nb,b.wav\n")
    return folder / "calls.csv"


def empty_table(folder: Path, sound: np.ndarray) -> Path:
    (folder / "calls.csv").write_text("call_id,file\n")
    return folder / "calls.csv"


def empty_folder(folder: Path, sound: np.ndarray) -> Path:
    return folder


def nothing(folder: Path, sound: np.ndarray) -> Path:
    return folder / "nowhere.wav"


def good(folder: Path, sound: np.ndarray) -> Path:
    return write(folder, "a.wav", sound)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (broken_wav, (), "broken.wav is truncated"),
        (stereo, (), "both.wav has 2 channels; name the caller's"),
        (stereo, ("--channel", "3"), "both.wav has 2 channels, so [audio] channel = 3"),
        (calls_without_file, (), "there is no column 'file' (it has 'call_id', 'recording'"),
        (calls_twice, (), "calls.csv, row 3: 'a' is there twice"),
        (calls_with_a_missing_file, (), "calls.csv, row 3: file 'b.wav' is not there"),
        (empty_table, (), "calls.csv has a header but no rows"),
        (empty_folder, (), "holds no recording"),
        (nothing, (), "nowhere.wav is not there"),
        (good, ("--markers", "loudnes"), "'loudnes' is no marker of the preset 'published'; did you mean"),
        (good, ("--preset", "soundgen"), "did you mean 'soundgen-2.5.1'"),
        (good, ("--out", "frames.xlsx"), "must end in .parquet or .csv"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)  # fmt: skip
def test_what_cannot_be_extracted_is_named(command, sound, tmp_path, source, options, message):
    out = () if "--out" in options else ("--out", tmp_path / "frames.parquet")
    code, said = command(source(tmp_path, sound), *out, *options)
    assert code == 1
    assert message in said
    assert not (tmp_path / "frames.parquet").exists()


GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1.5\n<exists>\n1\n"IntervalTier"\n"caller"\n'
    "0\n1.5\n5\n"
    '0\n0.1\n""\n0.1\n0.5\n"caller: calm\nslow"\n0.5\n1.0\n""\n1.0\n1.4\n"caller"\n1.4\n1.5\n""\n'
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", b"call_id;file;labels\n007;a.wav;a.txt\n"),
        ("c.csv", "call_id\tfile\tlabels\n007\ta.wav\ta.txt\n".encode("utf-16")),
        ("c.CSV", b"sep=,\r\ncall_id, file ,labels\r\n007, a.wav ,a.txt\r\n,,\r\n"),
        ("c.tsv", b"call_id\tfile\tlabels\n007\ta.wav\ta.txt\n"),
        ("c.csv", b"call_id,file,labels\n007,a.wav,grid.txt\n"),
        ("c.csv", b"call_id,file,labels\n007,a.wav,grid.TextGrid\n"),
    ],
)
@pytest.mark.parametrize("labels", [(), ("--labels", "call*")])
def test_tables_and_tracks_are_read_as_a_study_reads_them(command, sound, tmp_path, name, content, labels):
    write(tmp_path, "a.wav", sound)
    (tmp_path / "a.txt").write_text("0.1\t0.5\tcaller: calm\n1.0\t1.4\tcaller\n")
    for grid in ("grid.txt", "grid.TextGrid"):
        (tmp_path / grid).write_text(GRID)
    (tmp_path / name).write_bytes(content)
    code, said = command(tmp_path / name, "--out", tmp_path / "f.csv", "--markers", "rms_db", *labels)
    assert code == 0, said
    table = pd.read_csv(tmp_path / "f.csv", dtype={"call_id": str})
    assert set(table["call_id"]) == {"007"}
    ends = table.groupby("segment")["time_s"].agg(["min", "max"])
    assert len(ends) == 2 and ends.loc[0, "min"] >= 0.1 and ends.loc[0, "max"] < 0.5
    assert ends.loc[1, "min"] >= 1.0 and ends.loc[1, "max"] < 1.4


def test_a_call_without_a_track_is_whole_and_said_where_labels_are_chosen(command, sound, tmp_path):
    write(tmp_path, "a.wav", sound)
    (tmp_path / "c.csv").write_text("call_id,file,labels\n1,a.wav,NA\n")
    code, said = command(
        tmp_path / "c.csv", "--out", tmp_path / "f.csv", "--markers", "rms_db", "--labels", "x"
    )
    assert code == 0 and "1 of 1 recordings have no label track" in said
    (tmp_path / "c.csv").write_text("call_id,file,labels\n1,a.wav,#NV\n")
    code, said = command(tmp_path / "c.csv", "--out", tmp_path / "g.csv", "--markers", "rms_db")
    assert code == 1 and "row 2: labels is '#NV', an error of Excel's" in said
