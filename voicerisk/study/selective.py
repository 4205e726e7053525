"""P values that the selection of the markers has not touched, and the removal of those that it has."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from voicerisk.errors import VoiceriskError
from voicerisk.models import GammSettings
from voicerisk.models.gamm.p_values import caller_split, holm
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.gamm_rows import (
    compares_curves,
    gamm_column,
    gamm_levels,
    gamm_table,
    linear_terms,
)
from voicerisk.study.fitting.screening import screen_all, screening_rows
from voicerisk.study.settings import Study

NO_SPLIT_TESTS = (
    "P values were to come from half of the callers, after the other half had chosen the markers. In that "
    "half the markers separate the outcomes, so there are none. The curves come from another fit and are not "
    "concerned."
)


@dataclass(frozen=True, slots=True)
class CallerSplit:
    """Tests of markers selected on one half of the callers, made on the other half.

    Attributes
    ----------
    smooths, moderation : DataFrame or None
        As `GammFit.smooths` and `models.gamm.tables.moderation` of the second half; None where there are no
        tests.
    notes : tuple of str
        Why there are none, or how they came about.
    """

    smooths: pd.DataFrame | None = None
    moderation: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def caller_split_tests(
    study: Study, tables: ModelTables, settings: GammSettings, separated: bool
) -> CallerSplit:
    """Select markers on one half of the callers and test them on the other.

    Where the outcome is constant within callers the tests are those without random intercepts, the caller as
    the unit. Where a half is too small for the Lasso or the GAMM there are no tests, and a note says why.
    """
    if not settings.caller_split:
        return CallerSplit()
    if study.screening.unit == "none":
        return CallerSplit(
            notes=("No caller split: nothing was selected, so the tests of the GAMM are as they stand.",)
        )
    from voicerisk.models import GammModel, fit_gamm
    from voicerisk.models.gamm import tables as gamm_tables

    seed, calls = study.validation.seed, tables.calls
    rows = screening_rows(tables, study.screening)
    lacking = "No caller split: "
    column = gamm_column(tables.moderator)
    try:
        first, _ = caller_split(calls, y="y", sex=(study.cohort.moderator_column or "sex"), seed=seed)
        halves = [set(calls.loc[half, "caller_id"]) for half in (first, ~first)]
        mine = np.isin(rows.caller.astype(str), [str(caller) for caller in halves[0]])
        chosen = screen_all(
            rows.take(mine), study.screening, study.validation.inner_folds, None, seed
        ).selected
        if not chosen:
            return CallerSplit(notes=(f"{lacking}the Lasso on one half of the callers kept no marker.",))
        table = gamm_table(tables, chosen, settings.level, study.cohort.covariates)
        table, _ = gamm_levels(tables.moderator, table)
        table = table[table["caller_id"].isin(halves[1])]
        with TemporaryDirectory(prefix="voicerisk-gamm-") as home:
            model = GammModel.of(
                replace(settings, random=() if separated else settings.random, drop=False),
                sex=column,
                covariates=study.cohort.covariates,
                linear=linear_terms(study, chosen),
                selected_on_same_labels=False,
                seed=seed,
            )
            fit = fit_gamm(table, chosen, model, Path(home) / "model.rds")
            path = fit.readable.rds_path
            moderation = None
            levels = table[column].nunique()
            if path is not None and levels > 1:
                curves = compares_curves(len(table), len(chosen), levels)
                moderation = gamm_tables.moderation(path, curves=curves)
    except VoiceriskError as failure:
        return CallerSplit(notes=(f"{lacking}{failure}",))
    sizes = {"n_callers_selected_on": len(halves[0]), "n_callers_tested_on": len(halves[1])}
    # The note of `gamm_certain` (R), beside which there are no P values.
    separates = any("not to be believed" in note for note in fit.readable.notes)
    return CallerSplit(
        fit.readable.smooths.assign(**sizes), moderation, (NO_SPLIT_TESTS,) if separates else ()
    )


def selective_smooths(
    smooths: pd.DataFrame, readable: str, selected: bool, naive: bool, split: CallerSplit
) -> pd.DataFrame:
    """Return the table of smooths with the P values that may be read.

    Parameters
    ----------
    smooths : DataFrame
        `GammFit.table("smooths")`.
    readable : str
        The model whose curves mean something; the split speaks of it alone.
    selected : bool
        Whether the same outcomes chose the markers.
    naive : bool
        Whether their P values stay all the same.
    split : CallerSplit
        Tests by callers that selected nothing.

    Returns
    -------
    DataFrame
        With `selected` two columns more: `p_selective` and `p_selective_holm` (over the tests of the second
        half), missing for a marker that the first half did not select.
    """
    if not selected:
        return smooths
    table = smooths if naive else smooths.assign(p_value=np.nan, p_holm=np.nan, p_bh=np.nan)
    return _with_split(table, split.smooths, ["marker", "sex"], table["model"] == readable)


def selective_moderation(
    moderation: pd.DataFrame, selected: bool, naive: bool, split: CallerSplit
) -> pd.DataFrame:
    """Return the tests of moderation with the P values that may be read.

    The contrast of two levels keeps its P: no outcome selected the moderator. Parameters and the further
    columns are those of `selective_smooths`.
    """
    if not selected:
        return moderation
    curve = moderation["what"] == "curve"
    table = moderation if naive else moderation.assign(p_value=moderation["p_value"].where(~curve))
    tests = None if split.moderation is None else split.moderation[split.moderation["what"] == "curve"]
    return _with_split(table, tests, ["marker", "contrast"], curve)


def _with_split(
    table: pd.DataFrame, tests: pd.DataFrame | None, keys: Sequence[str], mine: pd.Series
) -> pd.DataFrame:
    if tests is None:
        return table.assign(p_selective=np.nan, p_selective_holm=np.nan)
    p = tests["p_value"].to_numpy(dtype=float)
    found = tests[list(keys)].assign(p_selective=p, p_selective_holm=holm(p))
    joined = table.merge(found, on=list(keys), how="left", validate="many_to_one")
    for name in ("p_selective", "p_selective_holm"):
        joined[name] = joined[name].where(mine.to_numpy())
    return joined


def selective_terms(terms: pd.DataFrame, markers: Sequence[str], selected: bool, naive: bool) -> pd.DataFrame:
    """Return the parametric terms without the P values of linear markers that the same outcomes chose."""
    if not selected or naive:
        return terms
    chosen = terms["term"].str.rpartition(":")[2].isin(list(markers))
    return terms.assign(p_value=terms["p_value"].where(~chosen))
