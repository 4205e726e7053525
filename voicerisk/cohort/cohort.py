"""Who called, with which outcome, which spans are their speech, and who was left out and why."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.callers.moderator import CROSSED, level_text
from voicerisk.cohort.calls_table import TEXT_COLUMNS, check_numbers, read_calls, typed, with_rows
from voicerisk.cohort.coding import left_out_reason, read_sex, read_whole
from voicerisk.cohort.flow import Flow
from voicerisk.cohort.outcomes import check_outcomes, outcomes, several
from voicerisk.cohort.ratings import disagreements, read_ratings
from voicerisk.cohort.settings import BINARY, CONTINUOUS, CohortSettings
from voicerisk.cohort.spans import Place, inside, read_spans
from voicerisk.cohort.where import parse_where
from voicerisk.errors import CohortError
from voicerisk.files import is_formula
from voicerisk.intake import Sheet, is_missing, look_alikes
from voicerisk.intake.cells import is_excel_error
from voicerisk.types import Progress

LEADING = ("call_id", "caller_id", "sex", "outcome", "file", "path")
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Cohort:
    """The calls of a study.

    Attributes
    ----------
    calls : DataFrame
        One row a call: `call_id, caller_id, sex`, `outcome` (0 or 1, a grade or a number), `file` (as in
        calls.csv), `path` (absolute; never written to a result), then the further columns of calls.csv.
    spans : DataFrame
        One row a span: `call_id, segment` (int32, from 0 in time order), `start_s, end_s` (seconds),
        `label` (text, may be '').
    flow : DataFrame
        `step, unit` ('call', 'caller' or 'span'), `reason, n` (how many left), `remaining`.
    exclusions : DataFrame
        One row for each call or span that left: `step, reason, call_id, file, row` (of calls.csv, or line
        of the label track), `value`.
    ratings : DataFrame
        Long table of ratings: `call_id, rater, scale, value, level`.
    notes : tuple of str
        What a reader of the results should know.
    disagreements : DataFrame
        Pairs of gates (outcome, raters, screening questions) that put a call at different levels of risk.
    """

    calls: pd.DataFrame
    spans: pd.DataFrame
    flow: pd.DataFrame
    exclusions: pd.DataFrame
    ratings: pd.DataFrame
    notes: tuple[str, ...]
    disagreements: pd.DataFrame


def load_cohort(settings: CohortSettings, study_dir: Path, progress: Progress | None = None) -> Cohort:
    r"""Read calls.csv and the label tracks, and check them.

    Parameters
    ----------
    settings : CohortSettings
    study_dir : Path
        Folder of the study file; `settings.calls` and `settings.root` are relative to it.
    progress : callable, optional
        Called as `progress(done, total)` after each call's label track.

    Returns
    -------
    Cohort

    Raises
    ------
    CohortError
        If something in the table or the tracks cannot be used; the message names file, row and value. Calls
        without an outcome, with a rating in neither class, or without a kept span are not errors: they are
        left out and counted in `flow`. A call without a label track is one span, its whole file.

    Examples
    --------
    Five calls of silence, one of them without an outcome:

    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> from voicerisk.cohort import CohortSettings, load_cohort
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = ["call_id,caller_id,sex,file,outcome", "1,a,F,a.wav,0", "2,b,M,b.wav,0", "3,c,F,c.wav,1"]
    >>> rows += ["4,d,M,d.wav,1", "5,e,M,e.wav,"]
    >>> _ = (folder / "calls.csv").write_text("\n".join(rows))
    >>> for name in "abcde":
    ...     soundfile.write(folder / f"{name}.wav", np.zeros(8000), 8000)
    >>> cohort = load_cohort(CohortSettings(calls="calls.csv"), folder)
    >>> cohort.calls["call_id"].tolist(), cohort.calls["outcome"].tolist()
    (['1', '2', '3', '4'], [0, 0, 1, 1])
    >>> cohort.flow.query("unit == 'call' and n > 0")[["reason", "n", "remaining"]].to_numpy().tolist()
    [['outcome is empty', 1, 4]]
    >>> cohort.notes
    ("4 of 4 calls have no label track: the whole file is taken as the caller's speech.",)
    """
    table = Path(study_dir, settings.calls).absolute()
    root = Path(study_dir, settings.root or ".").resolve()
    sheet = read_calls(table)
    raw = with_rows(sheet)
    if "labels" in raw.columns:
        raw["labels"] = _tracks(raw, table)
    _check_columns(settings, raw, table)
    columns = typed(sheet)
    notes = sheet.notes()
    for key, names in _used(settings).items():
        there = tuple(name for name in names if name in sheet.cells)
        notes += check_numbers(sheet, there, key)
        raw = raw.assign(**{name: sheet.with_points(name) for name in there if name not in TEXT_COLUMNS})
    if settings.missing_level is not None:
        for name in dict.fromkeys([*settings.moderator, "sex"]):
            gaps = raw[name].map(is_missing)
            if gaps.any():
                raw[name] = columns[name] = raw[name].mask(gaps, settings.missing_level)
    columns["sex"] = raw["sex"].map(lambda cell: read_sex(cell) or cell)
    if len(settings.moderator) > 1:
        columns[settings.moderator_column] = _crossed(settings, columns, table)
    flow = Flow()
    flow.stand("listed", raw)
    rows = _filter(settings, raw, columns, table, flow)
    _check_ids(rows, table)
    notes += _look_alikes(settings, rows, sheet)
    outcome_column = settings.cssrs.column if settings.cssrs else settings.outcome or "outcome"
    outcome, levels = outcomes(settings, rows, outcome_column, table)
    ratings = read_ratings(rows, settings.ratings, table)
    listed = disagreements(rows, ratings, outcome_column, levels)
    rows = _leave_without_outcome(settings, rows, outcome, outcome_column, flow)
    _check_sex(rows, table)
    _check_strata(settings, rows, table)

    calls = columns.loc[rows.index].drop(columns="row")
    if outcome_column != "outcome" and "outcome" in calls.columns:
        calls = calls.rename(columns={"outcome": "outcome_listed"})
        notes.append(
            f"The outcome comes from {outcome_column!r}; the column outcome of calls.csv is kept as "
            "outcome_listed."
        )
    calls["outcome"] = outcome[rows.index].astype(np.float64 if settings.scale == CONTINUOUS else np.int64)
    check_outcomes(settings, calls, table)
    places = [Place(table, row, call) for row, call in zip(rows["row"], rows["call_id"], strict=True)]
    calls["path"] = [
        str(inside(root, file, "file", place)) for file, place in zip(rows["file"], places, strict=True)
    ]
    calls = calls[[*LEADING, *(name for name in calls.columns if name not in LEADING)]]
    notes += _file_notes(calls, rows, table)
    located = rows.assign(path=calls["path"])
    spans, span_notes = read_spans(located, table, root, settings.labels, settings.tier, flow, progress)
    notes += span_notes
    silent = ~rows["call_id"].isin(spans["call_id"]).to_numpy()
    rows = flow.leave(rows, silent, "labels", "no span is left")
    calls = calls.loc[rows.index].reset_index(drop=True)
    check_outcomes(settings, calls, table)
    flow.stand("analysed", calls, len(spans))
    notes += _caller_notes(calls, settings.scale == BINARY)
    return Cohort(calls, spans, flow.table, flow.exclusions, ratings, tuple(notes), listed)


def _tracks(raw: pd.DataFrame, table: Path) -> pd.Series:
    """Return the label tracks, '' where a call has none; an error of a spreadsheet says nothing."""
    broken = raw[raw["labels"].map(is_excel_error)]
    if len(broken):
        value = broken["labels"].iloc[0]
        raise several(
            table,
            broken["row"],
            f"labels is {value!r}, an error of Excel's; name the track, or leave it empty",
        )
    return raw["labels"].where(~raw["labels"].map(is_missing), "")


def _used(settings: CohortSettings) -> dict[str, tuple[str, ...]]:
    """Return the columns of the table that the study uses, by key."""
    outcome = settings.cssrs.column if settings.cssrs else settings.outcome or "outcome"
    return {
        "cssrs" if settings.cssrs else "outcome": (outcome,),
        "ratings": tuple(rating.column for rating in settings.ratings),
        "covariates": settings.covariates,
        "strata": settings.strata,
        "where": parse_where(settings.where).columns if settings.where else (),
    }


def _check_columns(settings: CohortSettings, raw: pd.DataFrame, table: Path) -> None:
    wanted: dict[str, Sequence[str]] = {
        "moderator": settings.moderator,
        "covariates": settings.covariates,
        "strata": settings.strata,
    }
    wanted["ratings"] = [rating.column for rating in settings.ratings]
    wanted["cssrs" if settings.cssrs else "outcome"] = [
        settings.cssrs.column if settings.cssrs else settings.outcome or "outcome"
    ]
    for key, names in wanted.items():
        for name in names:
            if name in raw.columns and name != "row":
                continue
            near = difflib.get_close_matches(name, [column for column in raw.columns if column != "row"], n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(raw.columns.drop('row'))}."
            if name == "outcome" and settings.outcome is None:
                hint = f"name it with outcome or cssrs in [cohort]; {hint}"
            raise CohortError(f"{table} has no column {name!r}, which {key} in [cohort] names; {hint}")


def _filter(
    settings: CohortSettings, raw: pd.DataFrame, columns: pd.DataFrame, table: Path, flow: Flow
) -> pd.DataFrame:
    if settings.where is None:
        return raw
    kept, unknown = parse_where(settings.where).evaluate(columns)
    if not kept.any():
        raise CohortError(f"The filter {settings.where!r} keeps none of the {len(raw)} calls of {table}.")
    rows = flow.leave(raw, unknown, "filter", f"where {settings.where}: a value is missing")
    return flow.leave(rows, ~kept[~unknown], "filter", f"where {settings.where}: not met")


def _check_ids(rows: pd.DataFrame, table: Path) -> None:
    for column in ("call_id", "caller_id", "file"):
        empty = rows[rows[column].map(is_missing)]
        if len(empty):
            value = empty[column].iloc[0]
            raise several(table, empty["row"], f"{column} is missing ({value!r})")
    for column in ("call_id", "caller_id"):
        odd = rows[rows[column].map(lambda cell: is_formula(cell) or not cell.isprintable())]
        if len(odd):
            value = odd[column].iloc[0]
            what = (
                "would be run as a formula by a spreadsheet"
                if is_formula(value)
                else "holds a control character"
            )
            raise several(table, odd["row"], f"the {column} {value!r} {what}; rename it")
    doubled = rows[rows["call_id"].duplicated(keep=False)]
    if len(doubled):
        name = doubled["call_id"].iloc[0]
        same = doubled.loc[doubled["call_id"] == name, "row"]
        raise CohortError(
            f"{table}, rows {' and '.join(map(str, same))}: the call_id {name!r} occurs {len(same)} times; "
            "every call needs an id of its own."
        )
    known = rows[~rows["sex"].map(is_missing)].assign(
        sex=rows["sex"].map(lambda cell: read_sex(cell) or cell)
    )
    sexes = known.drop_duplicates(["caller_id", "sex"])
    both = sexes[sexes["caller_id"].duplicated(keep=False)]
    if len(both):
        caller = both["caller_id"].iloc[0]
        first, second = both[both["caller_id"] == caller].iloc[:2][["row", "sex"]].itertuples(index=False)
        raise CohortError(
            f"{table}, rows {first.row} and {second.row}: caller {caller!r} is {first.sex} in one and "
            f"{second.sex} in the other; a caller has one sex."
        )


def _leave_without_outcome(
    settings: CohortSettings, rows: pd.DataFrame, outcome: pd.Series, column: str, flow: Flow
) -> pd.DataFrame:
    missing = rows[column].map(is_missing).to_numpy(dtype=bool)
    reasons = pd.Series("", index=rows.index, dtype="str")
    reasons[missing] = f"{column} is empty"
    if settings.cssrs is not None and settings.scale == BINARY:
        unmapped = outcome.isna() & ~missing
        reasons[unmapped] = rows.loc[unmapped, column].map(
            lambda cell: left_out_reason(read_whole(cell, 6) or 0)
        )
    for reason in sorted(set(reasons) - {""}):
        out = (reasons[rows.index] == reason).to_numpy()
        rows = flow.leave(rows, out, "outcome", reason, rows[column])
    return rows


def _check_sex(rows: pd.DataFrame, table: Path) -> None:
    unknown = rows[rows["sex"].map(is_missing)]
    if len(unknown):
        raise several(
            table, unknown["row"],
            f"sex is {unknown['sex'].iloc[0]!r}; write it, or set [cohort] missing_level = \"unknown\" to "
            "make a level of such calls",
        )  # fmt: skip


def _check_strata(settings: CohortSettings, rows: pd.DataFrame, table: Path) -> None:
    for key, names in (("strata", settings.strata), ("moderator", settings.moderator)):
        for name in names:
            empty = rows[rows[name].map(is_missing)]
            if len(empty):
                remedy = "; set [cohort] missing_level to make a level of it" if key == "moderator" else ""
                raise several(table, empty["row"], f"{name} is empty, but {key} in [cohort] uses it{remedy}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _look_alikes(settings: CohortSettings, rows: pd.DataFrame, sheet: Sheet) -> list[str]:
    """Refuse ids that look like one, unless the study says that they are as they are; then say so."""
    notes = []
    for column in ("caller_id", "call_id"):
        groups = look_alikes(rows[column])
        if not groups:
            continue
        shown = _some([" and ".join(map(_told, group)) for group in groups])
        if not settings.ids_as_they_are:
            where = rows.loc[rows[column].isin(groups[0]), "row"].drop_duplicates()
            what = "persons" if column == "caller_id" else "calls"
            raise CohortError(
                f"{sheet.path}, rows {' and '.join(map(str, where[:SHOWN]))}: ids in {column} look like "
                f"one: {shown}; "
                f"write the same id where it is the same, or set ids_as_they_are = true in [cohort] where "
                f"they are "
                f"different {what}."
            )
        notes.append(
            f"{len(groups)} groups of ids in {column} look alike and count as different, as the study says."
        )
    return notes


def _told(name: str) -> str:
    return repr(name) if name.isascii() else ascii(name)


def _file_notes(calls: pd.DataFrame, rows: pd.DataFrame, table: Path) -> list[str]:
    """Refuse the same speech under two calls; say where calls share a file but not a label track."""
    shared = calls[calls["path"].duplicated(keep=False)]
    if shared.empty:
        return []
    tracks = rows["labels"] if "labels" in rows.columns else pd.Series("", index=rows.index)
    keys = shared["path"] + "\n" + tracks[shared.index]
    same = keys[keys.duplicated(keep=False)]
    if len(same):
        first = same.index[same == same.iloc[0]]
        lines, file = rows.loc[first, "row"], rows.loc[first[0], "file"]
        raise CohortError(
            f"{table}, rows {' and '.join(map(str, lines))}: the file {file!r} is listed "
            f"{len(lines)} times with the same label track; the same speech would count more than once."
        )
    return [f"{len(shared)} calls share a file with another, each with its own label track."]


def _caller_notes(calls: pd.DataFrame, binary: bool) -> list[str]:
    notes = []
    different = calls.groupby("caller_id")["outcome"].nunique()
    mixed = int((different > 1).sum())
    if mixed:
        kinds = "both outcomes" if binary else "several outcomes"
        notes.append(
            f"{mixed} of {len(different)} callers have calls of {kinds}; a caller's calls always "
            "stay together."
        )
    return notes


def _crossed(settings: CohortSettings, columns: pd.DataFrame, table: Path) -> pd.Series:
    """Return the levels of crossed columns, as text; missing where one of them is."""
    name = settings.moderator_column
    if name in columns:
        raise CohortError(f"{table} has a column {name!r}, the name of the crossed moderators; rename it.")
    parts = [columns[one] for one in settings.moderator]
    texts = [
        part.map(lambda cell, one=one: level_text(cell, one))
        for part, one in zip(parts, settings.moderator, strict=True)
    ]
    gap = pd.concat(texts, axis=1).isna().any(axis=1)
    joined = texts[0].astype(str)
    for text in texts[1:]:
        joined = joined + CROSSED + text.astype(str)
    return joined.mask(gap)
