"""From a table of messages to cleaned, labelled sessions; all that left and was cut is counted."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voicerisk.errors import TextError
from voicerisk.intake import look_alikes
from voicerisk.text.cleaning import clean_text, words_of
from voicerisk.text.coding import CSSRS_ITEMS, NO, YES, code_sessions, consensus
from voicerisk.text.messages import as_id, in_time_order, read_table, require, row_of
from voicerisk.text.settings import AGE_BAND, TextSettings

# A session with so many words is not written twice by chance.
COPY_WORDS = 10
FEW_USERS = 10
MANY_ROLES = 12
BAND = r"^(\d+)(?:\.0)?\s*(?:\+|(?:-|–|to|bis)\s*\d+)$"
ROLE = re.compile(r"[\w-]{0,20}")
_EMPTY = frozenset({"", "na", "nan", "none", "<na>"})


@dataclass(frozen=True, slots=True)
class TextCohort:
    """Sessions that are studied.

    Attributes
    ----------
    sessions : DataFrame
        session_id, user_id, label, age (NaN where not known), n_messages, n_words (both before cutting),
        messages_cut; sorted by session_id.
    texts : tuple of tuple of str
        Cleaned messages of each session, in the order of `sessions` and of time, after cutting.
    classes : tuple of str
    flow : DataFrame
        step, reason, unit ('session', and 'user' where users are known), n, remaining.
    exclusions : DataFrame
        session_id, step, reason.
    ratings : DataFrame
        session_id, rater, label; empty without a table of ratings.
    users_known : bool
        Whether the tables say which sessions are one user's.
    notes : tuple of str
    subgroups : tuple of str
        Further columns of `sessions`: the value of each session, '<not known>', or '<few>' where a value has
        fewer than 10 users.
    """

    sessions: pd.DataFrame
    texts: tuple[tuple[str, ...], ...]
    classes: tuple[str, ...]
    flow: pd.DataFrame
    exclusions: pd.DataFrame
    ratings: pd.DataFrame
    users_known: bool
    notes: tuple[str, ...]
    subgroups: tuple[str, ...] = ()


class _Flow:
    """Who leaves at which step, and why."""

    def __init__(self, sessions: pd.DataFrame) -> None:
        self.sessions = sessions
        self.rows: list[dict[str, object]] = []
        self.gone: list[pd.DataFrame] = []
        self._count("table", "", pd.Series(False, index=sessions.index))

    def leave(self, step: str, reason: str, out: pd.Series) -> None:
        """Take sessions out; a step that nobody leaves is counted too."""
        self.gone.append(self.sessions.loc[out, ["session_id"]].assign(step=step, reason=reason))
        self._count(step, reason, out)
        self.sessions = self.sessions[~out]

    def _count(self, step: str, reason: str, out: pd.Series) -> None:
        left = self.sessions[~out]
        for unit, column in (("session", "session_id"), ("user", "user_id")):
            remaining = left[column].nunique()
            gone = self.sessions[column].nunique() - remaining
            self.rows.append(
                {"step": step, "reason": reason, "unit": unit, "n": gone, "remaining": remaining}
            )


def load_text_cohort(settings: TextSettings, folder: Path) -> TextCohort:
    """Read, clean, label, exclude and cut.

    Parameters
    ----------
    settings : TextSettings
    folder : Path
        Where relative names of tables resolve from.

    Returns
    -------
    TextCohort

    Raises
    ------
    TextError
        If a table cannot be used; the message names file, row and column, never a text.
    """
    path = folder / settings.messages
    messages = read_table(path)
    require(messages, {"session": settings.session, "text": settings.text}, path)
    messages = messages.assign(session_id=as_id(messages, settings.session, path))
    if settings.roles:
        require(messages, {"role": settings.role}, path)
    sessions = messages[["session_id"]].drop_duplicates().sort_values("session_id", ignore_index=True)
    sessions, users_known = _describe(sessions, messages, settings, folder)
    sessions, ratings = _label(sessions, messages, settings, folder)

    flow = _Flow(sessions)
    _exclude_by_description(flow, settings)
    if settings.time in messages:
        # Of all messages, so that an error names the row of the file.
        messages = in_time_order(messages, settings.time, path, settings.time_format)
    kept = messages[messages["session_id"].isin(flow.sessions["session_id"])].reset_index(drop=True)
    texts, notes = _clean(kept, settings)
    notes += [*_unmapped_labels(sessions, settings), *_repeated_rows(kept, settings)]
    _exclude_short(flow, texts, settings)
    notes += _exclude_copies(flow, texts)

    left = flow.sessions.reset_index(drop=True)
    if left.empty:
        why = ", ".join(
            f"{row['reason']}: {row['n']}" for row in flow.rows if row["unit"] == "session" and row["n"]
        )
        said = "".join(f" {note}" for note in _unmapped_labels(sessions, settings))
        raise TextError(f"{path.name}: no session is left after the exclusions ({why}).{said}")
    whole = [texts[name] for name in left["session_id"]]
    cut = [_cut(one, settings.max_messages, settings.truncate) for one in whole]
    left = left.assign(
        n_messages=[len(one) for one in whole],
        n_words=[sum(len(words_of(text)) for text in one) for one in whole],
        messages_cut=[len(one) - len(short) for one, short in zip(whole, cut, strict=True)],
    )
    left = _subgroups(left, settings)
    n_cut = int((left["messages_cut"] > 0).sum())
    if n_cut:
        notes.append(
            f"{n_cut} of {len(left)} sessions have more than {settings.max_messages} messages and were cut: "
            f"{int(left['messages_cut'].sum())} messages ({settings.truncate} kept)."
        )
    alike = look_alikes(left["user_id"].astype(str)) if users_known else []
    if alike:
        notes.append(
            f"{len(alike)} groups of user ids look alike (007 and 7, A17 and a17) and count as different "
            f"users: "
            "if they are one, it stands in training and test at once."
        )
    if not users_known:
        notes.append(
            "No column says which sessions are one user's: if a user has several, parts of a split "
            "share users "
            "and every result is too good."
        )
    columns = ["session_id", "user_id", "label", "age", "n_messages", "n_words", "messages_cut"]
    counted = pd.DataFrame(flow.rows)
    if not users_known:
        # Every session stands for a user of its own: nothing that could be counted.
        counted = counted[counted["unit"] == "session"].reset_index(drop=True)
    return TextCohort(
        left[[*columns, *settings.subgroup_columns]], tuple(cut), settings.classes, counted,
        pd.concat(flow.gone, ignore_index=True), ratings, users_known, tuple(notes),
        settings.subgroup_columns,
    )  # fmt: skip


def read_sessions(
    settings: TextSettings, folder: Path
) -> tuple[pd.DataFrame, tuple[tuple[str, ...], ...], list[str]]:
    """Read, clean and cut sessions that have no label, to be scored.

    Parameters
    ----------
    settings : TextSettings
        As the model's study read its messages.
    folder : Path
        Where the relative name of the table resolves from.

    Returns
    -------
    sessions : DataFrame
        session_id, n_messages, n_words (both before cutting), messages_cut, left_out (why a session cannot
        be scored: no model of the study learned from its like; '' otherwise); sorted by session_id.
    texts : tuple of tuple of str
        Cleaned messages of the sessions that are not left out, in their order.
    notes : list of str

    Raises
    ------
    TextError
        If the table cannot be used; the message names file, row and column, never a text.
    """
    path = folder / settings.messages
    messages = read_table(path)
    require(messages, {"session": settings.session, "text": settings.text}, path)
    messages = messages.assign(session_id=as_id(messages, settings.session, path))
    if settings.roles:
        require(messages, {"role": settings.role}, path)
    ids = sorted(messages["session_id"].unique())
    if settings.time in messages:
        messages = in_time_order(messages, settings.time, path, settings.time_format)
    texts, notes = _clean(messages, settings)
    own = [texts.get(name, ()) for name in ids]
    table = pd.DataFrame(
        {
            "session_id": ids, "n_messages": [len(one) for one in own],
            "n_words": [sum(len(words_of(text)) for text in one) for one in own],
            "messages_cut": [max(len(one) - settings.max_messages, 0) for one in own],
        }
    )  # fmt: skip
    table["left_out"] = ""
    if settings.age in messages and settings.min_age is not None:
        age = ages(table["session_id"].map(_one_each(messages, settings.age, path)))
        table.loc[age.isna(), "left_out"] = "age not known"
        table.loc[age < settings.min_age, "left_out"] = f"younger than {settings.min_age}"
    few = table["n_words"] < settings.min_words
    table.loc[few, "left_out"] = f"fewer than {settings.min_words} words"
    short = table["n_messages"] < settings.min_messages
    table.loc[short, "left_out"] = f"fewer than {settings.min_messages} messages with words"
    kept = (table["left_out"] == "").to_numpy()
    if not kept.all():
        notes.append(f"{int((~kept).sum())} of {len(table)} sessions were not scored; `left_out` says why.")
    cut = [
        _cut(one, settings.max_messages, settings.truncate) for one, in_ in zip(own, kept, strict=True) if in_
    ]
    return table, tuple(cut), notes


def _subgroups(sessions: pd.DataFrame, settings: TextSettings) -> pd.DataFrame:
    """Pool values of subgroups that few users have: they say little, and may tell who somebody is."""
    for column, name in zip(settings.subgroup_columns, settings.subgroups, strict=True):
        values = sessions[column] if name == settings.age else sessions[name]
        values = values.astype("string").str.strip().fillna("<not known>")
        users = sessions.groupby(values)["user_id"].nunique()
        sessions = sessions.assign(
            **{column: values.where(values.map(users) >= FEW_USERS, "<few>").astype(object)}
        )
    return sessions


def _cut(texts: tuple[str, ...], most: int, keep: str) -> tuple[str, ...]:
    if len(texts) <= most or keep == "head":
        return texts[:most]
    first = most // 2 if keep == "ends" else 0
    return texts[:first] + texts[len(texts) - (most - first) :]


def _describe(
    sessions: pd.DataFrame, messages: pd.DataFrame, settings: TextSettings, folder: Path
) -> tuple[pd.DataFrame, bool]:
    """Add user_id, age and complete, from the table of sessions or else from the messages."""
    own: pd.DataFrame | None = None
    if settings.sessions is not None:
        path = folder / settings.sessions
        own = read_table(path)
        require(own, {"session": settings.session}, path)
        own = own.assign(session_id=as_id(own, settings.session, path))
        twice = own["session_id"].duplicated()
        if twice.any():
            raise TextError(
                f"{row_of(path, int(twice.to_numpy().argmax()), own)}: the session stands in a row above "
                "already; one row a session."
            )
    users_known = False
    for key, name in (("user_id", settings.user), ("age", settings.age), ("complete", settings.complete)):
        source = next((table for table in (own, messages) if table is not None and name in table), None)
        if source is None:
            sessions = sessions.assign(**{key: sessions["session_id"] if key == "user_id" else None})
            continue
        users_known = users_known or (key == "user_id" and name != settings.session)
        where = folder / (settings.sessions if source is own and settings.sessions else settings.messages)
        sessions = sessions.assign(**{key: sessions["session_id"].map(_one_each(source, name, where))})
    for name in settings.subgroups:
        source = next((table for table in (own, messages) if table is not None and name in table), None)
        if source is None:
            raise TextError(f"No table has the column {name} of [text] subgroups.")
        where = folder / (settings.sessions if source is own and settings.sessions else settings.messages)
        value = sessions["session_id"].map(_one_each(source, name, where))
        sessions = sessions.assign(**{AGE_BAND: _bands(value)} if name == settings.age else {name: value})
    if sessions["user_id"].isna().any():
        raise TextError(
            f"{int(sessions['user_id'].isna().sum())} of {len(sessions)} sessions have no {settings.user}; "
            "give every session its user, or remove the column."
        )
    return sessions, users_known


def _one_each(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return the one value of each session; an error where a session has two."""
    text = table[column].astype("string").str.strip()
    values = table[["session_id"]].assign(one=text.mask(text.str.lower().isin(_EMPTY)).astype(object))
    values = values.dropna().drop_duplicates()
    twice = values["session_id"].duplicated()
    if twice.any():
        row = int(table.index.get_indexer(twice.index[twice])[0])
        raise TextError(
            f"{row_of(path, row, table)}: the session has another {column} in a row above; it must have one."
        )
    return values.set_index("session_id")["one"]


