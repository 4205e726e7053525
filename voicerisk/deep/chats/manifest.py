"""`manifest.json` of a study of text: settings, versions, hashes, seeds, timings, notes."""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from voicerisk.deep.chats.study_file import TextStudy
from voicerisk.files import write_json
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.study.output.metrics import without_folders

PACKAGES = ("voicerisk", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "torch", "transformers",
            "tokenizers", "safetensors", "shap")  # fmt: skip


def write_text_manifest(
    study: TextStudy,
    folder: ResultsFolder,
    inputs: Mapping[str, str],
    encoder: str,
    parts: Mapping[str, Mapping[str, str]],
) -> None:
    """Write the manifest; no absolute path, no id and no text enters it.

    Parameters
    ----------
    study : TextStudy
    folder : ResultsFolder
    inputs : mapping of str to str
        Name of each table read to its SHA-256.
    encoder : str
        Hash of the encoder, '' without one.
    parts : mapping
        Protocol to model to the stem of its part in the folder.
    """
    notes: dict[str, Any] = {}
    for protocol, models in parts.items():
        notes[protocol] = {}
        for name, part in models.items():
            facts = json.loads(folder.file(f"{part}.json").read_text(encoding="utf-8"))["facts"]
            notes[protocol][name] = {f"repeat {number}": one for number, one in enumerate(facts)}
    write_json(
        folder.file("manifest.json"),
        {
            "kind": "text",
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "study_file": {"name": study.path.name, "sha256": study.digest},
            "inputs": {Path(name).name: digest for name, digest in inputs.items()},
            "encoder": encoder,
            "settings": without_folders(study.as_dict()),
            "seed": study.text.seed,
            "protocols": list(study.text.protocols),
            "protocol_notes": notes,
            "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
            "stages": {
                name: {key: record[key] for key in ("seconds", "notes", "outputs")}
                for name, record in folder.records().items()
            },
        },
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
