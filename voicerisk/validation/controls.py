"""Negative controls: the same pipeline where it should find nothing, or find the channel."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.validation.discrimination import obuchowski
from voicerisk.validation.findings import Finding
from voicerisk.validation.nested_error import leave_pair_out
from voicerisk.validation.permutation import (
    MakeFitPaths,
    permute_outcomes,
    pipeline_auroc,
    pipeline_scores,
    strata_alone_auroc,
)
from voicerisk.validation.protocols import NESTED
from voicerisk.validation.ridge import ridge_paths
from voicerisk.validation.settings import ValidationSettings
from voicerisk.validation.switches import Switches
from voicerisk.validation.tables import check_calls

STREAM = 41
LEAST = 4
PAIRS = 60
JUMP = 0.1
OFF = 0.05
COLUMNS = ("control", "what", "expected", "auroc", "lower", "upper", "n_calls", "n_events", "note")
Row = dict[str, Any]


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
    finished: Mapping[str, Row] | None = None,
    keep: Callable[[str, Row], None] | None = None,
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
    finished : mapping, optional
        Rows that an earlier run kept, by name: they are not run again.
    keep : callable, optional
        Called with the name of each finished control and its row.

    Returns
    -------
    DataFrame
        control, what, expected, auroc (NaN where it cannot be estimated), lower, upper (95 %, over callers,
        given the scores; Obuchowski), n_calls, n_events, note.

    Notes
    -----
    (b) expects 0.5 only for a model without sex; what sex alone gives on the same shuffles is printed beside
    it. (g) holds both callers of a pair out of one model, since scores pooled over folds shift with the class
    of whoever is left out even at a constant prior.
    """
    table = check_calls(calls)
    missing = [c for c in (service, sex) if c is not None and c not in table.columns]
    if missing:
        raise ValidationError(f"The calls table lacks the column(s) {', '.join(missing)} of a control.")
    tasks = _tasks(
        table, make_fit_paths, settings, service, sex, metadata, pseudo, n_random, switches
    )  # fmt: skip
    rows = []
    for name, run in tasks:
        row = dict((finished or {}).get(name, {}))
        if not row:
            row = run()
            if keep is not None:
                keep(name, row)
        rows.append(row)
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    honest = float(found.loc[found["control"] == "none", "auroc"].iloc[0])
    return found.assign(expected=found["expected"].str.replace("HONEST", f"{honest:.3f}"))


