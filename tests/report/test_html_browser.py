"""The report in a real browser: no error, sorting, values by pointer and keyboard, phone, contrast, print."""

import pytest

from tests.report.conftest import PATIENCE_MS
from voicerisk import report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(study, heard, tmp_path_factory):
    place = tmp_path_factory.mktemp("out") / "report.html"
    return report.write_report(study, place, show_ids=True, calls=[heard])


@pytest.fixture
def opened(browser, path):
    """A page, and everything the console and the network had to say."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or said.append(request.url))
    page.goto(f"file://{path}")
    yield page, said
    page.close()


def test_renders_without_errors_or_requests(opened):
    page, said = opened
    assert page.locator("svg.figure").count() == 9
    assert page.locator("h2").count() >= 6
    assert said == []


def test_tables_sort_up_and_down_from_the_keyboard(opened):
    page, _ = opened
    table = page.locator("table", has_text="Calls that were decided wrongly")
    column = [head.strip() for head in table.locator("thead th").all_inner_texts()].index("Score")
    button = table.locator("thead th button").nth(column)
    for state, reverse in (("ascending", False), ("descending", True)):
        button.focus()
        page.keyboard.press("Enter")
        scores = [
            float(row) for row in table.locator(f"tbody tr > *:nth-child({column + 1})").all_inner_texts()
        ]
        assert len(scores) > 5 and scores == sorted(scores, reverse=reverse)
        assert table.locator("thead th").nth(column).get_attribute("aria-sort") == state


def test_values_appear_under_the_pointer_and_by_arrow_keys(opened):
    page, _ = opened
    frame = page.locator("#figure-gamm_curves + figure .values")
    frame.scroll_into_view_if_needed()
    frame.focus()
    page.keyboard.press("ArrowRight")
    tip = frame.locator(".tip")
    first = tip.inner_text()
    assert first.startswith("women: Dominant frequency (Hz) ") and "effect on risk (log-odds)" in first
    page.keyboard.press("ArrowRight")
    assert tip.inner_text() != first
    page.keyboard.press("ArrowDown")
    assert tip.inner_text().startswith("men: ")
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    place = frame.locator("svg").evaluate(
        """svg => { const p = JSON.parse(svg.parentElement.querySelector("script").textContent)[0].points[20];
        const b = svg.viewBox.baseVal, r = svg.getBoundingClientRect();
        return [r.left + p[0] / b.width * r.width, r.top + p[1] / b.height * r.height, p[2]]; }"""
    )
    page.mouse.move(place[0], place[1])
    assert tip.is_visible() and str(place[2]) in tip.inner_text()


def test_a_call_is_heard_through_its_figure(opened):
    page, said = opened
    figure = page.locator("#listening ~ figure, section[aria-labelledby=listening] figure")
    audio = figure.locator("audio")
    audio.scroll_into_view_if_needed()
    page.wait_for_function("a => a.readyState >= 1", arg=audio.element_handle())
    seconds = audio.evaluate("a => a.duration")
    assert seconds == pytest.approx(float(audio.get_attribute("data-seconds")), abs=0.05)
    left, right = (float(audio.get_attribute(f"data-{side}")) for side in ("left", "right"))
    # Three quarters along the time axis, by a click in the figure.
    at = left + 0.75 * (right - left)
    svg = figure.locator("svg")
    where = svg.evaluate(
        """(svg, x) => { const b = svg.viewBox.baseVal, r = svg.getBoundingClientRect();
        return { x: (x - b.x) / b.width * r.width, y: r.height / 2 }; }""",
        at,
    )
    svg.click(position=where)
    assert audio.evaluate("a => a.currentTime") == pytest.approx(0.75 * seconds, abs=0.02 * seconds)
    page.wait_for_function(
        "([svg, x]) => Math.abs(svg.querySelector('.now').getAttribute('x1') - x) < 4",
        arg=[svg.element_handle(), at],
    )
    assert said == []


def test_readable_on_a_phone(browser, path):
    page = browser.new_page(viewport={"width": 375, "height": 700}, device_scale_factor=2)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"file://{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    page.close()


def test_text_has_contrast(opened):
    page, _ = opened
    worst = page.evaluate(
        """() => { const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
          .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
          return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
        const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
          if (!/, 0\\)$/.test(c) && c !== "transparent") return c; } return "rgb(255,255,255)"; };
        let worst = 21;
        for (const e of
        document.querySelectorAll("p,li,th,td,a,h1,h2,h3,dt,dd,figcaption,summary,button,code")) {
          const a = light(getComputedStyle(e).color), b = light(back(e));
          worst = Math.min(worst, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)); }
        return worst; }"""
    )
    assert worst >= 4.5


def test_prints_every_section(opened, tmp_path):
    page, _ = opened
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF") and len(pdf) > 50_000
