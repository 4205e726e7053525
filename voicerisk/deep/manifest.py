"""`manifest.json` of a study with networks: settings, versions, hashes, seeds, timings, notes."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import Any

from voicerisk.files import write_json
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.study.output.metrics import without_folders

PACKAGES = ("voicerisk", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "torch", "transformers",
            "tokenizers", "safetensors", "shap")  # fmt: skip


def write_manifest(
    folder: ResultsFolder,
    kind: str,
    study_file: tuple[str, str],
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    **more: Any,
) -> None:
    """Write the manifest; no absolute path, no id and no text enters it.

    Parameters
    ----------
    folder : ResultsFolder
    kind : {'text', 'multitask'}
    study_file : (str, str)
        Its name and the SHA-256 of its bytes.
    inputs : mapping of str to str
        Name of each table read to its SHA-256.
    settings : mapping
        All settings, in values that JSON knows.
    more
        Further entries: encoders, seed, protocols.
    """
    write_json(
        folder.file("manifest.json"),
        {
            "kind": kind,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "study_file": {"name": study_file[0], "sha256": study_file[1]},
            "inputs": {Path(name).name: digest for name, digest in inputs.items()},
            "settings": _finite(without_folders(dict(settings))),
            **more,
            "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
            "stages": {
                name: {key: record[key] for key in ("seconds", "notes", "outputs")}
                for name, record in folder.records().items()
            },
        },
    )


def _finite(value: Any) -> Any:
    """Return settings in which a bound that is not there (infinite) is null: JSON knows no infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
