"""What the words of a TF-IDF model weigh: read off its coefficients, exactly, without shap."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from voicerisk.text.cleaning import words_of
from voicerisk.text.probabilities import contrasts
from voicerisk.text.tfidf import TfidfModel, terms_of, weigh

COLUMNS = ("class", "term", "n_sessions", "n_users", "mean", "sd", "n_models")


def word_contributions(model: TfidfModel, texts: Sequence[str]) -> pd.DataFrame:
    """Return what each word of a session adds to the logit of each class against the reference class.

    The model is a sum over terms, so that each term's part is known without hiding anything: its weight in
    the session times its coefficient. Occurrences of a term share it alike; so do the two words of a pair.

    Parameters
    ----------
    model : TfidfModel
    texts : sequence of str
        Cleaned messages.

    Returns
    -------
    DataFrame
        message (1 is the first), position, word (lower case), and one column a class. Together the words add
        up to the session's logits less the intercepts.
    """
    place = {term: k for k, term in enumerate(model.vocabulary)}
    of_term = weigh([texts], place, model.idf).toarray()[0][:, None] * contrasts(model.coefficients.T)
    words: list[str] = []
    message: list[int] = []
    uses: dict[int, list[tuple[int, ...]]] = {}
    for number, text in enumerate(texts, start=1):
        own = words_of(text)
        first = len(words)
        words += own
        message += [number] * len(own)
        terms: list[tuple[str, tuple[int, ...]]] = [(one, (first + k,)) for k, one in enumerate(own)]
        terms += [(f"{a} {b}", (first + k, first + k + 1)) for k, (a, b) in enumerate(pairwise(own))]
        for term, at in terms:
            if term in place:
                uses.setdefault(place[term], []).append(at)
    values = np.zeros((len(words), len(model.classes)))
    for k, places in uses.items():
        for at in places:
            values[list(at)] += of_term[k] / (len(places) * len(at))
    table = pd.DataFrame({"message": message, "position": np.arange(len(words)), "word": words})
    return table.assign(**{name: values[:, k] for k, name in enumerate(model.classes)})


def weight_table(
    models: Sequence[TfidfModel], sessions: Sequence[Sequence[str]], users: Sequence[str], min_users: int
) -> tuple[pd.DataFrame, int]:
    """Gather the weights of terms over the models of all repeats.

    Parameters
    ----------
    models : sequence of TfidfModel
        Of one study, of the same classes.
    sessions : sequence of sequence of str
        All sessions of the study, cleaned.
    users : sequence of str
        The user of each session.
    min_users : int
        A term that fewer users wrote is left out, so that no rare word points at a person.

    Returns
    -------
    table : DataFrame
        class, term, n_sessions, n_users, mean and sd over the models of coefficient times idf (against the
        reference class; a model that does not know the term gives 0; sd is missing with one model),
        n_models (that know it); the largest mean of each class first.
    suppressed : int
        Terms that were left out.

    Examples
    --------
    >>> model = TfidfModel(("NS", "SI"), ("allein",), np.ones(1), np.array([[-1.0], [1.0]]), np.zeros(2), 1.0)
    >>> table, suppressed = weight_table([model], [["allein"], ["allein hier"]], ["u1", "u2"], 2)
    >>> table[["class", "term", "mean"]].values.tolist(), suppressed
    ([['NS', 'allein', -2.0], ['SI', 'allein', 2.0]], 0)
    """
    known: dict[str, list[int]] = {}
    for number, model in enumerate(models):
        for k, term in enumerate(model.vocabulary):
            known.setdefault(term, [-1] * len(models))[number] = k
    seen: dict[str, tuple[set[int], set[str]]] = {term: (set(), set()) for term in known}
    for number, (texts, user) in enumerate(zip(sessions, users, strict=True)):
        for term in set(terms_of(texts)) & seen.keys():
            seen[term][0].add(number)
            seen[term][1].add(user)
    kept = sorted(term for term, (_, own) in seen.items() if len(own) >= min_users)
    at = np.array([known[term] for term in kept], dtype=np.int64).reshape(len(kept), len(models))
    weights = np.zeros((len(models), len(kept), len(models[0].classes)))
    for number, model in enumerate(models):
        inside = at[:, number] >= 0
        rows = at[inside, number]
        weights[number, inside] = contrasts(model.coefficients.T[rows]) * model.idf[rows, None]
    spread = weights.std(axis=0, ddof=1) if len(models) > 1 else np.full(weights.shape[1:], np.nan)
    parts = [
        pd.DataFrame(
            {
                "class": name, "term": kept, "n_sessions": [len(seen[term][0]) for term in kept],
                "n_users": [len(seen[term][1]) for term in kept], "mean": weights[..., k].mean(axis=0),
                "sd": spread[:, k], "n_models": (at >= 0).sum(axis=1),
            }
        ).sort_values(["mean", "term"], ascending=[False, True])
        for k, name in enumerate(models[0].classes)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)], len(known) - len(kept)
