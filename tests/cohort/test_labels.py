"""Audacity tracks and Praat TextGrids: what is read, and that writing and reading again gives the same."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicerisk.cohort import read_audacity, read_textgrid
from voicerisk.cohort.labels import label_matches
from voicerisk.errors import CohortError

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "caller"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.75
            text = ""
        intervals [2]:
            xmin = 0.75
            xmax = 1.5
            text = "she said ""no"" 12 <times>"
        intervals [3]:
            xmin = 1.5
            xmax = 2.5
            text = " two
lines "
    item [2]:
        class = "TextTier"
        name = "bells"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.25
            mark = "ring"
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"caller"
0
2.5
3
0
0.75
""
0.75
1.5
"she said ""no"" 12 <times>"
1.5
2.5
" two
lines "
"TextTier"
"bells"
0
2.5
1
1.25
"ring"
"""


def write(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "track.txt"
    path.write_bytes(content.encode(encoding))
    return path


def test_audacity_labels_points_and_frequency_ranges(tmp_path):
    text = "0.500000\t1.500000\tflat affect\n\\\t200.000000\t3400.000000\n2.0\t2.0\tclick\n3\t4\n3\t4\ta\tb\n"
    track = read_audacity(write(tmp_path, text))
    assert track["start_s"].tolist() == [0.5, 2.0, 3.0, 3.0]
    assert track["end_s"].tolist() == [1.5, 2.0, 4.0, 4.0]
    assert track["label"].tolist() == ["flat affect", "click", "", "a\tb"]
    assert track["line"].tolist() == [1, 3, 4, 5]
    assert track["low_hz"].iloc[0] == 200.0 and track["high_hz"].iloc[0] == 3400.0
    assert track["low_hz"].iloc[1:].isna().all()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_audacity_encodings_and_line_ends(tmp_path, encoding):
    track = read_audacity(write(tmp_path, "0\t1\tängstlich\r\n\r\n1\t2\tx\r\n", encoding))
    assert track["label"].tolist() == ["ängstlich", "x"]
    assert track["line"].tolist() == [1, 3]


def test_an_empty_track_has_no_labels(tmp_path):
    track = read_audacity(write(tmp_path, ""))
    assert len(track) == 0
    assert list(track.columns) == ["start_s", "end_s", "label", "line", "low_hz", "high_hz"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\\\t1\t2\n", "track.txt, line 1: a line that starts with a backslash"),
        ("0\t1\ta\n\\\t1\n", "line 2: a line that starts with a backslash"),
        ("0\t1\ta\n\\\t1\t2\n\\\t1\t2\n", "line 3: a line that starts with a backslash"),
        ("0\t1\ta\n\\\tlow\t2\n", "line 2: the frequency 'low' is not a number"),
        ("0 1 caller\n", "line 1: '0 1 caller' is not a label; a line holds start, end and text"),
        ("0\tx\ta\n", "line 1: the time 'x' is not a number"),
        ("0\t1_0\ta\n", "line 1: the time '1_0' is not a finite number"),
    ],
)
def test_bad_audacity_lines_are_named(tmp_path, content, message):
    with pytest.raises(CohortError, match=message):
        read_audacity(write(tmp_path, content))


@pytest.mark.parametrize("content", [LONG, SHORT])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_long_and_short_textgrids_say_the_same(tmp_path, content, encoding):
    path = write(tmp_path, content, encoding)
    track = read_textgrid(path)
    assert track["start_s"].tolist() == [0.0, 0.75, 1.5]
    assert track["end_s"].tolist() == [0.75, 1.5, 2.5]
    assert track["label"].tolist() == ["", 'she said "no" 12 <times>', "two\nlines"]
    assert content.splitlines()[track["line"].iloc[1] - 1].strip() in ("xmin = 0.75", "0.75")
    points = read_textgrid(path, "bells")
    assert points[["start_s", "end_s", "label"]].to_numpy().tolist() == [[1.25, 1.25, "ring"]]