def _tasks(
    table: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    service: str | None,
    sex: str | None,
    metadata: pd.DataFrame | None,
    pseudo: MakeFitPaths | None,
    n_random: int,
    switches: Switches,
) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Yield the controls that this study allows, by a stable name, each to be run when it is asked for."""

    def pipeline(control: str, what: str, expected: str, part: pd.DataFrame, make: MakeFitPaths) -> Row:
        callers = [part["caller_id"][part["y"] == v].nunique() for v in (0, 1)]
        if min(callers) < LEAST:
            note = f"{callers[0]} and {callers[1]} callers in the two classes, {LEAST} are needed"
            return _row(control, what, expected, part, None, f"not estimable: {note}")
        return _row(
            control, what, expected, part, pipeline_scores(part, make(part), settings, switches), ""
        )  # fmt: skip

    yield "none", lambda: pipeline("none", "the study as it is", "", table, make_fit_paths)
    services = table[service].astype(str).value_counts() if service is not None else pd.Series(dtype=int)
    if service is not None and len(services) > 1:
        among = table[table["y"] == 1]
        rarest = among[service].astype(str).value_counts().index[-1]
        part = check_calls(among.assign(y=(among[service].astype(str) == rarest).astype(int)))
        yield "a", lambda: pipeline(
            "a", f"{service} as the outcome among positives ({rarest} against the rest)",
            "0.5; above it the channel is readable", part, make_fit_paths,
        )  # fmt: skip
    if sex is not None:
        yield "b", lambda: _shuffled_within(table, make_fit_paths, settings, sex, n_random, switches)
    if pseudo is not None:
        yield "c", lambda: pipeline(
            "c", "segments dealt anew among callers of the same class",
            "about HONEST; a jump means that the model recognises voices it has met", table, pseudo,
        )  # fmt: skip
    if metadata is not None:
        names = metadata.drop(columns="call_id").select_dtypes("number").columns.tolist()
        if names:
            yield "d", lambda: _metadata_alone(table, metadata, names, settings, switches)
    for name in sorted(services.index) if len(services) > 1 else ():
        inside = table[table[service].astype(str) == name]
        rest = table[table[service].astype(str) != name]
        what = f"without the calls of {service} = {name}"
        yield f"e/{name}", partial(pipeline, "e", what, "about HONEST", rest, make_fit_paths)
        if inside["y"].nunique() < 2:
            note = f"all its calls have outcome {inside['y'].iloc[0]}: scores can be shown, no AUROC"
            what = f"{service} = {name} as the test set"
            yield f"f/{name}", partial(_row, "f", what, "not estimable", inside, None, note)
    yield "g", lambda: _callers_alone(table, settings)


def _row(
    control: str, what: str, expected: str, part: pd.DataFrame, score: np.ndarray | None, note: str
) -> Row:
    area = low = high = np.nan
    if score is not None:
        interval = obuchowski(part["y"].to_numpy(), score, part["caller_id"].to_numpy())
        area = interval.auroc
        low, high = interval.wald() if interval.informative else (np.nan, np.nan)
    values = (control, what, expected, area, low, high, len(part), int(part["y"].sum()), note)
    return dict(zip(COLUMNS, values, strict=True))


def _shuffled_within(
    table: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    sex: str,
    n_random: int,
    switches: Switches,
) -> Row:
    drawn, alone = [], []
    for b in range(n_random):
        rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(STREAM, b)))
        shuffled = permute_outcomes(table, rng, [sex])
        drawn.append(pipeline_auroc(shuffled, make_fit_paths(shuffled), settings, switches))
        alone.append(strata_alone_auroc(shuffled, [sex], settings))
    error = float(np.std(drawn, ddof=1) / np.sqrt(n_random)) if n_random > 1 else np.nan
    row = _row("b", f"outcomes shuffled within sex, mean of {n_random}",
               "0.5, or what sex alone gives", table, None, "")  # fmt: skip
    note = f"Monte Carlo error {error:.3f}; sex alone gives {np.mean(alone):.3f} on the same shuffles"
    return {**row, "auroc": float(np.mean(drawn)), "note": note}


def _metadata_alone(
    table: pd.DataFrame,
    metadata: pd.DataFrame,
    names: list[str],
    settings: ValidationSettings,
    switches: Switches,
) -> Row:
    joined = table.merge(metadata[["call_id", *names]], on="call_id", how="left")
    joined[names] = joined[names].fillna(joined[names].median()).fillna(0.0)
    steady = replace(switches, tune_steps=False)
    score = pipeline_scores(table, ridge_paths(joined, names), settings, steady)
    what = f"the recording alone, no speech ({len(names)} columns)"
    note = f"ridge logistic on {', '.join(names)}"
    return _row("d", what, "0.5; above it the recording tells the outcome", table, score, note)


def _callers_alone(table: pd.DataFrame, settings: ValidationSettings) -> Row:
    pure = table[table.groupby("caller_id")["y"].transform("nunique") == 1]
    one_hot = pd.get_dummies(table["caller_id"], prefix="caller").astype(np.float64)
    fit = ridge_paths(pd.concat([table, one_hot], axis=1), list(one_hot.columns))
    area = leave_pair_out(pure, fit, settings, PAIRS).auroc if pure["y"].nunique() == 2 else np.nan
    note = "pooled over folds, a penalised model of callers alone moves with who is left out"
    row = _row("g", "one column a caller, nothing else, by pairs left out", "0.5", pure, None, note)
    return {**row, "auroc": area}


def control_findings(controls: pd.DataFrame) -> list[Finding]:
    """Say what the controls found, one finding each where the control is not as expected.

    Parameters
    ----------
    controls : DataFrame
        From `negative_controls`.
    """
    honest = float(controls.loc[controls["control"] == "none", "auroc"].iloc[0])
    out = []
    for row in controls.to_dict("records"):
        shown = f"control {row['control']}, {row['what']}: AUROC {row['auroc']:.3f}"
        if np.isfinite(row["lower"]):
            shown += f" ({row['lower']:.2f} to {row['upper']:.2f})"
        if row["control"] == "a" and row["lower"] > 0.5:
            out.append(
                Finding(
                    "channel_readable", "bias",
                    "The markers tell the service of a caller at the same outcome: the channel is readable.",
                    shown, "Report the result within one service, and without the service that differs.",
                )
            )  # fmt: skip
        if row["control"] == "c" and row["auroc"] > honest + JUMP:
            out.append(
                Finding(
                    "identity_readable", "note",
                    "Where segments of one voice stand under several callers the AUROC jumps: the markers "
                    "know voices, so that a caller under two ids would leak.",
                    f"{shown}; {honest:.3f} with the callers as they are",
                    "Make sure that one person is one caller_id, over services and years.",
                )
            )  # fmt: skip
        if row["control"] == "d" and row["lower"] > 0.5:
            out.append(
                Finding(
                    "recording_alone", "bias", "The recording without its speech tells the outcome.", shown,
                    "Ask which of level, noise, bandwidth and length differs by class, and why.",
                )
            )  # fmt: skip
        if row["control"] == "e" and np.isfinite(row["auroc"]) and row["auroc"] < honest - JUMP:
            out.append(
                Finding(
                    "one_service", "note", "The result hangs on one service.",
                    f"{shown}; {honest:.3f} with all", "Report both.",
                )
            )  # fmt: skip
        if row["control"] == "g" and abs(row["auroc"] - 0.5) > OFF:
            out.append(
                Finding(
                    "callers_straddle", "leak",
                    "Knowing nothing but who called tells the outcome: callers are in training and test at "
                    "once.", shown, "Hold out whole callers.",
                )
            )  # fmt: skip
    return out


def pseudo_callers(
    segments: pd.DataFrame, calls: pd.DataFrame, rng: np.random.Generator, within: Sequence[str] = ()
) -> pd.DataFrame:
    """Deal segments anew among the calls of the same class, so that a call holds many voices.

    Parameters
    ----------
    segments : DataFrame
        call_id, caller_id, segment and anything else.
    calls : DataFrame
        call_id, caller_id, y, and the columns of `within`.
    rng : numpy.random.Generator
    within : sequence of str
        Deal only among calls that agree in these (for example sex).

    Returns
    -------
    DataFrame
        `segments` with call_id, caller_id and segment of their new place; every call keeps its number of
        segments and its outcome.
    """
    cell = calls.groupby(["y", *within], sort=True).ngroup()
    of_call = dict(zip(calls["call_id"], cell, strict=True))
    out = segments.reset_index(drop=True).copy()
    of_row = out["call_id"].map(of_call).to_numpy()
    source = np.arange(len(out))
    for value in np.unique(of_row):
        rows = np.flatnonzero(of_row == value)
        source[rows] = rng.permutation(rows)
    return out.assign(**{key: out[key].to_numpy()[source] for key in ("call_id", "caller_id", "segment")})
