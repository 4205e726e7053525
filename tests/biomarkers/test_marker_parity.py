"""Equality with soundgen 2.5.1 on seven recordings, frame by frame.

The reference has 8 significant digits; the tolerances are those digits, or what the quantity's use asks for.
"""

import json

import numpy as np
import pytest

from voicerisk.biomarkers import extract
from voicerisk.biomarkers.loudness import equal_loudness, loudness
from voicerisk.errors import BiomarkerError

# name -> (absolute, relative)
TOLERANCE = {
    **dict.fromkeys(
        ("ampl", "entropy", "entropySh", "specSlope", "loudness", "HNR", "roughness"), (1e-6, 1e-6)
    ),
    "specCentroid": (1e-6, 1e-6),
    **dict.fromkeys(("peakFreq", "quartile25", "quartile50", "quartile75"), (0, 0)),
    "dom": (1e-4, 0),
    **dict.fromkeys(("f1_freq", "f2_freq", "f3_freq"), (0.01 + 1e-9, 0)),
    **dict.fromkeys(("f1_width", "f2_width", "f3_width"), (1e-3, 0)),
}


@pytest.mark.parametrize("version", ["v2.5.1_nomask", "v2.5.1_default"])
def test_frame_local_markers_equal_soundgen(version, reference_file, soundgen_table):
    name, samples, rate = reference_file
    expected = soundgen_table(version, name)
    masked = version == "v2.5.1_default"
    table = extract(samples, rate, "soundgen-2.5.1", markers=list(TOLERANCE), mask=masked)
    assert len(table) == len(expected)
    np.testing.assert_allclose(table["time_s"] * 1000, expected["time"], atol=1e-6)
    for marker, (absolute, relative) in TOLERANCE.items():
        if name == "tone1k" and marker[:2] in ("f1", "f2", "f3"):
            continue  # linear prediction of a pure tone is singular: soundgen's values are rounding
        # soundgen drops the column where no frame has that formant
        wanted = expected[marker].to_numpy(float) if marker in expected else np.full(len(table), np.nan)
        if masked and marker == "entropySh":
            wanted = np.where(table["silent"], np.nan, wanted)  # measured without a silence rule
        np.testing.assert_allclose(table[marker], wanted, rtol=relative, atol=absolute, err_msg=marker)


def test_markers_given_soundgens_pitch_equal_soundgen(reference_file, soundgen_table):
    name, samples, rate = reference_file
    expected = soundgen_table("v2.5.1_nomask", name)
    pitch = expected["pitch"].to_numpy(float)
    table = extract(
        samples, rate, "soundgen-2.5.1", markers=["pitch", "CPP", "harmEnergy"], mask=False, pitch=pitch
    )
    np.testing.assert_allclose(
        table["harmEnergy"], expected["harmEnergy"].to_numpy(float), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(table["CPP"], expected["CPP"].to_numpy(float), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(table["pitch"], pitch)


# Described, not reproduced: what the agreement is, so that a change of definition does not pass unseen.
# marker -> (share of frames with equal value, correlation), each the least over the four voices
AGREEMENT = {
    "amMsFreq": (0.92, 0.85),
    "amMsPurity": (0.92, 0.94),
    "novelty": (0.0, 0.98),
    "subDep": (0.2, 0.8),
    "flux": (0.0, 0.98),
    "amEnvFreq": (0.0, 0.35),
    "amEnvPurity": (0.0, 0.55),
}


@pytest.mark.parametrize("name", ["human_male", "espeak_female", "espeak_male"])
def test_described_markers_agree_as_stated(name, soundgen_table, soundgen_wav):
    samples, rate = soundgen_wav(name)
    expected = soundgen_table("v2.5.1_nomask", name)
    pitch = expected["pitch"].to_numpy(float)
    table = extract(samples, rate, "soundgen-2.5.1", markers=list(AGREEMENT), mask=False, pitch=pitch)
    for marker, (share, correlation) in AGREEMENT.items():
        ours, theirs = table[marker].to_numpy(), expected[marker].to_numpy(float)
        both = ~np.isnan(ours) & ~np.isnan(theirs)
        assert (np.isnan(ours) == np.isnan(theirs)).mean() > 0.9, marker
        assert (np.abs(ours - theirs)[both] < 1e-4).mean() >= share, marker
        assert np.corrcoef(ours[both], theirs[both])[0, 1] >= correlation, marker


def test_a_pitch_of_the_wrong_length_is_refused(espeak):
    samples, rate = espeak
    with pytest.raises(BiomarkerError, match=r"shape \(3,\), but there are 249 frames"):
        extract(samples, rate, "soundgen-2.5.1", pitch=[100.0, 100.0, 100.0])
    with pytest.raises(BiomarkerError, match=r"'soundgen-2\.5\.1' only"):
        extract(samples, rate, pitch=np.full(249, 100.0))


def test_silent_frames_are_soundgens(reference_file, soundgen_table):
    name, samples, rate = reference_file
    table = extract(samples, rate, "soundgen-2.5.1", markers=["ampl"])
    np.testing.assert_array_equal(
        table["silent"], soundgen_table("v2.5.1_default", name)["ampl_noSilence"].isna()
    )


def test_equal_loudness_contours_are_iso_226(soundgen_folder):
    stored = json.loads((soundgen_folder / "equal_loudness_17bands.json").read_text())
    contours = equal_loudness(np.array(stored["bark_index"], float))
    np.testing.assert_allclose(contours, stored["spl_dB_by_level"], atol=1e-8)  # stored with 10 digits


def test_loudness_of_a_stored_spectrum(soundgen_folder):
    stored = json.loads((soundgen_folder / "intermediates_one_frame.json").read_text())
    spectrum = np.array([stored["abs_fft_0_159"]])
    got = loudness(spectrum, stored["loudness_scale"], 8000)
    assert got[0] == pytest.approx(stored["loudness_sone"], rel=1e-8)  # the spectrum has 10 digits


def test_pure_tone_has_no_formants():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    table = extract(tone, 8000, "soundgen-2.5.1", markers=["f1_freq", "f1_width"])
    assert table[["f1_freq", "f1_width"]].isna().all(axis=None)
