"""A saved multitask model on cases of others: the risks that its study would have reported."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.deep.extra import require_deep
from voicerisk.deep.multitask.cases import load_cases
from voicerisk.deep.multitask.embeddings import embed_cases
from voicerisk.deep.multitask.model_file import load_model_file
from voicerisk.deep.multitask.settings import MultitaskSettings
from voicerisk.deep.multitask.study_file import MultitaskStudy
from voicerisk.errors import MultitaskError
from voicerisk.pipeline.study_file import as_json

# How text and sound become numbers: what differs here makes other inputs of the same name.
TEXT, SOUND = ("max_tokens", "pooling"), ("sound", "crop")


@dataclass(frozen=True, slots=True)
class CaseScores:
    """Scores of cases.

    Attributes
    ----------
    cases : DataFrame
        case_id, person_id, then for each task p_<task>_<class> (recalibrated) and likeliest_<task>.
    classes : mapping of str to tuple of str
        Classes of each task, from least to most severe.
    notes : tuple of str
    """

    cases: pd.DataFrame
    classes: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


def input_settings(settings: MultitaskSettings, folder: Path, combination: str) -> dict[str, Any]:
    """Return how the inputs of a combination are made, in values that JSON knows.

    Parameters
    ----------
    settings : MultitaskSettings
    folder : Path
        Of the study file, from which the encoders' folders resolve.
    combination : str
        As "W+E".

    Returns
    -------
    dict
        `settings` that shape them, and by symbol the `encoders`' content (not where they lie).
    """
    from voicerisk.biomarkers import DEFINITION_VERSION
    from voicerisk.deep.networks.encoders import folder_identity

    symbols = combination.split("+")
    kinds = {settings.modalities[symbol] for symbol in symbols}
    keys = [*(TEXT if "text" in kinds else ()), *(SOUND if "audio" in kinds else ())]
    places = {**settings.audio_encoders, **settings.text_encoders}
    return {
        "settings": {key: as_json(getattr(settings, key)) for key in keys},
        "encoders": {
            symbol: folder_identity(folder / places[symbol])
            if symbol in places
            else f"voice biomarkers, version {DEFINITION_VERSION}"
            for symbol in symbols
        },
    }


def score_cases(model_file: Path, study: MultitaskStudy, cases: Path | None = None) -> CaseScores:
    """Score cases with a model of `models/final/`.

    Parameters
    ----------
    model_file : Path
    study : MultitaskStudy
        Names the columns of the cases, and where the encoders lie; no score and no outcome is read.
    cases : Path, optional
        Table of the cases; that of the study file by default.

    Returns
    -------
    CaseScores

    Raises
    ------
    VoiceriskError
        Where the file is no model, the study names other encoders or reads sound or text otherwise than the
        model's study did, or the cases cannot be read.

    Examples
    --------
    >>> score_cases(file, load_multitask_study("new.toml")).cases  # doctest: +SKIP
    """
    require_deep("Scoring cases", "torch", "transformers", "safetensors")
    model, seen = load_model_file(model_file)
    combination = "+".join(model.symbols)
    settings = study.settings
    unknown = [symbol for symbol in model.symbols if symbol not in settings.modalities]
    if unknown:
        raise MultitaskError(
            f"{model_file.name} takes the input {unknown[0]}, which {study.path.name} does not name; name "
            "its encoder in [multitask] audio_encoders or text_encoders."
        )
    _same(seen, input_settings(settings, study.folder, combination), model_file.name, study.path.name)
    asked = replace(
        settings,
        cases=settings.cases if cases is None else str(cases.resolve()),
        audio_encoders=_of(settings.audio_encoders, model.symbols),
        text_encoders=_of(settings.text_encoders, model.symbols),
        biomarkers=settings.biomarkers and "B" in model.symbols,
        inputs=(combination,),
    )
    loaded = load_cases(asked, study.folder, scored=False)
    features, notes = embed_cases(loaded.table, asked, study.folder, None)
    table = loaded.table[["case_id", "person_id"]].copy()
    for task, (_, p) in model.predict(features.of(combination)).items():
        names = model.classes[task]
        for number, name in enumerate(names):
            table[f"p_{task}_{name}"] = p[:, number]
        table[f"likeliest_{task}"] = np.asarray(names, dtype=object)[p.argmax(axis=1)]
    gone = loaded.flow[loaded.flow["n"] > 0]
    left = [f"{row['n']} cases were not scored: {row['reason']}." for row in gone.to_dict("records")]
    classes = {task: tuple(names) for task, names in model.classes.items()}
    return CaseScores(table, classes, (*left, *loaded.notes, *notes))


def _of(encoders: Mapping[str, str], symbols: tuple[str, ...]) -> dict[str, str]:
    return {symbol: place for symbol, place in encoders.items() if symbol in symbols}


def _same(seen: Mapping[str, Any], own: Mapping[str, Any], model: str, study: str) -> None:
    """Refuse a study that would make other inputs than the model learned from."""
    for symbol, content in seen.get("encoders", {}).items():
        if own["encoders"][symbol] != content:
            raise MultitaskError(
                f"{study}: the encoder {symbol} is not the one that {model} was trained with; name that one."
            )
    for key, value in seen.get("settings", {}).items():
        if own["settings"][key] != value:
            raise MultitaskError(
                f"{study}: [multitask] {key} is {own['settings'][key]!r}, but {model} was trained with "
                f"{value!r}; write the same."
            )
