"""What a GAMM is asked to be: the settings, what its table must hold, and what separation does to it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import pandas as pd

from voicerisk.errors import ModelError
from voicerisk.pipeline.setting import require_choice, require_flag, require_whole

ENGINES = ("bam", "gam", "gamm")
LEVELS = ("segment", "frame")
GROUPS = ("caller", "call", "segment")


@dataclass(frozen=True, slots=True)
class GammSettings:
    """The table `[gamm]` of a study file.

    Attributes
    ----------
    engine : str
        'bam' (default; discretised covariates at frame level), 'gam' or 'gamm' (both up to 10,000 rows).
    level : str
        'segment' (default) or 'frame': what one row of the model is.
    k : int
        Basis dimension of each smooth, at least 3; lowered (and said) where the rows cannot carry it.
    random : tuple of str
        Random intercepts: any of 'caller', 'call' (within caller) and 'segment' (within call); may be empty.
    drop : bool
        Whether markers with p > 0.05 for every sex leave the later stages (`GammFit.kept`).
    linear : tuple of str
        Markers and covariates that enter linearly instead of as a curve. Covariates of fewer than five
        values do so in any case, which a note says.
    caller_split : bool
        Whether a study also selects markers on one half of the callers and tests them on the other, which
        gives the P values that no selection has touched (`p_selective`, `gamm/caller_split.csv`).
    naive_p : bool
        Whether a study prints the P values of markers that the same outcomes selected. They are too small;
        by default there are none.

    Examples
    --------
    >>> GammSettings(k=5, random=["caller", "call"]).random
    ('caller', 'call')
    """

    engine: str = "bam"
    level: str = "segment"
    k: int = 10
    random: tuple[str, ...] = ("caller",)
    drop: bool = False
    caller_split: bool = True
    linear: tuple[str, ...] = ()
    naive_p: bool = False

    def __post_init__(self) -> None:
        given = [self.random] if isinstance(self.random, str) else self.random
        object.__setattr__(self, "random", tuple(given))
        require_choice("[gamm] engine", self.engine, ENGINES, ModelError)
        require_choice("[gamm] level", self.level, LEVELS, ModelError)
        require_whole("[gamm] k", self.k, ModelError, 3)
        for group in self.random:
            if group not in GROUPS:
                raise ModelError(f"[gamm] random holds {group!r}; it may hold {', '.join(GROUPS)}.")
        if len(set(self.random)) < len(self.random):
            raise ModelError(f"[gamm] random names an intercept twice: {', '.join(self.random)}.")
        if self.level == "segment" and "segment" in self.random:
            raise ModelError(
                "[gamm] random = 'segment' needs level = 'frame': at segment level every row is its own "
                "segment."
            )
        object.__setattr__(
            self, "linear", (self.linear,) if isinstance(self.linear, str) else tuple(self.linear)
        )
        for name in self.linear:
            if not isinstance(name, str) or self.linear.count(name) > 1:
                raise ModelError(f"[gamm] linear must name columns, each once, but holds {name!r}.")
        for name in ("drop", "caller_split", "naive_p"):
            require_flag(f"[gamm] {name}", getattr(self, name), ModelError)


@dataclass(frozen=True, slots=True)
class GammModel(GammSettings):
    """All that defines one fit: the settings of a study, and what a study file does not choose.

    Attributes
    ----------
    y, sex, caller, call, segment : str
        Names of the columns. `sex` is the moderator, whatever its levels are.
    covariates : tuple of str
        Further columns; numeric ones enter as smooths unless `linear` names them, text as terms.
    method : str or None
        Smoothing selection of mgcv; None: 'fREML' (bam) or 'REML' (gam, gamm).
    discrete : bool or None
        Whether bam rounds covariates to 1,000 values. None: at frame level, up to 1,000 rows, where that
        changes nothing and is faster, and where an exact fit would take minutes.
    weights : str or None
        Column of prior weights > 0, for example 1 / (segments of the caller): every caller then counts the
        same.
    random_sd : float or None
        A fixed standard deviation (log-odds) of the random intercepts instead of an estimated one: a
        penalised intercept that cannot separate the data (bam and gam).
    confidence : float
        Level of all intervals, in (0, 1).
    curve_points : int
        Grid points a curve, at least 2.
    draws : int
        Draws behind the simultaneous intervals.
    selected_on_same_labels : bool
        Whether the markers were chosen with the outcomes of these very rows; goes into the table of smooths.
    seed : int
        Seed of R's generator.
    time_limit : float or None
        Seconds for each fit.

    Examples
    --------
    >>> GammModel(k=5, weights="one_over_segments", confidence=0.9).k
    5
    """

    y: str = "outcome"
    sex: str = "sex"
    caller: str = "caller_id"
    call: str = "call_id"
    segment: str = "segment"
    covariates: tuple[str, ...] = ()
    method: str | None = None
    discrete: bool | None = None
    weights: str | None = None
    random_sd: float | None = None
    confidence: float = 0.95
    curve_points: int = 100
    draws: int = 10_000
    selected_on_same_labels: bool = True
    seed: int = 1
    time_limit: float | None = 1800.0

    def __post_init__(self) -> None:
        # A class with slots is made anew, so that super() without arguments would not find it.
        GammSettings.__post_init__(self)
        object.__setattr__(self, "covariates", tuple(self.covariates))
        if self.random_sd is not None and not self.random_sd > 0:
            raise ModelError(f"random_sd is {self.random_sd}; it must be above 0.")
        if not 0.0 < self.confidence < 1.0:
            raise ModelError(f"confidence is {self.confidence}; it must lie between 0 and 1.")
        if self.curve_points < 2:
            raise ModelError(f"curve_points is {self.curve_points}; a curve needs at least 2.")

    @classmethod
    def of(cls, settings: GammSettings | None = None, **further: Any) -> Self:
        """Return the model of some settings, with further fields set.

        Examples
        --------
        >>> GammModel.of(GammSettings(k=5), seed=3).seed
        3
        """
        known = settings if settings is not None else GammSettings()
        own = {field.name: getattr(known, field.name) for field in fields(known)}
        return cls(**(own | further))

    @property
    def columns(self) -> dict[str, str]:
        """What each of y, sex, caller, call and segment is called in the table."""
        return {name: getattr(self, name) for name in ("y", "sex", "caller", "call", "segment")}


def check_table(table: pd.DataFrame, markers: Sequence[str], model: GammModel) -> None:
    """Refuse a table that cannot hold this model, before R starts."""
    if len(markers) == 0:
        raise ModelError("A GAMM needs at least one marker; none was given (an empty screening leaves none).")
    grouping = model.columns
    for name in [model.y, model.sex, model.caller, *(grouping[group] for group in model.random), *markers]:
        if name not in table.columns:
            raise ModelError(f"The table of the GAMM has no column {name!r}.")
    weights = model.weights
    if weights is not None and (weights not in table.columns or not (table[weights] > 0).all()):
        raise ModelError(f"weights = {weights!r} must name a column of numbers above 0.")


READ = 'Read "Markers and risk"; do not read "Markers and risk, with random intercepts".'
# From this share of groups without a change of outcome on, intercepts explain labels, not markers.
MOSTLY_CONSTANT = 0.5
# Coefficients up to which a fit whose intercepts separate ends within half a minute (bam, 45,000 rows).
MOST_SEPARATED = 500
MOST_CURVED = 400  # coefficient_limit of the R package, which lowers k to stay below it


def separation_text(separation: pd.DataFrame, left_out: bool = False) -> str:
    """Say in plain words what a separating random intercept does to the fit, or why it was left out."""
    rows = separation[separation["share"] >= MOSTLY_CONSTANT].to_dict("records")
    told = [
        f"every {row['group']} has one outcome"
        if row["constant"] == row["groups"]
        else f"{row['constant']} of {row['groups']} {row['group']}s have one outcome each"
        for row in rows
    ]
    kinds = " or ".join(str(row["group"]) for row in rows)
    said = " and ".join(told)
    said = (
        f"{said[:1].upper()}{said[1:]}, so a term for each {kinds} explains the outcome by itself and "
        "flattens all curves."
    )
    if left_out:
        return (
            f"{said} With so many terms and curves (more than {MOST_SEPARATED} coefficients) such a fit "
            "takes minutes and says nothing: it was not made. The fit has no random intercepts, and its "
            "intervals take the caller as the unit."
        )
    return said
