"""The stage of explanations: held-out sessions of the first repeat, messages always, words where asked."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from scipy.special import softmax

from voicerisk.callers.streams import Stream, generator
from voicerisk.deep.chats.explanation_pages import write_html, write_pdf
from voicerisk.deep.chats.message_explanations import (
    background_of,
    explain_messages,
    message_table,
    sessions_to_explain,
)
from voicerisk.deep.chats.models import TextModel
from voicerisk.errors import ModelError
from voicerisk.files import PRIVATE, write_csv
from voicerisk.text.sessions import TextCohort
from voicerisk.text.settings import ExplainSettings
from voicerisk.text.splits import Split
from voicerisk.text.words import category_table, read_lexicons, word_table

# Rounding alone: both ways of computing telescope.
ADDITIVE = 1e-8


def write_explanations(
    name: str,
    model: TextModel,
    cohort: TextCohort,
    split: Split,
    settings: ExplainSettings,
    seed: int,
    out: Path,
    *,
    mask_token: str | None = None,
    lexicons: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[str], list[str]]:
    """Explain held-out sessions and write tables and pages.

    Parameters
    ----------
    name : str
        Of the model; starts the names of the files.
    model : TextModel
        Fitted on this split.
    cohort : TextCohort
    split : Split
    settings : ExplainSettings
    seed : int
    out : Path
        Folder of explanations.
    mask_token : str, optional
        For the baseline 'mask'.
    lexicons : Path, optional
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
    labels = cohort.sessions["label"].to_numpy(dtype=str)
    ids = cohort.sessions["session_id"].to_numpy(dtype=str)
    users = cohort.sessions["user_id"].to_numpy(dtype=str)
    test = split.test
    chosen = [
        int(test[k])
        for k in sessions_to_explain(model, [cohort.texts[k] for k in test], labels[test], settings.sessions)
    ]
    reference = [text for k in split.fit if labels[k] == cohort.classes[0] for text in cohort.texts[k]]
    hidden = background_of(settings.baseline, reference, mask_token)
    others = [int(k) for k in test if k not in set(chosen)]
    asked = (chosen + others)[: settings.words]
    total = len(chosen) + len(asked)
    tables, gaps = [], []
    for number, k in enumerate(chosen):
        rng = generator(Stream.CHAT_EXPLANATIONS, seed, k)
        found = explain_messages(model, cohort.texts[k], settings.permutations, rng, hidden)
        if found.gap > ADDITIVE:
            raise ModelError(f"Contributions of session {ids[k]!r} miss their sum by {found.gap:.2g}.")
        gaps.append(found.gap)
        tables.append(message_table(ids[k], cohort.texts[k], found, cohort.classes, settings.show_text))
        if progress is not None:
            progress(number + 1, total)
    messages = pd.concat(tables, ignore_index=True)
    words, word_gap = _words(model, cohort, asked, settings, len(chosen), total, progress)

    risks = softmax(model.logits([cohort.texts[k] for k in chosen]), axis=1)
    probabilities = pd.DataFrame(risks, columns=list(cohort.classes))
    probabilities.insert(0, "label", labels[chosen])
    probabilities.insert(0, "session_id", ids[chosen])
    write_csv(out / f"{name}_messages.csv", messages, PRIVATE)
    shown = words if settings.show_text else words.iloc[:0]
    write_html(out / f"{name}.html", messages, shown, probabilities)
    write_pdf(out / f"{name}.pdf", messages, probabilities)
    written = [f"{name}_messages.csv", f"{name}.html", f"{name}.pdf"]
    error = float(messages["monte_carlo_se"].max())
    notes = [
        f"{name}: messages of {len(chosen)} held-out sessions explained (hidden messages: "
        f"{settings.baseline}; "
        f"logit contrasts); contributions add up to {max(gaps):.1g}, Monte Carlo error at most {error:.2g}."
    ]
    if len(words):
        words = words.assign(user_id=words["session_id"].map(dict(zip(ids, users, strict=True))))
        table, gone = word_table(words, cohort.classes, settings.min_sessions)
        write_csv(out / f"{name}_words.csv", table, PRIVATE)
        written.append(f"{name}_words.csv")
        notes.append(
            f"{name}: words of {len(asked)} sessions explained, adding up to {word_gap:.1g}; "
            f"{gone['words']} words "
            f"that fewer than {settings.min_sessions} users used are not in the table of words."
        )
        if lexicons is not None:
            categories = category_table(words, read_lexicons(lexicons), cohort.classes)
            write_csv(out / f"{name}_categories.csv", categories, PRIVATE)
            written.append(f"{name}_categories.csv")
    return written, notes


def _words(
    model: TextModel,
    cohort: TextCohort,
    rows: list[int],
    settings: ExplainSettings,
    before: int,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[pd.DataFrame, float]:
    if not rows:
        return pd.DataFrame(columns=["session_id", "user_id", "message", "word"]), 0.0
    from voicerisk.deep.chats.word_explanations import explain_words

    tables, gaps = [], []
    for number, k in enumerate(rows):
        session = cohort.sessions.iloc[k]
        table, gap = explain_words(
            model,
            str(session["session_id"]),
            str(session["user_id"]),
            cohort.texts[k],
            settings.word_evaluations,
        )
        tables.append(table)
        gaps.append(gap)
        if progress is not None:
            progress(before + number + 1, total)
    return pd.concat(tables, ignore_index=True), max(gaps)
