"""A copy of a study for sharing: pseudonymous ids, no path, no sound, no label text, no frame.

Only files and columns named here are copied, so that what a later version adds stays at home until somebody
decides. Pseudonymous is not anonymous: scores, sexes and strata of few callers may still point to a person.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from voicerisk.errors import ReportError
from voicerisk.figures.gallery import LABELS_FILE, drawing_of
from voicerisk.figures.saving import guarded, part_path
from voicerisk.files import write_csv, write_json
from voicerisk.pipeline.tables import read_table
from voicerisk.report.checklists.evidence import PERSONAL as ITEMS
from voicerisk.report.class_report import is_text
from voicerisk.report.gather import Figures, Results, gather
from voicerisk.report.html import salt_of, veil_of, write_report
from voicerisk.report.paths import without_folders
from voicerisk.report.pseudonyms import Veil
from voicerisk.report.secrets import Secrets, first_found, secrets_of, telling_column

NEVER = frozenset(["file", "labels", "label", "path", "source_file", "notes", "text", "transcript"])
CALL_COLUMNS = ("call_id", "caller_id", "sex", "outcome", "n_segments", "duration_s", "speech_s")
TABLES = (
    "flow.csv",
    "missing.csv",
    "repeatability.csv",
    "settling.csv",
    "metrics.csv",
    "comparisons.csv",
    "screening.csv",
    "lasso_path.csv",
    "gamm/smooths.csv",
    "gamm/terms.csv",
    "gamm/curves.csv",
    "boost/partial_effects.csv",
    "boost/importance.csv",
    "service_cuts.csv",
    "conformal.csv",
    "also/spectrum.csv",
    "also/decisions.csv",
    "also/flagged.csv",
    "scale/metrics.csv",
    "scale/calibration.csv",
    "scale/spectrum.csv",
    "scale/partial_effects.csv",
    "audit/ladder.csv",
    "audit/permutations.csv",
    "audit/tests.csv",
    "audit/controls.csv",
    "audit/procedure.csv",
    "audit/findings.csv",
)
FOLD_TABLES = ("thresholds.csv", "tuning.csv")
PREDICTION_COLUMNS = (
    "protocol",
    "model",
    "target",
    "design",
    "repeat",
    "fold",
    "unit",
    "call_id",
    "caller_id",
    "y",
    "p_raw",
    "p",
    "threshold",
    "weight",
)
ID_COLUMNS = ("call_id", "caller_id", "rater")
# What a person writes into a study file, or names their files by.
PERSONAL = {"cohort": ("calls", "root", "where", "labels", "tier"), "biomarkers": ("frames",)}
MANIFEST = (
    *(
        "written",
        "settings",
        "seed",
        "protocols",
        "protocol_notes",
        "biomarker_definitions",
        "versions",
        "sound",
    ),
)
NOT_SHARED = "(stated in the study; not shared)"
Folds = dict[tuple[str, str, str], int]


def export_study(
    study_dir: Path,
    out: Path,
    *,
    columns: Sequence[str] = (),
    allow: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a de-identified copy of a finished study.

    Parameters
    ----------
    study_dir : Path
        Results folder of a study.
    out : Path
        A new or empty folder.
    columns : sequence of str
        Further columns of the calls table to include (strata, age); each makes a caller easier to recognise.
    allow : sequence of str
        Ordinary words that happen to be an id or the text of a label, and may stay.
    progress : callable, optional
        Called as progress(done, total) while the report is drawn.

    Returns
    -------
    list of Path
        The files written: tables, provenance, manifest, and the report. Rows and folds are put in the order
        of the pseudonyms, so that no order of ids is left.

    Raises
    ------
    ReportError
        If `out` lies in the study or is not empty, a column is unknown or tells who is who, or the folder
        holds no finished study, or one of chats; and if an id, a name of a file or a label text is found in
        what was written, which is then removed.

    Examples
    --------
    >>> from pathlib import Path
    >>> export_study(Path("results"), Path("shared"))  # doctest: +SKIP
    """
    if out.resolve().is_relative_to(study_dir.resolve()):
        raise ReportError(f"{out}: lies inside the study; choose a folder outside it.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ReportError(f"{out}: is not an empty folder; choose a new one.")
    results = gather(study_dir)
    if is_text(results.manifest):
        raise ReportError(
            f"{study_dir}: a study of chats is not exported; its tables/, figures/ and report.html "
            "hold no id and no message, everything else stays at home."
        )
    secrets = secrets_of(results, study_dir, allow)
    _refuse_columns(results.calls, columns, secrets)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as place:
        made = Path(place) / "copy"
        written = _write_copy(results, study_dir, made, columns, secrets, progress)
        for path in written:
            found = first_found(secrets, path)
            if found is not None:
                raise ReportError(
                    f"The copy is not finished, and removed: {path.relative_to(made)} would hold {found!r}, "
                    "an id, the name of a file or folder, or the text of a label; leave that column out, or, "
                    "if it is an ordinary word, say so with --allow."
                )
        if out.exists():
            out.rmdir()
        made.rename(out)
    return [out / path.relative_to(made) for path in written]


def _refuse_columns(calls: pd.DataFrame | None, columns: Sequence[str], secrets: Secrets) -> None:
    if calls is None:
        return
    for column in columns:
        if column not in calls:
            raise ReportError(f"export: the calls table has no column {column!r}.")
        if column in NEVER:
            raise ReportError(f"export: column {column!r} names files or texts and is never shared.")
        why = telling_column(calls[column], calls, secrets)
        if why is not None:
            raise ReportError(f"export: column {column!r} {why} and is never shared.")


def _write_copy(
    results: Results,
    study_dir: Path,
    out: Path,
    columns: Sequence[str],
    secrets: Secrets,
    progress: Callable[[int, int], None] | None,
) -> list[Path]:
    veil = replace(veil_of(results, study_dir), secrets=secrets)
    written: list[Path] = []

    def keep(name: str, table: pd.DataFrame) -> None:
        write_csv(out / name, guarded(table), guarded=True)
        written.append(out / name)

    out.mkdir(mode=0o700)
    if results.calls is not None:
        kept = [*[column for column in CALL_COLUMNS if column in results.calls], *columns]
        keep("calls.csv", _veiled(results.calls[list(dict.fromkeys(kept))], veil))
    predictions = _predictions(study_dir)
    folds = _fold_numbers(predictions, salt_of(results))
    if len(predictions):
        kept = [column for column in PREDICTION_COLUMNS if column in predictions]
        keep("predictions_of_calls.csv", _veiled(_renumber(predictions[kept], folds), veil))
    for name in TABLES:
        if (study_dir / name).is_file():
            keep(name, _safe(read_table(study_dir, name.removesuffix(".csv")), veil))
    for name in FOLD_TABLES:
        if (study_dir / name).is_file():
            table = _renumber(read_table(study_dir, name.removesuffix(".csv")), folds)
            keep(name, table.sort_values(["protocol", "design", "repeat", "fold"], kind="stable"))
    figures: Figures = {}
    for name, (table, parts) in results.figures.items():
        if drawing_of(name)[0] != "listening":
            safe = {key: without_filters(one) for key, one in {"": table, **parts}.items()}
            figures[name] = safe.pop(""), safe
            shared = {"": figures[name][0], **safe}
            shared = {part: _unordered(one, folds, salt_of(results)) for part, one in shared.items()}
            _figure(out / "figures" / name, shared.pop(""), shared, veil, keep)
    if results.labels:
        write_csv(out / "figures" / LABELS_FILE, guarded(_labels(results)), guarded=True)
        written.append(out / "figures" / LABELS_FILE)
    manifest = _manifest(results, veil)
    for name, value in (("provenance.json", _provenance(results, veil, folds)), ("manifest.json", manifest)):
        write_json(out / name, value)
        written.append(out / name)
    # The salt of the pseudonyms stays at home, and the report needs it to give the same ones.
    salted = {**manifest, "calls_table": {"sha256": salt_of(results)}}
    bare = replace(results, manifest=salted, figures=figures)
    written.append(write_report(study_dir, out / "report.html", shared=bare, progress=progress))
    return written


def without_filters(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of who left without the words of filters, which may name people."""
    if "reason" not in table:
        return table
    reasons = table["reason"].map(
        lambda reason: "filter of the study" if str(reason).startswith("where ") else reason,
        na_action="ignore",
    )
    return table.assign(reason=reasons)


def _veiled(table: pd.DataFrame, veil: Veil) -> pd.DataFrame:
    """Replace ids and sort by them: the order of the rows was that of the ids."""
    table = veil.table(table)
    keys = [column for column in ("protocol", "design", "repeat", "caller_id", "call_id") if column in table]
    return table.sort_values(keys, kind="stable").reset_index(drop=True)


def _safe(table: pd.DataFrame, veil: Veil) -> pd.DataFrame:
    """Leave out columns of ids, and withhold texts that name somebody."""
    table = without_filters(table.drop(columns=[name for name in table if name in {*ID_COLUMNS, *NEVER}]))
    for column in table.columns:
        if not pd.api.types.is_numeric_dtype(table[column].dtype):
            safe = {one: veil.text(str(one)) for one in table[column].dropna().unique()}
            table[column] = table[column].map(safe)
    return table


def _figure(
    stem: Path, table: pd.DataFrame, parts: Mapping[str, pd.DataFrame], veil: Veil, keep: Any
) -> None:
    place = f"figures/{stem.name}"
    keep(f"{place}.csv", veil.table(table))
    for part, extra in parts.items():
        keep(f"figures/{part_path(stem, part).name}", veil.table(extra))


def _predictions(study_dir: Path) -> pd.DataFrame:
    tables = [
        read_table(study_dir, path.stem, filters=[("unit", "==", "call")])
        for path in sorted(study_dir.glob("predictions_*.parquet"))
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _fold_numbers(predictions: pd.DataFrame, salt: str) -> Folds:
    """Return new numbers for the folds of each design and repeat, in an order that says nothing."""
    numbers: Folds = {}
    if predictions.empty:
        return numbers
    keys = predictions[["design", "repeat", "fold"]].drop_duplicates()
    for (design, repeat), rows in keys.groupby(["design", "repeat"], sort=True):
        names = sorted({_name(fold) for fold in rows["fold"]} - {""})
        shuffled = _shuffled(names, f"{salt}\0{design}\0{repeat}")
        numbers |= {(str(design), _name(repeat), fold): number for number, fold in enumerate(shuffled)}
    return numbers


def _shuffled(names: Iterable[str], salt: str) -> list[str]:
    return sorted(set(names), key=lambda one: hashlib.sha256(f"{salt}\0{one}".encode()).digest())


def _name(value: Any) -> str:
    """Return a fold or repeat as text, whether a table holds it as 3, 3.0 or '3'; '' where it is missing."""
    if pd.isna(value):
        return ""
    try:
        return str(int(float(value)))
    except ValueError:
        return str(value)


def _renumber(table: pd.DataFrame, folds: Folds) -> pd.DataFrame:
    keys = zip(table["design"].astype(str), table["repeat"].map(_name), table["fold"].map(_name), strict=True)
    new = pd.array([folds.get(key) for key in keys], dtype="Int64")
    return table.assign(fold=new)


def _unordered(table: pd.DataFrame, folds: Folds, salt: str) -> pd.DataFrame:
    """Give a figure's folds numbers that say nothing: theirs follow the order of the callers' ids."""
    if "fold" not in table:
        return table
    if {"design", "repeat"} <= set(table.columns):
        table = _renumber(table, folds)
    else:
        names = table["fold"].map(_name)
        places = {name: place for place, name in enumerate(_shuffled(set(names) - {""}, salt))}
        table = table.assign(fold=pd.array([places.get(name) for name in names], dtype="Int64"))
    keys = [column for column in ("protocol", "design", "repeat", "fold") if column in table]
    return table.sort_values(keys, kind="stable").reset_index(drop=True)


def _labels(results: Results) -> pd.DataFrame:
    return pd.DataFrame({"marker": list(results.labels), "label": list(results.labels.values())})


def _provenance(results: Results, veil: Veil, folds: Folds) -> dict[str, Any]:
    def names(callers: Sequence[str]) -> list[str]:
        return sorted(veil.callers.get(str(caller), "unknown") for caller in callers)

    exported: dict[str, Any] = {}
    for protocol, record in results.provenance.items():
        designs: dict[str, Any] = {}
        for design, repeats in record["folds"].items():
            for repeat, parts in repeats.items():
                place = designs.setdefault(design, {}).setdefault(repeat, {})
                for fold, one in parts.items():
                    number = folds.get((str(design), _name(repeat), _name(fold)), f"unknown {len(place)}")
                    seen = {
                        learned: {kind: names(callers) for kind, callers in who.items()}
                        for learned, who in one["seen"].items()
                    }
                    place[str(number)] = {"held_out": names(one["held_out"]), "seen": seen}
                designs[design][repeat] = dict(sorted(place.items(), key=lambda item: item[0].zfill(6)))
        exported[protocol] = {"protocol": protocol, "callers": names(record["callers"]), "folds": designs}
    return exported


def _manifest(results: Results, veil: Veil) -> dict[str, Any]:
    """Return the manifest without paths, hashes, ids, and what people wrote.

    What a person wrote into the study file, and what names their files, is said to be there and not shared.
    """
    manifest = json.loads(json.dumps(results.manifest))
    settings = manifest.get("settings", {})
    for room, keys in PERSONAL.items():
        for key in keys if isinstance(settings.get(room), dict) else ():
            if settings[room].get(key):
                settings[room][key] = NOT_SHARED
    settings["report"] = {key: NOT_SHARED for key in ITEMS if settings.get("report", {}).get(key)}
    kept = {key: manifest[key] for key in MANIFEST if key in manifest}
    kept["stages"] = {
        name: {key: value for key, value in stage.items() if key in ("seconds", "notes")}
        for name, stage in manifest.get("stages", {}).items()
    }

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {veil.text(str(key)): clean(one) for key, one in value.items()}
        if isinstance(value, list):
            return [clean(one) for one in value]
        return veil.text(without_folders(value)) if isinstance(value, str) else value

    return dict(clean(kept))
