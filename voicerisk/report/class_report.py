"""What the report of several classes (crisis chats, depression and risk) shows beside that of one outcome."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from voicerisk.figures.wording import PERCENTILE, metric_name, number, whole_group
from voicerisk.report.gather import Results
from voicerisk.report.tables.classes import (
    MACRO,
    OF_ALL,
    any_table,
    at_prevalence_table,
    brier_table,
    characteristics_table,
    class_table,
    repeats_table,
)
from voicerisk.report.tables.formats import count, estimate
from voicerisk.report.tables.publication import PublicationTable

PROTOCOL = ("preset", "repeats", "test_share", "validation_share", "bootstraps", "seed", "prevalence")
TOPICS: Mapping[str, tuple[str, ...]] = {
    "Data preparation": (
        "roles", "min_age", "min_messages", "min_words", "keep_emoji", "max_messages", "max_tokens",
        "max_words", "truncate",
    ),
    "Models": ("models", "encoder", "pooling", "vectors", "network"),
    "Internal validation and tuning": PROTOCOL,
}  # fmt: skip


def is_text(manifest: Mapping[str, Any]) -> bool:
    """Say whether a study is one of crisis chats."""
    return manifest.get("kind") == "text"


def performance_tables(results: Results) -> list[PublicationTable]:
    """Return performance by class, the parts of the Brier score and all repeats, where they are there."""
    metrics, labels, found = results.metrics, results.labels, results.of_classes
    assert metrics is not None
    tables = [class_table(metrics, labels)]
    if "any_class" in found:
        tables.append(any_table(found["any_class"], labels))
    if "metrics_at_prevalence" in found:
        shares = results.manifest.get("settings", {}).get("text", {}).get("prevalence", {})
        tables.append(at_prevalence_table(found["metrics_at_prevalence"], shares, labels))
    if "brier_parts" in found:
        tables.append(brier_table(found["brier_parts"], metrics, labels))
    if "repeats" in found:
        tables.append(repeats_table(found["repeats"], labels))
    return tables


def cohort_tables(results: Results) -> list[PublicationTable]:
    """Return who wrote, by class."""
    found = results.of_classes
    if "characteristics" not in found:
        return []
    return [characteristics_table(found["characteristics"], found.get("group_differences"), results.labels)]


def participants(results: Results) -> Iterator[tuple[str, str, str]]:
    """Yield the checklist's rows on sessions, users and who left."""
    if "exclusion_flow" not in results.figures:
        return
    flow, parts = results.figures["exclusion_flow"]
    sessions = flow[flow["unit"] == "session"]
    users = flow[flow["unit"] == "user"]
    groups = parts.get("groups", pd.DataFrame(columns=["group", "unit", "n"]))
    each = "; ".join(f"{row['group']} {count(row['n'])} {row['unit']}s" for row in groups.to_dict("records"))
    people = f"{count(users['remaining'].iloc[-1])} users" if len(users) else "users that are not known"
    kept = f"{count(sessions['remaining'].iloc[-1])} sessions of {people}"
    yield "Participants, events and sample size", f"{kept}: {each}.", "measured"
    gone = sessions[sessions["n"] > 0]
    left = "; ".join(f"{row['reason']}: {count(row['n'])} sessions" for row in gone.to_dict("records"))
    yield "Flow of participants", (left or "No session was left out") + ".", "measured"


def performance(metrics: pd.DataFrame, labels: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the checklist's row on performance of each protocol and model: means over the classes."""
    rows = whole_group(metrics)
    rows = rows[(rows["class"] == MACRO) & (rows["method"] == PERCENTILE)]
    for (protocol, model), part in rows.groupby(["protocol", "model"], sort=False):
        of = {str(row["metric"]): row for row in part.drop_duplicates("metric").to_dict("records")}
        shown = [
            f"{metric_name(name)} {estimate(of[name]['estimate'], of[name]['lower'], of[name]['upper'])}"
            for name in OF_ALL
            if name in of
        ]
        name = labels.get(str(model), str(model))
        yield f"Performance, {protocol} protocol, {name}", "; ".join(shown) + ".", "measured"


def brier_sentences(results: Results) -> list[str]:
    """Set each Brier score beside its uncertainty: what saying the shares of the classes would have."""
    parts = results.of_classes.get("brier_parts")
    if parts is None:
        return []
    lines = []
    for row in parts[parts["class"] == MACRO].to_dict("records"):
        model = results.labels.get(str(row["model"]), str(row["model"]))
        lines.append(
            f"{str(row['protocol']).capitalize()} protocol, {model}: Brier score, mean of classes, "
            f"{number(row['brier'], 3)}; saying each class's share to everybody would have "
            f"{number(row['uncertainty'], 3)}."
        )
    return lines
