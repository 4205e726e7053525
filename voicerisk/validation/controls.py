"""Negative controls: the same pipeline where it should find nothing, or find the channel."""

from dataclasses import replace

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.validation.nested_error import leave_pair_out
from voicerisk.validation.permutation import MakeFitPaths, permute_outcomes, pipeline_auroc
from voicerisk.validation.protocols import NESTED
from voicerisk.validation.ridge import ridge_paths
from voicerisk.validation.settings import ValidationSettings
from voicerisk.validation.switches import Switches
from voicerisk.validation.tables import check_calls

STREAM = 41
LEAST = 4
PAIRS = 60
COLUMNS = ("control", "what", "expected", "auroc", "n_calls", "n_events", "note")


def negative_controls(
    calls: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    service: str | None = None,
    sex: str | None = None,
    metadata: pd.DataFrame | None = None,
    pseudo: MakeFitPaths | None = None,
    n_random: int = 5,
    switches: Switches = NESTED,
) -> pd.DataFrame:
    """Run the negative controls by one repeat of grouped k-fold each.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    make_fit_paths : callable
        Calls (a subset, or with other outcomes) -> refit function.
    settings : ValidationSettings
    service, sex : str, optional
        Strata columns.
    metadata : DataFrame, optional
        call_id and numeric columns that are not speech: channel.csv, duration, availability of markers.
    pseudo : callable, optional
        As `make_fit_paths`, for a pipeline whose segments were dealt anew to callers of the same class.
    n_random : int
        Random relabellings of control (b).
    switches : Switches

    Returns
    -------
    DataFrame
        control, what, expected, auroc (NaN where it cannot be estimated), n_calls, n_events, note.

    Notes
    -----
    (b) expects 0.5 only for a model without sex. (g) holds both callers of a pair out of one model, since
    scores pooled over folds shift with the class of whoever is left out even at a constant prior.
    """
    table = check_calls(calls)
    missing = [c for c in (service, sex) if c is not None and c not in table.columns]
    if missing:
        raise ValidationError(f"The calls table lacks the column(s) {', '.join(missing)} of a control.")
    rows: list[dict[str, object]] = []

    def add(
        control: str, what: str, expected: str, part: pd.DataFrame | None, value: float, note: str
    ) -> None:
        n, events = (0, 0) if part is None else (len(part), int(part["y"].sum()))
        rows.append(dict(zip(COLUMNS, (control, what, expected, value, n, events, note), strict=True)))

    honest = pipeline_auroc(table, make_fit_paths(table), settings, switches)
    add("none", "the study as it is", "-", table, honest, "")
    if service is not None:
        among = table[table["y"] == 1]
        services = among[service].astype(str).value_counts()
        part = among.assign(y=(among[service].astype(str) == services.index[-1]).astype(int))
        value, note = _if_possible(part, make_fit_paths, settings, switches)
        add("a", f"service as the outcome among positives ({services.index[-1]} against the rest)",
            "0.5; above it the channel is readable", part, value, note)  # fmt: skip
    if sex is not None:
        drawn = []
        for b in range(n_random):
            rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(STREAM, b)))
            shuffled = permute_outcomes(table, rng, [sex])
            drawn.append(pipeline_auroc(shuffled, make_fit_paths(shuffled), settings, switches))
        add("b", f"outcomes shuffled within sex, mean of {n_random}", "0.5 without sex in the model", table,
            float(np.mean(drawn)), "with sex in the model it is what sex alone gives")  # fmt: skip
    if pseudo is not None:
        value = pipeline_auroc(table, pseudo(table), settings, switches)
        add("c", "segments dealt anew within the class", f"about {honest:.3f}; a jump is identity",
            table, value, "")  # fmt: skip
    if metadata is not None:
        names = metadata.drop(columns="call_id").select_dtypes("number").columns.tolist()
        joined = table.merge(metadata[["call_id", *names]], on="call_id", how="left")
        joined[names] = joined[names].fillna(joined[names].median()).fillna(0.0)
        fit = ridge_paths(joined, names)
        add("d", f"recording alone ({', '.join(names)})", "0.5; above it the recording tells the outcome",
            table, pipeline_auroc(table, fit, settings, replace(switches, tune_steps=False)), "")  # fmt: skip
    if service is not None:
        for name in sorted(table[service].astype(str).unique()):
            part = table[table[service].astype(str) != name]
            value, note = _if_possible(part, make_fit_paths, settings, switches)
            add("e", f"without the calls of {name}", f"about {honest:.3f}", part, value, note)
            inside = table[table[service].astype(str) == name]
            if inside["y"].nunique() < 2:
                add("f", f"leaving service {name} out", "not estimable", inside, np.nan,
                    f"all calls of {name} have outcome {inside['y'].iloc[0]}")  # fmt: skip
    pure = table[table.groupby("caller_id")["y"].transform("nunique") == 1]
    one_hot = pd.get_dummies(table["caller_id"], prefix="caller").astype(np.float64)
    fit = ridge_paths(pd.concat([table, one_hot], axis=1), list(one_hot.columns))
    pairs = leave_pair_out(pure, fit, settings, PAIRS) if len(pure) else None
    add("g", "one column a caller, nothing else, by pairs left out", "0.5", pure,
        np.nan if pairs is None else pairs.auroc,
        "pooled over folds, a penalised model of callers alone moves with who is left out")  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def pseudo_callers(segments: pd.DataFrame, calls: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Deal segments anew among the calls of the same class, so that a call holds many voices.

    Parameters
    ----------
    segments : DataFrame
        call_id, caller_id, segment and anything else.
    calls : DataFrame
        call_id, caller_id, y.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        `segments` with call_id, caller_id and segment of their new place; every call keeps its number of
        segments and its outcome.
    """
    y = calls.set_index("call_id")["y"]
    out = segments.reset_index(drop=True).copy()
    of_row = out["call_id"].map(y).to_numpy()
    place = out[["call_id", "caller_id", "segment"]]
    for value in (0, 1):
        rows = np.flatnonzero(of_row == value)
        target = rng.permutation(rows)
        out.loc[rows, ["call_id", "caller_id", "segment"]] = place.iloc[target].to_numpy()
    return out


def _if_possible(
    part: pd.DataFrame, make_fit_paths: MakeFitPaths, settings: ValidationSettings, switches: Switches
) -> tuple[float, str]:
    callers = [part["caller_id"][part["y"] == v].nunique() for v in (0, 1)]
    if min(callers) < LEAST:
        return (
            np.nan,
            f"not estimable: {callers[0]} and {callers[1]} callers in the two classes, {LEAST} are needed",
        )
    return pipeline_auroc(part, make_fit_paths(part), settings, switches), ""
