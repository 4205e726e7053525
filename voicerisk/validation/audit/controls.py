"""Negative controls: the same pipeline where it should find nothing, or find the channel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.schema import check_calls, require_columns, require_one_row
from voicerisk.callers.shuffling import permute_outcomes
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.validation.audit.checks import separated_by_chance
from voicerisk.validation.audit.control_findings import said_of_voices
from voicerisk.validation.audit.met_voices import LEVEL, met_voices
from voicerisk.validation.audit.permutation import strata_alone_auroc
from voicerisk.validation.metrics.discrimination import obuchowski
from voicerisk.validation.protocols.kfold_scores import MakeFitPaths, pipeline_auroc, pipeline_scores
from voicerisk.validation.protocols.nested_error import leave_pair_out
from voicerisk.validation.protocols.ridge import ridge_paths
from voicerisk.validation.protocols.run import NESTED
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.resume import Resume
from voicerisk.validation.settings import ValidationSettings

LEAST = 4
LEAST_KNOWN = 0.5  # a share of the calls: with fewer, medians would make up most of a control
PAIRS = 60
COLUMNS = (
    "control", "what", "unit", "expected", "auroc", "lower", "upper", "reference", "change", "change_lower",
    "change_upper", "chance", "n_calls", "n_events", "note",
)  # fmt: skip
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alone:
    """Columns of the calls, without any marker of the caller's speech, that are asked for the outcome.

    Attributes
    ----------
    control : str
        Short stable name of the row.
    what, expected : str
        As in the table of controls.
    columns : DataFrame
        call_id and numeric columns; calls without a row get the medians.
    """

    control: str
    what: str
    expected: str
    columns: pd.DataFrame


@dataclass(frozen=True, slots=True)
class BesideMarkers:
    """What a study knows of its calls beside the markers of the caller's speech.

    Attributes
    ----------
    service, sex : str or None
        Strata columns of the calls.
    recording : DataFrame or None
        call_id and numeric columns of the file and its line, no marker: channel.csv, duration; for (d).
    missing : DataFrame or None
        call_id and one column a marker, the share of frames in which it is missing; for (d), in a row of its
        own, since frames without a pitch or a formant are speech as much as line.
    segments : DataFrame or None
        segment_id, call_id, caller_id, y, n_frames and strata of the call, one row a segment; for (c).
    make_of_segments : callable or None
        Calls -> refit function, of a table in which each segment is a call; see `met_voices`.
    others : sequence of Alone
        Further columns, each a control of its own: silence, the other voice, lengths, moments.
    """

    service: str | None = None
    sex: str | None = None
    recording: pd.DataFrame | None = None
    missing: pd.DataFrame | None = None
    segments: pd.DataFrame | None = None
    make_of_segments: MakeFitPaths | None = None
    others: Sequence[Alone] = ()

    def check(self, calls: pd.DataFrame) -> None:
        """Refuse a part that lacks what its control needs, before anything runs."""
        lacking = [c for c in (self.service, self.sex) if c is not None and c not in calls.columns]
        if lacking:
            raise ValidationError(f"The calls table lacks the column(s) {', '.join(lacking)} of a control.")
        for name, columns in (("recording", self.recording), ("missing", self.missing)):
            if columns is not None:
                require_columns(columns, ("call_id",), name)
                require_one_row(columns, "call_id", name)
        if self.segments is not None:
            needed = ("segment_id", "call_id", "caller_id", "y", "n_frames")
            require_columns(self.segments, needed, "segments")


def negative_controls(
    calls: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    beside: BesideMarkers | None = None,
    n_random: int = 5,
    switches: Switches = NESTED,
    resume: Resume | None = None,
) -> pd.DataFrame:
    """Run the negative controls by one repeat of grouped k-fold each.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    make_fit_paths : callable
        Calls (a subset, or with other outcomes) -> refit function.
    settings : ValidationSettings
    beside : BesideMarkers, optional
        What the study knows of its calls beside their markers: each part allows a control.
    n_random : int
        Random relabellings of control (b).
    switches : Switches
    resume : Resume, optional
        Steps are names of controls, their records rows of this table.

    Returns
    -------
    DataFrame
        control, what, unit (of the AUROC), expected, auroc (NaN where it cannot be estimated), lower, upper
        (99%, over callers, given the scores; Obuchowski, of (c) bootstrapped), reference, change,
        change_lower, change_upper (of (c): the same segments by models that left out their caller, and the
        difference), chance (where the AUROC is 1, which has no interval: the probability that callers in
        random order would be separated so), n_calls, n_events, note.

    Notes
    -----
    (b) expects 0.5 only for a model without sex; what sex alone gives on the same shuffles is printed beside
    it. (c) compares the same segments twice, since averaging over many voices raises the AUROC of dealt
    calls by itself. (g) tests the code of this package, not the study; it holds both callers of a pair out of
    one model, since scores pooled over folds shift with the class of whoever is left out even at a constant
    prior.
    """
    table = check_calls(calls)
    known, steps = beside or BesideMarkers(), resume or Resume()
    known.check(table)
    rows = []
    for name, run in _tasks(table, make_fit_paths, settings, known, n_random, switches):
        row = dict(steps.finished.get(name, {}))
        if not row:
            row = run()
            steps.done(name, row)
        rows.append(row)
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    honest = float(found.loc[found["control"] == "none", "auroc"].iloc[0])
    return found.assign(expected=found["expected"].str.replace("HONEST", f"{honest:.3f}"))


def _tasks(
    table: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    beside: BesideMarkers,
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
    service, sex, segments = beside.service, beside.sex, beside.segments
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
    make_of_segments = beside.make_of_segments
    if segments is not None and make_of_segments is not None:
        yield "c", lambda: _met_voices(table, segments, make_of_segments, settings, sex, switches)
    recording, missing = beside.recording, beside.missing
    if recording is not None and len(_numbers(recording)):
        yield "d", lambda: _columns_alone(
            "d", "the recording alone, no marker", "0.5; above it the recording predicts the outcome",
            table, recording, settings, switches,
        )  # fmt: skip
    if missing is not None and len(_numbers(missing)):
        yield "d/missing", lambda: _columns_alone(
            "d, missing", "which markers are missing, alone", "0.5; above it gaps predict the outcome",
            table, missing, settings, switches,
        )  # fmt: skip
    for one in beside.others:
        yield one.control, partial(
            _columns_alone, one.control, one.what, one.expected, table, one.columns, settings, switches,
        )  # fmt: skip
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
    area = low = high = chance = np.nan
    if score is not None:
        interval = obuchowski(part["y"].to_numpy(), score, part["caller_id"].to_numpy())
        area = interval.auroc
        low, high = interval.wald(LEVEL) if interval.informative else (np.nan, np.nan)
        chance = separated_by_chance(part) / 2.0 if area == 1.0 else np.nan
    none = (np.nan,) * 4
    values = (
        control, what, "call", expected, area, low, high, *none, chance, len(part), int(part["y"].sum()), note
    )  # fmt: skip
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
        rng = generator(Stream.NEGATIVE_CONTROLS, settings.seed, b)
        shuffled = permute_outcomes(table, rng, [sex])
        drawn.append(pipeline_auroc(shuffled, make_fit_paths(shuffled), settings, switches))
        alone.append(strata_alone_auroc(shuffled, [sex], settings))
    error = float(np.std(drawn, ddof=1) / np.sqrt(n_random)) if n_random > 1 else np.nan
    row = _row("b", f"outcomes shuffled within sex, mean of {n_random}",
               "0.5, or what sex alone gives", table, None, "")  # fmt: skip
    note = f"Monte Carlo error {error:.3f}; sex alone gives {np.mean(alone):.3f} on the same shuffles"
    return {**row, "auroc": float(np.mean(drawn)), "note": note}


def _met_voices(
    table: pd.DataFrame,
    segments: pd.DataFrame,
    make_of_segments: MakeFitPaths,
    settings: ValidationSettings,
    sex: str | None,
    switches: Switches,
) -> Row:
    what = "segments dealt anew to made-up callers of the same class, so that the model met their voices"
    callers = [table["caller_id"][table["y"] == v].nunique() for v in (0, 1)]
    row = {**_row("c", what, "", table, None, ""), "unit": "segment"}
    if min(callers) < LEAST:
        return {
            **row,
            "expected": f"not estimable: {callers[0]} and {callers[1]} callers, {LEAST} are needed",
        }
    if segments.groupby("caller_id").size().max() < 2:
        return {**row, "expected": "not estimable: no caller has a second segment to meet"}
    found = met_voices(segments, make_of_segments, settings, switches, [] if sex is None else [sex])
    note = (
        f"change {found.change:+.3f} ({found.lower:+.3f} to {found.upper:+.3f}) over {found.n_segments} "
        f"segments, {found.share_met:.0%} of whose voices were met: "
        f"{said_of_voices(found.change, found.lower, found.upper)}"
    )
    return {
        **row, "expected": f"{found.unmet:.3f}, the same segments by models that never met their voices",
        "auroc": found.met, "lower": found.met_lower, "upper": found.met_upper, "reference": found.unmet,
        "change": found.change, "change_lower": found.lower, "change_upper": found.upper, "note": note,
    }  # fmt: skip


def _numbers(columns: pd.DataFrame) -> list[str]:
    return columns.drop(columns="call_id").select_dtypes("number").columns.tolist()


def _columns_alone(
    control: str,
    what: str,
    expected: str,
    table: pd.DataFrame,
    columns: pd.DataFrame,
    settings: ValidationSettings,
    switches: Switches,
) -> Row:
    names = [name for name in _numbers(columns) if columns[name].nunique() > 1]
    known = int(table["call_id"].isin(columns["call_id"]).sum())
    if not names or known < len(table) * LEAST_KNOWN:
        note = f"not estimable: {known} of {len(table)} calls have such values, in {len(names)} columns"
        return _row(control, what, expected, table, None, note)
    joined = table.merge(columns[["call_id", *names]], on="call_id", how="left")
    joined[names] = joined[names].fillna(joined[names].median()).fillna(0.0)
    steady = replace(switches, tune_steps=False)
    score = pipeline_scores(table, ridge_paths(joined, names), settings, steady)
    note = f"ridge logistic on {', '.join(names)}"
    if known < len(table):
        note += f"; {known} of {len(table)} calls have such values, the others got the medians"
    return _row(control, f"{what} ({len(names)} columns)", expected, table, score, note)


def _callers_alone(table: pd.DataFrame, settings: ValidationSettings) -> Row:
    pure = table[table.groupby("caller_id")["y"].transform("nunique") == 1]
    one_hot = pd.get_dummies(table["caller_id"], prefix="caller").astype(np.float64)
    fit = ridge_paths(pd.concat([table, one_hot], axis=1), list(one_hot.columns))
    area = leave_pair_out(pure, fit, settings, PAIRS).auroc if pure["y"].nunique() == 2 else np.nan
    note = "this tests the validation code, not the study: callers in training and test would show here"
    row = _row("g", "one column a caller, nothing else, by pairs left out", "0.5", pure, None, note)
    return {**row, "auroc": area}
