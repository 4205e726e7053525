"""A cohort without the names of people: ids replaced by keyed hashes, free text left out."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from voicerisk.cohort.cohort import LEADING, Cohort
from voicerisk.errors import CohortError

LEAST_KEY = 16
DIGITS = 16


def pseudonym(name: str, kind: str, key: bytes) -> str:
    """Return the pseudonym of a name: `kind` and 16 hexadecimal digits of its HMAC-SHA256.

    The same name, kind and key give the same pseudonym on every machine; without the key nobody can tell
    which name it stands for, nor try names out.

    Examples
    --------
    >>> pseudonym("A. Smith", "caller", b"a key of sixteen+")
    'caller-6b9bf66fd0b1c0ea'
    """
    return f"{kind}-{hmac.new(key, f'{kind}:{name}'.encode(), hashlib.sha256).hexdigest()[:DIGITS]}"


def pseudonymise(
    cohort: Cohort, key: str | bytes, *, keep: Sequence[str] = (), keep_labels: bool = False
) -> Cohort:
    """Return the cohort as it may leave the house: no names, no file names, no free text.

    Parameters
    ----------
    cohort : Cohort
    key : str or bytes, at least 16 bytes
        Secret. With the same key the same people get the same pseudonyms, so tables exported at different
        times still fit together.
    keep : sequence of str
        Further columns of calls.csv to keep as they are. All others are dropped, since nobody can know what
        they hold.
    keep_labels : bool
        Keep the texts of labels. Raters wrote them about a person; they can name places and people.

    Returns
    -------
    Cohort
        The same rows, sorted by pseudonym: ids of calls, callers and raters replaced; `file` is the pseudonym
        of the call with the suffix of its file, `path` is empty; label texts, rows, files and values of
        exclusions are blanked, filters are not spelled out. `notes` says what was left out.

    Raises
    ------
    CohortError
        If the key is too short, a column to keep does not exist, or two ids get one pseudonym.

    Examples
    --------
    >>> shared = pseudonymise(cohort, key=os.environ["STUDY_KEY"], keep=["service"])  # doctest: +SKIP
    """
    secret = key.encode() if isinstance(key, str) else key
    if len(secret) < LEAST_KEY:
        raise CohortError(f"The key has {len(secret)} bytes; pseudonyms need one of at least {LEAST_KEY}.")
    columns = list(cohort.calls.columns)
    absent = [name for name in keep if name not in columns]
    if absent:
        raise CohortError(f"The calls have no column {absent[0]!r} to keep.")
    calls_of = _pseudonyms(_everyone(cohort), "call", secret)
    callers_of = _pseudonyms(cohort.calls["caller_id"], "caller", secret)
    raters_of = _pseudonyms(cohort.ratings["rater"], "rater", secret)

    kept = [name for name in columns if name in LEADING or name in keep]
    calls = cohort.calls[kept].assign(
        call_id=cohort.calls["call_id"].map(calls_of),
        caller_id=cohort.calls["caller_id"].map(callers_of),
        file=[
            calls_of[call] + PurePath(file).suffix.lower()
            for call, file in zip(cohort.calls["call_id"], cohort.calls["file"], strict=True)
        ],
        path="",
    )
    spans = cohort.spans.assign(call_id=cohort.spans["call_id"].map(calls_of))
    if not keep_labels:
        spans["label"] = ""
    exclusions = cohort.exclusions.assign(
        call_id=cohort.exclusions["call_id"].map(calls_of), file="", row=0, value=""
    )
    ratings = cohort.ratings.assign(
        call_id=cohort.ratings["call_id"].map(calls_of), rater=cohort.ratings["rater"].map(raters_of)
    )
    gates = {"gate": raters_of, "other_gate": raters_of, "call_id": calls_of}
    disagreements = cohort.disagreements.assign(row=0)
    for column, names in gates.items():
        disagreements[column] = disagreements[column].map(lambda one, names=names: names.get(one, one))
    dropped = [name for name in columns if name not in kept]
    return replace(
        cohort,
        calls=calls.sort_values("call_id", ignore_index=True),
        spans=spans.sort_values(["call_id", "segment"], ignore_index=True),
        flow=cohort.flow.assign(reason=cohort.flow["reason"].map(_reason)),
        exclusions=exclusions.assign(reason=exclusions["reason"].map(_reason)).sort_values(
            ["step", "call_id"], ignore_index=True, kind="stable"
        ),
        ratings=ratings.sort_values(["call_id", "rater"], ignore_index=True),
        disagreements=disagreements.sort_values("call_id", ignore_index=True, kind="stable"),
        notes=(_note(dropped, keep_labels),),
    )


def _everyone(cohort: Cohort) -> set[str]:
    tables = (cohort.calls, cohort.exclusions, cohort.ratings, cohort.disagreements)
    return {call for table in tables for call in table["call_id"]}


def _pseudonyms(names: Iterable[str], kind: str, key: bytes) -> Mapping[str, str]:
    found = {name: pseudonym(name, kind, key) for name in set(names)}
    if len(set(found.values())) < len(found):
        raise CohortError(f"Two {kind} ids get the same pseudonym with this key; use another key.")
    return found


def _reason(reason: str) -> str:
    """Blank the words of a filter, which may name people; that there was one is kept."""
    return f"filter: {reason.rpartition(': ')[2]}" if reason.startswith("where ") else reason


def _note(dropped: Sequence[str], keep_labels: bool) -> str:
    parts = ["ids are pseudonyms, file names and rows are blanked"]
    if not keep_labels:
        parts.append("label texts are left out")
    if dropped:
        parts.append(f"{len(dropped)} further columns are left out")
    return f"Pseudonymised: {', '.join(parts)}."
