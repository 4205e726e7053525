"""A study taken home to R, and models fitted in R taken in."""

import json
import shutil
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.errors import RBridgeError
from voicerisk.files import PRIVATE, read_json, replacing, write_text
from voicerisk.pipeline.tables import read_table
from voicerisk.rbridge.fit_script import HEAD, LASSO, SAVED, boost_part, gamm_part
from voicerisk.rbridge.found import source_folder
from voicerisk.rbridge.request import Rds
from voicerisk.rbridge.worker import Worker

_FRAME_KEYS = ["call_id", "caller_id", "segment", "frame", "time_s"]
_SEGMENT_KEYS = ["call_id", "caller_id", "segment", "start_s", "end_s", "label", "n_frames", "n_silent"]
_OUTSIDE_THE_PACKAGE = ("bridge.R", "bridge_models.R")
_MODELS = ("model.rds", "model_without_random_intercepts.rds")
_COPIES = {
    "gamm/smooths.csv": "study_smooths.csv",
    "gamm/terms.csv": "study_terms.csv",
    "screening.csv": "study_screening.csv",
    "lasso_path.csv": "study_lasso_path.csv",
    "boost/risk_path_published.csv": "study_risk_path.csv",
    "boost/model.json": "model.json",
    "boost/model_published.json": "model_published.json",
}


def export_r(
    study_dir: Path | str, folder: Path | str | None = None, *, worker: Worker | None = None
) -> Path:
    """Write a study's tables and models as RDS, with a script that refits them from plain R.

    Parameters
    ----------
    study_dir : Path or str
        Results folder of a finished `voicerisk run`.
    folder : Path or str, optional
        Where to write; default `export_r` within the results folder. Its files are private (0600): they hold
        frames.
    worker : Worker, optional
        A child with R to use; by default one is started and closed.

    Returns
    -------
    Path
        The folder: `frames.rds`, `segments.rds` (with sex and outcome joined), the fitted models, the saved
        ones (`model.json`, the nested procedure on all callers, and `model_published.json`), `voicerisk.R`
        (the functions of the R package), the study's own numbers to compare with (`study_*.csv`), and
        `fit.R`.

    Raises
    ------
    RBridgeError
        A file of the study is missing, or R is unusable.

    Examples
    --------
    >>> from voicerisk.rbridge import export_r
    >>> export_r("results")  # doctest: +SKIP
    PosixPath('results/export_r')
    """
    source = Path(study_dir)
    target = Path(folder) if folder is not None else source / "export_r"
    for name in ("manifest.json", "calls.csv", "frames.parquet", "segments.parquet", "gamm/notes.json"):
        if not (source / name).is_file():
            raise RBridgeError(f"{source} holds no {name}; export_r needs the folder of a finished run.")
    manifest = read_json(source / "manifest.json", RBridgeError)
    settings = manifest.get("settings")
    rooms = ("cohort", "biomarkers", "gamm", "screening", "boost")
    if not isinstance(settings, dict) or not all(isinstance(settings.get(room), dict) for room in rooms):
        raise RBridgeError(f"{source / 'manifest.json'} lacks settings of the study; run the study again.")
    frames, segments = _tables(source, settings)
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    models = [path for name in _MODELS if (path := source / "gamm" / name).is_file()]
    if models:
        _warn_of_code(source / "gamm")
    with nullcontext(worker) if worker is not None else Worker() as r:
        for name, table in (("frames", frames), ("segments", segments)):
            with replacing(target / f"{name}.rds", PRIVATE) as path:
                r.call("bridge_save_rds", value=table, path=path)
        specs = {path: _spec(r, path) for path in models}
    for name, copy in _COPIES.items():
        if (source / name).is_file():
            shutil.copyfile(source / name, target / copy)
    for path in models:
        with replacing(target / path.name, PRIVATE) as place:
            shutil.copyfile(path, place)
    write_text(target / "voicerisk.R", _package_source())
    write_text(target / "fit.R", _script(source, settings, frames, segments, specs))
    return target