def _label(
    sessions: pd.DataFrame, messages: pd.DataFrame, settings: TextSettings, folder: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add the label: of raters, a label column, or the items of the C-SSRS."""
    none = pd.DataFrame(columns=["session_id", "rater", "label"])
    if settings.ratings is not None:
        path = folder / settings.ratings
        table = read_table(path)
        require(table, {"session": settings.session, "label": settings.label}, path)
        require(table, {"rater": "rater"}, path)
        labels = _classes_of(table[settings.label], settings)
        ratings = pd.DataFrame(
            {
                "session_id": as_id(table, settings.session, path),
                "rater": as_id(table, "rater", path),
                "label": labels,
            }
        )
        bad = ratings["label"].isna()
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise TextError(
                f"{row_of(path, row, table)}: {settings.label} is not one of {', '.join(settings.classes)}; "
                "map it in [text] labels."
            )
        return sessions.assign(label=sessions["session_id"].map(consensus(ratings))), ratings
    path = folder / (settings.sessions or settings.messages)
    table = read_table(path) if settings.sessions is not None else messages
    table = table.assign(session_id=as_id(table, settings.session, path))
    if settings.label in table:
        found = sessions["session_id"].map(_one_each(table, settings.label, path))
        coded = _classes_of(found, settings)
        return sessions.assign(label=coded, unmapped=found.where(coded.isna())), none
    if any(item in table for item in CSSRS_ITEMS):
        rows = table.drop_duplicates("session_id") if settings.sessions is None else table
        coded = code_sessions(rows, path)
        found = pd.Series(coded.to_numpy(), index=rows["session_id"].to_numpy())
        return sessions.assign(label=sessions["session_id"].map(found)), none
    raise TextError(
        f'{path.name} has neither a column {settings.label} (set [text] label = "...") nor items of the '
        f"C-SSRS "
        f"({', '.join(CSSRS_ITEMS)})."
    )


def _classes_of(values: pd.Series, settings: TextSettings) -> pd.Series:
    text = values.astype("string").str.strip()
    if settings.labels:
        return text.map(dict(settings.labels)).astype(object)
    return text.where(text.isin(settings.classes)).astype(object)


def _unmapped_labels(sessions: pd.DataFrame, settings: TextSettings) -> list[str]:
    """Count the sessions whose label is none of the classes; a label may be what somebody wrote."""
    if "unmapped" not in sessions or sessions["unmapped"].isna().all():
        return []
    counts = sessions["unmapped"].value_counts()
    return [
        f"{int(counts.sum())} sessions have a {settings.label} that is no class ({len(counts)} different "
        f"ones); classes are {', '.join(settings.classes)}, and [text] labels maps other values to them."
    ]


def _repeated_rows(messages: pd.DataFrame, settings: TextSettings) -> list[str]:
    """Count messages that a session holds twice at the same time: a table joined twice looks like that."""
    if settings.time not in messages:
        return []
    n = int(messages.duplicated(["session_id", settings.time, settings.text]).sum())
    return [f"{n} messages repeat another of the same session, time and text; they are kept."] if n else []


def _exclude_by_description(flow: _Flow, settings: TextSettings) -> None:
    sessions = flow.sessions
    if "unmapped" in sessions:
        flow.leave("label", "label of no class", sessions["unmapped"].notna())
    reason = "raters do not agree, or no rating" if settings.ratings else "no label"
    flow.leave("label", reason, flow.sessions["label"].isna())
    if settings.min_age is not None and sessions["age"].notna().any():
        age = ages(flow.sessions["age"])
        bad = age.isna() & flow.sessions["age"].notna()
        if bad.any():
            raise TextError(
                f"{int(bad.sum())} sessions have a value of {settings.age} that is neither a number nor a "
                "band such as 14-17 or 18+."
            )
        flow.leave("age", "age not known", age.isna())
        flow.leave("age", f"younger than {settings.min_age}", age[age.notna()] < settings.min_age)
    if sessions["complete"].notna().any():
        answer = flow.sessions["complete"].astype("string").str.lower()
        odd = answer.notna() & ~answer.isin(YES | NO)
        if odd.any():
            raise TextError(
                f"{int(odd.sum())} sessions have a value of {settings.complete} that is neither yes nor no."
            )
        flow.leave("complete", "ended too early", answer.isin(NO).fillna(False).astype(bool))
    # A band has no mean: it serves to exclude, and is not described as a number.
    flow.sessions = flow.sessions.assign(age=pd.to_numeric(flow.sessions["age"], errors="coerce"))


def _bands(values: pd.Series) -> pd.Series:
    """Return ages as bands of users' lives; a band that was given stays as it is."""
    number = pd.to_numeric(values, errors="coerce")
    named = pd.cut(number, [-1, 15, 17, 20, 25, 200], labels=["to 15", "16-17", "18-20", "21-25", "over 25"])
    return named.astype("string").fillna(values.astype("string"))


def ages(values: pd.Series) -> pd.Series:
    """Return ages as numbers; of a band such as 14-17, 14 to 17 or 18+ its lower end.

    Examples
    --------
    >>> ages(pd.Series(["16", "14-17", "18+", None, "?"])).tolist()
    [16.0, 14.0, 18.0, nan, nan]
    """
    text = values.astype("string").str.strip()
    lower = text.str.extract(BAND, expand=False)
    return pd.to_numeric(lower.fillna(text), errors="coerce").astype("float64")


def _clean(messages: pd.DataFrame, settings: TextSettings) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Clean the messages of the wanted roles; return them by session, and what must be said."""
    notes = []
    if settings.roles:
        role = messages[settings.role].astype("string").str.strip()
        mine = role.isin(list(settings.roles))
        notes.append(
            f"{int((~mine).sum())} messages of other roles than {', '.join(settings.roles)} are not read "
            f"({_roles_found(role)})."
        )
        if not mine.any():
            raise TextError(
                f"{settings.messages}: no message has a role of {', '.join(settings.roles)} "
                f"({_roles_found(role)}); set [text] roles."
            )
        messages = messages[mine]
    elif settings.role in messages:
        role = messages[settings.role].astype("string").str.strip()
        if role.nunique() > 1:
            notes.append(
                f"Messages of every role are read ({_roles_found(role)}); [text] roles names whose to read."
            )
    raw = messages[settings.text].astype("string").fillna("")
    text = [clean_text(one, settings.keep_emoji) for one in raw]
    table = pd.DataFrame({"session_id": messages["session_id"].to_numpy(), "text": text})
    full = pd.Series([bool(words_of(one)) for one in text], index=table.index, dtype=bool)
    if not full.all():
        notes.append(f"{int((~full).sum())} messages hold no word after cleaning and were left out.")
    grouped = table[full].groupby("session_id", sort=False)["text"]
    return {str(name): tuple(part) for name, part in grouped}, notes


def _roles_found(role: pd.Series) -> str:
    """List the roles of a table where they look like roles: a wrong column may hold what somebody wrote."""
    counts = role.fillna("").value_counts()
    if len(counts) > MANY_ROLES or not all(ROLE.fullmatch(str(name)) for name in counts.index):
        return f"{len(counts)} different values, which are not shown"
    each = sorted((str(name), int(n)) for name, n in counts.items())
    return "found: " + ", ".join(f"{name or 'empty'} {n}" for name, n in each)


def _exclude_copies(flow: _Flow, texts: dict[str, tuple[str, ...]]) -> list[str]:
    """Take out sessions that repeat every word of another one under a new id; the first by id stays.

    In two parts of a split, or twice in one, a copy makes every result too good. Short sessions may be alike
    by chance and stay.
    """
    sessions = flow.sessions
    whole = sessions["session_id"].map(lambda name: "\n".join(texts[name]))
    long = (
        sessions["session_id"].map(lambda name: sum(len(words_of(text)) for text in texts[name]))
        >= COPY_WORDS
    )
    # Sorted by id already, so that the order of rows plays no part.
    copy = whole.duplicated() & long
    labels = sessions.groupby(whole)["label"].transform("nunique")
    other = int((copy & (labels > 1)).sum())
    flow.leave("copy", "every word is another session's", copy)
    if not copy.any():
        return []
    said = f"; {other} of them belong to texts with different labels: look at them" if other else ""
    return [f"{int(copy.sum())} sessions repeat every word of another session and were left out{said}."]


def _exclude_short(flow: _Flow, texts: dict[str, tuple[str, ...]], settings: TextSettings) -> None:
    ids = list(flow.sessions["session_id"])
    n = pd.Series([len(texts.get(name, ())) for name in ids], index=flow.sessions.index)
    flow.leave("length", f"fewer than {settings.min_messages} messages with words", n < settings.min_messages)
    ids = list(flow.sessions["session_id"])
    words = pd.Series(
        [sum(len(words_of(text)) for text in texts[name]) for name in ids], index=flow.sessions.index
    )
    flow.leave("length", f"fewer than {settings.min_words} words", words < settings.min_words)
