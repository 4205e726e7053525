"""Instability plots: four of Riley and Collins (2023), and what they are drawn from."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ReportError
from voicerisk.figures import instability


def test_each_panel_shows_its_part_of_the_instability():
    risk = np.linspace(0.05, 0.9, 30)
    table = pd.DataFrame(
        {
            "risk": risk,
            "mean": risk,
            "q025": risk - 0.05,
            "q975": risk + 0.05,
            "mape": 0.03,
            "decided_otherwise": 0.1,
        }
    )
    curves = pd.concat(
        [pd.DataFrame({"refit": k, "p": risk, "observed": risk**2}) for k in range(4)], ignore_index=True
    )
    whole = instability(table, calibration=curves)
    assert [axes.get_ylabel() for axes in whole.axes] == [
        "risk by models of bootstrapped callers",
        "mean absolute difference of risk",
        "share of models that decide otherwise",
        "share with the outcome",
    ]
    assert len(whole.axes[3].lines) == 5  # four models and the diagonal
    assert whole.axes[2].lines[0].get_ydata() == pytest.approx(table["decided_otherwise"])
    assert len(instability(table).axes) == 3
    with pytest.raises(ReportError, match="observed"):
        instability(table, calibration=curves.drop(columns="observed"))
