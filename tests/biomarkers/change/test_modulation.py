"""Modulation of the published preset: what is rounding alone must not be taken for a turn of the voice."""

import numpy as np

from voicerisk.biomarkers.change.modulation import pitch_modulation

FRAME_RATE = 50.0


def vibrato_with_a_gap() -> np.ndarray:
    """Four seconds of a vibrato of 0.5 semitones either way, its middle second unvoiced."""
    t = np.arange(200) / FRAME_RATE
    pitch = 180.0 * 2 ** (0.5 * np.sin(2 * np.pi * 6 * t) / 12)
    pitch[75:125] = np.nan
    return pitch


def test_rounding_of_the_pitch_moves_no_depth():
    """The gap is bridged by a straight line, which turns at every value once its mean is off."""
    pitch = vibrato_with_a_gap()
    rng = np.random.default_rng(3)
    _, _, plain = pitch_modulation(pitch, FRAME_RATE)
    assert np.nanmax(plain) > 0.4
    for _ in range(5):
        _, _, moved = pitch_modulation(pitch * (1 + 1e-13 * rng.standard_normal(len(pitch))), FRAME_RATE)
        np.testing.assert_array_equal(np.isnan(moved), np.isnan(plain))
        # a thousand times the rounding that was put in, in semitones
        np.testing.assert_allclose(moved, plain, rtol=0, atol=1e-9)


def test_beside_a_gap_the_depth_is_that_of_the_turns_that_are_there():
    """Half a semitone either way; the running mean of 200 ms takes off or adds up to half of it."""
    _, _, depth = pitch_modulation(vibrato_with_a_gap(), FRAME_RATE)
    near = np.r_[depth[65:75], depth[125:135]]
    assert near.min() > 0.2
    assert near.max() < 0.75


def test_a_pitch_that_does_not_waver_has_no_vibrato():
    steady = np.full(100, 210.0)
    steady[40:60] = np.nan
    gliding = 150.0 * (1 + 1e-9 * np.arange(100))
    for pitch in (steady, gliding):
        for values in pitch_modulation(pitch, FRAME_RATE):
            assert np.isnan(values).all()
