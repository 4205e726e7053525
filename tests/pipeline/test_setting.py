"""One sentence for a wrong setting, whichever room it belongs to."""

import numpy as np
import pytest

from voicerisk.errors import TextError
from voicerisk.pipeline.setting import require_choices, require_flag, require_whole


@pytest.mark.parametrize("value", [2, 3.0, "3", True, None, 11])
def test_a_whole_number_is_one_within_its_bounds(value):
    with pytest.raises(
        TextError, match=f"^a must be a whole number of at least 3 and at most 10, not {value!r}"
    ):
        require_whole("a", value, TextError, 3, 10)


def test_numbers_of_numpy_are_whole_too():
    require_whole("a", np.int64(3), TextError, 3)


def test_choices_stand_once_and_are_known():
    assert require_choices("a", "x", ("x", "y"), TextError) == ("x",)
    assert require_choices("a", [], ("x", "y"), TextError, least=0) == ()
    for wrong in ([], ["x", "x"]):
        with pytest.raises(TextError, match="a must name each of x, y at most once and at least one of them"):
            require_choices("a", wrong, ("x", "y"), TextError)
    with pytest.raises(TextError, match="a must be one of x, y, not 'z'"):
        require_choices("a", ["x", "z"], ("x", "y"), TextError)


def test_a_flag_is_no_number():
    with pytest.raises(TextError, match="a must be true or false, not 1"):
        require_flag("a", 1, TextError)
