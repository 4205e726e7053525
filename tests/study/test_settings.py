"""The study file: what it may hold, and how it says what is wrong."""

import pytest

from voicerisk.errors import StudyError, VoiceriskError
from voicerisk.study import load_study


def _study(tmp_path, text):
    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_are_filled_in_and_relative_paths_resolve_from_the_file(tmp_path):
    study = load_study(_study(tmp_path, '[cohort]\ncalls = "calls.csv"\noutcome = "outcome"\n'))
    assert study.folder == tmp_path
    assert study.boost.mstop == 100 and study.boost.engine == "native"
    assert study.validation.designs == ("loco", "grouped_kfold")
    assert study.as_dict()["screening"]["rule"] == "min"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[cohrt]\n", r"unknown table \[cohrt\]; did you mean cohort\?"),
        (
            '[cohort]\ncalls = "c.csv"\noutcom = "y"\n',
            r"unknown key outcom in \[cohort\]; did you mean outcome\?",
        ),
        ('[cohort]\noutcome = "y"\n', r"lacks the key calls in \[cohort\]"),
        ("[screening]\nrule = 'min'\n", r"has no table \[cohort\]"),
        ("cohort = 3\n", r"cohort must be a table"),
        ("[cohort\n", r"not valid TOML"),
        (
            '[cohort]\ncalls = "C:\\Users\\me\\calls.csv"\n',
            "write folders with /, or the text in single quotes",
        ),
        (
            '[cohort]\ncalls = "audio\\texts.csv"\n',
            r"cohort\.calls holds 'audio\\texts.csv', .* single quotes",
        ),
        ("a = " + "[" * 5000, "brackets are nested too deeply"),
        (
            '[cohort]\ncalls = "c.csv"\n[gamm]\nlinear = ["age", "age"]\n',
            "linear must name columns, each once",
        ),
        ('[cohort]\ncalls = "c.csv"\noutcome = "y"\n[boost]\nnu = 2\n', r"nu is 2"),
        (
            '[cohort]\ncalls = "c.csv"\nmoderatr = "service"\n',
            r"unknown key moderatr in \[cohort\]; did you mean moderator\?",
        ),
        (
            '[cohort]\ncalls = "c.csv"\noutcome = "y"\n[validation]\nprior = 1.5\n',
            r"prior must be a probability",
        ),
    ],
)
def test_a_wrong_study_file_is_named_with_the_nearest_known_word(tmp_path, text, says):
    with pytest.raises(VoiceriskError, match=says):
        load_study(_study(tmp_path, text))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_file_of_any_editor_is_read(tmp_path, encoding):
    path = tmp_path / "study.toml"
    path.write_bytes('[cohort]\r\ncalls = "größe.csv"\r\n'.encode(encoding))
    assert load_study(path).cohort.calls == "größe.csv"
    path.write_bytes('[cohort]\ncalls = "größe.csv"\n'.encode("latin-1"))
    with pytest.raises(StudyError, match=r"study\.toml, line 2: the byte 0xf6 is not UTF-8"):
        load_study(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(StudyError, match=r"no study file .*voicerisk simulate"):
        load_study(tmp_path / "none.toml")
    with pytest.raises(StudyError, match="is a folder; name the study file in it"):
        load_study(tmp_path)
