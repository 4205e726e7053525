import re
import warnings

import numpy as np
import pandas as pd
import pytest

from voicerisk.deep.chats.explanation_pages import Shade, session_pages, write_html, write_pdf

ABOUT = pd.DataFrame(
    {
        "session_id": ["s<1>"], "label": ["ASE"], "taken": ["NS"], "explained": ["ASE"], "NS": [0.5],
        "SI": [0.3], "ASE": [0.2],
    }
)  # fmt: skip
SHADE = Shade(3.0, {"ASE": 0.5})


def messages(n=40, text=True):
    rng = np.random.default_rng(1)
    values = rng.normal(size=n)
    base = -1.25
    table = pd.DataFrame(
        {
            "session_id": "s<1>", "message": np.arange(1, n + 1), "n_words": 5, "class": "ASE",
            "contribution": values, "monte_carlo_se": 0.01, "base": base, "full": base + values.sum(),
            "permutations": 200, "between_models_sd": 0.2,
        }
    )  # fmt: skip
    if text:
        table["text"] = [f"nachricht {k} <b>kann</b> nicht mehr 😢" for k in range(n)]
    return table


def words_on(pages):
    return "\n".join(text.get_text() for page in pages for text in page.texts)


def test_a_long_session_goes_on_on_the_next_page_and_no_message_is_lost():
    table = messages(60)
    pages = session_pages("Session s<1>", table, "NS", SHADE)
    assert len(pages) > 1
    said = words_on(pages)
    for k in range(60):
        assert f"nachricht {k} " in said
    whole = f"session {table['full'].iloc[0]:.2f}; Monte Carlo error at most 0.01"
    assert f"logit of ASE against NS: base -1.25, {whole}" in said
    assert said.count("Research only") == len(pages)


def test_the_force_plot_leads_from_the_base_to_the_session():
    table = messages(8)
    axes = session_pages("Session s<1>", table, "NS", SHADE)[0].axes[0]
    at = table["base"].iloc[0]
    for bar in axes.patches:
        assert bar.get_x() == pytest.approx(at)
        at += bar.get_width()
    assert at == pytest.approx(table["full"].iloc[0])
    widths = [bar.get_width() for bar in axes.patches]
    assert sorted(widths) == pytest.approx(sorted(table["contribution"]))


def test_pages_are_private_and_matplotlib_does_not_name_signs_of_the_text(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_pdf(tmp_path / "one.pdf", messages(60), ABOUT, SHADE)
    write_html(tmp_path / "one.html", messages(), pd.DataFrame(), ABOUT, SHADE)
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    again = tmp_path / "again.pdf"
    write_pdf(again, messages(60), ABOUT, SHADE)
    assert again.read_bytes() == (tmp_path / "one.pdf").read_bytes()


def test_the_html_shows_text_only_where_it_is_given_and_as_text(tmp_path):
    write_html(tmp_path / "one.html", messages(6), pd.DataFrame(), ABOUT, SHADE)
    page = (tmp_path / "one.html").read_text()
    assert "nachricht 3 &lt;b&gt;kann&lt;/b&gt;" in page
    assert "Session s&lt;1&gt;: rated ASE, taken for NS" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "not recalibrated: NS 0.50, SI 0.30, ASE 0.20. Logit of ASE against NS" in page
    shares = [float(one) for one in re.findall(r"width:([\d.]+)%", page)]
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(100, abs=0.1)
    write_html(tmp_path / "two.html", messages(6, text=False), pd.DataFrame(), ABOUT, SHADE)
    page = (tmp_path / "two.html").read_text()
    assert "nachricht" not in page
    assert "message 3 (5 words)" in page


def test_the_reference_class_is_set_against_the_mean_of_the_others(tmp_path):
    of_reference = messages(4).assign(**{"class": "NS"})
    write_html(
        tmp_path / "one.html", of_reference, pd.DataFrame(), ABOUT.assign(label="NS", explained="NS"), SHADE
    )
    assert "Logit of NS against the mean of the others" in (tmp_path / "one.html").read_text()


def test_one_scale_colours_every_session_and_nothing_below_the_noise(tmp_path):
    one = messages(4).assign(contribution=[3.0, 1.5, -0.4, -1.5])
    two = messages(2).assign(session_id="s2", contribution=[1.5, 0.45])
    about = pd.concat([ABOUT, ABOUT.assign(session_id="s2")], ignore_index=True)
    write_html(tmp_path / "one.html", pd.concat([one, two]), pd.DataFrame(), about, SHADE)
    page = (tmp_path / "one.html").read_text()
    found = re.findall(r"class='message' style='background:rgba\(([\d,]+),([\d.]+)\)'", page)
    orange, blue = "213,94,0", "0,114,178"
    # 1.5 of 3 has half the depth in both sessions; -0.4 and 0.45 lie below the noise of 0.5.
    assert [float(depth) for _, depth in found] == [0.75, 0.375, 0.0, 0.375, 0.375, 0.0]
    assert [rgb for rgb, _ in found] == [orange, orange, blue, blue, orange, orange]
    assert "-3.00" in page and "+3.00" in page and "Below 0.50 nothing is coloured" in page


def test_noise_joins_what_models_and_drawn_orders_differ_by():
    table = messages(2).assign(contribution=[1.0, -4.0], between_models_sd=[0.3, 0.5], monte_carlo_se=0.1)
    shade = Shade.over(table, {})
    assert shade.full == 4.0
    assert shade.noise["ASE"] == pytest.approx(2 * np.sqrt((0.3**2 + 0.5**2) / 2 + 0.1**2))
    alone = Shade.over(table.assign(between_models_sd=np.nan), {})
    assert alone.noise["ASE"] == pytest.approx(0.2)
    assert Shade(0.0).strength(0.0) == 0.0
