"""What is kept of each call belongs to the recording that was read, and damage is made good."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.audio import AudioSettings
from voicerisk.biomarkers import BiomarkerSettings
from voicerisk.cohort import CohortSettings, load_cohort
from voicerisk.errors import StudyError
from voicerisk.study.extraction import calls as extraction
from voicerisk.study.extraction.calls import extract_calls

MARKERS = BiomarkerSettings(set=("rms_db",))


@pytest.fixture
def cohort(tmp_path: Path):
    t = np.arange(8000) / 8000
    for number in range(4):
        sound = 0.3 * np.sin(2 * np.pi * (200 + 20 * number) * t)
        soundfile.write(tmp_path / f"{number}.wav", sound, 8000, subtype="PCM_16")
    pd.DataFrame(
        {"call_id": list("abcd"), "caller_id": list("wxyz"), "sex": list("FMFM"), "outcome": [0, 1, 0, 1],
         "file": [f"{number}.wav" for number in range(4)]}
    ).to_csv(tmp_path / "calls.csv", index=False)  # fmt: skip
    return load_cohort(CohortSettings(calls="calls.csv", outcome="outcome"), tmp_path)


def test_a_recording_that_changes_while_it_is_read_is_not_analysed_under_the_old_hash(
    cohort, tmp_path, monkeypatch
):
    whole = extraction.read_recording

    def swapped(path, *rest):
        recording = whole(path, *rest)
        if Path(path).name == "1.wav":
            soundfile.write(path, np.zeros(8000), 8000, subtype="PCM_16")
        return recording

    monkeypatch.setattr(extraction, "read_recording", swapped)
    with pytest.raises(StudyError, match=r"1\.wav changed while it was read; run the study again"):
        extract_calls(cohort, AudioSettings(), MARKERS, tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*.json"))) == 1, "the call before it is kept, it is not"


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_a_damaged_kept_call_is_made_again(cohort, tmp_path, suffix):
    cache = tmp_path / "cache"
    first = extract_calls(cohort, AudioSettings(), MARKERS, cache)
    damaged = sorted(cache.glob(f"*{suffix}"))[2]
    whole = damaged.read_bytes()
    place = len(whole) // 2
    damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    again = extract_calls(cohort, AudioSettings(), MARKERS, cache)
    pd.testing.assert_frame_equal(again.frames, first.frames, check_exact=True)
    assert first.channel["stated_s"].tolist() == first.channel["duration_s"].tolist() == [1.0] * 4


def test_the_whole_of_a_joined_recording_is_the_callers_speech(cohort, tmp_path):
    # Without a label track the span is the whole file, to its real end.
    content = (tmp_path / "0.wav").read_bytes()
    (tmp_path / "0.wav").write_bytes(content + content)
    cohort = load_cohort(CohortSettings(calls="calls.csv", outcome="outcome"), tmp_path)
    found = extract_calls(cohort, AudioSettings(), MARKERS, tmp_path / "cache")
    assert cohort.spans.set_index("call_id")["end_s"].to_dict() == {"a": 2.0, "b": 1.0, "c": 1.0, "d": 1.0}
    assert found.channel.set_index("call_id")["duration_s"]["a"] == 2.0
    assert found.segments.set_index("call_id")["n_frames"]["a"] > 1.9 * found.segments["n_frames"].iloc[1]
