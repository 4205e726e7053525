"""How each marker answers to gain, polarity and shift; hostile sounds; the hour-long file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers import (
    DEFINITION_VERSION,
    catalogue,
    extract,
    read_definitions,
    select_markers,
    write_marker_table,
)
from voicerisk.errors import AudioError, BiomarkerError

EXACT = AudioSettings(pcm16=False)
FILE = AudioSettings(extent="file", pre_emphasis=0.0, normalise=False, pcm16=False)
few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_same(left, right, names, tolerance=1e-7):
    for name in names:
        np.testing.assert_allclose(left[name], right[name], rtol=tolerance, atol=tolerance, err_msg=name)


@few
@given(exponent=st.integers(-8, 3))
def test_gain_changes_nothing_in_the_published_preset(espeak, exponent):
    # powers of two: exact in floating point, so that no decision can flip by rounding
    samples, rate = espeak
    piece = samples[4000:16000]
    names = select_markers("all")
    assert_same(
        extract(piece, rate, audio=EXACT), extract(piece * 2.0**exponent, rate, audio=EXACT), names, 1e-12
    )


@few
@given(exponent=st.integers(-6, 2))
def test_gain_changes_level_and_loudness_alone_in_soundgens(espeak, exponent):
    samples, rate = espeak
    piece = samples[4000:16000]
    plain = extract(piece, rate, "soundgen-2.5.1")
    scaled = extract(piece * 2.0**exponent, rate, "soundgen-2.5.1")
    same = [n for n in select_markers("all", "soundgen-2.5.1") if n not in ("ampl", "loudness", "flux")]
    assert_same(plain, scaled, same, 1e-12)
    np.testing.assert_allclose(scaled["ampl"], plain["ampl"] * 2.0**exponent, rtol=1e-12)
    louder = scaled["loudness"].dropna() >= plain["loudness"].dropna()
    assert louder.all() if exponent >= 0 else True
    assert (scaled["loudness"].dropna() <= plain["loudness"].dropna()).all() if exponent <= 0 else True


@few
@given(first=st.integers(0, 20000))
def test_polarity_changes_nothing(espeak, first):
    samples, rate = espeak
    piece = samples[first : first + 8000]
    if not piece.any():
        piece = samples[4000:12000]
    for preset in ("published", "soundgen-2.5.1"):
        left, right = extract(piece, rate, preset, audio=EXACT), extract(-piece, rate, preset, audio=EXACT)
        assert_same(left, right, select_markers("all", preset), 1e-9)


@few
@given(hops=st.integers(1, 40))
def test_frames_do_not_know_where_their_span_began(espeak, hops):
    samples, rate = espeak
    fixed = AudioSettings(
        extent="segment", calibration=-26.0, normalise=False, pre_emphasis=0.0, silence="none", pcm16=False
    )
    late = [(hops * 160 / rate, 2.0)]
    whole = extract(samples, rate, spans=[(0.0, 2.0)], audio=fixed)
    part = extract(samples, rate, spans=late, audio=fixed)
    tiers = catalogue().set_index("name")["context_ms"]
    names = [name for name in select_markers("all") if tiers[name] <= 40]
    assert len(names) > 15
    assert_same(whole.iloc[hops:].reset_index(drop=True), part, names, 1e-12)


@pytest.mark.parametrize("preset", ["published", "soundgen-2.5.1"])
@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(16000),
        np.full(16000, 0.25),
        np.eye(1, 16000, 8000)[0],
        np.sign(np.sin(np.arange(16000) * 0.1)),
        0.5 + 0.1 * np.sin(np.arange(16000) * 0.3),
        np.random.default_rng(1).standard_normal(16000) * 1e-9,
        np.random.default_rng(1).standard_normal(16000) * 1e6,
        np.concatenate([np.zeros(8000), np.random.default_rng(1).standard_normal(8000) * 0.1]),
        0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 8000),
        np.arange(321) / 321.0,
        np.arange(330) / 330.0,
        np.array([0.5]),
    ],
    ids=[
        "zeros", "constant", "click", "clipped", "offset", "tiny", "huge", "half silent", "tone", "one frame",
        "ramp", "one sample",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_hostile_sounds_give_values_in_range_or_nan(sound, preset):
    audio = None if preset == "published" else AudioSettings(extent="file", pre_emphasis=0.0, normalise=False)
    for mask in (True, False):
        table = extract(sound, 8000, preset, audio=audio, mask=mask)
        rows = catalogue().set_index("name")
        for name in select_markers("all", preset):
            values = table[name].dropna()
            assert np.isfinite(values).all(), name
            assert values.between(rows.loc[name, "minimum"] - 1e-6, rows.loc[name, "maximum"] + 1e-6).all(), (
                name,
                values.min(),
                values.max(),
            )


def test_values_of_speech_lie_in_the_catalogues_ranges(reference_file):
    _, samples, rate = reference_file
    rows = catalogue().set_index("name")
    for preset in ("published", "soundgen-2.5.1"):
        table = extract(samples, rate, preset)
        for name in select_markers("all", preset):
            values = table[name].dropna()
            assert values.between(rows.loc[name, "minimum"] - 1e-9, rows.loc[name, "maximum"] + 1e-9).all(), (
                name
            )


@few
@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=50),
    repeat=st.integers(1, 40),
)
def test_any_floats_give_a_table_or_a_clear_error(values, repeat):
    sound = np.tile(np.array(values, np.float64), repeat)
    try:
        table = extract(sound, 8000, markers="named")
    except (AudioError, BiomarkerError) as error:
        assert not np.isfinite(sound).all(), error
    else:
        assert np.isfinite(sound).all()
        assert np.isfinite(table.drop(columns=["silent"]).fillna(0.0).to_numpy(float)).all()


def test_markers_that_are_not_asked_for_are_not_computed(espeak, monkeypatch):
    from voicerisk.biomarkers import assemble as local
    from voicerisk.biomarkers import span

    def refuse(*_args, **_kwargs):
        raise AssertionError("computed though nobody asked")

    for module, name in (
        (local, "formants"), (local, "loudness"), (local, "dominant"), (span, "pitch_candidates"),
        (span, "novelty"), (span, "modulation_columns"), (span, "harmonic_markers"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, refuse)
    samples, rate = espeak
    table = extract(samples, rate, markers=["rms_db", "entropy", "quartile50"])
    assert table["quartile50"].notna().any()


def test_definitions_travel_with_the_table(espeak, tmp_path):
    samples, rate = espeak
    table = extract(samples, rate, markers=["loudness", "pitch"])
    path = tmp_path / "frames.parquet"
    write_marker_table(path, table)
    version, rows = read_definitions(path)
    assert version == DEFINITION_VERSION
    assert [row["name"] for row in rows] == ["loudness", "pitch"]
    assert (
        rows[0]["unit"] == "sone"
        and rows[0]["definition"] == catalogue().set_index("name").loc["loudness", "definition"]
    )
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    assert path.stat().st_mode & 0o777 == 0o600
    table.to_parquet(tmp_path / "bare.parquet")
    with pytest.raises(BiomarkerError, match="carries no definitions"):
        read_definitions(tmp_path / "bare.parquet")


HOUR = """
import json, resource
import numpy as np
from voicerisk.biomarkers import extract
extract(0.1 * np.random.default_rng(1).standard_normal(80000), 8000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
samples = np.random.default_rng(1).standard_normal({n}).astype(np.float32)
samples *= 0.1
table = extract(samples, 8000)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([before, after, len(table)]))
"""


@pytest.mark.slow
def test_memory_of_a_long_file_is_bounded():
    done = subprocess.run(
        [sys.executable, "-c", HOUR.format(n=8000 * 600)], capture_output=True, text=True, check=True
    )
    before, after, n = json.loads(done.stdout)
    assert n == 29998
    # samples, their processed copies and 36 columns: about 150 bytes a sample
    assert (after - before) * 1024 < 8000 * 600 * 150


@pytest.mark.filterwarnings("error")
@settings(max_examples=20, deadline=None)
@given(
    rate=st.sampled_from([8000, 9000, 11025, 16000, 22050, 44100]),
    n_frames=st.integers(1, 12),
    rest=st.floats(0, 0.99),
    level=st.floats(-6, 0),
    clip=st.booleans(),
    hole=st.booleans(),
    seed=st.integers(0, 9),
)
def test_short_sounds_at_any_rate_give_values_in_range_or_nan(rate, n_frames, rest, level, clip, hole, seed):
    rng = np.random.default_rng(seed)
    hop = int(0.02 * rate)
    n = hop * (n_frames + 1) + 1 + int(rest * hop)
    t = np.arange(n) / rate
    sound = sum(np.sin(2 * np.pi * 170 * k * t + k) / k for k in range(1, 15)) + 0.01 * rng.standard_normal(n)
    sound *= 10**level / np.abs(sound).max()
    if clip:
        sound = np.clip(sound, -0.3 * np.abs(sound).max(), 0.3 * np.abs(sound).max())
    if hole:
        sound[n // 3 : n // 2] = 0.0
    rows = catalogue().set_index("name")
    for preset in ("published", "soundgen-2.5.1"):
        for mask in (True, False):
            table = extract(sound, rate, preset, mask=mask)
            assert len(table) == n_frames
            for name in select_markers("all", preset):
                values = table[name].dropna()
                assert np.isfinite(values).all(), name
                if rows.loc[name, "unit"] != "Hz":  # frequencies reach further at higher rates
                    low, high = rows.loc[name, "minimum"], rows.loc[name, "maximum"]
                    assert values.between(low - 1e-6, high + 1e-6).all(), name


def test_every_marker_has_its_row_in_the_telephone_table():
    from voicerisk.biomarkers.catalogue import select_markers, telephone

    table = telephone()
    assert table["marker"].tolist() == list(select_markers("all", "published"))
    assert table.drop(columns="marker").apply(lambda column: column.between(-1, 1)).to_numpy().all()
    page = (Path(__file__).parents[2] / "docs" / "telephone.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    # The page and the table that the audit reads say the same.
    for row in table.to_dict("records"):
        cells = [cell.split("(")[0].strip() for cell in rows[row["marker"]].split("|")[2:9]]
        assert [float(cell) for cell in cells] == [row[name] for name in table.columns[1:]], row["marker"]
