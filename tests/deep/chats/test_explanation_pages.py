import re
import warnings

import numpy as np
import pandas as pd
import pytest

from voicerisk.deep.chats.explanation_pages import session_pages, write_html, write_pdf

RISKS = pd.DataFrame({"session_id": ["s<1>"], "label": ["ASE"], "NS": [0.2], "SI": [0.3], "ASE": [0.5]})


def messages(n=40, text=True):
    rng = np.random.default_rng(1)
    values = rng.normal(size=n)
    base = -1.25
    table = pd.DataFrame(
        {
            "session_id": "s<1>", "message": np.arange(1, n + 1), "n_words": 5, "class": "ASE",
            "contribution": values, "monte_carlo_se": 0.01, "base": base, "full": base + values.sum(),
            "permutations": 200,
        }
    )  # fmt: skip
    if text:
        table["text"] = [f"nachricht {k} <b>kann</b> nicht mehr 😢" for k in range(n)]
    return table


def words_on(pages):
    return "\n".join(text.get_text() for page in pages for text in page.texts)


def test_a_long_session_goes_on_on_the_next_page_and_no_message_is_lost():
    table = messages(60)
    pages = session_pages("s<1>", "ASE", table, "NS")
    assert len(pages) > 1
    said = words_on(pages)
    for k in range(60):
        assert f"nachricht {k} " in said
    whole = f"session {table['full'].iloc[0]:.2f}; Monte Carlo error at most 0.01"
    assert f"logit of ASE against NS: base -1.25, {whole}" in said
    assert said.count("Research only") == len(pages)


def test_the_force_plot_leads_from_the_base_to_the_session():
    table = messages(8)
    axes = session_pages("s<1>", "ASE", table, "NS")[0].axes[0]
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
        write_pdf(tmp_path / "one.pdf", messages(60), RISKS)
    write_html(tmp_path / "one.html", messages(), pd.DataFrame(), RISKS)
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    again = tmp_path / "again.pdf"
    write_pdf(again, messages(60), RISKS)
    assert again.read_bytes() == (tmp_path / "one.pdf").read_bytes()


def test_the_html_shows_text_only_where_it_is_given_and_as_text(tmp_path):
    write_html(tmp_path / "one.html", messages(6), pd.DataFrame(), RISKS)
    page = (tmp_path / "one.html").read_text()
    assert "nachricht 3 &lt;b&gt;kann&lt;/b&gt;" in page
    assert "Session s&lt;1&gt;: rated ASE" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "not recalibrated: NS 0.20, SI 0.30, ASE 0.50. Logit of ASE against NS" in page
    shares = [float(one) for one in re.findall(r"width:([\d.]+)%", page)]
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(100, abs=0.1)
    write_html(tmp_path / "two.html", messages(6, text=False), pd.DataFrame(), RISKS)
    page = (tmp_path / "two.html").read_text()
    assert "nachricht" not in page
    assert "message 3 (5 words)" in page


def test_the_reference_class_is_set_against_the_mean_of_the_others(tmp_path):
    of_reference = messages(4).assign(**{"class": "NS"})
    write_html(tmp_path / "one.html", of_reference, pd.DataFrame(), RISKS.assign(label="NS"))
    assert "Logit of NS against the mean of the others" in (tmp_path / "one.html").read_text()
