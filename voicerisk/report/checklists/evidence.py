"""Evidence for TRIPOD+AI: what the study can show by itself, and what a person has to write.

The table gives evidence, never a rating. Topics follow the statement (Collins et al., BMJ 2024;385:e078378),
each with the numbers of the items it answers; `reporting.csv` goes through the form item by item.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pandas import DataFrame

from voicerisk.figures.wording import metric_name, number, one_interval, whole_group, without_rivals
from voicerisk.report import class_report
from voicerisk.report.checklists.tripod_items import CLUSTER, NOT_REPORTED
from voicerisk.report.gather import Results
from voicerisk.report.tables import classes as class_tables
from voicerisk.report.tables.formats import count, estimate, share
from voicerisk.report.tables.publication import PublicationTable
from voicerisk.report.tables.rivals import rivals_line

NO_ITEM = "–"
# Keys of [report] in the study file, and what they answer.
PERSONAL: Mapping[str, str] = {
    "intended_use": "Intended use and users",
    "setting": "Setting and source of the calls",
    "dates": "Dates of the calls",
    "eligibility": "Eligibility of callers",
    "outcome_assessment": "Who assessed the outcome, when and how",
    "blinding": "Blinding of outcome to predictors and of predictors to outcome",
    "treatment": "What was done with the callers",
    "sample_size": "Why this sample size",
    "ethics": "Ethics approval and consent",
    "registration": "Protocol and registration",
    "involvement": "Involvement of patients and public",
    "funding": "Funding",
    "conflicts": "Conflicts of interest",
    "data": "Availability of data",
    "code": "Availability of code",
    "limitations": "Limitations",
    "interpretation": "Interpretation",
}


# Topic -> items of TRIPOD+AI that it answers, for what is measured and for the settings.
ITEMS: Mapping[str, str] = {
    "Participants, events and sample size": "10, 20b, 21",
    "Flow of participants": "6b, 20a",
    "Missing data": "11",
    "Heterogeneity and fairness": "14, 23a, 23b",
    "Data preparation": "7",
    "Predictors": "9a, 9b",
    "Selection of predictors": "9a, 12c",
    "Model of the markers": "12b, 12c",
    "Model of the score": "12b, 12c",
    "Models": "12b, 12c",
    "Internal validation and tuning": "12a, 12c",
    "Class imbalance": "13",
    "Software": "18f",
    "Intended use and users": "3b",
    "Setting and source of the calls": "5a, 6a",
    "Dates of the calls": "5b",
    "Eligibility of callers": "6b",
    "Who assessed the outcome, when and how": "8a, 8b",
    "Blinding of outcome to predictors and of predictors to outcome": "8c, 9b",
    "What was done with the callers": "6c",
    "Why this sample size": "10",
    "Ethics approval and consent": "17",
    "Protocol and registration": "18c, 18d",
    "Involvement of patients and public": "19",
    "Funding": "18a",
    "Conflicts of interest": "18b",
    "Availability of data": "18e",
    "Availability of code": "18f",
    "Limitations": "26",
    "Interpretation": "25",
}


def _item(topic: str) -> str:
    """Return the items a topic answers; topics of a protocol begin alike, an author's own have none."""
    if topic.startswith("Performance"):
        return "23a"
    return "15" if topic.startswith("Cut on the score") else ITEMS.get(topic, NO_ITEM)


def checklist(results: Results) -> PublicationTable:
    """Return one row a topic of TRIPOD+AI, with its evidence and where that comes from.

    Parameters
    ----------
    results : Results
        What `gather` read from a study folder.

    Returns
    -------
    PublicationTable
        Columns Topic, Items (numbers of TRIPOD+AI), Evidence, From ('measured', 'settings', 'the authors' or
        'missing').
    """
    rows = [*_measured(results), *_settings(results), *_personal(results)]
    cells = DataFrame(rows, columns=["Topic", "Evidence", "From"])
    cells.insert(1, "Items", [_item(topic) for topic in cells["Topic"]])
    note = (
        "Evidence, not a rating. Items are those of TRIPOD+AI (BMJ 2024;385:e078378); reporting.csv has "
        "every item of it and of PROBAST+AI. What the study cannot know is asked for under [report] in the "
        "study file."
    )
    return PublicationTable("tripod", "Evidence for TRIPOD+AI", cells, (note,))


def cluster_checklist(results: Results) -> PublicationTable | None:
    """Return TRIPOD-Cluster item by item; None where no service was left out, so that it has nothing to show.

    Parameters
    ----------
    results : Results

    Returns
    -------
    PublicationTable or None
        Columns Item, Topic, Evidence.
    """
    if results.reporting is None:
        return None
    rows = results.reporting[results.reporting["checklist"] == CLUSTER]
    known = rows.loc[rows["fact"] == "cluster_performance", "evidence"]
    if known.empty or known.iloc[0] == NOT_REPORTED:
        return None
    cells = rows[["item", "topic", "evidence"]].reset_index(drop=True)
    note = "Evidence, not a rating. Items are those of TRIPOD-Cluster (BMJ 2023;380:e071018), in our words."
    return PublicationTable(
        "tripod_cluster",
        "Evidence for TRIPOD-Cluster, of several services",
        cells.rename(columns=str.capitalize),
        (note,),
    )


