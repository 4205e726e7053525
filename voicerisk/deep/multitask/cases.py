"""The table of cases: recordings, transcripts, two scores, demographics; and who left and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.settings import MultitaskSettings, TargetSettings
from voicerisk.errors import MultitaskError
from voicerisk.intake import Sheet, find_file, is_missing, read_sheet

ROW = "row of the table"


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Cases that are analysed.

    Parameters
    ----------
    table : DataFrame
        case_id, person_id, audio (absolute path or empty), transcript (or empty), severity and risk (class
        names) as far as they are trained, their scores, then the demographics; sorted by person and case.
    flow : DataFrame
        step, reason, n (left out), remaining: in the order in which they left.
    notes : tuple of str
    """

    table: pd.DataFrame
    flow: pd.DataFrame
    notes: tuple[str, ...]


def load_cases(settings: MultitaskSettings, folder: Path, scored: bool = True) -> Cases:
    """Read and check the cases of a study.

    Parameters
    ----------
    settings : MultitaskSettings
    folder : Path
        Of the study file; file names in the table resolve from the table's own folder.
    scored : bool
        Whether the cases have the scores that are learned; False reads cases that a saved model scores.

    Returns
    -------
    Cases

    Raises
    ------
    MultitaskError
        Missing or empty table, missing column, a case that stands twice, a score that is no number or out of
        range, a file that is not there. The message names the row (the header is row 1).
    """
    path = Path(folder, settings.cases)
    if not path.is_file():
        raise MultitaskError(f"There is no table of cases {path}; check [multitask] cases.")
    targets = settings.targets if scored else {}
    ids = (settings.case, settings.person)
    sheet = read_sheet(path, MultitaskError, verbatim=(settings.text,), text=ids).as_text()
    needed = [settings.case, *(t.column for t in targets.values())]
    needed += settings.demographics if scored else ()
    lost = [name for name in needed if name not in sheet.cells]
    if lost:
        raise MultitaskError(f"{path.name} lacks the column(s) {', '.join(lost)}.")
    raw = _cells(sheet, settings.text, {t.column: t.classes for t in targets.values()})
    kinds = set(settings.modalities.values())
    if "audio" in kinds and settings.audio not in raw.columns:
        raise MultitaskError(
            f"{path.name} lacks the column {settings.audio} that names the recordings; see [multitask] audio."
        )
    if "text" in kinds and not {settings.text, settings.text_file} & set(raw.columns):
        raise MultitaskError(
            f"{path.name} lacks the column {settings.text} with transcripts (or {settings.text_file} with "
            "their files)."
        )
    table = pd.DataFrame({"case_id": raw[settings.case]})
    _ids(table["case_id"], path.name, settings.case)
    notes = sheet.notes()
    if settings.person in raw.columns:
        table["person_id"] = raw[settings.person]
        _filled(table["person_id"], path.name, settings.person)
    else:
        table["person_id"] = table["case_id"]
        notes.append(
            f"{path.name} has no column {settings.person}: every case counts as another person. Where it is "
            "not so, cases of one person stand in training and test at once."
        )
    table["audio"] = _audio(raw, settings, path) if "audio" in kinds else ""
    table["transcript"] = _transcripts(raw, settings, path) if "text" in kinds else ""
    for name, target in targets.items():
        table[f"{name}_score"], table[name] = classify(raw[target.column], target, path.name)
    for name in settings.demographics if scored else ():
        table[name] = _demographic(raw[name])
    return _leave(table, settings, targets, notes)


def classify(scores: pd.Series, target: TargetSettings, file: str = "cases") -> tuple[pd.Series, pd.Series]:
    """Return scores as numbers and their classes.

    Parameters
    ----------
    scores : Series of str
        Empty = missing. Class names where the target has no cuts.
    target : TargetSettings
    file : str
        For messages.

    Returns
    -------
    score : Series of float
        NaN where missing, or where the column holds class names.
    label : Series of str
        Class name, empty where missing.

    Raises
    ------
    MultitaskError
        For what is no number, out of range, or no class.

    Examples
    --------
    >>> target = TargetSettings("hamd17", ("none", "low_moderate", "high"), (8, 24), 0, 52)
    >>> classify(pd.Series(["7", "8", "23", "24", ""]), target)[1].tolist()
    ['none', 'low_moderate', 'low_moderate', 'high', '']
    """
    given = scores != ""
    if not target.cuts:
        odd = given & ~scores.isin(target.classes)
        if odd.any():
            row, value = _first(odd), scores[odd].iloc[0]
            raise MultitaskError(
                f"{file}, row {row}: {target.column} is {value!r}, which is not one of "
                f"{', '.join(target.classes)}."
            )
        return pd.Series(np.nan, index=scores.index), scores
    numbers = pd.to_numeric(scores.where(given), errors="coerce")
    odd = given & ~numbers.between(target.lowest, target.highest)
    if odd.any():
        raise MultitaskError(
            f"{file}, row {_first(odd)}: {target.column} is {scores[odd].iloc[0]!r}; it must be a number "
            f"from {target.lowest:g} to {target.highest:g}."
        )
    place = np.searchsorted(np.asarray(target.cuts), numbers.fillna(target.lowest).to_numpy(), side="right")
    names = pd.Series(np.asarray(target.classes, dtype=object)[place], index=scores.index)
    return numbers, names.where(given, "").astype(str)


