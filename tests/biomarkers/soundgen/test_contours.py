"""Contours as soundgen 2.5.1 treats them, against what its functions return in R 4.2.2."""

import numpy as np
import pytest

from voicerisk.biomarkers.soundgen.contours import (
    band_passed,
    bridged,
    stretched,
    strongest_modulation,
    turns,
)
from voicerisk.biomarkers.soundgen.modulation import contour_modulation, envelope_modulation

NAN = np.nan
GAPPED = np.array([NAN, 1, 2, 3, NAN, NAN, 6, 7, 8, NAN])


def test_stretching_equals_resample():
    # resample(x, len = 35 / 7 / 10, lowPass = FALSE)
    got = stretched(GAPPED, 35)
    assert np.flatnonzero(np.isnan(got)).tolist() == [0, 1, 2, 3, 15, 16, 17, 18, 19, 20, 21, 22, 34]
    np.testing.assert_allclose(
        got[[4, 5, 14, 23, 24, 30, 33]],
        [1.058824, 1.323529, 3.705882, 6.088235, 6.352941, 7.941176, 8],
        atol=1e-6,
    )
    np.testing.assert_array_equal(stretched(GAPPED, 7), [NAN, 1.5, NAN, NAN, NAN, 7.5, NAN])
    np.testing.assert_array_equal(stretched(GAPPED, 10), [NAN, 1, 2, NAN, NAN, NAN, NAN, 7, 8, NAN])
    np.testing.assert_array_equal(stretched(np.array([NAN, 2.0, 2.0]), 5), [NAN] * 5)
    np.testing.assert_array_equal(stretched(np.array([2.0, NAN, 2.0]), 5), [2.0] * 5)


def test_bridging_is_linear_inside_and_constant_outside():
    np.testing.assert_allclose(bridged(GAPPED), [1, 1, 2, 3, 4, 5, 6, 7, 8, 8])
    assert np.isnan(bridged(np.full(3, NAN))).all()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        # findInflections(x, thres = 0), which counts from 1
        ([0, 1, 1, 0, -1, -1, -1, 2, 2, 2, 2, 1, 3, 3, 1, 1], [2, 7, 8, 12, 13]),
        ([0, 0, 1, 2, 2, 3, 3, 1, 0, 2, 2], [6, 9]),
        ([1, 2], []),
        ([1, 1, 1, 1], []),
    ],
)
def test_turns_equal_find_inflections(values, wanted):
    assert (turns(np.array(values, float)) + 1).tolist() == wanted


def test_filtering_equals_bandpass():
    # bandpass(x, samplingRate = 50, lwr = 8, upr = 15, action = "pass")
    x = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7])
    even = [3.2014328653, 1.9304419710, 1.8005283512, 2.9367305809, 5.3148549387, 6.2569670843, 5.1401447371]
    even += [4.5594386928, 4.5937425613, 3.8942107392, 4.6308198369, 7.8814475316, 9.3184767095, 6.5407634003]
    np.testing.assert_allclose(band_passed(x, 50.0, 8.0, 15.0), even, atol=1e-9)
    odd = [2.9472739816, 1.5413503501, 2.5449781998, 5.5782092097, 6.5340103031, 4.7631467098, 4.4872983418]
    odd += [4.9805383264, 3.7227327380, 4.4228330016, 8.1929158500, 9.2048909367, 6.0798220514]
    np.testing.assert_allclose(band_passed(x[1:], 50.0, 8.0, 15.0), odd, atol=1e-9)
    for n in (2, 3):
        np.testing.assert_allclose(band_passed(x[:n], 50.0, 8.0, 15.0), x[:n], atol=1e-12)


def test_long_contours_fade_to_their_mean():
    rate = 800.0
    t = np.arange(10_001) / rate
    slow, fast = np.sin(2 * np.pi * 2 * t), np.sin(2 * np.pi * 40 * t)
    kept = band_passed(5 + slow + fast, rate, low=10.0)
    middle = slice(1000, 9000)
    np.testing.assert_allclose(kept[middle] - kept.mean(), fast[middle], atol=0.05)
    assert kept[-1] == pytest.approx((5 + slow + fast).mean(), abs=1e-12)


def test_the_mean_of_the_pitch_leaks_into_the_lowest_frequency():
    """soundgen's fmFreq of a voice with a vibrato of 10 Hz and a hundredth of a semitone is 5 Hz."""
    t = np.arange(500) / 50
    found = contour_modulation(200 * 2 ** (0.01 / 12 * np.sin(2 * np.pi * 10 * t)), 50.0)
    assert (found["fmFreq"] == 5).all()
    wide = contour_modulation(200 * 2 ** (2 / 12 * np.sin(2 * np.pi * 10 * t)), 50.0)
    np.testing.assert_allclose(wide["fmFreq"], 10, atol=0.05)
    # one frequency in all windows is a band of one bin, which the filter lets through by half
    np.testing.assert_allclose(np.median(wide["fmDep"]), 1, atol=0.1)


def test_windows_of_a_short_contour_are_half_as_long():
    wave = np.sin(2 * np.pi * 20 * np.arange(160) / 800)
    frequency, purity = strongest_modulation(wave, 800.0, 10.0, 200.0)
    assert len(frequency) == len(purity) == 4  # 80 values every 24
    np.testing.assert_allclose(frequency, 20, atol=1)
    for n in (0, 1, 4, 7):
        assert len(strongest_modulation(np.ones(n), 800.0, 10.0, 200.0)[0]) == 0


@pytest.mark.parametrize("n", [1, 40, 41, 320, 600, 1000, 8000])
def test_silence_and_few_samples_give_missing_values_or_values(n):
    for signal in (np.zeros(n), np.full(n, 0.1), np.random.default_rng(n).standard_normal(n)):
        for values in envelope_modulation(signal, 8000, 3).values():
            assert values.shape == (3,)
            assert not np.isinf(values).any()
            assert np.isnan(values).all() or signal.any()
