"""What the numbers of a study say, in plain sentences. Every number in them is read from a table."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from voicerisk.figures.wording import (
    DESIGNS,
    GIVEN_SCORES,
    HEADLINE,
    given_scores,
    number,
    one_interval,
    whole_group,
    without_rivals,
)
from voicerisk.report import class_report
from voicerisk.report.answer import answer
from voicerisk.report.gather import Results, flow_of
from voicerisk.report.tables import classes as class_tables
from voicerisk.report.tables.formats import count, estimate
from voicerisk.report.tables.rivals import rivals_line
from voicerisk.report.tables.scale import middle_sentence, scale_answer
from voicerisk.report.tables.spectrum import spectrum_note

FLAGS = {
    "folds_with_empty_selection": "screening chose no marker, so that sex alone made the score",
    "folds_at_last_step": "boosting still improved at the last step allowed",
    "folds_at_step_0": "boosting was stopped before its first step",
    "folds_with_flat_recalibration": "the recalibration slope was 0, so that every risk is the class prior",
    "folds_with_separated_recalibration": (
        "the inner scores separated the classes, so that risks rest on smoothed targets"
    ),
    "folds_without_cut": "there was no cut",
}
TECHNICAL = ("screen", "gamm", "reporting", "show", "report")  # stages whose notes are for the appendix
LEARNED = {
    "boost": "the boosted model",
    "screening": "the choice of markers",
    "knots": "the spline knots",
    "mstop": "the number of boosting steps",
    "recalibration": "the recalibration",
    "threshold": "the cut",
    "scaling": "the scaling",
}


def in_short(results: Results) -> list[str]:
    """Return what a hurried reader must know: how many, how well, and how the protocols differ."""
    lines = []
    metrics = results.metrics
    if "metrics" in results.of_scale:
        return scale_answer(results.of_scale["metrics"], results.of_scale.get("spectrum"))
    if metrics is None:
        return ["The study holds no metrics."]
    if class_tables.has_classes(metrics):
        return class_tables.in_short(metrics, results.labels)
    lines += answer(metrics, results.ladder, results.comparisons)
    table = one_interval(whole_group(without_rivals(metrics)))
    calls = table[table["unit"] == "call"]
    if len(calls):
        row = calls.iloc[0]
        lines.append(
            f"{count(row['n'])} calls of {count(row['n_callers'])} callers were analysed; "
            f"{count(row['n_events'])} calls had the outcome."
        )
        spectrum = spectrum_note(flow_of(results), int(row["n"]))
        lines += [spectrum] if spectrum else []
        if {"spectrum", "decisions"} <= set(results.of_middle):
            lines.append(middle_sentence(results.of_middle["spectrum"], results.of_middle["decisions"]))
    found = calls[calls["metric"] == "auroc"]
    order = found["protocol"].ne("published").astype(int) * 10 + found["design"].map(HEADLINE.index)
    turned = calls[calls["metric"] == "auroc_auto"].set_index(["protocol", "design"])["estimate"]
    for one in found.iloc[order.argsort(kind="stable")].to_dict("records"):
        protocol, design, value = str(one["protocol"]), str(one["design"]), float(one["estimate"])
        lines.append(
            f"{protocol.capitalize()} protocol, {DESIGNS[design]}: AUROC of calls "
            f"{estimate(value, one['lower'], one['upper'])}."
        )
        auto = float(turned.get((protocol, design), value))
        if abs(auto - value) > 1e-9:
            lines.append(
                "With the direction chosen from the same scores, as R's pROC does, this would read "
                f"{number(auto)}."
            )
    lines += [said] if (said := rivals_line(metrics, results.comparisons)) else []
    if len(found):
        lines += _intervals(results)
    if results.comparisons is not None and results.findings is not None:
        lines.append("The section Audit says which learned parts had seen the callers they were judged on.")
    return lines


def _intervals(results: Results) -> list[str]:
    """Say the whole-procedure interval where an audit made one, and what the others leave out."""
    from voicerisk.report.tables.audit import whole_procedure_line

    whole = "" if results.procedure is None else whole_procedure_line(results.procedure)
    said = GIVEN_SCORES
    if results.metrics is not None:
        said = given_scores(one_interval(results.metrics)) or GIVEN_SCORES
    return [whole, said] if whole else [said]


def flags(results: Results) -> list[str]:
    """Return what changes how the result is read: what protocols counted, and who was left out."""
    lines = []
    for protocol, notes in results.manifest.get("protocol_notes", {}).items():
        name = f"{str(protocol).capitalize()} protocol"
        for key, text in FLAGS.items():
            if notes.get(key):
                lines.append(f"{name}: in {count(notes[key])} of {count(notes['folds'])} folds {text}.")
        if notes.get("callers_with_both_outcomes"):
            lines.append(f"{count(notes['callers_with_both_outcomes'])} callers had calls of both outcomes.")
        if notes.get("fast"):
            lines.append(f"{name}: the inner loop kept the outer choice of markers (fast).")
        if notes.get("automatic_direction") == "<=":
            lines.append(
                f"{name}: scores run against the outcome; R's pROC and cutpointr would "
                "turn them round and report a high AUROC from a model that orders calls the wrong way."
            )
    return list(dict.fromkeys([*lines, *(note for stage, note in _notes(results) if _weighs(stage, note))]))


def log(results: Results) -> list[str]:
    """Return what else the stages said: for whoever wants to know how the numbers came about."""
    return list(dict.fromkeys(note for stage, note in _notes(results) if not _weighs(stage, note)))


def _notes(results: Results) -> list[tuple[str, str]]:
    """Return stage and note; what a protocol counted is said apart."""
    counted = results.manifest.get("protocol_notes", {})
    stages = results.manifest.get("stages", {})
    said = [
        (str(name), str(note))
        for name, stage in stages.items()
        if name not in counted
        for note in stage.get("notes", [])
    ]
    return said + [("gamm", note) for note in results.gamm_notes]


def _weighs(stage: str, note: str) -> bool:
    """Whether a note changes how the result is read; how curves were fitted does so where they separate."""
    if "metrics_notes.json" in note:  # single metrics of small groups
        return False
    return stage not in TECHNICAL or "separat" in note.lower()


def audited(results: Results) -> list[str]:
    """Return what the audit found, in plain words, or how to run it where it was not run."""
    findings = results.findings
    if findings is None and class_report.is_text(results.manifest):
        return []  # the audit takes voice studies alone
    if findings is None:
        name = results.manifest.get("study_file", {}).get("name", "STUDY.toml")
        return [
            "The audit has not been run on this study. "
            f"`voicerisk audit {name} --out RESULTS` relaxes the rules of the nested protocol one at a "
            "time, permutes outcomes, and says what leaks; this report then shows what it found."
        ]
    own = findings[findings["concerns"] == "the study"] if "concerns" in findings else findings
    leaks, biases = (int((own["severity"] == kind).sum()) for kind in ("leak", "bias"))
    lines = [
        f"The audit found {count(leaks)} {'leak' if leaks == 1 else 'leaks'} in the study itself: the honest "
        "numbers are not to be trusted before that is mended."
        if leaks
        else "The audit found no leak in the study and its honest pipeline."
    ]
    if biases:
        lines.append(
            f"It found {count(biases)} {'reason' if biases == 1 else 'reasons'} why a number is not what it "
            "says, without any leak; the table of findings has them."
        )
    tests = results.tests
    if tests is not None and "says" in tests:
        lines += [str(text) for text in tests["says"].dropna()]
    return lines


def audit(provenance: Mapping[str, Any]) -> list[str]:
    """Return, for each protocol, which learned objects had seen the callers they were judged on."""
    from voicerisk.callers.provenance import leaks

    lines = []
    for protocol, record in provenance.items():
        n_folds = sum(len(folds) for repeats in record["folds"].values() for folds in repeats.values())
        found = pd.DataFrame(leaks(record), columns=["design", "repeat", "fold", "learned", "caller"])
        name = str(protocol).capitalize()
        if found.empty:
            lines.append(
                f"{name} protocol: in none of {count(n_folds)} folds had the model, its tuning, its "
                "recalibration or its cut seen a held-out caller. The share of positive calls (the prior of "
                "weights and risks) and which markers have gaps are those of the whole study."
            )
            continue
        folds = found.drop_duplicates(["design", "repeat", "fold", "learned"])
        for learned, n in folds["learned"].value_counts(sort=False).items():
            what = LEARNED.get(str(learned), str(learned))
            lines.append(
                f"{name} protocol: {what} had seen the held-out callers in "
                f"{count(n)} of {count(n_folds)} folds."
            )
    return lines
