"""Settings of the cohort stage, the table `[cohort]` of a study file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicerisk.callers.moderator import CROSSED
from voicerisk.cohort.coding import CSSRS_IMMINENT, CSSRS_LOW, SCALES
from voicerisk.cohort.where import parse_where
from voicerisk.errors import CohortError
from voicerisk.intake import clean
from voicerisk.pipeline.setting import require_whole

BINARY, ORDINAL, CONTINUOUS = "binary", "ordinal", "continuous"
MOST_GRADE = 100
OUTCOME_SCALES = (BINARY, ORDINAL, CONTINUOUS)

# Columns of the predictions and segments tables, which carry the strata beside them.
RESERVED = frozenset(
    {
        *("protocol", "model", "target", "design", "repeat", "fold", "unit", "y", "p_raw", "p", "threshold"),
        *("weight", "call_id", "caller_id", "segment", "frame", "time_s", "start_s", "end_s", "label"),
        *("n_frames", "n_silent", "file", "path", "outcome"),
    }
)


@dataclass(frozen=True, slots=True)
class CssrsCoding:
    """How C-SSRS ratings become an outcome.

    Parameters
    ----------
    column : str
        Column of calls.csv with ratings 0 to 6.
    low, imminent : tuple of int
        Ratings that become outcome 0 and 1; by default 1-2 and 5-6. A rating in neither (by default 0, 3 and
        4) leaves its call out, counted.
    """

    column: str
    low: tuple[int, ...] = CSSRS_LOW
    imminent: tuple[int, ...] = CSSRS_IMMINENT

    def __post_init__(self) -> None:
        for key in ("low", "imminent"):
            values = getattr(self, key)
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise CohortError(f"[cohort] cssrs.{key} must be a list of ratings, not {values!r}.")
            bad = [value for value in values if isinstance(value, bool) or value not in range(7)]
            if bad:
                raise CohortError(f"[cohort] cssrs.{key} holds {bad[0]!r}, but C-SSRS ratings are 0 to 6.")
            object.__setattr__(self, key, tuple(int(value) for value in values))
        both = sorted(set(self.low) & set(self.imminent))
        if both:
            raise CohortError(f"[cohort] cssrs maps rating {both[0]} to low and to imminent; it can be one.")


@dataclass(frozen=True, slots=True)
class Rating:
    """A column of ratings and the scale it is on ('cssrs', 'counsellor', 'screening' or 'other')."""

    column: str
    scale: str = "cssrs"


@dataclass(frozen=True, slots=True)
class CohortSettings:
    """Where the calls are listed, which are used, and what their columns mean.

    Parameters
    ----------
    calls : str
        Path of calls.csv, relative to the study file.
    where : str, optional
        Row filter such as ``"between_subject == 1 and service in ('000', 'OTL')"``; see `parse_where`.
    outcome : str, optional
        Column that holds 0 or 1. By default `outcome`.
    cssrs : str or mapping, optional
        Column that holds C-SSRS ratings instead: its name, or a table with `column`, `low` and `imminent`
        (see `CssrsCoding`). Excludes `outcome`.
    scale : {'binary', 'ordinal', 'continuous'}
        What the outcome is: two classes; ordered grades, written as whole numbers from 0 on (with `cssrs` the
        ratings 0 to 6, nobody left out); or a number such as a sum score.
    middle : sequence of int
        Of an ordinal outcome in `outcome`: the grades that a study of two classes would leave out, for the
        table of the spectrum effect. With `cssrs` they are those in neither `low` nor `imminent`.
    score_also : sequence of int
        Ratings of `cssrs` in neither class, such as 3 and 4, whose calls are scored without being learned
        from: by models of the nested protocol that never saw their callers.
    labels : sequence of str, optional
        Label texts to keep; `*` stands for any run of characters. By default every label is kept.
    moderator : str or sequence of str
        Column whose levels have curves of their own, by default `sex`; a list of columns crosses them; "none"
        or an empty list = one curve for everyone.
    missing_level : str, optional
        What a missing cell of the moderator or of `sex` stands for, for example "unknown": a level like any
        other. By default a missing cell is an error.
    level_callers : int
        Callers that a level needs for a curve of its own; callers of other levels share a common curve.
    covariates, strata : sequence of str
        Further columns that later stages use; strata may not have gaps.
    ratings : sequence of str, or mapping of scale to sequence of str
        Columns of raters, kept for kappa and listed where they disagree with the outcome. A plain list holds
        C-SSRS ratings; a table names the scales: `cssrs` (0-6), `counsellor` (0-6: 0-1 low, 2-3 moderate,
        4-6 imminent), `screening` (yes/no questions, imminent if all are yes), `other` (kept, not compared).
    root : str, optional
        Folder that the `file` and `labels` columns are relative to and may not leave; by default the
        folder of the study file.
    tier : str, optional
        Tier of Praat TextGrids; needed where a TextGrid has more than one interval tier.
    ids_as_they_are : bool
        Whether ids that look alike (007 and 7, A17 and a17) stand for different calls and callers. By default
        they are refused, since one person under two ids is in training and test at once.

    Raises
    ------
    CohortError
        When a value cannot be used; the message names the key.

    Examples
    --------
    >>> CohortSettings(calls="calls.csv", cssrs={"column": "cssrs", "low": [0, 1, 2]}).cssrs.low
    (0, 1, 2)
    """

    calls: str
    where: str | None = None
    outcome: str | None = None
    cssrs: CssrsCoding | None = None
    scale: str = BINARY
    middle: tuple[int, ...] = ()
    score_also: tuple[int, ...] = ()
    labels: tuple[str, ...] | None = None
    moderator: tuple[str, ...] = ("sex",)
    missing_level: str | None = None
    level_callers: int = 5
    covariates: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    ratings: tuple[Rating, ...] = ()
    root: str | None = None
    tier: str | None = None
    ids_as_they_are: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "moderator", _moderator(self.moderator))
        require_whole("[cohort] level_callers", self.level_callers, CohortError, 1)
        for key in ("calls", "where", "outcome", "missing_level", "root", "tier"):
            value = getattr(self, key)
            if value is None and key != "calls":
                continue
            if not isinstance(value, str) or not value.strip():
                raise CohortError(f"[cohort] {key} must be a text that is not empty, not {value!r}.")
            object.__setattr__(self, key, value if key in ("calls", "root") else clean(value))
        if not isinstance(self.ids_as_they_are, bool):
            raise CohortError(
                f"[cohort] ids_as_they_are must be true or false, not {self.ids_as_they_are!r}."
            )
        if self.where is not None:
            parse_where(self.where)
        object.__setattr__(self, "cssrs", _cssrs(self.cssrs))
        if self.cssrs is not None and self.outcome is not None:
            raise CohortError("[cohort] has both outcome and cssrs; the outcome can come from one of them.")
        object.__setattr__(self, "score_also", _score_also(self.scale, self.cssrs, self.score_also))
        object.__setattr__(self, "middle", _middle(self.scale, self.cssrs, self.middle))
        if self.labels is not None:
            object.__setattr__(self, "labels", _texts("labels", self.labels))
            if not self.labels:
                raise CohortError(
                    "[cohort] labels is an empty list, which keeps nothing; leave it out to keep all."
                )
        for key in ("moderator", "covariates", "strata"):
            names = _texts(key, getattr(self, key))
            taken = [name for name in names if name in RESERVED]
            if taken:
                raise CohortError(
                    f"[cohort] {key} names {taken[0]!r}, which is a column of the result tables; "
                    "give the column another name in calls.csv."
                )
            object.__setattr__(self, key, names)
        object.__setattr__(self, "ratings", _ratings(self.ratings))

    @property
    def extremes(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """The low and the high grades between which the middle lies; None where there is no middle.

        The high ones are given whole; of the low ones those of `cssrs`, or the bound of `middle`.
        """
        if self.scale != ORDINAL:
            return None
        if self.cssrs is not None:
            return self.cssrs.low, self.cssrs.imminent
        if not self.middle:
            return None
        return tuple(range(self.middle[0])), tuple(range(self.middle[-1] + 1, MOST_GRADE + 1))

    @property
    def moderator_column(self) -> str | None:
        """Column with the level of each call: the moderator, or 'sex x service' where two are crossed."""
        return CROSSED.join(self.moderator) if self.moderator else None

    @property
    def groups(self) -> tuple[str, ...]:
        """Columns that folds are spread over and results are shown by: the moderator, sex and the strata.

        Crossed moderators come last: sparse cells are merged from the last column on.
        """
        crossed = [self.moderator_column] if len(self.moderator) > 1 else []
        return tuple(str(name) for name in dict.fromkeys([*self.moderator, "sex", *self.strata, *crossed]))


def _middle(scale: str, cssrs: CssrsCoding | None, middle: Any) -> tuple[int, ...]:
    if scale not in OUTCOME_SCALES:
        raise CohortError(f"[cohort] scale must be one of {', '.join(OUTCOME_SCALES)}, not {scale!r}.")
    if scale == CONTINUOUS and cssrs is not None:
        raise CohortError(
            '[cohort] scale = "continuous" needs a column of numbers in outcome; C-SSRS ratings are ordinal.'
        )
    if isinstance(middle, str) or not isinstance(middle, Sequence):
        raise CohortError(f"[cohort] middle must be a list of grades, not {middle!r}.")
    grades = tuple(middle)
    if not grades:
        return ()
    if scale != ORDINAL or cssrs is not None:
        raise CohortError(
            '[cohort] middle is for an ordinal outcome in a column of its own (scale = "ordinal"); with '
            "cssrs the middle is what lies in neither low nor imminent."
        )
    for grade in grades:
        if isinstance(grade, bool) or not isinstance(grade, int) or not 1 <= grade < MOST_GRADE:
            raise CohortError(
                f"[cohort] middle holds {grade!r}; grades are whole numbers, and one lies below."
            )
    if list(grades) != list(range(grades[0], grades[0] + len(grades))):
        raise CohortError(
            f"[cohort] middle must be neighbouring grades in rising order, not {list(grades)!r}."
        )
    return grades


def _score_also(scale: str, cssrs: CssrsCoding | None, ratings: Any) -> tuple[int, ...]:
    if isinstance(ratings, str) or not isinstance(ratings, Sequence):
        raise CohortError(f"[cohort] score_also must be a list of ratings, not {ratings!r}.")
    if not ratings:
        return ()
    if scale != BINARY or cssrs is None:
        raise CohortError(
            "[cohort] score_also is for a study of two classes coded from cssrs; with another scale nobody "
            "is left out."
        )
    for rating in ratings:
        if isinstance(rating, bool) or rating not in range(7):
            raise CohortError(f"[cohort] score_also holds {rating!r}, but C-SSRS ratings are 0 to 6.")
        if rating in (*cssrs.low, *cssrs.imminent):
            raise CohortError(f"[cohort] score_also holds {rating}, whose calls are learned from already.")
    return tuple(sorted({int(rating) for rating in ratings}))


def _moderator(value: Any) -> tuple[str, ...]:
    if value == "none":
        return ()
    return _texts("moderator", (value,) if isinstance(value, str) else value)


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise CohortError(f"[cohort] {key} must be a list of texts, not {value!r}.")
    for item in value:
        if not isinstance(item, str) or not item.strip():
            raise CohortError(f"[cohort] {key} must hold texts that are not empty, but holds {item!r}.")
    doubled = [item for item in value if list(value).count(item) > 1]
    if doubled:
        raise CohortError(f"[cohort] {key} holds {doubled[0]!r} more than once.")
    return tuple(clean(item) for item in value)


def _cssrs(value: Any) -> CssrsCoding | None:
    if value is None or isinstance(value, CssrsCoding):
        return value
    if isinstance(value, str) and value.strip():
        return CssrsCoding(clean(value))
    if isinstance(value, Mapping):
        unknown = sorted(set(value) - {"column", "low", "imminent"})
        if unknown:
            raise CohortError(
                f"[cohort] cssrs has no key {unknown[0]!r}; its keys are column, low and imminent."
            )
        if isinstance(value.get("column"), str) and value["column"].strip():
            return CssrsCoding(**{**value, "column": clean(value["column"])})
    raise CohortError(f"[cohort] cssrs must name a column, or be a table with `column`, not {value!r}.")


def _ratings(value: Any) -> tuple[Rating, ...]:
    if isinstance(value, Mapping):
        unknown = [scale for scale in value if scale not in SCALES]
        if unknown:
            raise CohortError(
                f"[cohort] ratings has no scale {unknown[0]!r}; it is one of {', '.join(SCALES)}."
            )
        ratings = tuple(
            Rating(column, scale)
            for scale, columns in value.items()
            for column in _texts(f"ratings.{scale}", columns)
        )
    elif isinstance(value, Sequence) and not isinstance(value, str):
        ratings = tuple(
            item if isinstance(item, Rating) else Rating(*_texts("ratings", [item])) for item in value
        )
    else:
        raise CohortError(f"[cohort] ratings must be a list of columns or a table of scales, not {value!r}.")
    columns = [rating.column for rating in ratings]
    doubled = [column for column in columns if columns.count(column) > 1]
    if doubled:
        raise CohortError(f"[cohort] ratings names the column {doubled[0]!r} more than once.")
    return ratings
