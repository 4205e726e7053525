"""Publication tables: a tidy table in, a table of text out, as a paper prints it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pandas as pd

from voicerisk.errors import ReportError
from voicerisk.figures.wording import (
    DESIGNS,
    GIVEN_SCORES,
    HEADLINE,
    NO_LABELS,
    PERCENTILE,
    UNITS,
    WILSON,
    given_scores,
    metric_name,
    need,
    number,
    one_interval,
    ordered,
    whole_group,
    without_rivals,
)
from voicerisk.report.tables.formats import MISSING, count, estimate, interval, median_iqr, p_value
from voicerisk.report.tables.spectrum import spectrum_note

SEXES = {"female": "Women", "male": "Men"}
PERFORMANCE = (
    "auroc",
    "auroc_auto",
    "average_precision",
    "sensitivity",
    "specificity",
    "accuracy",
    "ppv",
    "npv",
    "youden_j",
    "brier",
    "brier_skill",
    "calibration_slope",
    "calibration_intercept",
    "calibration_in_the_large",
    "observed_expected",
)
CLOSED = (
    "Where a bootstrap would end at 0 or 1 the interval is Wilson's, with callers as the sample size (fewer "
    "where intervals are widened)."
)
# Callers are held out in turn, so that the folds' shares of the outcome add up to the study's.
NO_IN_THE_LARGE = (
    "Calibration in the large and observed/expected are not shown for a study's own callers: the mean risk "
    "is the study's share by construction. Another study shows them (voicerisk validate)."
)


@dataclass(frozen=True, slots=True)
class PublicationTable:
    """A table ready for print.

    Attributes
    ----------
    name : str
        File name without suffix.
    title : str
        Caption.
    cells : DataFrame
        Text only; the first column holds the row names.
    notes : tuple of str
        Footnotes, in order.
    private : bool
        It shows single calls: its files are for their owner alone.

    Examples
    --------
    >>> import pandas as pd
    >>> cells = pd.DataFrame({"metric": ["AUROC"], "nested": ["0.74 (0.61 to 0.87)"]})
    >>> PublicationTable("performance", "Discrimination", cells).title
    'Discrimination'
    """

    name: str
    title: str
    cells: pd.DataFrame
    notes: tuple[str, ...] = ()
    private: bool = False


def gamm_table(
    smooths: pd.DataFrame,
    terms: pd.DataFrame | None = None,
    labels: Mapping[str, str] = NO_LABELS,
    moderator: str = "sex",
    moderation: pd.DataFrame | None = None,
) -> PublicationTable:
    """Return the GAMM's smooths by level, and its parametric terms, as the paper's Table 1 should have been.

    Parameters
    ----------
    smooths : DataFrame
        Columns marker, sex, edf, ref_df, statistic, statistic_name, p_value; p_holm, p_bh,
        selected_on_same_labels, p_selective and p_selective_holm where there are some. P values that the
        same outcomes selected are printed only where the table has them, under a head that says so.
    terms : DataFrame, optional
        Columns term, estimate, se, lower, upper, statistic, statistic_name, p_value.
    labels : mapping of str to str
        Marker to label with unit.
    moderator : str
        What the levels in the column sex are levels of.
    moderation : DataFrame, optional
        gamm/moderation.csv: whether curves and levels differ. Its standardised contrast then stands in the
        place of the coefficient of the moderator, which depends on how an engine centres its smooths.

    Returns
    -------
    PublicationTable
        One row a marker and level, then one a term. Smooths have no coefficient that could be printed.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.
    """
    need(smooths, ["marker", "sex", "edf", "ref_df", "statistic", "statistic_name", "p_value"], "GAMM table")
    tests = _p_columns(smooths)
    statistics = ordered(smooths["statistic_name"])
    by_callers = "edf_clustered" in smooths and smooths["edf_clustered"].notna().any()
    head = [
        moderator.capitalize(),
        "Marker",
        "EDF",
        *(["EDF by callers"] if by_callers else []),
        "Reference df",
        " or ".join(statistics),
        *[name for _, name in tests],
    ]
    rows = []
    for sex in ordered(smooths["sex"]):
        for row in smooths[smooths["sex"].astype(str) == sex].to_dict("records"):
            rows.append(
                [
                    SEXES.get(sex, sex),
                    labels.get(str(row["marker"]), str(row["marker"])),
                    number(row["edf"]),
                    *([number(row["edf_clustered"])] if by_callers else []),
                    number(row["ref_df"]),
                    number(row["statistic"]),
                    *[p_value(row[column]) for column, _ in tests],
                ]
            )
    cells = pd.DataFrame(rows, columns=head)
    notes = [_EDF, *([_BY_CALLERS] if by_callers else []), *_p_notes(smooths)]
    if moderation is not None:
        notes += _moderation_notes(moderation, labels)
        levels = tuple(f"{moderator}{level}" for level in ordered(smooths["sex"]))
        terms = None if terms is None else terms[~terms["term"].isin(levels)]
    for row in [] if terms is None else terms.to_dict("records"):
        notes.append(
            f"{row['term']}: {estimate(row['estimate'], row['lower'], row['upper'])} log-odds, "
            f"SE {number(row['se'])}, {row['statistic_name']} {number(row['statistic'])}"
            f"{_and_p(row['p_value'])}."
        )
    return PublicationTable(
        "gamm",
        f"Smooth effects of the markers by {moderator} (generalised additive mixed model)",
        cells,
        tuple(notes),
    )


_BY_CALLERS = (
    "EDF by callers: of a fit whose smoothness is chosen as if each caller gave one row; it says how bent a "
    "curve is."
)
_EDF = (
    "EDF: effective degrees of freedom as mgcv chose them, rows of one caller taken as independent; under "
    "clustering they overstate curvature."
)


def _selected(smooths: pd.DataFrame) -> bool:
    column = "selected_on_same_labels"
    return column in smooths and bool(smooths[column].astype(bool).any())


def _p_columns(smooths: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the columns of P values that may be read, and their heads."""
    naive = [("p_value", "P"), ("p_holm", "P, Holm"), ("p_bh", "P, BH")]
    there = [(column, name) for column, name in naive if column in smooths]
    if not _selected(smooths):
        return there
    shown = []
    if "p_selective" in smooths:
        shown += [("p_selective", "P, other callers"), ("p_selective_holm", "P, other callers, Holm")]
    if smooths["p_value"].notna().any():
        shown += [(column, f"{name} (same outcomes)") for column, name in there]
    return shown


