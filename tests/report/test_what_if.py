"""The what-if page in a real browser: it computes what `score` computes, and shows names as text."""

import numpy as np
import pandas as pd
import pytest

from tests.report.conftest import PATIENCE_MS
from voicerisk import report
from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.models import AdditiveModel, Procedure
from voicerisk.models.saved.additive import Effect
from voicerisk.models.splines import Grid
from voicerisk.study.saved_model.scoring import judged

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)></script>"
RANGES = {"pitch": (90.0, 240.0), HOSTILE: (-2.0, 3.0), "never": (0.0, 1.0)}
# Sliders give these values; 60 and 5 lie beyond the knots.
PLACES = [
    {"pitch": 150.0, HOSTILE: 0.25},
    {"pitch": 90.0, HOSTILE: 3.0},
    {"pitch": 60.0, HOSTILE: 5.0},
    {"pitch": float("nan"), HOSTILE: -1.9},
]


def model_of(kind: str) -> AdditiveModel:
    """Return a model of calls by three levels, or a boosted one of two sexes with lines beside its curves."""
    rng = np.random.default_rng(3)
    levels = ("f", "m", "x & <y>") if kind == "calls" else ("female", "male")

    def effect(marker: str, level: str, intervals: int) -> Effect:
        low, high = RANGES[marker]
        grid = Grid(low + 0.1 * (high - low), high - 0.1 * (high - low), intervals)
        return Effect(marker, level, grid, rng.normal(size=(intervals + 3, 4)))

    effects = [effect(marker, level, 7) for marker in ("pitch", HOSTILE) for level in levels]
    if kind == "boosting":
        effects += [effect("pitch", "all", 1)]
    return AdditiveModel(
        offset=-0.4,
        level_effect={"all": 0.05, **{level: 0.1 * place for place, level in enumerate(levels)}},
        effects=tuple(effects),
        markers=("pitch", "never", HOSTILE),
        moderator=Moderator("sex" if kind == "boosting" else "group <b>", levels),
        outside="clamp" if kind == "calls" else "extrapolate",
        availability=frozenset({"pitch"}),
        ranges=RANGES,
        procedure=Procedure("nested", intercept=0.3, slope=0.7, cut=0.55, prevalence=0.4),
        unit="call" if kind == "calls" else "frame",
        notes={"secret": "who was called"},
    )


@pytest.mark.parametrize("kind", ["calls", "boosting"])
def test_the_page_computes_what_score_computes(browser, tmp_path, kind):
    model = model_of(kind)
    path = report.write_what_if(model, tmp_path / "what_if.html", labels={"pitch": "Pitch (Hz)"})
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith("file:") or said.append(request.url))
    page.goto(f"file://{path}")
    cards = page.locator(".card")
    assert sorted(cards.locator("legend").all_inner_texts()) == sorted(["Pitch (Hz)", HOSTILE])
    name = model.moderator.name
    assert page.get_by_label(name).locator("option").all_inner_texts() == list(model.moderator.levels)
    for level in model.moderator.levels:
        for place, prevalence in zip(PLACES, (0.4, 0.1, 0.4, 0.9), strict=True):
            page.get_by_label(name).select_option(level)
            for card in cards.all():
                value = place[card.get_attribute("data-marker")]
                box = card.locator("input[type=checkbox]")
                if box.count():
                    box.set_checked(np.isnan(value))
                if not np.isnan(value):
                    card.locator("input[type=number]").fill(str(value))
            page.locator("#prevalence").fill(str(prevalence))
            rows = pd.DataFrame([place | {"never": 0.5, name: level, "call_id": "one"}])
            scored = model.score(rows)
            call = judged(model.of_calls(rows, scored, ["call_id"]), model, prevalence).iloc[0]
            shown = {
                key: page.locator(f"#{key}").get_attribute("data-value")
                for key in ("risk", "score", "link", "base", "decision")
            }
            for key, column in (("risk", "risk"), ("score", "p_raw"), ("link", "log_odds"), ("base", "base")):
                # The two differ by the order of sums alone; the page promises 1e-6.
                assert float(shown[key]) == pytest.approx(call[column], abs=1e-9), (level, place, key)
            assert shown["decision"] == str(bool(call["flagged"])).lower()
            for card in cards.all():
                marker = card.get_attribute("data-marker")
                adds = float(card.locator("output").get_attribute("data-value"))
                assert adds == pytest.approx(scored[marker].iloc[0], abs=1e-9)
            assert page.locator("#outside").is_visible() == (place == PLACES[2])
    assert said == []
    page.close()


def test_a_number_that_is_none_gives_no_risk(browser, tmp_path):
    path = report.write_what_if(model_of("calls"), tmp_path / "what_if.html")
    page = browser.new_page(viewport={"width": 375, "height": 700})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"file://{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    start = page.locator("#risk").get_attribute("data-value")
    number = page.locator(".card input[type=number]").first
    number.fill("")
    assert page.locator("#risk").inner_text() == page.locator("#score").inner_text() == "–"
    number.fill("0.1")
    page.locator("#prevalence").fill("1.5")
    assert page.locator("#risk").inner_text() == "–"
    page.locator("#reset").click()
    assert page.locator("#risk").get_attribute("data-value") == start
    page.close()


def test_notes_of_the_model_stay_out_and_a_bad_file_is_refused(tmp_path):
    text = report.write_what_if(model_of("calls"), tmp_path / "what_if.html").read_text(encoding="utf-8")
    assert "who was called" not in text and "<img" not in text
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ModelError, match=r"model\.json is not a voicerisk model"):
        report.write_what_if(tmp_path / "model.json", tmp_path / "other.html")
    assert not (tmp_path / "other.html").exists()
