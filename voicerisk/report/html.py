"""The report: one HTML file with everything in it, no network, readable on paper and on a phone."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from voicerisk.figures.gallery import draw, drawing_of
from voicerisk.figures.style import MM_PER_INCH, Style, read_style
from voicerisk.figures.wording import in_units
from voicerisk.files import PRIVATE, PUBLIC, write_text
from voicerisk.report import words
from voicerisk.report.calls import CallInReport, Sound, check_sounds, sound_in
from voicerisk.report.checklists.evidence import checklist, cluster_checklist
from voicerisk.report.class_report import brier_sentences, cohort_tables, is_text, performance_tables
from voicerisk.report.gather import Results, flow_of, gather
from voicerisk.report.glossary import Linker
from voicerisk.report.inline import inline_svg
from voicerisk.report.paths import without_folders
from voicerisk.report.pseudonyms import Veil, pseudonyms
from voicerisk.report.secrets import secrets_of
from voicerisk.report.tables.agreement import rater_agreement_table
from voicerisk.report.tables.audit import audit_table, findings_list, procedure_table
from voicerisk.report.tables.classes import has_classes
from voicerisk.report.tables.cohort import cohort_characteristics
from voicerisk.report.tables.comparisons import comparison_table
from voicerisk.report.tables.conformal import conformal_table
from voicerisk.report.tables.publication import (
    PublicationTable,
    gamm_table,
    missed_calls,
    performance_table,
    thresholds_table,
)
from voicerisk.report.tables.rivals import rivals_table
from voicerisk.report.tables.scale import decisions_table, scale_tables, spectrum_effect_table
from voicerisk.report.tables.service_cuts import service_cuts_table
from voicerisk.report.tables.writers import to_html
from voicerisk.report.what_if import WHAT_IF

SECTIONS: Sequence[tuple[str, str, tuple[str, ...]]] = (
    (
        "performance",
        "Held-out performance",
        (
            "protocols_compared",
            "roc",
            "precision_recall",
            "confusion",
            "predicted_observed",
            "grade_calibration",
            "calibration",
            "decision_curves",
            "training_curves",
        ),
    ),
    ("calls", "Cuts and calls", ("threshold_distribution", "score_dots", "settling")),
    (
        "markers",
        "What each marker does",
        (
            "gamm_curves",
            "difference_curves",
            "partial_effects",
            "lasso_path",
            "selection_frequencies",
            "risk_path",
        ),
    ),
    ("groups", "Subgroups", ("subgroup_forest",)),
    ("audit", "Audit", ("audit_ladder", "permutation_null", "instability")),
    ("cohort", "Cohort", ("exclusion_flow", "missing_values")),
    ("listening", "Single calls", ("listening",)),
)
# Until a reader opens them: they change nothing in how results are read.
CLOSED = ("aside", "log", "settings")


@dataclass(frozen=True, slots=True)
class _Picture:
    id: str
    title: str
    says: str
    source: str
    width_mm: float
    svg: Any
    values: Any
    sound: Sound | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    title: str
    html: Any


@dataclass(frozen=True, slots=True)
class _Section:
    id: str
    title: str
    sentences: list[str] = field(default_factory=list)
    pictures: list[_Picture] = field(default_factory=list)
    tables: list[_Table] = field(default_factory=list)
    lists: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)


def write_report(
    study_dir: Path,
    out: Path | None = None,
    *,
    title: str | None = None,
    style: str | Path | Style = "default",
    show_ids: bool = False,
    show_labels: bool = False,
    calls: Sequence[CallInReport] = (),
    shared: Results | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the report of a finished study as one HTML file that needs nothing else.

    Parameters
    ----------
    study_dir : Path
        Results folder of a study (with manifest.json).
    out : Path, optional
        File to write (default: `report.html` in the folder).
    title : str, optional
        Heading (default: "Voice biomarkers and risk: study report", of chats "Crisis chats and risk: ...").
    style : str, Path or Style
        Style of the figures.
    show_ids : bool
        Whether callers and calls keep their own ids (default: pseudonyms).
    show_labels : bool
        Whether the raters' texts of calls decided wrongly are shown.
    calls : sequence of CallInReport
        Calls whose listening figures are included, and with `sound` their voices (default: none, since both
        are about a person).
    shared : Results, optional
        What to draw instead of what the folder holds: the same without free text.
    progress : callable, optional
        Called as progress(done, total) after each figure.

    Returns
    -------
    Path
        The file written; private (0600) if it shows ids, labels or single calls, else 0644.

    Raises
    ------
    ReportError
        If the folder holds no finished study, one of its files cannot be read, or the calls have more sound
        than a page can carry.

    Examples
    --------
    >>> write_report("results", "results/report.html")  # doctest: +SKIP
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    results = gather(study_dir) if shared is None else shared
    veil = Veil() if show_ids else veil_of(results, study_dir)
    chosen = read_style(style)
    check_sounds(calls)
    names = [name for name in results.figures if drawing_of(name)[0] != "listening"]
    pictures: dict[str, list[_Picture]] = {}
    for done, name in enumerate(names, start=1):
        kind = drawing_of(name)[0]
        # Of two fits of a GAMM one is to be read; the other has a suffix and is kept for completeness.
        kind = "aside" if name.startswith("gamm_curves--") else kind
        pictures.setdefault(kind, []).append(_picture(name, results, veil, chosen))
        if progress is not None:
            progress(done, len(names) + len(calls))
    for done, call in enumerate(calls, start=len(names) + 1):
        drawn = _listening(call, results, veil, chosen, show_labels)
        pictures.setdefault("listening", []).append(drawn)
        if progress is not None:
            progress(done, len(names) + len(calls))
    room = files("voicerisk.report")
    script, css, page = (
        (room / name).read_text(encoding="utf-8") for name in ("page.js", "page.css", "page.html.j2")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    manifest = results.manifest
    path = out or study_dir / "report.html"
    beside = shared is None and path.resolve().parent == study_dir.resolve()
    text = environment.from_string(page).render(
        title=title
        or f"{'Crisis chats' if is_text(manifest) else 'Voice biomarkers'} and risk: study report",
        made=_made(manifest),
        own_ids=show_ids,
        ids_said=in_units(
            "Callers and calls appear under their own ids."
            if show_ids
            else "Callers and calls have pseudonyms.",
            results.labels,
        ),
        sections=[section for section in _sections(results, veil, pictures, show_labels) if _full(section)],
        closed=CLOSED,
        linked=Linker(results.labels),
        css=Markup(css),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        foot=in_units(_foot(manifest), results.labels),
        what_if=WHAT_IF if beside and (study_dir / WHAT_IF).is_file() else None,
    )
    write_text(path, text, PRIVATE if show_ids or show_labels or calls else PUBLIC)
    return path


def salt_of(results: Results) -> str:
    """Return what makes the order of the pseudonyms unguessable; it must not stand beside them."""
    return str(results.manifest.get("calls_table", {}).get("sha256", ""))


def veil_of(results: Results, study_dir: Path) -> Veil:
    """Return pseudonyms for every id the study mentions, so that none stays."""
    calls: set[str] = set()
    callers: set[str] = set()
    tables = [results.calls, results.segments]
    tables += [part for table, parts in results.figures.values() for part in (table, *parts.values())]
    for table in tables:
        if table is not None:
            calls |= set(table["call_id"].dropna().astype(str)) if "call_id" in table else set()
            callers |= set(table["caller_id"].dropna().astype(str)) if "caller_id" in table else set()
    for record in results.provenance.values():
        callers |= {str(caller) for caller in record.get("callers", [])}
    salt = salt_of(results)
    return Veil(
        pseudonyms(calls, "call", salt), pseudonyms(callers, "caller", salt), secrets_of(results, study_dir)
    )


def _picture(name: str, results: Results, veil: Veil, style: Style) -> _Picture:
    kind, known = drawing_of(name)
    table, parts = results.figures[name]
    parts = {key: veil.table(part) for key, part in parts.items()}
    suffix = name.partition("--")[2]
    title = f"{known.title}, {suffix.replace('_', ' ')}" if suffix else known.title
    figure = draw(name, veil.table(table), parts, results.labels, style=style)
    place = "-".join([kind, hashlib.sha256(name.encode()).hexdigest()[:8]]) if suffix else kind
    return _inline(figure, place, title, in_units(known.says, results.labels), f"figures/{name}.csv", style)


def _listening(call: CallInReport, results: Results, veil: Veil, style: Style, show_labels: bool) -> _Picture:
    _, known = drawing_of("listening")
    parts = {key: veil.table(part) for key, part in call.parts.items()}
    if not show_labels and "spans" in parts:
        parts["spans"] = parts["spans"].assign(label="")
    shown = veil.calls.get(call.call_id, "a call") if veil.calls else call.call_id
    figure = draw("listening", veil.table(call.envelope), parts, results.labels, style=style)
    place = f"listening-{hashlib.sha256(shown.encode()).hexdigest()[:8]}"
    picture = _inline(figure, place, f"{known.title}, {shown}", known.says, "", style)
    return replace(picture, sound=sound_in(figure, call))


def _inline(figure: Figure, place: str, title: str, says: str, source: str, style: Style) -> _Picture:
    from markupsafe import Markup

    svg, values = inline_svg(figure, place, title, says, style)
    width = figure.get_figwidth() * MM_PER_INCH
    return _Picture(place, title, says, source, width, Markup(svg), Markup(values))


def _full(section: _Section) -> bool:
    return bool(section.sentences or section.pictures or section.tables or section.lists)


def _made(manifest: Mapping[str, Any]) -> str:
    study = manifest.get("study_file", {})
    parts = [
        f"Study file {study.get('name', 'not stated')}",
        f"results of {_day(str(manifest.get('written', 'an unknown date')))}",
    ]
    parts.append(f"seed {manifest.get('seed', 'not stated')}")
    return ", ".join(parts) + "."


def _day(written: str) -> str:
    try:
        when = datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def _foot(manifest: Mapping[str, Any]) -> str:
    version = manifest.get("versions", {}).get("voicerisk", "of an unknown version")
    return f"Made by voicerisk {version}. Intervals come from a bootstrap of callers, unless said otherwise."


def _sections(
    results: Results, veil: Veil, pictures: Mapping[str, list[_Picture]], show_labels: bool
) -> Iterator[_Section]:
    yield _Section("short", "In short", words.in_short(results))
    yield _Section(
        "doubts",
        "What to keep in mind",
        [veil.text(in_units(line, results.labels)) for line in words.flags(results)],
    )
    tables = _tables(results, veil, show_labels)
    for key, title, kinds in SECTIONS:
        said = [*words.audited(results), *words.audit(results.provenance)] if key == "audit" else []
        said += brier_sentences(results) if key == "performance" else []
        sentences = [veil.text(in_units(line, results.labels)) for line in said]
        drawn = [picture for kind in kinds for picture in pictures.get(kind, [])]
        yield _Section(key, title, sentences, drawn, tables.get(key, []))
    yield _Section("tripod", "Reporting: evidence for TRIPOD+AI", tables=_tripod(results, veil))
    yield _Section("aside", "Appendix: curves that are not to be read", pictures=pictures.get("aside", []))
    said = [veil.text(in_units(line, results.labels)) for line in words.log(results)]
    yield _Section("log", "Log of the run", said)
    yield _Section("settings", "Settings and versions", lists=_settings(results.manifest, veil))


def _tripod(results: Results, veil: Veil) -> list[_Table]:
    from markupsafe import Markup

    table = checklist(results)
    cells = table.cells.assign(
        Topic=[in_units(text, results.labels) for text in table.cells["Topic"]],
        Evidence=[veil.text(text) for text in table.cells["Evidence"]],
    )
    made = [replace(table, cells=cells)]
    clusters = cluster_checklist(results)
    if clusters is not None:
        said = [veil.text(in_units(text, results.labels)) for text in clusters.cells["Evidence"]]
        made.append(replace(clusters, cells=clusters.cells.assign(Evidence=said)))
    return [_Table(one.title, Markup(to_html(one))) for one in made]


def _tables(results: Results, veil: Veil, show_labels: bool) -> dict[str, list[_Table]]:
    from markupsafe import Markup

    made: dict[str, list[PublicationTable]] = {}
    if results.metrics is not None:
        several = has_classes(results.metrics)
        made["performance"] = (
            performance_tables(results)
            if several
            else [performance_table(results.metrics, flow=flow_of(results))]
        )
        simple = rivals_table(results.metrics)
        made["performance"] += [simple] if simple is not None else []
    if len(results.of_middle) == 3:
        made.setdefault("performance", []).extend(
            [
                spectrum_effect_table(results.of_middle["spectrum"]),
                decisions_table(results.of_middle["decisions"], results.of_middle["flagged"]),
            ]
        )
    if results.of_scale:
        made["performance"] = scale_tables(results.of_scale)
    if results.comparisons is not None:
        made.setdefault("performance", []).append(comparison_table(results.comparisons))
    if results.thresholds is not None:
        made["calls"] = [thresholds_table(results.thresholds)]
    if results.service_cuts is not None:
        made.setdefault("calls", []).append(service_cuts_table(results.service_cuts))
    if results.conformal is not None:
        made.setdefault("calls", []).append(conformal_table(results.conformal))
    scores = [table for name, (table, _) in results.figures.items() if drawing_of(name)[0] == "score_dots"]
    if scores:
        spans = results.segments if show_labels else None
        everyone = pd.concat(scores, ignore_index=True).drop_duplicates(["protocol", "call_id"])
        missed = missed_calls(everyone, spans, show_labels=spans is not None, names=veil.calls)
        made.setdefault("calls", []).append(missed)
    if results.smooths is not None:
        made["markers"] = [
            gamm_table(results.smooths, results.terms, results.labels, moderation=results.moderation)
        ]
    ladders = [table for name, (table, _) in results.figures.items() if drawing_of(name)[0] == "audit_ladder"]
    made["audit"] = [audit_table(table) for table in ladders if "label" in table]
    if results.procedure is not None and len(results.procedure) > 1:
        made["audit"].append(procedure_table(results.procedure))
    if results.findings is not None:
        made["audit"].append(findings_list(results.findings.map(lambda one: veil.text(str(one)))))
    if results.calls is not None:
        times = results.segments
        usable = times if times is not None and times["start_s"].notna().all() else None
        made["cohort"] = [cohort_characteristics(results.calls, usable, columns=_columns(results))]
    made.setdefault("cohort", []).extend(cohort_tables(results))
    if results.agreement is not None:
        made["cohort"].append(rater_agreement_table(results.agreement, results.labels))
    return {
        key: [_Table(table.title, Markup(to_html(table))) for table in tables] for key, tables in made.items()
    }


def _columns(results: Results) -> list[str]:
    cohort = results.manifest.get("settings", {}).get("cohort", {})
    named = [*cohort.get("covariates", []), *cohort.get("strata", [])]
    calls = results.calls
    return [name for name in dict.fromkeys(named) if name != "sex" and calls is not None and name in calls]


def _settings(manifest: Mapping[str, Any], veil: Veil) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return settings, versions and hashes as lists of name and value; absolute paths lose their folders."""
    lists = []
    for room, values in manifest.get("settings", {}).items():
        rows = [(key, veil.text(_value(value))) for key, value in _flat(values)]
        if rows:
            lists.append((f"[{room}]", rows))
    lists.append(("Versions", [(key, _value(value)) for key, value in _flat(manifest.get("versions", {}))]))
    inputs = {name: dict(manifest.get(name, {})) for name in ("study_file", "calls_table")}
    if veil.calls:
        inputs["calls_table"].pop("sha256", None)  # the salt of the pseudonyms
    lists.append(("Inputs", [(key, _value(value)) for key, value in _flat(inputs)]))
    for protocol, notes in manifest.get("protocol_notes", {}).items():
        lists.append(
            (f"Counted in the {protocol} protocol", [(key, veil.text(_value(v))) for key, v in _flat(notes)])
        )
    return lists


def _flat(values: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(values, Mapping):
        return [(prefix, values)] if prefix else []
    rows = []
    for key, value in values.items():
        rows += _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return rows


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_value(one) for one in value) or "none"
    text = str(value)
    return without_folders(text)