def test_comments_in_a_textgrid_are_skipped(tmp_path):
    text = SHORT.replace('"bells"', '"bells" ! 5 "not this"')
    assert len(read_textgrid(write(tmp_path, text), "bells")) == 1


@pytest.mark.parametrize(
    ("content", "tier", "message"),
    [
        ("0\t1\tcaller\n", None, "is not a TextGrid in Praat's text format"),
        (LONG, "calle", r"track.txt has no tier 'calle'; did you mean 'caller'\?"),
        (LONG.replace('"bells"', '"caller"'), "caller", "has 2 tiers named 'caller'"),
        (LONG.replace("IntervalTier", "TextTier"), None, None),
        (
            SHORT.replace('"IntervalTier"', '"Spline"'),
            None,
            "line 8: 'Spline' is neither IntervalTier nor TextTier",
        ),
        (SHORT.replace('"TextGrid"', '"Pitch 1"'), None, "holds a Praat 'Pitch 1', not a TextGrid"),
        (
            SHORT.replace("\n3\n0\n", "\n3.5\n0\n"),
            None,
            "line 12: the number of intervals of a tier is 3.5, not a count",
        ),
        (
            SHORT.replace("\n0.75\n1.5\n", "\n1.75\n1.5\n"),
            None,
            "line 16: the interval ends at 1.5 s, before it starts",
        ),
        (
            SHORT.replace("\n0\n0.75\n", '\n"x"\n0.75\n'),
            None,
            "line 13: 'x' stands where the start of an interval",
        ),
        (
            SHORT[: SHORT.index('"ring"')],
            None,
            "ends before the text of an interval; the TextGrid is cut off",
        ),
        (SHORT[:-3], None, "line 29: a quoted text begins here and never ends"),
        (
            SHORT.replace("\n0.75\n1.5\n", "\n--undefined--\n1.5\n"),
            None,
            "line 16: the start of an interval is not finite",
        ),
    ],
)
def test_bad_textgrids_are_told(tmp_path, content, tier, message):
    path = write(tmp_path, content)
    if message is None:
        # Points carry one number each: intervals read as points do not fit.
        message = "stands where"
    with pytest.raises(CohortError, match=message):
        read_textgrid(path, tier)


