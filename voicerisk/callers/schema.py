"""The predictions table, the calls table that validation works on, and the checks of both."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError

COLUMNS = (
    "protocol", "model", "target", "design", "repeat", "fold", "unit", "call_id", "caller_id", "segment",
    "frame", "time_s", "y", "p_raw", "p", "threshold", "weight",
)  # fmt: skip
KEY = ("protocol", "model", "target", "design", "repeat", "unit", "call_id", "segment", "frame")
RUN = ("protocol", "model", "target", "design")
NO_VOICE = "no_voice"  # the model of covariates alone
SHORTEST_CALL = "shortest_call_frames"  # a note of a model file
RIVAL = "rival"  # protocol of models that stand beside the nested one, on its folds; `model` names them
UNITS = ("frame", "segment", "call")
DESIGNS = ("loco", "grouped_kfold", "holdout", "external")
CALL_COLUMNS = ("call_id", "caller_id", "y", "n_frames")
SCORE_DECIMALS = 12  # of every score, so that what differs by floating point alone is a tie


def check_calls(calls: pd.DataFrame) -> pd.DataFrame:
    """Check the calls of a study and return them sorted by caller and call.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y (0/1), n_frames, then one column a stratum.

    Returns
    -------
    DataFrame
        The same columns, ids as text, sorted so that no result depends on the order of the rows.

    Raises
    ------
    ValidationError
        Names the column, the row and the value.
    """
    _present(calls, CALL_COLUMNS, "calls")
    if calls.empty:
        raise ValidationError("The calls table is empty; there is nothing to validate.")
    for column in calls.columns:
        if column != "y":
            _complete(calls, column, "calls")
    _binary(calls, "calls")
    twice = calls["call_id"].duplicated(keep=False)
    if twice.any():
        raise ValidationError(
            f"The calls table holds call_id {calls['call_id'][twice].iloc[0]!r} more than once "
            f"({int(twice.sum())} rows are concerned); a call is one row."
        )
    broken = ~(np.isfinite(calls["n_frames"]) & (calls["n_frames"] % 1 == 0))
    if broken.any():
        raise ValidationError(
            f"calls, {_row(calls, broken)}: n_frames is {calls['n_frames'][broken].iloc[0]}; it must be a "
            "whole number."
        )
    short = ~(calls["n_frames"] > 0)
    if short.any():
        raise ValidationError(
            f"The calls table gives call {calls['call_id'][short].iloc[0]!r} n_frames = "
            f"{calls['n_frames'][short].iloc[0]}; a call without frames must leave the cohort first."
        )
    ids = {"call_id": calls["call_id"].astype(str), "caller_id": calls["caller_id"].astype(str)}
    whole = {"y": calls["y"].astype("int64"), "n_frames": calls["n_frames"].astype("int64")}
    return calls.assign(**ids, **whole).sort_values(["caller_id", "call_id"], ignore_index=True)


def require_columns(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Raise where the table called `name` lacks one of the columns."""
    _present(table, columns, name)


def require_one_row(table: pd.DataFrame, key: str, name: str) -> None:
    """Raise where a key stands twice in the table called `name`."""
    twice = table[key].duplicated(keep=False)
    if twice.any():
        raise ValidationError(
            f"The {name} table holds {key} {table[key][twice].iloc[0]!r} more than once ({int(twice.sum())} "
            "rows are concerned); keep one."
        )