def _p_notes(smooths: pd.DataFrame) -> list[str]:
    about = "P values of smooths are approximate (mgcv, Wood 2013)."
    if not _selected(smooths):
        return [about] if smooths["p_value"].notna().any() else []
    notes = []
    if "p_selective" in smooths and smooths["p_selective"].notna().any():
        notes.append(
            f"P, other callers: the marker was selected on one half of the callers and tested on the other; "
            f"{MISSING} where the first half did not select it. {about}"
        )
    else:
        notes.append("There is no P value of callers that selected nothing; the notes of the study say why.")
    if smooths["p_value"].notna().any():
        notes.append(
            "P (same outcomes): the same outcomes selected the markers, so these are too small, and no claim "
            "rests on them."
        )
    return notes


def _moderation_notes(moderation: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    """Say whether the levels differ, and whether a marker's curve does."""
    notes = []
    for row in moderation[moderation["what"] == "level"].to_dict("records"):
        notes.append(
            f"{row['contrast']}: {estimate(row['estimate'], row['lower'], row['upper'])} log-odds, SE "
            f"{number(row['se'])}, standardised over all rows{_and_p(row['p_value'])}."
        )
    curves = moderation[moderation["what"] == "curve"]
    column = "p_selective" if "p_selective" in curves else "p_value"
    tested = curves[curves[column].notna()]
    if len(tested):
        told = "; ".join(
            f"{labels.get(str(row['marker']), str(row['marker']))}, {row['contrast']}, "
            f"P {_equals(row[column])}"
            for row in tested.to_dict("records")
        )
        who = " (on callers that selected nothing)" if column == "p_selective" else ""
        notes.append(f"Test that a curve differs between levels{who}: {told}.")
    return notes


def _and_p(p: float) -> str:
    return "" if pd.isna(p) else f", P {_equals(p)}"


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text[0] in "<>" else f"={text}"


def performance_table(
    metrics: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    shown: Sequence[str] = PERFORMANCE,
    method: str = PERCENTILE,
    flow: pd.DataFrame | None = None,
) -> PublicationTable:
    """Return discrimination, decisions and calibration under both protocols side by side.

    Parameters
    ----------
    metrics : DataFrame
        metrics.csv.
    labels : mapping of str to str
        Display names of metrics.
    shown : sequence of str
        Metrics in order; those that the table lacks are left out.
    method : str
        Which intervals to print where there are several for one estimate.
    flow : DataFrame, optional
        flow.csv: a middle class that was left out is told below the table.

    Returns
    -------
    PublicationTable
        One row a unit and metric (with n, events and callers first), one column a protocol and design.

    Raises
    ------
    ReportError
        If columns are missing, none of the metrics is there, or two rows claim one cell.

    Examples
    --------
    >>> import voicerisk
    >>> from voicerisk.validation import ValidationSettings
    >>> table = voicerisk.load_example("predictions")
    >>> metrics = voicerisk.compute_metrics(table, ValidationSettings(), n_boot=50)
    >>> performance_table(metrics).cells.iloc[0, 0]
    'Calls'
    """
    need(
        metrics,
        ["protocol", "design", "unit", "metric", "estimate", "lower", "upper", "n", "n_events", "n_callers"],
        "performance table",
    )
    table = one_interval(whole_group(without_rivals(metrics)), method)
    table = table[table["metric"].isin(list(shown))]
    single = _one_call_each(table)
    if single:
        table = table[table["unit"] != "caller"]
    if table.empty:
        raise ReportError(
            f"performance table: the metrics table has none of {', '.join(shown)} for all callers."
        )
    several = "model" in table and table.groupby("protocol")["model"].nunique().max() > 1
    key = ["protocol", "design", *(["model"] if several else [])]
    runs = cast("list[tuple[str, ...]]", list(table.groupby(key, sort=False).groups))
    runs.sort(
        key=lambda run: (
            run[0] != "nested",
            str(run[0]),
            HEADLINE.index(run[1]) if run[1] in HEADLINE else 9,
        )
    )
    heads = [_run_name(*run) for run in runs]
    rows = []
    for unit in [name for name in UNITS if (table["unit"] == name).any()]:
        here = table[table["unit"] == unit]
        by_run = {cast("tuple[str, ...]", run): part for run, part in here.groupby(key, sort=False)}
        rows.append(
            [UNITS[unit].capitalize(), "n (events; callers)", *[_sizes(by_run.get(run)) for run in runs]]
        )
        for metric in shown:
            if (here["metric"] == metric).any():
                name = labels.get(metric, metric_name(metric))
                rows.append(
                    [UNITS[unit].capitalize(), name, *[_cell(by_run.get(run), metric, unit) for run in runs]]
                )
    cells = pd.DataFrame(rows, columns=["Unit", "Metric", *heads])
    slopes = table["metric"] == "calibration_slope"
    closed = "method" in table and bool((table["method"] == WILSON).any())
    spectrum = (
        spectrum_note(flow, int(table.loc[table["unit"] == "call", "n"].max())) if flow is not None else ""
    )
    level = (
        f"{100 * float(table['level'].iloc[0]):g}% confidence intervals in brackets. "
        if "level" in table
        else ""
    )
    said = given_scores(table) or GIVEN_SCORES
    note = said if method == PERCENTILE else f"Intervals: {method.replace('_', ' ')}."
    notes = (
        level + note,
        "Callers are the unit of resampling; n of frames must never be read as a sample size.",
        *(["Every caller has one call: figures for callers are those for calls."] if single else []),
        *([CLOSED] if closed else []),
        *([NO_IN_THE_LARGE] if ((table["design"] != "external") & slopes).any() else []),
        *([spectrum] if spectrum else []),
    )
    return PublicationTable("performance", "Performance under both protocols", cells, notes)


def _one_call_each(table: pd.DataFrame) -> bool:
    """Say whether rows of callers would only repeat those of calls."""
    units = dict(iter(table.groupby("unit")))
    if not {"call", "caller"} <= set(units):
        return False
    key = [column for column in ("protocol", "model", "design", "metric") if column in table]
    both = units["call"].merge(units["caller"], on=key, how="outer", suffixes=("", "_caller"))
    same = (both["n"] == both["n_caller"]) & (both["n"] == both["n_callers"])
    gap = (both["estimate"] - both["estimate_caller"]).abs()
    return bool(same.all() and (gap.fillna(0) < 1e-9).all())


def _run_name(protocol: str, design: str, *model: str) -> str:
    return ", ".join([str(protocol).capitalize(), DESIGNS.get(str(design), str(design)), *model])


def _sizes(rows: pd.DataFrame | None) -> str:
    if rows is None:
        return MISSING
    row = rows.iloc[0]
    return f"{count(row['n'])} ({count(row['n_events'])}; {count(row['n_callers'])})"


def _cell(rows: pd.DataFrame | None, metric: str, unit: str) -> str:
    if rows is None or not (rows["metric"] == metric).any():
        return MISSING
    mine = rows[rows["metric"] == metric]
    if len(mine) > 1:
        raise ReportError(
            f"performance table: {len(mine)} rows for {metric}, {unit}; keep one threshold and method."
        )
    row = mine.iloc[0]
    return estimate(row["estimate"], row["lower"], row["upper"], 3 if metric.startswith("brier") else 2)


def biomarker_table(catalogue: pd.DataFrame, markers: Sequence[str] | None = None) -> PublicationTable:
    """Return the biomarker dictionary: name, label, unit, what it means and how it is computed.

    Parameters
    ----------
    catalogue : DataFrame
        Columns name, label, unit, description, definition, and where there are some missing_when, source,
        version.
    markers : sequence of str, optional
        Which markers, in this order (default: all).

    Raises
    ------
    ReportError
        If a marker is not in the catalogue.
    """
    need(catalogue, ["name", "label", "unit", "description", "definition"], "biomarker dictionary")
    rows = catalogue.set_index("name", drop=False)
    unknown = [marker for marker in markers or [] if marker not in rows.index]
    if unknown:
        raise ReportError(f"biomarker dictionary: {unknown[0]} is not in the catalogue.")
    rows = rows.loc[list(markers)] if markers is not None else rows
    heads = {
        "label": "Marker",
        "unit": "Unit",
        "description": "In plain words",
        "definition": "Definition",
        "missing_when": "Missing when",
        "source": "Source",
        "name": "Column",
        "version": "Version",
    }
    kept = [column for column in heads if column in rows]
    cells = rows[kept].astype("string").fillna("").rename(columns=heads).reset_index(drop=True)
    return PublicationTable("biomarkers", "Dictionary of the voice biomarkers", cells.astype(object))


def thresholds_table(thresholds: pd.DataFrame) -> PublicationTable:
    """Return where the cuts lie: one row a protocol and design.

    Parameters
    ----------
    thresholds : DataFrame
        thresholds.csv: columns protocol, design, threshold, and where known n_boot, q025, q975, mstop,
        n_selected.
    """
    need(thresholds, ["protocol", "design", "threshold"], "thresholds table")
    rows = []
    for (protocol, design), part in thresholds.groupby(["protocol", "design"], sort=False):
        cuts = part["threshold"]
        row = {
            "Protocol": str(protocol).capitalize(),
            "Design": DESIGNS.get(str(design), str(design)),
            "Cuts": "one for all folds" if len(part) == 1 else f"one a fold, {count(len(part))}",
            "Without a cut": count(cuts.isna().sum()),
            "Cut, median (IQR)": number(cuts.iloc[0]) if len(part) == 1 else median_iqr(cuts, 2),
            "Cut, range": MISSING if len(part) == 1 else interval(cuts.min(), cuts.max()),
        }
        for low, high in (("q025", "q975"),):
            if low in part and part[low].notna().any():
                row["Bootstrap 2.5% to 97.5% (mean over folds)"] = interval(
                    part[low].mean(), part[high].mean()
                )
        for column, name in (
            ("mstop", "Boosting steps, median (IQR)"),
            ("n_selected", "Markers, median (IQR)"),
        ):
            if column in part:
                row[name] = number(part[column].iloc[0], 0) if len(part) == 1 else median_iqr(part[column], 0)
        rows.append(row)
    cells = pd.DataFrame(rows).fillna(MISSING)
    return PublicationTable(
        "thresholds",
        "Cuts on the call score",
        cells,
        (
            "A call is decided as positive when its score reaches the cut of its fold. The published "
            "protocol takes one cut from all hold-out scores and applies it to the same scores.",
        ),
    )


def missed_calls(
    scores: pd.DataFrame,
    spans: pd.DataFrame | None = None,
    *,
    show_labels: bool = False,
    names: Mapping[str, str] | None = None,
) -> PublicationTable:
    """Return the calls that were decided wrongly; the paper learned most from its one.

    Parameters
    ----------
    scores : DataFrame
        What `figures.call_scores` returns.
    spans : DataFrame, optional
        Columns call_id, label: the raters' texts.
    show_labels : bool
        Whether those texts may be shown (default: no, they are about a person).
    names : mapping of str to str, optional
        Display name of each call (a pseudonym); by default the call_id.

    Raises
    ------
    ReportError
        If label texts are asked for without spans.
    """
    need(scores, ["protocol", "call_id", "y", "p_raw", "threshold", "wrong"], "missed calls")
    if show_labels and spans is None:
        raise ReportError("missed calls: label texts were asked for, but there is no table of spans.")
    rows = []
    for row in scores[scores["wrong"].astype(bool)].to_dict("records"):
        call = str(row["call_id"])
        cells = {
            "Protocol": str(row["protocol"]).capitalize(),
            "Call": (names or {}).get(call, call),
            "Outcome": count(row["y"]),
            "Score": number(row["p_raw"], 3),
            "Cut": number(row["threshold"], 3),
            "Error": "missed" if row["y"] == 1 else "false alarm",
        }
        if show_labels and spans is not None:
            texts = spans.loc[spans["call_id"].astype(str) == call, "label"].dropna().astype(str)
            cells["Labels"] = "; ".join(dict.fromkeys(text for text in texts if text.strip())) or MISSING
        rows.append(cells)
    columns = ["Protocol", "Call", "Outcome", "Score", "Cut", "Error", *(["Labels"] if show_labels else [])]
    table = pd.DataFrame(rows, columns=columns)
    notes = () if len(table) else ("No call was decided wrongly.",)
    return PublicationTable("missed_calls", "Calls that were decided wrongly", table, notes, private=True)
