"""`manifest.json` of a study of text: what every study with networks says, and the facts of each model."""

import json
from collections.abc import Mapping
from typing import Any

from voicerisk.deep.chats.study_file import TextStudy
from voicerisk.deep.manifest import write_manifest
from voicerisk.pipeline.results_folder import ResultsFolder


def write_text_manifest(
    study: TextStudy,
    folder: ResultsFolder,
    inputs: Mapping[str, str],
    encoder: str,
    parts: Mapping[str, Mapping[str, str]],
) -> None:
    """Write the manifest.

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
    write_manifest(
        folder,
        "text",
        (study.path.name, study.digest),
        inputs,
        study.as_dict(),
        encoder=encoder,
        seed=study.text.seed,
        protocols=list(study.text.protocols),
        protocol_notes=notes,
    )
