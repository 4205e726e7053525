"""The tables that join all protocols, and the manifest that says what everything was made from."""

import json
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

import pandas as pd

from voicerisk.biomarkers import DEFINITION_VERSION
from voicerisk.files import PRIVATE, sha256_file, write_csv, write_json
from voicerisk.study.folder import ResultsFolder
from voicerisk.study.protocols import joined, part_of
from voicerisk.study.settings import Study
from voicerisk.validation import compute_metrics

PACKAGES = ("voicerisk", "numpy", "scipy", "pandas", "numba", "scikit-learn", "python-glmnet", "soundfile",
            "soxr", "statsmodels", "matplotlib", "rpy2-rinterface")  # fmt: skip


def write_metrics(
    study: Study, folder: ResultsFolder, protocols: Sequence[str], move: Callable[[int, int], None]
) -> tuple[list[str], list[str]]:
    """Measure all predictions; write `metrics.csv`, `thresholds.csv`, `tuning.csv` and `provenance.json`."""
    tables = [pd.read_parquet(folder.file(f"predictions_{name}.parquet")) for name in protocols]
    metrics = compute_metrics(
        pd.concat(tables, ignore_index=True),
        study.validation,
        subgroups=list(dict.fromkeys(["sex", *study.cohort.strata])),
        progress=move,
    )
    write_csv(folder.file("metrics.csv"), metrics)
    write_csv(folder.file("thresholds.csv"), joined(folder, protocols, "thresholds.csv"))
    write_csv(folder.file("tuning.csv"), joined(folder, protocols, "tuning.csv"))
    provenance = {
        name: json.loads(folder.file(f"{part_of(name)}/provenance.json").read_text(encoding="utf-8"))
        for name in protocols
    }
    write_json(folder.file("provenance.json"), provenance, PRIVATE)
    return ["metrics.csv", "thresholds.csv", "tuning.csv", "provenance.json"], []


def write_manifest(study: Study, folder: ResultsFolder, protocols: Sequence[str]) -> None:
    """Write `manifest.json`: settings, versions, hashes of inputs and outputs, seeds, timings, notes.

    No absolute path and no caller id enters it.
    """
    records = folder.records()
    calls_table = study.folder / study.cohort.calls
    notes = {
        name: json.loads(folder.file(f"{part_of(name)}/notes.json").read_text(encoding="utf-8"))
        for name in protocols
    }
    for part in notes.values():
        part.pop("fits", None)
    write_json(
        folder.file("manifest.json"),
        {
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "study_file": {"name": study.path.name, "sha256": study.digest},
            "calls_table": {"name": calls_table.name, "sha256": sha256_file(calls_table)},
            "recordings": _recordings(folder),
            "settings": without_folders(study.as_dict()),
            "seed": study.validation.seed,
            "protocols": list(protocols),
            "protocol_notes": notes,
            "biomarker_definitions": DEFINITION_VERSION,
            "versions": {"python": platform.python_version(), **_versions(), "r": _r_versions(folder)},
            "stages": {
                name: {key: record[key] for key in ("seconds", "notes", "outputs")}
                for name, record in records.items()
            },
        },
    )


def without_folders(value: Any) -> Any:
    """Return settings in which an absolute path is but its last part: a manifest is made to be shared."""
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def _recordings(folder: ResultsFolder) -> dict[str, str]:
    """Return the hash of each call's decoded samples."""
    channel = pd.read_csv(folder.file("channel.csv"), dtype={"call_id": str})
    return dict(zip(channel["call_id"], channel["sha256"], strict=True)) if "sha256" in channel else {}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _r_versions(folder: ResultsFolder) -> dict[str, str]:
    """Return the versions of R and mgcv that fitted the GAMM."""
    notes = json.loads(folder.file("gamm/notes.json").read_text(encoding="utf-8"))
    return dict(notes.get("versions", {}))