def _measured(results: Results) -> Iterator[tuple[str, str, str]]:
    calls, metrics = results.calls, results.metrics
    if calls is not None:
        positive = calls[calls["outcome"] == 1]
        callers = positive["caller_id"].nunique()
        text = (
            f"{count(len(calls))} calls of {count(calls['caller_id'].nunique())} callers; the outcome in "
            f"{share(len(positive), len(calls))} calls, of {count(callers)} callers"
        )
        candidates = _candidates(results)
        if candidates:
            each = number(callers / candidates, 1)
            text += f"; {each} callers with the outcome for each of {candidates} candidate markers"
        yield "Participants, events and sample size", text + ".", "measured"
    if class_report.is_text(results.manifest):
        yield from class_report.participants(results)
    elif "exclusion_flow" in results.figures:
        flow = results.figures["exclusion_flow"][0]
        gone = flow[(flow["n"] > 0) & (flow["unit"] == "call")]
        text = "; ".join(f"{row['reason']}: {count(row['n'])} calls" for row in gone.to_dict("records"))
        yield "Flow of participants", (text or "No call was left out") + ".", "measured"
    if "missing_values" in results.figures:
        table = results.figures["missing_values"][0]
        everyone = table[table["group"] == "all"]
        affected = everyone[everyone["n_missing"] > 0].sort_values("share", ascending=False)
        worst = "; ".join(
            f"{results.labels.get(str(row['marker']), str(row['marker']))} {_percent(row['share'])}"
            for row in affected.head(5).to_dict("records")
        )
        text = f"{count(len(affected))} of {count(len(everyone))} markers have missing values" + (
            f": {worst}" if worst else ""
        )
        yield "Missing data", text + ".", "measured"
    if metrics is not None and class_tables.has_classes(metrics):
        yield from class_report.performance(metrics, results.labels)
    elif metrics is not None:
        yield from _performance(metrics)
    if results.thresholds is not None:
        nested = results.thresholds[results.thresholds["design"] == "loco"]
        for protocol, rows in nested.groupby("protocol", sort=False):
            cuts = rows["threshold"].dropna()
            text = (
                "no cut"
                if cuts.empty
                else f"{number(cuts.min())} to {number(cuts.max())} over {len(cuts)} folds"
            )
            if len(cuts) == 1:
                text = f"one cut for all calls, {number(cuts.iloc[0])}"
            yield f"Cut on the score, {protocol} protocol", text + ".", "measured"


def _percent(share_of: float) -> str:
    return "<0.1%" if 0 < share_of < 0.0005 else f"{100 * share_of:.1f}%"


def _candidates(results: Results) -> int:
    if "missing_values" not in results.figures:
        return 0
    return int(results.figures["missing_values"][0]["marker"].nunique())


def _performance(metrics: DataFrame) -> Iterator[tuple[str, str, str]]:
    table = one_interval(without_rivals(metrics))
    whole = whole_group(table)
    for protocol, rows in whole[(whole["unit"] == "call") & (whole["design"] == "loco")].groupby(
        "protocol", sort=False
    ):
        shown = [
            f"{metric_name(metric)} {estimate(row['estimate'], row['lower'], row['upper'])}"
            for metric in (
                "auroc",
                "average_precision",
                "sensitivity",
                "specificity",
                "brier",
                "calibration_slope",
            )
            for row in rows[rows["metric"] == metric].to_dict("records")
        ]
        if shown:
            yield f"Performance of calls, {protocol} protocol", "; ".join(shown) + ".", "measured"
    if said := rivals_line(metrics):
        yield "Performance of simple models", said, "measured"
    if "subgroup" in table:
        groups = [group for group in table["subgroup"].dropna().unique() if group not in ("", "all")]
        text = "Metrics by " + ", ".join(map(str, groups)) if groups else NOT_REPORTED
        yield (
            "Heterogeneity and fairness",
            text + ("." if groups else ""),
            "measured" if groups else "missing",
        )


def _settings(results: Results) -> Iterator[tuple[str, str, str]]:
    settings = results.manifest.get("settings", {})
    topics = {
        "Data preparation": ("audio", ("extent", "pre_emphasis", "normalise", "silence", "resample_hz")),
        "Predictors": ("biomarkers", ("preset", "set", "levels", "missing")),
        "Selection of predictors": ("screening", ("unit", "rule")),
        "Model of the markers": ("gamm", ("engine", "level", "k", "random", "drop")),
        "Model of the score": ("boost", ("engine", "mstop", "nu", "df", "knots", "brandom", "by_sex")),
        "Internal validation and tuning": (
            "validation",
            (
                "protocols",
                "designs",
                "repeats",
                "inner_folds",
                "threshold",
                "bootstraps",
                "direction",
                "seed",
            ),
        ),
    }
    if class_report.is_text(results.manifest):
        topics = {topic: ("text", keys) for topic, keys in class_report.TOPICS.items()}
    for topic, (room, keys) in topics.items():
        given = settings.get(room, {})
        text = "; ".join(f"{key} = {_plain(given[key])}" for key in keys if key in given)
        yield topic, text + "." if text else NOT_REPORTED, "settings" if text else "missing"
    notes = results.manifest.get("protocol_notes", {}).get("nested", {})
    if "class_prior" in notes:
        text = f"Class prior {number(notes['class_prior'], 3)}: {notes.get('class_prior_is', '')}."
        yield "Class imbalance", text, "measured"
    versions = results.manifest.get("versions", {})
    text = "; ".join(f"{name} {value}" for name, value in versions.items() if isinstance(value, str))
    yield "Software", text + "." if text else NOT_REPORTED, "settings" if text else "missing"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "not set" if value is None else str(value)


def _personal(results: Results) -> Iterator[tuple[str, str, str]]:
    given = results.manifest.get("settings", {}).get("report", {})
    for key, topic in PERSONAL.items():
        text = str(given.get(key, "")).strip()
        yield topic, text or NOT_REPORTED, "the authors" if text else "missing"
    for key, value in given.items():
        if key not in PERSONAL:
            yield str(key).replace("_", " ").capitalize(), _plain(value), "the authors"