def _leave(
    table: pd.DataFrame, settings: MultitaskSettings, targets: Mapping[str, TargetSettings], notes: list[str]
) -> Cases:
    flow = [{"step": "read", "reason": "", "n": 0, "remaining": len(table)}]
    kinds = set(settings.modalities.values())
    rules: list[tuple[str, Any]] = [
        (f"no {target.column}", table[name] == "") for name, target in targets.items()
    ]
    lacks = {"audio": table["audio"] == "", "text": table["transcript"] == ""}
    if settings.missing == "exclude":
        rules += [(f"no {'recording' if k == 'audio' else 'transcript'}", lacks[k]) for k in sorted(kinds)]
    else:
        nothing = np.logical_and.reduce([lacks[kind].to_numpy() for kind in sorted(kinds)])
        rules.append(("neither recording nor transcript", pd.Series(nothing, index=table.index)))
    kept = np.ones(len(table), dtype=bool)
    for reason, gone in rules:
        leaving = kept & gone.to_numpy()
        if leaving.any():
            kept &= ~gone.to_numpy()
            flow.append(
                {"step": "excluded", "reason": reason, "n": int(leaving.sum()), "remaining": int(kept.sum())}
            )
    flow.append({"step": "analysed", "reason": "", "n": 0, "remaining": int(kept.sum())})
    table = table[kept].sort_values(["person_id", "case_id"], ignore_index=True)
    if table.empty:
        raise MultitaskError(f"No case of {settings.cases} is left; flow: {flow[1:-1]}.")
    if settings.missing == "mean":
        for kind, column in (("audio", "audio"), ("text", "transcript")):
            n = int((table[column] == "").sum()) if kind in kinds else 0
            if n:
                notes.append(f"{n} of {len(table)} cases lack {kind}; the training mean stands in its place.")
    for name, target in targets.items():
        persons = table.groupby(name)["person_id"].nunique().reindex(target.classes, fill_value=0)
        if (persons < 3).any():
            raise MultitaskError(
                f"Class {persons.idxmin()} of {target.column} has {persons.min()} person(s); training, "
                "validation and test need at least 3 in each class."
            )
    return Cases(table, pd.DataFrame(flow), tuple(notes))


def _cells(sheet: Sheet, text: str, scores: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Return the cells by row of the table, '' where missing, scores with decimal points."""
    columns: dict[str, pd.Series] = {}
    for name in map(str, sheet.cells.columns):
        column = sheet.with_points(name) if name in scores else sheet.cells[name]
        if name == text:
            columns[name] = column.str.strip()
        else:  # a class may be called "none"
            missing = column.map(is_missing) & ~column.isin(scores.get(name, ()))
            columns[name] = column.where(~missing, "")
    raw = pd.DataFrame(columns)
    return raw.set_axis(pd.Index(sheet.rows, name=ROW), axis=0)


def _first(mask: pd.Series) -> int:
    place = int(np.flatnonzero(mask.to_numpy())[0])
    return int(mask.index[place]) if mask.index.name == ROW else place + 2


def _filled(column: pd.Series, file: str, name: str) -> None:
    empty = column == ""
    if empty.any():
        raise MultitaskError(f"{file}, row {_first(empty)}: {name} is empty.")


def _ids(column: pd.Series, file: str, name: str) -> None:
    _filled(column, file, name)
    twice = column.duplicated()
    if twice.any():
        raise MultitaskError(
            f"{file}, row {_first(twice)}: {name} {column[twice].iloc[0]!r} stands there a second time."
        )


def _inside(folder: Path, name: str, place: str) -> Path:
    path = find_file(folder, name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise MultitaskError(f"{place}: {name!r} lies outside the folder of the table; move it inside.")
    if not path.is_file():
        raise MultitaskError(f"{place}: there is no file {name!r} in the folder of the table.")
    return path


def _audio(raw: pd.DataFrame, settings: MultitaskSettings, path: Path) -> list[str]:
    return [
        str(_inside(path.parent, name, f"{path.name}, row {row}")) if name else ""
        for row, name in raw[settings.audio].items()
    ]


def _transcripts(raw: pd.DataFrame, settings: MultitaskSettings, path: Path) -> list[str]:
    empty = pd.Series("", index=raw.index)
    inline = raw[settings.text] if settings.text in raw.columns else empty
    files = raw[settings.text_file] if settings.text_file in raw.columns else empty
    texts = []
    for row, text, name in zip(raw.index, inline, files, strict=True):
        if text and name:
            raise MultitaskError(
                f"{path.name}, row {row}: {settings.text} and {settings.text_file} both hold a transcript."
            )
        if name:
            file = _inside(path.parent, name, f"{path.name}, row {row}")
            try:
                text = file.read_text(encoding="utf-8").strip()
            except UnicodeDecodeError:
                raise MultitaskError(f"{path.name}, row {row}: {name!r} is not UTF-8 text.") from None
        texts.append(text)
    return texts


def _demographic(column: pd.Series) -> pd.Series:
    """Return numbers where every value given is one, else text; missing is NaN."""
    given = column.where(column != "")
    numbers = pd.to_numeric(given, errors="coerce")
    return numbers if bool((numbers.notna() == given.notna()).all()) else given
