"""An archive of mono and stereo recordings: the table of calls says which channel is the caller's."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.audio import AudioSettings
from voicerisk.biomarkers import BiomarkerSettings
from voicerisk.cohort import CohortSettings, load_cohort
from voicerisk.errors import StudyError, VoiceriskError
from voicerisk.study.extraction.calls import channel_of_calls, extract_calls
from voicerisk.study.extraction.channels import audio_of_calls


def test_each_call_is_read_from_its_own_channel(tmp_path):
    rng = np.random.default_rng(1)
    loud, soft = (scale * rng.normal(size=8000) for scale in (0.2, 0.02))
    sounds = {"1": loud, "2": np.column_stack([loud, soft]), "3": np.column_stack([soft, loud]), "4": loud}
    for name, sound in sounds.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, 8000, subtype="FLOAT")
    rows = ["call_id,caller_id,sex,file,outcome,channel", "1,a,F,1.wav,0,", "2,b,F,2.wav,0,left"]
    (tmp_path / "calls.csv").write_text("\n".join([*rows, "3,c,F,3.wav,1,2", "4,d,F,4.wav,1,1"]))
    cohort = load_cohort(CohortSettings(calls="calls.csv"), tmp_path)
    found = extract_calls(cohort, AudioSettings(), BiomarkerSettings(set=("rms_db",)), tmp_path / "cache")
    levels = [part["rms_db"].to_numpy() for _, part in found.frames.groupby("call_id")]
    for other in levels[1:]:
        np.testing.assert_array_equal(other, levels[0])
    assert channel_of_calls(cohort, AudioSettings())["sha256"].nunique() == 1
    with pytest.raises(
        VoiceriskError, match=r"1\.wav has 1 channel, so \[audio\] channel = 2 does not exist"
    ):
        channel_of_calls(cohort, AudioSettings(channel=2))


def test_what_a_column_channel_may_hold():
    audio = AudioSettings(channel="right")

    def channels(*cells: object) -> list[object]:
        table = pd.DataFrame({"call_id": [str(n) for n in range(len(cells))], "channel": cells})
        return [one.channel for one in audio_of_calls(table, audio).values()]

    assert channels("left", None, "R", "1") == ["left", "right", "right", 1]
    assert channels(1, 2, np.nan) == [1, 2, "right"]
    assert channels("phone", "chat") == ["right", "right"]
    assert channels(None, None) == ["right", "right"]
    with pytest.raises(StudyError, match=r"Column channel of call '1' is 'both', but must be left, right"):
        channels("left", "both")
