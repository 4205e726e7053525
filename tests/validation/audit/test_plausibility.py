import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation.audit.plausibility import (
    expected_shrinkage,
    max_cox_snell,
    plausibility_bound,
    riley_sample_size,
    segments_needed,
)


@pytest.mark.parametrize(
    ("icc", "auroc", "accuracy"),
    [(0, 0.970, 0.92), (0.05, 0.938, 0.88), (0.1, 0.909, 0.86), (0.3, 0.827, 0.80), (0.5, 0.780, 0.77)],
)
def test_ceiling_of_the_published_numbers(icc, auroc, accuracy):
    found = plausibility_bound(0.12, 0.274, 3070 / 281, icc)
    assert found.d_segment == pytest.approx(0.805, abs=1e-3)
    assert found.auroc_caller == pytest.approx(auroc, abs=3e-3)
    assert found.accuracy_caller == pytest.approx(accuracy, abs=6e-3)


def test_the_published_accuracy_needs_more_segments_than_there_are():
    assert segments_needed(0.12, 0.274, 280 / 281) > 40 > 3070 / 281
    assert plausibility_bound(0.0, 0.274, 10, 0.1).accuracy_caller == pytest.approx(0.726)


def test_rileys_criteria():
    found = riley_sample_size(53.25, 77 / 281)
    assert found.max_r2 == pytest.approx(0.691, abs=1e-3)
    assert found.shrinkage_n == pytest.approx(4350, abs=15) and found.events == pytest.approx(1190, abs=10)
    assert found.prevalence_n == 306
    assert riley_sample_size(12, 77 / 281).shrinkage_n == pytest.approx(981, abs=8)
    assert expected_shrinkage(281, 53, 77 / 281) == pytest.approx(0.39, abs=0.01)
    # The worked example of Riley et al. (2020), BMJ 368:m441: 24 parameters, Cox-Snell 0.288 -> 623.
    assert max_cox_snell(0.5) == pytest.approx(0.75)
    assert riley_sample_size(24, 0.5, 0.288 / 0.75).shrinkage_n == pytest.approx(623, abs=1)


def test_impossible_values_are_refused():
    with pytest.raises(ValidationError, match=r"r2=1\.2"):
        plausibility_bound(1.2, 0.3, 10, 0.1)
    with pytest.raises(ValidationError, match="parameters above 0"):
        riley_sample_size(0, 0.3)
