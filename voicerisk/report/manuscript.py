"""A draft of methods and results: numbers from the results folder, gaps marked where a person must write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.errors import ReportError
from voicerisk.figures.captions import caption
from voicerisk.figures.gallery import DRAWINGS
from voicerisk.figures.wording import DESIGNS, one_interval, whole_group, without_rivals
from voicerisk.files import PRIVATE, replacing, write_text
from voicerisk.report.answer import answer
from voicerisk.report.gather import Results, gather
from voicerisk.report.tables.classes import has_classes
from voicerisk.report.tables.formats import count, estimate, median_iqr
from voicerisk.report.tables.rivals import rivals_line
from voicerisk.report.tables.writers import latex_text

FORMATS = (".md", ".docx", ".tex")
SHOWN = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
}
SOURCES = {
    "pre_emphasis": "pre-emphasis of {pre_emphasis:g}",
    "normalise": "normalisation to the peak",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A heading and its paragraphs.

    Attributes
    ----------
    heading : str
    paragraphs : tuple of str
    """

    heading: str
    paragraphs: tuple[str, ...]


def gap(what: str) -> str:
    """Return the mark of something that a person must write."""
    return f"[WRITE: {what}]"


def _set(settings: Mapping[str, Any], key: str) -> str:
    """Return a setting as text, or a gap where the manifest does not have it."""
    value = settings.get(key)
    return gap(key) if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def manuscript(results: Results) -> list[Part]:
    """Draft methods and results of a study with two classes.

    Parameters
    ----------
    results : Results
        From `gather`.

    Returns
    -------
    list of Part

    Raises
    ------
    ReportError
        Where the study has no metrics of two classes.
    """
    metrics = results.metrics
    if metrics is None or has_classes(metrics):
        raise ReportError("A draft needs the metrics of a study with two classes; run the study first.")
    settings = results.manifest.get("settings", {})
    return [
        Part("Methods: participants and outcome", _participants(results, settings)),
        Part("Methods: speech and biomarkers", _biomarkers(settings)),
        Part("Methods: models", _models(settings)),
        Part("Methods: validation", _validation(settings)),
        Part("Methods: software", (_software(results.manifest),)),
        Part("Results: participants", _who(results)),
        Part("Results: performance", _performance(results, metrics)),
        Part("Results: audit", _audit(results)),
        Part("Figure legends", _legends(results)),
    ]


def write_manuscript(study_dir: Path, out: Path) -> Path:
    """Write the draft as Markdown, Word or LaTeX, by the suffix of `out`.

    Parameters
    ----------
    study_dir : Path
        Results folder of a finished study.
    out : Path
        Ends in .md, .docx or .tex. Private (0600): a draft is not published yet.

    Returns
    -------
    Path

    Raises
    ------
    ReportError
        For another suffix, a study that is not finished, or Word without python-docx.
    """
    if out.suffix not in FORMATS:
        raise ReportError(f"{out.name}: a draft is written as {', '.join(FORMATS)}; choose one of these.")
    parts = manuscript(gather(study_dir))
    if out.suffix == ".docx":
        _write_docx(parts, out)
    else:
        write_text(out, _markdown(parts) if out.suffix == ".md" else _latex(parts), PRIVATE)
    return out


def _participants(results: Results, settings: Mapping[str, Any]) -> tuple[str, ...]:
    cohort = settings.get("cohort", {})
    labels = cohort.get("labels") or []
    kept = f"spans labelled {_listed(labels)}" if labels else "all labelled spans"
    chosen = f" Only calls with {cohort['where']} were included." if cohort.get("where") else ""
    return (
        f"{gap('setting, period, eligibility, how callers were recruited, ethics approval and consent')}. "
        f"The unit of decision is the call, the unit of resampling the caller.{chosen}",
        f"The outcome was {gap('how, when and by whom it was rated; was the rater blind to the voice?')}. "
        f"The caller's speech was taken from {kept}; {gap('who labelled, and how well raters agreed')}.",
    )


def _biomarkers(settings: Mapping[str, Any]) -> tuple[str, ...]:
    audio, markers = settings.get("audio", {}), settings.get("biomarkers", {})
    if markers.get("frames"):
        return (f"Markers were computed by other software ({gap('which, and its version')}).",)
    steps = [text.format(**audio) for key, text in SOURCES.items() if audio.get(key)]
    silence = audio.get("silence", {})
    wanted = "the 12 markers of Iyer et al. (2022)" if markers.get("set") == "named" else "all 36 markers"
    return (
        f"Recordings ({gap('sample rate, codec, telephone or app')}) were prepared by "
        f"{_listed(steps) or 'no further step'}, and cut into Blackman frames of 40 ms, every 20 ms, within "
        f"spans. Frames below the silence rule {_set(silence, 'rule')} (threshold "
        f"{_set(silence, 'threshold')}) were left out. For every other frame {wanted} "
        "were computed by voicerisk, with the definitions of soundgen 2.5.1. A marker that does not exist in "
        "a frame is missing, never zero.",
    )


def _models(settings: Mapping[str, Any]) -> tuple[str, ...]:
    gamm, boost, screening = (settings.get(name, {}) for name in ("gamm", "boost", "screening"))
    moderator = settings.get("cohort", {}).get("moderator")
    by = f" by {moderator}" if moderator else ""
    screen = (
        "No marker was screened."
        if screening.get("unit") == "none"
        else f"Markers were screened by the Lasso on {_set(screening, 'unit')} means (penalty at "
        f"the {'minimum' if screening.get('rule') == 'min' else 'one-standard-error'} of the deviance, folds "
        "of whole callers)."
    )
    return (
        f"{screen} To describe what each marker does we fitted generalised additive mixed models{by} "
        f"(mgcv's {_set(gamm, 'engine')}, basis dimension {_set(gamm, 'k')}), with tests and intervals "
        "that take the caller as the unit.",
        f"The published recipe is component-wise boosting of P-splines{by} (mboost's algorithm, step length "
        f"{_set(boost, 'nu')}, {_set(boost, 'df')} degrees of freedom a learner, "
        f"{_set(boost, 'mstop')} steps).",
    )


