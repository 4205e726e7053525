"""Sets of outcomes that hold the true one for a stated share of new callers, in each group and each class.

A set lists the outcomes that a call's risk does not rule out: both where the model cannot tell. It is
calibrated on risks of callers that were held out, each group and class by itself (Mondrian), callers counting
alike.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.types import Floats
from voicerisk.validation.metrics.proportions import wilson

LEVEL = 0.9
EVERYONE = "all"
DESIGNS = ("grouped_kfold", "loco")
COLUMNS = (
    *(
        "design",
        "by",
        "group",
        "outcome",
        "level",
        "n_callers",
        "n_calls",
        "cut",
        "covered",
        "lower",
        "upper",
    ),
    *("one", "both", "none"),
)


def conformal_cut(risk: Floats, caller: np.ndarray, outcome: int, level: float = LEVEL) -> float:
    """Return the risk from which (outcome 1), or up to which (outcome 0), an outcome is not ruled out.

    Parameters
    ----------
    risk : ndarray, shape (n,)
        Of held-out calls that have the outcome.
    caller : ndarray, shape (n,)
    outcome : {0, 1}
    level : float
        Share of callers whose outcome may not be ruled out, in (0, 1).

    Returns
    -------
    float
        -inf for outcome 1, inf for outcome 0, where there are too few callers to rule anything out: fewer
        than level / (1 - level).

    Notes
    -----
    An outcome is ruled out where (1 + callers at least as strange) / (1 + callers) is at most 1 - level; a
    caller counts by the share of their calls. For one call of a new caller like those, the outcome stays in
    the set with probability `level` or more, as far as the model that scores it is as good as those that
    scored these.

    References
    ----------
    Vovk, Gammerman and Shafer 2005 (Mondrian); Lee, Barber and Willett 2023, arXiv:2306.06342 (callers with
    several calls).

    Examples
    --------
    >>> risk, caller = np.linspace(0.1, 1.0, 10), np.arange(10)
    >>> conformal_cut(risk, caller, 1), conformal_cut(risk[:8], caller[:8], 1)
    (0.1, -inf)
    """
    if not 0.0 < level < 1.0:
        raise ValidationError(f"The level of a set is {level}; it must be above 0 and below 1.")
    side = 1.0 if outcome == 1 else -1.0
    _, place, size = np.unique(np.asarray(caller, dtype=str), return_inverse=True, return_counts=True)
    allowed = (1.0 - level) * (len(size) + 1)
    if allowed + 1e-9 < 1.0:
        return -side * np.inf
    order = np.argsort(side * risk, kind="stable")
    known = side * risk[order]
    # At a value all calls with it are as strange: the last of its run counts them all.
    total = np.cumsum(1.0 / size[place[order]])
    total = total[np.searchsorted(known, known, side="right") - 1]
    kept = known[1.0 + total > allowed + 1e-9]
    return float(side * kept[0])


def conformal_sets(predictions: pd.DataFrame, by: str | None, others: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the cuts of each group and class, and how often the sets held on callers left out of them.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table. Calls of the nested protocol with a risk are taken, of the first repeat of
        grouped k-fold, else of leave-one-caller-out.
    by : str or None
        Column whose levels have cuts of their own: the moderator.
    others : tuple of str
        Further columns by whose levels the same sets are judged.

    Returns
    -------
    DataFrame
        design, by (`all`, `by` or one of `others`), group, outcome (0, 1), level, n_callers, n_calls, cut (of
        rows of `by`, or of `all` without it; missing: nothing is ruled out), covered (share of calls, callers
        alike, whose outcome is in the set, the cut set without the caller), lower and upper (Wilson,
        callers), one, both, none (share of sets with one outcome, both, none). Empty where there is no risk.
    """
    calls = predictions[(predictions["protocol"] == "nested") & (predictions["unit"] == "call")]
    calls = calls[calls["p"].notna()]
    for design in DESIGNS:
        part = calls[calls["design"] == design]
        if len(part) and set(part["y"]) == {0, 1}:
            return _judged(part[part["repeat"] == part["repeat"].min()], design, by, others)
    return pd.DataFrame(columns=list(COLUMNS))


