"""A power curve comes from the procedure itself: more callers find more."""

import pandas as pd
import pytest

from voicerisk.errors import StudyError
from voicerisk.study.power import enough, power_curve, spoken_power


def test_more_callers_find_more_and_learn_nothing_more_rarely():
    curve = power_curve(0.9, 0.4, markers=6, sizes=[12, 96], cohorts=4)
    few, many = curve.to_dict("records")
    assert many["auroc"] > few["auroc"] and many["auroc"] > 0.8  # the best score has 0.9
    assert many["auroc"] < 0.9 + 3 * many["auroc_se"] + 0.02
    assert many["upper"] - many["lower"] < few["upper"] - few["lower"]
    assert many["learned_nothing"] <= few["learned_nothing"]
    again = power_curve(0.9, 0.4, markers=6, sizes=[96], cohorts=4)
    assert again["auroc"].iloc[0] == many["auroc"]  # whatever other sizes are asked for


def curve(**columns):
    row = {"cohorts": 10, "auroc_se": 0.01, "learned_nothing_se": 0.1}
    return pd.DataFrame({**columns}).assign(**row)


def test_enough_is_the_first_number_that_learns_and_excludes_chance():
    made = curve(
        callers=[20, 40, 80], auroc=[0.6, 0.7, 0.72], lower=[0.3, 0.55, 0.6], upper=[0.9, 0.85, 0.84],
        learned_nothing=[0.5, 0.3, 0.1],
    )  # fmt: skip
    assert enough(made) == 80
    assert spoken_power(made, 0.75, 12).endswith("80 callers would do.")
    assert enough(made.iloc[:2]) is None
    assert spoken_power(made.iloc[:2], 0.75, 12).endswith("40 callers would not do yet.")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"auroc": 0.5}, "AUROC of a simulated study is 0.5"),
        ({"prevalence": 1.0}, "prevalence"),
        ({"sizes": [6]}, "number of callers of a simulated study is 6; it must be 8 or more"),
        ({"cohorts": 1}, "must be 2 or more"),
        ({"markers": 0}, "number of markers"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, said):
    with pytest.raises(StudyError, match=said):
        power_curve(**({"auroc": 0.8, "prevalence": 0.4} | changes))


def test_enough_callers_are_enough_from_there_on():
    import pandas as pd

    from voicerisk.study.power import enough

    curve = pd.DataFrame(
        {"callers": [20, 40, 80, 160], "learned_nothing": 0.0, "lower": [0.55, 0.45, 0.6, 0.7]}
    )
    # 20 callers were lucky: 40 would not do.
    assert enough(curve) == 80 and enough(curve.iloc[:2]) is None