def classes_of(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Return the class names of a table with several classes (`p_raw_<class>`), () for a binary one."""
    return tuple(str(name)[6:] for name in predictions.columns if str(name).startswith("p_raw_"))


def strata_of(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns beyond the schema: the strata."""
    known = set(COLUMNS)
    return tuple(
        str(c) for c in predictions.columns if c not in known and not str(c).startswith(("p_raw_", "p_"))
    )


def check_predictions(predictions: pd.DataFrame) -> None:
    """Check a predictions table against the one schema.

    Parameters
    ----------
    predictions : DataFrame
        The columns of `COLUMNS`, then strata. With several classes `p_raw_<class>` and `p_<class>` stand in
        the place of `p_raw` and `p`.

    Raises
    ------
    ValidationError
        One sentence that names the column, the row and the value: missing columns, an empty table, unknown
        unit or design, missing ids, y that is not a class, scores that are NaN or outside 0-1, a `p` on frame
        rows, weights that are not positive, duplicate keys, a call of two callers or with two outcomes, a
        caller whose calls lie in more than one fold of a repeat (they would be in training and test at once).

    Examples
    --------
    >>> from voicerisk import load_example
    >>> table = load_example("predictions")
    >>> check_predictions(table)
    >>> check_predictions(table.assign(p_raw=2.0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    voicerisk.errors.ValidationError: ...
    """
    classes = classes_of(predictions)
    score_columns = tuple(f"{kind}_{c}" for kind in ("p_raw", "p") for c in classes) or ("p_raw", "p")
    plain = tuple(c for c in COLUMNS if c not in ("p_raw", "p"))
    _present(predictions, plain + score_columns, "predictions")
    if predictions.empty:
        raise ValidationError("The predictions table is empty; there is nothing to measure.")
    for column in ("protocol", "model", "target", "design", "repeat", "fold", "unit", "call_id", "caller_id"):
        _complete(predictions, column, "predictions")
    for column, known in (("unit", UNITS), ("design", DESIGNS)):
        odd = ~predictions[column].isin(known)
        if odd.any():
            raise ValidationError(
                f"predictions, {_row(predictions, odd)}: {column} {predictions[column][odd].iloc[0]!r} is "
                f"unknown; it must be one of {', '.join(known)}."
            )
    if classes:
        odd = ~predictions["y"].astype(str).isin(classes)
        if odd.any():
            raise ValidationError(
                f"predictions, {_row(predictions, odd)}: y {predictions['y'][odd].iloc[0]!r} is not one of "
                f"the classes {', '.join(classes)} that have a p_raw column."
            )
    else:
        _binary(predictions, "predictions")
    for column in score_columns:
        _probability(predictions, column)
    weight = predictions["weight"].to_numpy(dtype=np.float64)
    odd_weight = pd.Series(~(np.isfinite(weight) & (weight > 0)), index=predictions.index)
    if odd_weight.any():
        raise ValidationError(
            f"predictions, {_row(predictions, odd_weight)}: weight "
            f"{predictions['weight'][odd_weight].iloc[0]} must be finite and above 0."
        )
    _null_where_coarse(predictions)
    _unique(predictions)
    _one_each(predictions)


def require_both_classes(y: np.ndarray, what: str) -> None:
    """Raise where `y` holds one class only; `what` says of which rows."""
    values, counts = np.unique(y, return_counts=True)
    if len(values) < 2:
        raise ValidationError(
            f"{what} hold one class only (y = {values[0]} in all {counts[0]} rows); discrimination, cuts and "
            "calibration need both classes."
        )


def _present(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise ValidationError(f"The {name} table lacks the column(s) {', '.join(missing)}.")


def _row(table: pd.DataFrame, bad: pd.Series) -> str:
    position = int(np.flatnonzero(bad.to_numpy())[0])
    call = f", call {table['call_id'].iloc[position]!r}" if "call_id" in table.columns else ""
    more = int(bad.sum()) - 1
    return f"row {position}{call}{f' and {more} more' if more else ''}"


def _complete(table: pd.DataFrame, column: str, name: str) -> None:
    empty = table[column].isna()
    if empty.any():
        raise ValidationError(f"{name}, {_row(table, empty)}: {column} is missing.")


def _binary(table: pd.DataFrame, name: str) -> None:
    odd = ~table["y"].isin([0, 1])
    if odd.any():
        raise ValidationError(
            f"{name}, {_row(table, odd)}: y is {table['y'][odd].iloc[0]}; it must be 0 or 1."
        )


def _probability(table: pd.DataFrame, column: str) -> None:
    values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
    recalibrated = not column.startswith("p_raw")
    empty = np.isnan(values)
    outside = ~empty & ~((values >= 0.0) & (values <= 1.0))
    if outside.any():
        bad = pd.Series(outside, index=table.index)
        raise ValidationError(
            f"predictions, {_row(table, bad)}: {column} is {values[outside][0]}, outside 0 to 1."
        )
    if recalibrated:
        fine = pd.Series(~empty & (table["unit"] != "call").to_numpy(), index=table.index)
        if fine.any():
            raise ValidationError(
                f"predictions, {_row(table, fine)}: {column} must be empty on frame and segment rows; only "
                "calls are recalibrated."
            )
    elif empty.any():
        bad = pd.Series(empty, index=table.index)
        raise ValidationError(
            f"predictions, {_row(table, bad)}: {column} is NaN; a call without a score must be counted out "
            "before it is validated."
        )


def _null_where_coarse(table: pd.DataFrame) -> None:
    for unit, columns in (("call", ("segment", "frame", "time_s")), ("segment", ("frame", "time_s"))):
        rows = table["unit"] == unit
        for column in columns:
            filled = rows & table[column].notna()
            if filled.any():
                raise ValidationError(
                    f"predictions, {_row(table, filled)}: {column} must be empty on {unit} rows."
                )


def _unique(table: pd.DataFrame) -> None:
    twice = table.duplicated(subset=list(KEY), keep=False)
    if twice.any():
        raise ValidationError(
            f"predictions, {_row(table, twice)}: the same prediction stands more than once "
            f"(key: {', '.join(KEY)}); keep one."
        )


def _one_each(table: pd.DataFrame) -> None:
    pairs = table[["call_id", "caller_id"]].drop_duplicates()
    shared = pairs["call_id"].duplicated()
    if shared.any():
        raise ValidationError(
            f"predictions: call {pairs['call_id'][shared].iloc[0]!r} belongs to more than one caller."
        )
    outcomes = table[["target", "call_id", "y"]].drop_duplicates()
    both = outcomes.duplicated(subset=["target", "call_id"])
    if both.any():
        raise ValidationError(
            f"predictions: call {outcomes['call_id'][both].iloc[0]!r} has more than one outcome."
        )
    resampled = table["design"].isin(["loco", "grouped_kfold"])
    places = table.loc[resampled, [*RUN, "repeat", "fold", "caller_id"]].drop_duplicates()
    straddling = places.duplicated(subset=[*RUN, "repeat", "caller_id"], keep=False)
    if straddling.any():
        caller = places["caller_id"][straddling].iloc[0]
        folds = sorted(places["fold"][straddling & (places["caller_id"] == caller)].unique())[:5]
        raise ValidationError(
            f"predictions: caller {caller!r} has calls in the folds {[int(f) for f in folds]} of one repeat, "
            "so that they were in training and test at once; hold out whole callers."
        )
