"""The time to go: true to the pace, whether steps come one by one, in bursts, or were done before."""

import io

import pytest
from rich.console import Console

from voicerisk.cli.progress import Pace, ProgressBars


def test_even_steps_give_what_is_left():
    pace = Pace(100.0)
    assert pace.to_go(101.0) is None
    for done in range(1, 31):
        pace.reached(100.0 + 2.0 * done, done, 100)
    assert pace.to_go(160.0) == pytest.approx(140.0)
    assert pace.to_go(170.0) == pytest.approx(130.0)  # it counts down while nothing comes


def test_a_burst_is_not_the_pace():
    # 16 folds at once, every 40 seconds: 2.5 seconds a fold
    pace = Pace(0.0)
    for burst in range(1, 6):
        for fold in range(16):
            pace.reached(40.0 * burst + 0.01 * fold, 16 * (burst - 1) + fold + 1, 800)
        left = 800 - 16 * burst
        assert pace.to_go(40.0 * burst + 0.15) == pytest.approx(2.5 * left, rel=0.35)
    # rich's own estimate, over the last 30 seconds, is that of the burst: 0.15 s for 15 folds


def test_what_was_found_is_no_work():
    pace = Pace(0.0)
    pace.reached(1.0, 500, 600)
    assert pace.to_go(2.0) is None
    for done in range(501, 521):
        pace.reached(1.0 + 3.0 * (done - 500), done, 600)
    assert pace.to_go(61.0) == pytest.approx(240.0)


def test_the_bar_shows_it():
    text = io.StringIO()
    bars = ProgressBars(Console(file=text, force_terminal=True, width=120))
    with bars.stage("Nested protocol") as move:
        move(500, 600)
        move(501, 600)
    said = text.getvalue()
    assert "501/600" in said and "to go" in said and "0:00:00" in said
    assert "Nested protocol" in said
