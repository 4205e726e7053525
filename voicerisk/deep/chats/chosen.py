"""Sessions chosen for explanation after a study has run: by their ids, the misses, the false alarms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.callers.schema import classes_of
from voicerisk.deep.chats.study import opened
from voicerisk.deep.chats.study_file import TextStudy
from voicerisk.errors import TextError
from voicerisk.pipeline.progress import Reporter, Silent


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions are to be explained.

    Parameters
    ----------
    sessions : tuple of str
        Ids.
    misses : bool
        Sessions of any class but the first that were taken for the first.
    false_alarms : bool
        Sessions of the first class that were taken for another one.
    most : int
        So many misses and so many false alarms, those that the model was surest of first.
    """

    sessions: tuple[str, ...] = ()
    misses: bool = False
    false_alarms: bool = False
    most: int = 10


@dataclass(frozen=True, slots=True)
class ChosenExplanations:
    """Where the explanations of chosen sessions are.

    Attributes
    ----------
    files : tuple of Path
        Private; none where no session was found.
    notes : tuple of str
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def choose(predictions: pd.DataFrame, wanted: Wanted) -> tuple[list[tuple[str, int]], list[str]]:
    """Choose held-out sessions, each by the first repeat that held it out.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table of one protocol and model.
    wanted : Wanted

    Returns
    -------
    chosen : list of (session_id, repeat)
        Each session once.
    notes : list of str
        How many misses and false alarms there were.

    Raises
    ------
    TextError
        If a session that was asked for was never held out.
    """
    table = predictions.sort_values(["repeat", "call_id"]).drop_duplicates("call_id")
    classes = classes_of(table)
    score = table[[f"p_raw_{name}" for name in classes]].to_numpy(dtype=np.float64)
    alarmed, ill = score.argmax(axis=1) != 0, (table["y"].astype(str) != classes[0]).to_numpy()
    found: list[tuple[str, int]] = []
    notes = []
    place = dict(zip(table["call_id"].astype(str), table["repeat"], strict=True))
    for name in wanted.sessions:
        if name not in place:
            raise TextError(
                f"Session {name!r} is in no test part of this study: it was left out, or every model learned "
                "from it and would be asked about what it knows; more [text] repeats hold out more sessions."
            )
        found.append((name, int(place[name])))
    for asked, whole, wrong, sure, what in (
        (wanted.misses, ill, ~alarmed, -score[:, 0], f"of another class than {classes[0]} were taken for it"),
        (wanted.false_alarms, ~ill, alarmed, score[:, 0], f"of {classes[0]} were taken for another class"),
    ):
        if asked:
            rows = np.flatnonzero(whole & wrong)
            shown = rows[np.argsort(sure[rows], kind="stable")][: wanted.most]
            found += [(str(table["call_id"].iloc[k]), int(table["repeat"].iloc[k])) for k in shown]
            notes.append(
                f"{len(rows)} of {int(whole.sum())} held-out sessions {what}; {len(shown)} of them are "
                "explained."
            )
    return list(dict.fromkeys(found)), notes


def explain_chosen(
    study: TextStudy,
    out: Path | str,
    model: str,
    wanted: Wanted,
    show_text: bool | None = None,
    reporter: Reporter | None = None,
) -> ChosenExplanations:
    """Explain chosen sessions of a study that has run, each by a model that did not learn from it.

    Parameters
    ----------
    study : TextStudy
    out : Path or str
        Results of `run_text_study` of this study.
    model : str
        One of the study's models.
    wanted : Wanted
    show_text : bool, optional
        Write messages and coloured words into the private pages. Default: as the study file says.
    reporter : Reporter, optional

    Returns
    -------
    ChosenExplanations

    Raises
    ------
    VoiceriskError
        If the study has not run, or a session was never held out.
    """
    if not (wanted.sessions or wanted.misses or wanted.false_alarms):
        raise TextError("Say which sessions to explain: their ids, the misses, or the false alarms.")
    if model not in study.text.models:
        raise TextError(f"The study has no model {model!r}; it has {', '.join(study.text.models)}.")
    shown = study.text.explain.show_text if show_text is None else show_text
    explain = replace(study.text.explain, models=(model,), show_text=shown)
    asked = replace(study, text=replace(study.text, explain=explain))
    with opened(asked, Path(out), model, reporter) as (run, predictions):
        from voicerisk.deep.chats.explain import Case, explain_cases

        chosen, notes = choose(predictions, wanted)
        if not chosen:
            return ChosenExplanations((), tuple(notes))
        subject = run.subject(model)
        rows = _rows(subject.cohort.sessions["session_id"], [name for name, _ in chosen])
        cases = [Case(row, repeat) for row, (_, repeat) in zip(rows, chosen, strict=True)]
        folder = run.explanations()
        # Words are coloured in pages that show them; of TF-IDF they cost nothing, of others the file says.
        words = cases if shown and (model == "tfidf" or explain.words) else []
        with (reporter or Silent()).stage("Explanations of chosen sessions") as move:
            files, said, _ = explain_cases(subject, cases, words, folder, f"{model}_chosen", move)
        return ChosenExplanations(tuple(folder / file for file in files), (*notes, *said))


def _rows(ids: pd.Series, names: Sequence[str]) -> list[int]:
    place = {str(name): row for row, name in enumerate(ids)}
    return [place[name] for name in names]
