"""What a statistician does where every caller has one outcome, so that a caller intercept separates the data.

Each remedy answers a question of its own; none is a repaired version of the separated fit.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from voicerisk.errors import ModelError
from voicerisk.models.gamm.fit import SMOOTHS, WITHOUT, fit_gamm
from voicerisk.models.gamm.settings import GammModel, GammSettings
from voicerisk.models.gamm.tables import boot_curves
from voicerisk.rbridge import Worker

REMEDIES = {
    "caller_jackknife": (
        "Cluster-robust: no random intercept; tests and intervals by a one-step leave-one-caller-out "
        "jackknife. Curves are averages over rows, so callers with many rows count more."
    ),
    "equal_callers": (
        "Row-weighted: the same fit with each row weighted by 1 / (rows of its caller), so that every caller "
        "counts alike."
    ),
    "caller_means": (
        "Caller-level: one row a caller, the mean of each marker over their rows. Tests compare callers; the "
        "curve is one of means, not of rows."
    ),
    "penalised_intercept": (
        "Penalised intercept: a caller intercept of a fixed standard deviation that was chosen, not "
        "estimated. Intervals are those of the model, given that choice."
    ),
    "caller_bootstrap": (
        "Caller bootstrap: the fit of caller_jackknife with percentile intervals over resampled callers, "
        "smoothing parameters fixed. Curves only, no tests."
    ),
}
"""Remedy -> what it is and what it assumes."""


@dataclass(frozen=True, slots=True)
class Remedies:
    """The remedies side by side.

    Attributes
    ----------
    smooths : DataFrame
        `GammFit.smooths` of each remedy with tests, and the column remedy.
    curves : DataFrame
        `GammFit.curves` of each remedy, and the column remedy. Log-odds.
    explained : DataFrame
        remedy, meaning: one row a remedy.
    notes : DataFrame
        remedy, note: what must be known of its fit, R's warnings word for word.
    """

    smooths: pd.DataFrame
    curves: pd.DataFrame
    explained: pd.DataFrame
    notes: pd.DataFrame


def remedies(
    table: pd.DataFrame,
    markers: Sequence[str],
    settings: GammSettings | None = None,
    which: Sequence[str] = tuple(REMEDIES),
    *,
    resamples: int = 200,
    worker: Worker | None = None,
) -> Remedies:
    """Fit what can be fitted instead of a caller intercept that separates the data.

    Parameters
    ----------
    table : DataFrame
        As for `fit_gamm`.
    markers : sequence of str
        Columns that enter as smooths.
    settings : GammSettings or GammModel, optional
        As for `fit_gamm`. Its random intercepts are those of 'penalised_intercept', with standard deviation
        `random_sd` (log-odds; 1 where there is none).
    which : sequence of str
        Remedies, any of `REMEDIES`.
    resamples : int
        Resamples of 'caller_bootstrap', at least 50.
    worker : Worker, optional
        As for `fit_gamm`.

    Raises
    ------
    ModelError
        Unknown remedy, a caller with both outcomes for 'caller_means', no random intercept in the settings
        for 'penalised_intercept', or a table that cannot be used.
    RBridgeError
        R is unusable, refused a model, or failed.

    Examples
    --------
    >>> from voicerisk.models import remedies
    >>> found = remedies(segments, ["dom"])  # doctest: +SKIP
    >>> found.smooths[["remedy", "marker", "sex", "edf", "p_value"]]  # doctest: +SKIP
    """
    asked = settings if isinstance(settings, GammModel) else GammModel.of(settings)
    unknown = [name for name in which if name not in REMEDIES]
    if unknown:
        raise ModelError(f"Remedy {unknown[0]!r} is unknown; there are {', '.join(REMEDIES)}.")
    if "penalised_intercept" in which and not asked.random:
        raise ModelError(
            "Remedy 'penalised_intercept' needs a random intercept in the settings; there is none."
        )
    plain = replace(asked, random=(), random_sd=None)
    smooths, curves, notes = [], [], []
    with nullcontext(worker) if worker is not None else Worker() as r, TemporaryDirectory() as home:
        path = Path(home) / "plain.rds"
        for name in [name for name in REMEDIES if name in which]:
            if name == "caller_bootstrap":
                if not path.exists():
                    fit_gamm(table, markers, plain, path, r)
                found = boot_curves(
                    path, resamples, asked.curve_points, asked.confidence, seed=asked.seed, worker=r
                )
                curves.append(found.assign(model=WITHOUT, remedy=name))
                continue
            rows, model = _of_remedy(name, table, markers, asked, plain)
            one = fit_gamm(rows, markers, model, path if name == "caller_jackknife" else None, r)
            smooths.append(one.smooths.assign(remedy=name))
            curves.append(one.curves.assign(remedy=name))
            notes += [(name, text) for text in (*one.notes, *one.warnings)]
    told = [(name, meaning) for name, meaning in REMEDIES.items() if name in which]
    return Remedies(
        pd.concat(smooths, ignore_index=True) if smooths else pd.DataFrame(columns=[*SMOOTHS, "remedy"]),
        pd.concat(curves, ignore_index=True),
        pd.DataFrame(told, columns=["remedy", "meaning"]),
        pd.DataFrame(notes, columns=["remedy", "note"]),
    )


_WEIGHT = "one_over_rows_of_caller"


def _of_remedy(
    name: str, table: pd.DataFrame, markers: Sequence[str], asked: GammModel, plain: GammModel
) -> tuple[pd.DataFrame, GammModel]:
    """Return the rows and the model of a remedy that is a fit of its own."""
    if name == "caller_jackknife":
        return table, plain
    if name == "equal_callers":
        rows = _weighted(table, [asked.y, asked.sex, *markers], asked.caller)
        return rows, replace(plain, weights=_WEIGHT)
    if name == "caller_means":
        return _caller_means(table, markers, asked), replace(plain, level="segment")
    return table, replace(asked, random_sd=1.0 if asked.random_sd is None else asked.random_sd)


def _weighted(table: pd.DataFrame, used: Sequence[str], caller: str) -> pd.DataFrame:
    """Add 1 / (complete rows of the caller), so that the rows that are fitted sum to 1 a caller."""
    complete = table[list(used)].notna().all(axis=1)
    sizes = table[caller].map(table.loc[complete, caller].value_counts())
    return table.assign(**{_WEIGHT: (1.0 / sizes).fillna(1.0)})


def _caller_means(table: pd.DataFrame, markers: Sequence[str], asked: GammModel) -> pd.DataFrame:
    """Return one row a caller: outcome, sex, and the mean of each marker over its available rows."""
    caller, y, sex = asked.caller, asked.y, asked.sex
    groups = table.groupby(caller, sort=True)
    both = groups[y].nunique()
    if (both > 1).any():
        raise ModelError(
            f"Remedy 'caller_means' needs one outcome a caller; caller {both.index[both > 1][0]!r} has both."
        )
    rows = groups[list(markers)].mean().join(groups[[y, sex]].first()).reset_index()
    rows[asked.call] = rows[caller]
    rows[asked.segment] = 0
    return rows