TIMES = st.floats(0, 1e4, allow_nan=False).map(lambda value: round(value, 6))
WORDS = st.text(
    st.characters(exclude_characters="\r\n\t", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20
)
TOGETHER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@TOGETHER
@given(st.lists(st.tuples(TIMES, TIMES, WORDS, st.booleans()), max_size=8))
def test_what_audacity_writes_is_read_back(tmp_path, labels):
    lines = []
    for first, second, text, spectral in labels:
        lines.append(f"{min(first, second):.6f}\t{max(first, second):.6f}\t{text}")
        if spectral:
            lines.append("\\\t-1.000000\t3400.500000")
    track = read_audacity(write(tmp_path, "".join(line + "\n" for line in lines)))
    assert track["label"].tolist() == [text.strip() for _, _, text, _ in labels]
    assert track["start_s"].tolist() == [min(a, b) for a, b, _, _ in labels]
    assert track["end_s"].tolist() == [max(a, b) for a, b, _, _ in labels]
    assert track["high_hz"].notna().tolist() == [spectral for *_, spectral in labels]


@TOGETHER
@given(
    st.lists(st.tuples(TIMES, WORDS), min_size=1, max_size=8),
    WORDS,
    st.sampled_from(["utf-8", "utf-16"]),
    st.booleans(),
)
def test_what_praat_writes_is_read_back(tmp_path, pieces, name, encoding, long):
    edges = [0.0, *sorted(time for time, _ in pieces)]
    texts = [text for _, text in pieces]

    def quoted(text):
        return '"' + text.replace('"', '""') + '"'

    def field(key, value):
        return f"{key} = {value} \n" if long else f"{value}\n"

    out = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    out += field("xmin", 0) + field("xmax", edges[-1])
    out += (
        ("tiers? <exists> \n" if long else "<exists>\n") + field("size", 1) + ("item []: \n" if long else "")
    )
    out += (
        ("    item [1]:\n" if long else "") + field("class", '"IntervalTier"') + field("name", quoted(name))
    )
    out += field("xmin", 0) + field("xmax", edges[-1]) + field("intervals: size", len(texts))
    for place, text in enumerate(texts):
        out += f"        intervals [{place + 1}]:\n" if long else ""
        out += (
            field("xmin", repr(edges[place]))
            + field("xmax", repr(edges[place + 1]))
            + field("text", quoted(text))
        )
    track = read_textgrid(write(tmp_path, out, encoding))
    assert track["label"].tolist() == [text.strip() for text in texts]
    assert track["start_s"].tolist() == edges[:-1] and track["end_s"].tolist() == edges[1:]


@TOGETHER
@given(st.binary(max_size=80), st.sampled_from([b"", LONG[:60].encode(), SHORT[:120].encode(), b"0\t1\ta\n"]))
def test_any_bytes_are_read_or_refused_in_words(tmp_path, tail, head):
    path = tmp_path / "any.txt"
    path.write_bytes(head + tail)
    for read in (read_audacity, read_textgrid):
        try:
            track = read(path)
        except CohortError as error:
            assert "any.txt" in str(error)
        else:
            assert (track["end_s"] >= track["start_s"]).all()
            assert not track["start_s"].map(math.isnan).any()


@pytest.mark.parametrize("command", ["Save as text file", "Save as short text file"])
@pytest.mark.parametrize(
    "words", [["flat affect", 'says "no"'], ["ängstlich — 静か", "!not a comment 3 <exists>"]]
)
def test_textgrids_that_praat_itself_writes(tmp_path, command, words):
    parselmouth = pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    grid = parselmouth.praat.call("Create TextGrid", 0.0, 3.0, "caller clicks", "clicks")
    for place, edge in enumerate((0.1 + 0.2, 1.5), 1):
        parselmouth.praat.call(grid, "Insert boundary", 1, edge)
        parselmouth.praat.call(grid, "Set interval text", 1, place + 1, words[place - 1])
    parselmouth.praat.call(grid, "Insert point", 2, 2.25, "click")
    path = tmp_path / "praat.TextGrid"
    parselmouth.praat.call(grid, command, str(path))
    track = read_textgrid(path)
    # Praat writes up to 17 significant digits.
    assert track["start_s"].tolist() == [0.0, 0.1 + 0.2, 1.5]
    assert track["end_s"].tolist() == [0.1 + 0.2, 1.5, 3.0]
    assert track["label"].tolist() == ["", *words]
    points = read_textgrid(path, "clicks")
    assert points[["start_s", "end_s", "label"]].to_numpy().tolist() == [[2.25, 2.25, "click"]]
    binary = tmp_path / "binary.TextGrid"
    parselmouth.praat.call(grid, "Save as binary file", str(binary))
    with pytest.raises(CohortError, match=r"binary\.TextGrid is a binary file of Praat's; save it with"):
        read_textgrid(binary)


def test_damaged_textgrids_are_refused_without_searching_forever(tmp_path):
    # Each would take minutes where one part of the text can be read in many ways.
    for text in (
        "<exists>" + "9" * 200_000 + "x",
        '<"' * 100_000,
        "1" * 200_000 + ".x",
        '""' * 100_001 + '"',
    ):
        path = write(tmp_path, 'File type = "ooTextFile"\nObject class = "TextGrid"\n0\n1\n' + text)
        with pytest.raises(CohortError, match=r"track.txt"):
            read_textgrid(path)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("caller*", "caller: calm\nslow", True),
        ("*", "", True),
        ("a*a", "a", False),
        ("a*b*c", "abc", True),
        ("a*b*c", "acb", False),
        ("caller", "caller ", False),
        ("a.c", "abc", False),
        ("*a" * 2000 + "b", "a" * 20_000, False),
    ],
)
def test_stars_match_any_characters(pattern, text, expected):
    assert label_matches(pattern, text) is expected