def _tables(source: Path, settings: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return frames and segments in the order and with the columns that the models saw."""
    calls = read_table(source, "calls")
    covariates = [name for name in settings["cohort"]["covariates"] if name in calls.columns]
    columns = _moderator(settings)
    known = calls[list(dict.fromkeys(["call_id", "sex", "outcome", *columns, *covariates]))]
    order = pd.Series(range(len(calls)), index=calls["call_id"])
    frames = read_table(source, "frames")
    segments = read_table(source, "segments").query("n_frames > 0")
    markers = [name for name in frames.columns if name not in _FRAME_KEYS]
    segments = segments[[name for name in segments.columns if name in [*_SEGMENT_KEYS, *markers]]]
    levels = settings["biomarkers"]["levels"]
    if levels == "caller":
        raise RBridgeError('A study with [biomarkers] levels = "caller" cannot be exported to R yet.')
    if levels != "frame":
        means = frames.groupby(["call_id", "segment"], sort=False)[markers].transform("mean")
        if levels == "segment":
            frames = frames.assign(**{name: means[name] for name in markers})
        else:
            two = {f"{name}_segment": means[name] for name in markers}
            two |= {f"{name}_deviation": frames[name] - means[name] for name in markers}
            frames = pd.concat([frames[_FRAME_KEYS], pd.DataFrame(two)], axis=1)
            segments = segments.rename(columns={name: f"{name}_segment" for name in markers})

    def ordered(table: pd.DataFrame, then: list[str]) -> pd.DataFrame:
        place = table["call_id"].map(order)
        table = table[place.notna()].assign(_place=place).sort_values(["_place", *then], kind="stable")
        return table.drop(columns="_place").merge(known, on="call_id", how="left", validate="many_to_one")

    return ordered(frames, ["segment", "frame"]), ordered(segments, ["segment"])


def _moderator(settings: dict[str, Any]) -> list[str]:
    """Return the columns that moderate; an older manifest has one name."""
    named = settings["cohort"].get("moderator", ["sex"])
    return [named] if isinstance(named, str) else list(named)


def _warn_of_code(place: Path) -> None:
    warnings.warn(
        f"{place}: an RDS file can hold code that runs when R uses it; go on only if you trust where it came "
        "from.",
        UserWarning,
        stacklevel=3,
    )


def _spec(r: Worker, path: Path) -> dict[str, Any]:
    """Return what a saved GAMM was asked to be, as plain Python values."""
    value = r.call("bridge_spec", fit=Rds(path)).value
    spec = {name: _plain(part) for name, part in value.items()}
    for name in ("markers", "random", "covariates", "linear", "k", "columns", "in_model"):
        part = spec[name]
        spec[name] = part if isinstance(part, list) else [part]
    spec["groups"] = dict(zip(("caller", "call", "segment"), spec["groups"], strict=True))
    spec["names"] = dict(zip(spec["columns"], spec["in_model"], strict=True))
    return spec


def _plain(part: Any) -> Any:
    if part is None:
        return []
    values = part if isinstance(part, list) else part.tolist()
    return values[0] if len(values) == 1 else values


def _package_source() -> str:
    files = [path for path in sorted(source_folder().glob("*.R")) if path.name not in _OUTSIDE_THE_PACKAGE]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def _script(
    source: Path,
    settings: dict[str, Any],
    frames: pd.DataFrame,
    segments: pd.DataFrame,
    specs: dict[Path, dict[str, Any]],
) -> str:
    text = HEAD.format(version=metadata.version("voicerisk"))
    columns = _moderator(settings)
    plain = len(columns) == 1
    if plain:
        callers = frames["caller_id"].groupby(frames[columns[0]].astype(str)).nunique()
        plain = bool((callers >= settings["cohort"].get("level_callers", 1)).all())
    notes = read_json(source / "gamm" / "notes.json", RBridgeError)
    kept = list(notes["kept"])
    for i, (path, spec) in enumerate(specs.items()):
        model = "without_random_intercepts" if spec["covariance"] != "model" else "with_random_intercepts"
        by_frame = settings["gamm"]["level"] == "frame" or any(
            name not in segments.columns for name in spec["markers"]
        )
        if not plain:
            text += f"\n# {path.name} is not refitted: its moderator is none, crossed, or has small levels.\n"
            continue
        text += f"\n# {path.name}" + gamm_part(spec, model, "frames" if by_frame else "segments", i == 0)
    saved = source / "boost" / "model.json"
    if saved.is_file():
        markers = json.loads(saved.read_text(encoding="utf-8"))["model"]["member"]["markers"]
        if plain and set(markers) <= set(frames.columns):
            text += SAVED
        else:
            text += (
                "\n# model.json is not applied here: its levels or covariates are no columns of the frames.\n"
            )
    if settings["screening"]["unit"] == "segment" and (source / "lasso_path.csv").is_file():
        terms = read_table(source, "screening")["term"]
        if all(name in segments.columns and not segments[name].isna().any() for name in terms):
            text += LASSO.format()
        else:
            text += "\n# The Lasso is not refitted: it used missing indicators or covariates.\n"
    if (source / "boost" / "risk_path_published.csv").is_file() and kept:
        gaps = [name for name in kept if frames[name].isna().any()]
        if plain and _boosts_by_level(settings["boost"], frames[columns[0]]):
            levels = sorted(frames[columns[0]].astype(str).unique())
            text += boost_part(settings["boost"], kept, gaps, levels, columns[0])
        else:
            text += (
                "\n# The boosted model is not refitted here: its moderator is none, crossed, of fractions or "
                "has small levels, or it has common curves or covariates. See vr_gamboost().\n"
            )
    return text


def _boosts_by_level(boost: dict[str, Any], moderator: pd.Series) -> bool:
    """Say whether the boosted model is one learner a marker and level, which `fit.R` can write."""
    if boost.get("common") or boost.get("covariates") or pd.api.types.is_float_dtype(moderator):
        return False
    return not boost["by_sex"] or set(moderator) <= {"female", "male"}


_SEXES = {"female": "female", "f": "female", "women": "female", "male": "male", "m": "male", "men": "male"}


def _sexes(column: pd.Series, other: str | None) -> pd.Series:
    """Spell sexes out; what is none becomes `other`, or stays."""
    spelt = column.astype(object).map(lambda value: _SEXES.get(str(value).strip().lower()))
    return spelt.fillna(column if other is None else other)


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model fitted in R, as the tables that the models fitted here give.

    Attributes
    ----------
    kind : str
        'mgcv' or 'mboost'.
    tables : dict of DataFrame
        mgcv: `smooths`, `terms`, `variance`, `fit`, `curves`, as `GammFit`'s. mboost: `path`, `learners`,
        `partial_effects` (the columns of `GamBoost.partial_effects`, and learner and by), `levels`. All in
        log-odds (mboost's half log-odds are doubled). The functions of `voicerisk.figures` draw `curves` and
        `partial_effects`. A sex written female/male/f/m/women/men in any case is spelt 'female' or 'male'.
    warnings : tuple of str
        R's own warnings.
    """

    kind: str
    tables: dict[str, pd.DataFrame]
    warnings: tuple[str, ...]


def import_rds(
    path: Path | str,
    *,
    points: int = 100,
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 1,
    worker: Worker | None = None,
) -> ImportedModel:
    """Read a gam, bam, gamm or mboost model that R saved, and return its tables.

    Parameters
    ----------
    path : Path or str
        File written by `saveRDS`. An RDS file can hold code: read only files that you trust. A warning says
        so each time.
    points : int
        Grid points a curve.
    confidence : float
        Level of the intervals.
    draws : int
        Draws behind the simultaneous intervals.
    seed : int
        Seed of R's generator.
    worker : Worker, optional
        A child with R to use; by default one is started and closed.

    Raises
    ------
    RBridgeError
        No such file, no binomial-logit model of mgcv or mboost, or a smooth that is not a curve.

    Examples
    --------
    >>> import voicerisk
    >>> voicerisk.import_rds("model.rds")  # doctest: +SKIP
    """
    file = Path(path)
    if not file.is_file():
        raise RBridgeError(f"There is no file {file}.")
    _warn_of_code(file)
    with nullcontext(worker) if worker is not None else Worker() as r:
        options = {"points": points, "level": confidence, "draws": draws}
        answer = r.call("bridge_import", model=Rds(file), args=options, seed=seed)
    tables = {name: part for name, part in answer.value.items() if isinstance(part, pd.DataFrame)}
    for name, table in tables.items():
        if name == "partial_effects":
            tables[name] = table.assign(sex=_sexes(table["by"], "all"))
        elif "sex" in table:
            tables[name] = table.assign(sex=_sexes(table["sex"], None))
    return ImportedModel(str(answer.value["kind"][0]), tables, answer.warnings)
