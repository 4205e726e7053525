"""The HTML report: self-contained, escaped, pseudonymous, and true to the tables."""

import dataclasses
import re
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pytest

from voicerisk import figures, report
from voicerisk.errors import ReportError
from voicerisk.report.inline import inline_svg, safe_json
from voicerisk.report.pseudonyms import Veil, pseudonyms


class Page(HTMLParser):
    """Collects tags, ids, headings and visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []
        self.inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.text.append(data)

    def of(self, name: str) -> list[dict]:
        return [attrs for tag, attrs in self.tags if tag == name]


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    path = report.write_report(study, tmp_path_factory.mktemp("out") / "report.html")
    return Page(path.read_text(encoding="utf-8")), path


def test_curves_that_are_not_to_be_read_stand_in_a_closed_appendix(page):
    text = page[1].read_text(encoding="utf-8")
    opened, appendix = text.split('<h2 id="aside"')
    assert opened.rstrip().endswith('<details class="part">\n<summary>')
    assert "with random intercepts" in appendix and "with random intercepts" not in opened


def test_report_needs_nothing_from_outside(page):
    parsed, path = page
    for _, attrs in parsed.tags:
        for key in ("src", "href", "xlink:href", "action", "data"):
            value = attrs.get(key) or ""
            assert not value or value.startswith(("#", "data:image/png;base64,")), (key, value[:60])
    text = path.read_text(encoding="utf-8")
    assert "@import" not in text and not re.search(r"url\((?!['\"]?#)", text)
    assert "Content-Security-Policy" in text and path.stat().st_mode & 0o777 == 0o644


def test_no_id_path_or_hash_of_a_call_is_left(page, made):
    parsed, path = page
    text = path.read_text(encoding="utf-8")
    for hidden in (
        "<script>alert",
        "&lt;script&gt;alert",
        "=cmd()",
        "call_030",
        "caller 30 is",
        "/home/someone",
        "secret",
    ):
        assert hidden not in text, hidden
    calls = made.calls()
    for one in set(calls["call_id"]) | set(calls["caller_id"]) - {"007"}:
        if re.fullmatch(r"caller \d+", one):
            continue  # its words may stand side by side by chance: "caller 3"
        assert not re.search(rf"(?<!\w){re.escape(one)}(?!\w)", " ".join(parsed.text)), one
    assert "is short." not in text  # the note names a call and a caller
    assert "sounds" not in text and "Listening" not in text


def test_report_says_what_the_tables_say(page, made):
    text = re.sub(r" ([.,:;)])", r"\1", " ".join(" ".join(page[0].text).split()))  # links part a sentence
    calls = made.metrics().query("design == 'loco' and unit == 'call' and subgroup == 'all'")
    row = calls.query("protocol == 'nested' and metric == 'auroc' and method == @made.PERCENTILE").iloc[0]
    value = report.estimate(row["estimate"], row["lower"], row["upper"])
    assert f"Nested protocol, leave one caller out: AUROC of calls {value}." in text
    assert "results of 2 January 2026, 03:04 UTC" in text
    assert "60 calls of 48 callers were analysed; 15 calls had the outcome." in text
    assert (
        "Published protocol: the choice of markers had seen the held-out callers in 48 of 48 folds." in text
    )
    assert (
        "Nested protocol: in none of 48 folds had the model, its tuning, its recalibration or its cut" in text
    )
    assert "Nested protocol: in 2 of 48 folds there was no cut." in text
    assert "Separation: read the other fit." in text
    assert "<code>voicerisk audit study.toml --out RESULTS</code>" in page[1].read_text(encoding="utf-8")
    assert "…/calls.csv" in text and "validation" in text


def test_checklist_gives_evidence_and_says_what_is_missing(study, made):
    from voicerisk.report.checklists.evidence import NOT_REPORTED, checklist
    from voicerisk.report.gather import gather

    cells = checklist(gather(study)).cells.set_index("Topic")
    sample = cells.loc["Participants, events and sample size", "Evidence"]
    assert sample == "60 calls of 48 callers; the outcome in 15/60 (25%) calls, of 12 callers."
    assert "outcome is empty: 4 calls" in cells.loc["Flow of participants", "Evidence"]
    assert cells.loc["Funding", "Evidence"] == NOT_REPORTED and cells.loc["Funding", "From"] == "missing"
    assert cells.loc["Ethics approval and consent", "From"] == "the authors"
    assert (
        "Own key" in cells.index and "repeats = 20" in cells.loc["Internal validation and tuning", "Evidence"]
    )
    assert "sex=female" in cells.loc["Heterogeneity and fairness", "Evidence"]
    assert cells.loc["Funding", "Items"] == "18a" and cells.loc["Flow of participants", "Items"] == "6b, 20a"
    # Only what an author added has no item.
    assert list(cells.index[~cells["Items"].str.contains(r"\d")]) == ["Own key"]


def test_page_is_accessible(page):
    parsed, _ = page
    assert parsed.of("html")[0]["lang"] == "en" and len(parsed.of("h1")) == 1 and len(parsed.of("main")) == 1
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for svg in parsed.of("svg"):
        assert svg["role"] == "img" and set(svg["aria-labelledby"].split()) <= set(ids)
    for attrs in parsed.of("a"):
        assert attrs["href"][1:] in ids
    assert len(parsed.of("caption")) == len(parsed.of("table")) >= 4
    assert all("scope" in attrs for attrs in parsed.of("th"))


def test_own_ids_labels_and_calls_only_when_asked(study, heard, tmp_path):
    path = report.write_report(study, tmp_path / "own.html", show_ids=True, show_labels=True, calls=[heard])
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "appear under their own ids" in text and "Listening figure, call_030" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "<script>alert" not in text
    assert "sounds &lt;b&gt;flat&lt;/b&gt;" in text and "<b>" not in text
    parsed = Page(text)
    assert [attrs for attrs in parsed.of("script") if attrs.get("type") != "application/json"] == [{}]


def test_a_call_that_is_heard_keeps_its_pseudonym(study, heard, tmp_path):
    path = report.write_report(study, tmp_path / "heard.html", calls=[heard])
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    parsed = Page(text)
    [audio] = parsed.of("audio")
    assert audio["src"].startswith("data:audio/flac;base64,ZkxhQ")  # fLaC
    assert float(audio["data-left"]) < float(audio["data-right"])
    assert re.search(r"Listening figure, call \d\d", text) and "call_030" not in text
    assert "affect_1" not in text, "label texts are shown only when asked for"
    silent = dataclasses.replace(heard, sound=None)
    without = Page(report.write_report(study, tmp_path / "mute.html", calls=[silent]).read_text("utf-8"))
    assert not without.of("audio")
    with pytest.raises(ReportError, match="named twice"):
        report.write_report(study, tmp_path / "twice.html", calls=[heard, heard])
    loud = dataclasses.replace(heard, sound=bytes(101_000_000))
    with pytest.raises(ReportError, match="101 MB; a report holds up to 100 MB"):
        report.write_report(study, tmp_path / "loud.html", calls=[loud])


def test_the_same_study_gives_the_same_report(study, page, tmp_path):
    assert report.write_report(study, tmp_path / "again.html").read_bytes() == page[1].read_bytes()


def test_unfinished_or_broken_studies_are_refused(tmp_path):
    with pytest.raises(ReportError, match=r"no manifest\.json here; run the study"):
        report.write_report(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ReportError, match="not readable as JSON"):
        report.write_report(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ReportError, match="holds no table of names and values"):
        report.write_report(tmp_path)


def test_a_study_with_almost_nothing_still_has_a_report(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    text = report.write_report(tmp_path).read_text(encoding="utf-8")
    assert "The study holds no metrics." in text


def test_pseudonyms_are_stable_distinct_and_independent_of_order():
    first = pseudonyms(["b", "a", "c"], "caller", "salt")
    assert first == pseudonyms(["c", "b", "a", "a"], "caller", "salt") and len(set(first.values())) == 3
    assert pseudonyms([str(i) for i in range(50)], "caller", "salt") != pseudonyms(
        [str(i) for i in range(50)], "caller", "pepper"
    )
    veil = Veil({"a.1": "call 1"}, {"a": "caller 1"})
    table = veil.table(pd.DataFrame({"call_id": ["a.1", "zz"], "x": [1, 2]}))
    assert list(table["call_id"]) == ["call 1", "unknown"]


def test_svgs_in_one_page_do_not_share_ids(made):
    thresholds = made.thresholds()
    one, two = (
        inline_svg(figures.threshold_distribution(thresholds), name, "t", "says <b> & more")[0]
        for name in ("a", "b")
    )
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    for text, mine in zip((one, two), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", text)) <= mine
        assert set(re.findall(r'xlink:href="#([^"]+)"', text)) <= mine
        assert "says &lt;b&gt; &amp; more" in text


def test_json_cannot_close_its_element():
    assert "</script>" not in safe_json({"a": "</script><!--"}) and "<" not in safe_json("<")