def _judged(calls: pd.DataFrame, design: str, by: str | None, others: tuple[str, ...]) -> pd.DataFrame:
    risk, y = calls["p"].to_numpy(dtype=np.float64), calls["y"].to_numpy(dtype=np.int64)
    caller = calls["caller_id"].to_numpy(dtype=str)
    group = np.full(len(calls), EVERYONE) if by is None else calls[by].map(str).to_numpy(dtype=str)
    open_ = np.column_stack([_left_open(risk, y, caller, group, outcome) for outcome in (0, 1)])
    size = open_.sum(axis=1)
    columns = [(EVERYONE, np.full(len(calls), EVERYONE))]
    columns += [(name, calls[name].map(str).to_numpy(dtype=str)) for name in ([by] if by else []) + [*others]]
    rows = []
    for name, levels in columns:
        for level in np.unique(levels):
            for outcome in (0, 1):
                mine = (levels == level) & (y == outcome)
                if not mine.any():
                    continue
                _, place, n = np.unique(caller[mine], return_inverse=True, return_counts=True)
                share = 1.0 / (n[place] * len(n))
                covered = float(np.round(share @ open_[mine, outcome], 12))
                cut = np.nan
                if name == (by or EVERYONE):
                    cut = conformal_cut(risk[mine], caller[mine], outcome)
                rows.append(
                    (design, name, level, outcome, LEVEL, len(n), int(mine.sum()),
                     cut if np.isfinite(cut) else np.nan, covered, *wilson(covered, len(n)),
                     *(float(share @ (size[mine] == k)) for k in (1, 2, 0)))
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _left_open(
    risk: Floats, y: np.ndarray, caller: np.ndarray, group: np.ndarray, outcome: int
) -> np.ndarray:
    """Return for which calls an outcome is not ruled out by the other callers of their group."""
    found = np.ones(len(risk), dtype=bool)
    for name in np.unique(caller):
        own = caller == name
        for level in np.unique(group[own]):
            mine = own & (group == level)
            others = ~own & (group == level) & (y == outcome)
            found[mine] = in_set(risk[mine], conformal_cut(risk[others], caller[others], outcome), outcome)
    return found


def in_set(risk: Floats, cut: float, outcome: int) -> np.ndarray:
    """Return which risks do not rule an outcome out; a missing cut rules nothing out."""
    if not np.isfinite(cut):
        return np.ones(len(risk), dtype=bool)
    return np.asarray(risk >= cut if outcome == 1 else risk <= cut)


def cuts_of(sets: pd.DataFrame, by: str | None) -> dict[str, Any] | None:
    """Return the cuts in a form that a model file keeps; None where there are none.

    Parameters
    ----------
    sets : DataFrame
        From `conformal_sets`.
    by : str or None
    """
    rows = sets[sets["by"] == (by or EVERYONE)]
    if rows.empty:
        return None
    groups: dict[str, dict[str, float | None]] = {}
    for row in rows.to_dict("records"):
        known = groups.setdefault(str(row["group"]), {"0": None, "1": None})
        known[str(int(row["outcome"]))] = None if pd.isna(row["cut"]) else float(row["cut"])
    return {"level": LEVEL, "groups": groups}


def sets_of(risk: Floats, group: np.ndarray, cuts: Mapping[str, Any]) -> list[str]:
    """Return the set of each call: '0', '1', '0 or 1', 'neither', or '' for a group without cuts.

    Parameters
    ----------
    risk : ndarray, shape (n,)
        At the prevalence of the study that the cuts are from.
    group : ndarray of str, shape (n,)
    cuts : mapping
        From `cuts_of`.

    Examples
    --------
    >>> cuts = {"level": 0.9, "groups": {"all": {"0": 0.6, "1": 0.2}}}
    >>> sets_of(np.array([0.1, 0.4, 0.9]), np.array(["all"] * 3), cuts)
    ['0', '0 or 1', '1']
    """
    names: Mapping[tuple[Hashable, Hashable], str] = {
        (True, False): "0", (False, True): "1", (True, True): "0 or 1", (False, False): "neither",
    }  # fmt: skip
    groups = cuts.get("groups")
    parts = groups.values() if isinstance(groups, Mapping) else [None]
    if not isinstance(groups, Mapping) or not all(
        isinstance(one, Mapping) and _is_cuts(one) for one in parts
    ):
        raise ValidationError("The cuts of the sets of outcomes are damaged; save the model again.")
    found = []
    for value, level in zip(risk, group, strict=True):
        own = groups.get(str(level))
        if own is None or np.isnan(value):
            found.append("")
            continue
        zero = own["0"] is None or value <= own["0"]
        one = own["1"] is None or value >= own["1"]
        found.append(names[bool(zero), bool(one)])
    return found


def _is_cuts(own: Mapping[str, Any]) -> bool:
    """Whether there is a cut, or none, for each outcome."""
    return {"0", "1"} <= set(own) and all(
        own[name] is None or (isinstance(own[name], int | float) and np.isfinite(own[name])) for name in "01"
    )