def _validation(settings: Mapping[str, Any]) -> tuple[str, ...]:
    chosen = settings.get("validation", {})
    designs = _listed([DESIGNS.get(str(name), str(name)) for name in chosen.get("designs", [])])
    family = chosen.get("family")
    learned = ""
    if family and list(family) != ["gamboost"]:
        learned = (
            f" In each fold it takes a weighted mean of additive models of calls ({_listed(family)}), "
            "weighed by the deviance of held-out calls in its inner folds."
        )
    return (
        f"We ran two protocols. In the nested one everything that is learned (markers, curves, steps, "
        f"recalibration, cut) is learned without the callers who are scored ({designs or gap('designs')}; "
        f"{_set(chosen, 'repeats')} repeats; up to {_set(chosen, 'inner_folds')} inner folds of whole "
        "callers)."
        f"{learned} The published one chooses markers, curves and cut with all callers in view; it is shown "
        "for comparison only.",
        "Intervals are 95% percentile intervals of a bootstrap of callers, given scores; for callers left "
        "out in turn they are widened for the variance of learning (Nadeau and Bengio 2003), unless said "
        "otherwise.",
    )


def _software(manifest: Mapping[str, Any]) -> str:
    versions = dict(manifest.get("versions", {}))
    flat = {**versions.pop("r", {}), **versions} if isinstance(versions.get("r"), dict) else versions
    named = [f"{'R' if name == 'r' else name} {version}" for name, version in flat.items() if version]
    return f"Analyses used {_listed(named) or 'voicerisk'}; the seed was {_set(manifest, 'seed')}."


def _who(results: Results) -> tuple[str, ...]:
    calls = results.calls
    if calls is None or "outcome" not in calls:
        return (f"{gap('numbers of calls and callers')}.",)
    events = int(calls["outcome"].sum())
    said = (
        f"{count(len(calls))} calls of {count(calls['caller_id'].nunique())} callers were analysed; "
        f"{count(events)} calls ({events / len(calls):.0%}) had the outcome."
    )
    if "age" in calls:
        said += f" The median age was {median_iqr(calls['age'])} years."
    return (f"{said} The exclusion flow is shown in the figure.",)


def _performance(results: Results, metrics: pd.DataFrame) -> tuple[str, ...]:
    paragraphs = [" ".join(answer(metrics, results.ladder, results.comparisons))]
    rows = one_interval(whole_group(without_rivals(metrics)))
    rows = rows[rows["unit"] == "call"]
    for (protocol, design), part in rows.groupby(["protocol", "design"], sort=False):
        found = part.drop_duplicates("metric").set_index("metric").to_dict("index")
        values = [
            f"{title} {estimate(found[name]['estimate'], found[name]['lower'], found[name]['upper'])}"
            for name, title in SHOWN.items()
            if name in found
        ]
        if values:
            place = DESIGNS.get(str(design), str(design))
            paragraphs.append(f"{str(protocol).capitalize()} protocol, {place}: {_listed(values)}.")
    paragraphs += [said] if (said := rivals_line(metrics, results.comparisons)) else []
    paragraphs.append(gap("what these numbers mean for a service, and for whom they do not hold"))
    return tuple(paragraphs)


def _audit(results: Results) -> tuple[str, ...]:
    if results.findings is None or results.findings.empty:
        return (gap("run `voicerisk audit` and report what it found"),)
    return tuple(
        f"{str(row['severity']).capitalize()}: {row['finding']} {row['evidence']}".strip()
        for row in results.findings.to_dict("records")
    )


def _legends(results: Results) -> tuple[str, ...]:
    drawn = {name.split("--")[0]: found for name, found in reversed(results.figures.items())}
    kinds = dict.fromkeys(name.split("--")[0] for name in results.figures)
    return tuple(
        caption(kind, DRAWINGS[kind], drawn[kind][0], results.labels, drawn[kind][1])
        for kind in kinds
        if kind in DRAWINGS and not DRAWINGS[kind].private
    )


def _listed(items: Sequence[Any]) -> str:
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _markdown(parts: Sequence[Part]) -> str:
    blocks = [f"## {part.heading}\n\n" + "\n\n".join(part.paragraphs) for part in parts]
    return "\n\n".join(["# Draft", *blocks]) + "\n"


def _latex(parts: Sequence[Part]) -> str:
    blocks = [
        f"\\subsection*{{{latex_text(part.heading)}}}\n"
        + "\n\n".join(latex_text(paragraph) for paragraph in part.paragraphs)
        for part in parts
    ]
    head = "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\begin{document}\n"
    return head + "\n\n".join(blocks) + "\n\\end{document}\n"


def _write_docx(parts: Sequence[Part], path: Path) -> None:
    try:
        from docx import Document
    except ImportError as error:
        raise ReportError(
            "A Word draft needs python-docx: pip install 'voicerisk[report]', or write .md or .tex."
        ) from error
    document = Document()
    for part in parts:
        document.add_heading(part.heading, level=2)
        for paragraph in part.paragraphs:
            document.add_paragraph(paragraph)
    with replacing(path, PRIVATE) as temporary:
        document.save(str(temporary))
