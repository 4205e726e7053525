"""Explanations of held-out sessions by models that did not learn from them: messages, words where asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from voicerisk.callers.streams import Stream, generator
from voicerisk.deep.chats.explanation_pages import Shade, write_html, write_pdf
from voicerisk.deep.chats.message_explanations import (
    Background,
    background_of,
    explain_messages,
    message_table,
    sessions_to_explain,
)
from voicerisk.deep.chats.models import TextModel
from voicerisk.deep.chats.word_explanations import explain_words
from voicerisk.errors import ModelError
from voicerisk.files import PRIVATE, write_csv
from voicerisk.text.sessions import TextCohort
from voicerisk.text.settings import ExplainSettings
from voicerisk.text.splits import Split
from voicerisk.text.tfidf import TfidfModel
from voicerisk.text.word_weights import weight_table
from voicerisk.text.words import category_table, read_lexicons, word_table

# Rounding alone: both ways of computing telescope.
ADDITIVE = 1e-8
# Beyond twice its standard deviation a value is seldom noise alone.
TWICE = 2.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What is explained: one model of a study, as each repeat learned it.

    Parameters
    ----------
    name : str
    models : tuple of TextModel
        One a repeat.
    cohort : TextCohort
    splits : tuple of Split
        One a repeat.
    settings : ExplainSettings
    seed : int
    mask_token : str or None
        For the baseline 'mask'.
    lexicons : Path or None
    """

    name: str
    models: tuple[TextModel, ...]
    cohort: TextCohort
    splits: tuple[Split, ...]
    settings: ExplainSettings
    seed: int
    mask_token: str | None = None
    lexicons: Path | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A session to explain.

    Parameters
    ----------
    row : int
        Its row in the cohort.
    repeat : int
        One whose test part holds it: its model explains.
    """

    row: int
    repeat: int


def first_cases(subject: Subject) -> list[Case]:
    """Choose sessions of the first repeat: of each class those of highest score for it."""
    cohort, test = subject.cohort, subject.splits[0].test
    labels = cohort.sessions["label"].to_numpy(dtype=str)
    texts = [cohort.texts[k] for k in test]
    found = sessions_to_explain(subject.models[0], texts, labels[test], subject.settings.sessions)
    return [Case(int(test[k]), 0) for k in found]


def write_explanations(
    subject: Subject, out: Path, progress: Callable[[int, int], None] | None = None
) -> tuple[list[str], list[str]]:
    """Explain held-out sessions of the first repeat; write pages, and tables of messages and words.

    Parameters
    ----------
    subject : Subject
    out : Path
        Folder of explanations.
    progress : callable, optional

    Returns
    -------
    written, notes : list of str
        Names of files in `out`; what the additivity and the Monte Carlo error were.

    Raises
    ------
    ModelError
        If contributions do not add up to 1e-8.
    """
    cohort, settings = subject.cohort, subject.settings
    cases = first_cases(subject)
    chosen = {case.row for case in cases}
    others = [Case(int(k), 0) for k in subject.splits[0].test if k not in chosen]
    asked = (cases + others)[: settings.words]
    written, notes, words = explain_cases(subject, cases, asked, out, subject.name, progress)
    if len(words):
        table, gone = word_table(words, cohort.classes, settings.min_sessions)
        write_csv(out / f"{subject.name}_words.csv", table, PRIVATE)
        written.append(f"{subject.name}_words.csv")
        notes.append(
            f"{subject.name}: {gone['words']} words that fewer than {settings.min_sessions} users used are "
            "not in the table of words."
        )
        if subject.lexicons is not None:
            categories = category_table(words, read_lexicons(subject.lexicons), cohort.classes)
            write_csv(out / f"{subject.name}_categories.csv", categories, PRIVATE)
            written.append(f"{subject.name}_categories.csv")
    plain = [model for model in subject.models if isinstance(model, TfidfModel)]
    if plain:
        users = cohort.sessions["user_id"].to_numpy(dtype=str)
        weights, rare = weight_table(plain, cohort.texts, list(users), settings.min_sessions)
        write_csv(out / f"{subject.name}_weights.csv", weights, PRIVATE)
        written.append(f"{subject.name}_weights.csv")
        notes.append(
            f"{subject.name}: {rare} words and pairs that fewer than {settings.min_sessions} users wrote "
            "are not in the table of weights."
        )
    return written, notes


def explain_cases(
    subject: Subject,
    cases: Sequence[Case],
    asked: Sequence[Case],
    out: Path,
    stem: str,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[str], list[str], pd.DataFrame]:
    """Explain the messages of some sessions and the words of some, and write the pages.

    Parameters
    ----------
    subject : Subject
    cases : sequence of Case
        Their messages are explained; each session once.
    asked : sequence of Case
        Their words are explained.
    out : Path
    stem : str
        Starts the names of the files.
    progress : callable, optional

    Returns
    -------
    written, notes : list of str
    words : DataFrame
        session_id, user_id, message, position, word, and one column a class.
    """
    settings = subject.settings
    hidden = _hidden(subject)
    total = len(cases) + len(asked)
    tables, gaps = [], []
    for number, case in enumerate(cases):
        table, gap = _messages(subject, case, hidden[case.repeat])
        tables.append(table)
        gaps.append(gap)
        if progress is not None:
            progress(number + 1, total)
    messages = pd.concat(tables, ignore_index=True)
    words, word_gap, word_noise = _words(subject, asked, len(cases), total, progress)
    shade = Shade.over(messages, word_noise)
    about = _about(subject, cases)
    write_csv(out / f"{stem}_messages.csv", messages, PRIVATE)
    shown = words if settings.show_text else words.iloc[:0]
    write_html(out / f"{stem}.html", messages, shown, about, shade)
    write_pdf(out / f"{stem}.pdf", messages, about, shade)
    error = float(messages["monte_carlo_se"].max())
    notes = [
        f"{stem}: messages of {len(cases)} held-out sessions explained (hidden messages: "
        f"{settings.baseline}; logit contrasts); contributions add up to {max(gaps):.1g}, Monte Carlo error "
        f"at most {error:.2g}."
    ]
    if len(subject.models) == 1:
        notes.append(
            f"{stem}: one repeat alone, so that the spread between models is not known; colours leave out "
            "Monte Carlo error alone."
        )
    if len(words):
        notes.append(f"{stem}: words of {len(asked)} sessions explained, adding up to {word_gap:.1g}.")
    return [f"{stem}_messages.csv", f"{stem}.html", f"{stem}.pdf"], notes, words


def _hidden(subject: Subject) -> list[Background]:
    """Return what stands in the place of hidden messages, in each repeat from its own training part."""
    cohort = subject.cohort
    labels = cohort.sessions["label"].to_numpy(dtype=str)
    return [
        background_of(
            subject.settings.baseline,
            [text for k in split.fit if labels[k] == cohort.classes[0] for text in cohort.texts[k]],
            subject.mask_token,
        )
        for split in subject.splits
    ]


def _messages(subject: Subject, case: Case, hidden: Background) -> tuple[pd.DataFrame, float]:
    """Explain one session by the model of its repeat; the others say how far models differ."""
    cohort, settings = subject.cohort, subject.settings
    texts, session = cohort.texts[case.row], str(cohort.sessions["session_id"].iloc[case.row])
    found = [
        explain_messages(
            model, texts, settings.permutations, generator(Stream.CHAT_EXPLANATIONS, subject.seed, case.row),
            hidden,
        )
        for model in subject.models
    ]  # fmt: skip
    own = found[case.repeat]
    if own.gap > ADDITIVE:
        raise ModelError(f"Contributions of session {session!r} miss their sum by {own.gap:.2g}.")
    spread = np.full(own.values.shape, np.nan)
    if len(found) > 1:
        spread = np.std([one.values for one in found], axis=0, ddof=1)
    table = message_table(session, texts, own, cohort.classes, settings.show_text)
    # Rows are messages, and within each the classes.
    return table.assign(between_models_sd=spread.ravel()), own.gap


def _words(
    subject: Subject,
    asked: Sequence[Case],
    before: int,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[pd.DataFrame, float, dict[str, float]]:
    """Explain words; where they are to be shown, a second model says how far models differ."""
    classes = list(subject.cohort.classes)
    if not asked:
        return pd.DataFrame(columns=["session_id", "user_id", "message", "word"]), 0.0, {}
    tables, gaps, differences = [], [], []
    for number, case in enumerate(asked):
        texts, evaluations = subject.cohort.texts[case.row], subject.settings.word_evaluations
        table, gap = explain_words(subject.models[case.repeat], texts, evaluations)
        if subject.settings.show_text and len(subject.models) > 1:
            other = subject.models[(case.repeat + 1) % len(subject.models)]
            again, _ = explain_words(other, texts, evaluations)
            differences.append(table[classes].to_numpy() - again[classes].to_numpy())
        session = subject.cohort.sessions.iloc[case.row]
        table.insert(0, "user_id", str(session["user_id"]))
        table.insert(0, "session_id", str(session["session_id"]))
        tables.append(table)
        gaps.append(gap)
        if progress is not None:
            progress(before + number + 1, total)
    noise = np.zeros(len(classes))
    if differences:
        # A difference of two models has twice the variance of one.
        noise = TWICE * np.sqrt((np.concatenate(differences) ** 2).mean(axis=0) / 2.0)
    return pd.concat(tables, ignore_index=True), max(gaps), dict(zip(classes, noise.tolist(), strict=True))


def _about(subject: Subject, cases: Sequence[Case]) -> pd.DataFrame:
    """Return what heads each session: its class, what it was taken for, which logit is shown, and scores."""
    cohort = subject.cohort
    rows = []
    for case in cases:
        session = cohort.sessions.iloc[case.row]
        p = softmax(subject.models[case.repeat].logits([cohort.texts[case.row]]), axis=1)[0]
        label, taken = str(session["label"]), cohort.classes[int(p.argmax())]
        # What raised a false alarm is seen in the logit of the class that was alarmed for.
        explained = taken if label == cohort.classes[0] else label
        about = {"session_id": str(session["session_id"]), "label": label, "taken": taken}
        rows.append(about | {"explained": explained} | dict(zip(cohort.classes, p.tolist(), strict=True)))
    return pd.DataFrame(rows)
