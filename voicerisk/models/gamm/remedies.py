"""What a statistician does where every caller has one outcome, so that a caller intercept separates the data.

Each remedy answers a question of its own; none is a repaired version of the separated fit.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from voicerisk.errors import ModelError
from voicerisk.models.gamm.fit import SMOOTHS, WITHOUT, GammFit, fit_gamm
from voicerisk.models.gamm.settings import GammSettings
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
    y: str = "outcome",
    sex: str = "sex",
    caller: str = "caller_id",
    call: str = "call_id",
    segment: str = "segment",
    random_sd: float = 1.0,
    resamples: int = 200,
    confidence: float = 0.95,
    curve_points: int = 100,
    draws: int = 10_000,
    selected_on_same_labels: bool = True,
    seed: int = 1,
    worker: Worker | None = None,
) -> Remedies:
    """Fit what can be fitted instead of a caller intercept that separates the data.

    Parameters
    ----------
    table : DataFrame
        As for `fit_gamm`.
    markers : sequence of str
        Columns that enter as smooths.
    settings : GammSettings, optional
        Engine, level and k; its random intercepts are those of 'penalised_intercept'.
    which : sequence of str
        Remedies, any of `REMEDIES`.
    y, sex, caller, call, segment : str
        Names of the columns.
    random_sd : float
        Standard deviation (log-odds) of 'penalised_intercept'.
    resamples : int
        Resamples of 'caller_bootstrap', at least 50.
    confidence, curve_points, draws, selected_on_same_labels, seed, worker
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
    settings = settings or GammSettings()
    unknown = [name for name in which if name not in REMEDIES]
    if unknown:
        raise ModelError(f"Remedy {unknown[0]!r} is unknown; there are {', '.join(REMEDIES)}.")
    if "penalised_intercept" in which and not settings.random:
        raise ModelError(
            "Remedy 'penalised_intercept' needs a random intercept in the settings; there is none."
        )
    plain = replace(settings, random=())
    columns: dict[str, Any] = {"y": y, "sex": sex, "caller": caller, "call": call, "segment": segment}
    smooths, curves, notes = [], [], []
    with nullcontext(worker) if worker is not None else Worker() as r, TemporaryDirectory() as home:
        path = Path(home) / "plain.rds"

        def fit(rows: pd.DataFrame, asked: GammSettings, **options: Any) -> GammFit:
            return fit_gamm(
                rows,
                markers,
                asked,
                **columns,
                confidence=confidence,
                curve_points=curve_points,
                draws=draws,
                selected_on_same_labels=selected_on_same_labels,
                seed=seed,
                worker=r,
                **options,
            )

        for name in [name for name in REMEDIES if name in which]:
            if name == "caller_bootstrap":
                if not path.exists():
                    fit(table, plain, rds_path=path)
                found = boot_curves(path, resamples, curve_points, confidence, seed=seed, worker=r)
                curves.append(found.assign(model=WITHOUT, remedy=name))
                continue
            if name == "caller_jackknife":
                one = fit(table, plain, rds_path=path)
            elif name == "equal_callers":
                one = fit(_weighted(table, [y, sex, *markers], caller), plain, weights=_WEIGHT)
            elif name == "caller_means":
                one = fit(_caller_means(table, markers, columns), replace(plain, level="segment"))
            else:
                one = fit(table, settings, random_sd=random_sd)
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


def _weighted(table: pd.DataFrame, used: Sequence[str], caller: str) -> pd.DataFrame:
    """Add 1 / (complete rows of the caller), so that the rows that are fitted sum to 1 a caller."""
    complete = table[list(used)].notna().all(axis=1)
    sizes = table[caller].map(table.loc[complete, caller].value_counts())
    return table.assign(**{_WEIGHT: (1.0 / sizes).fillna(1.0)})


def _caller_means(table: pd.DataFrame, markers: Sequence[str], columns: dict[str, str]) -> pd.DataFrame:
    """Return one row a caller: outcome, sex, and the mean of each marker over its available rows."""
    caller, y, sex = columns["caller"], columns["y"], columns["sex"]
    groups = table.groupby(caller, sort=True)
    both = groups[y].nunique()
    if (both > 1).any():
        raise ModelError(
            f"Remedy 'caller_means' needs one outcome a caller; caller {both.index[both > 1][0]!r} has both."
        )
    rows = groups[list(markers)].mean().join(groups[[y, sex]].first()).reset_index()
    rows[columns["call"]] = rows[caller]
    rows[columns["segment"]] = 0
    return rows
