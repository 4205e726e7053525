"""Checks for leaks that need no refit: who was seen, what names a caller, what the recording reveals."""

from collections.abc import Sequence
from math import comb
from typing import Literal

import numpy as np
import pandas as pd

from voicerisk.callers.provenance import Provenance, leaks
from voicerisk.callers.schema import require_columns, require_one_row
from voicerisk.errors import ValidationError
from voicerisk.validation.audit.findings import Finding
from voicerisk.validation.metrics.discrimination import auroc, obuchowski

SEPARATES = 0.999
LEAST_CALLERS = 3
ALPHA = 0.05
MOST_EXACT = 60
CHANNEL = {
    "sample_rate": "the sample rate",
    "duration_s": "the length of the recording",
    "peak_dbfs": "the peak level",
    "rms_dbfs": "the level of speech",
    "noise_floor_dbfs": "the noise between words",
    "bandwidth_hz": "the bandwidth",
    "clipped_share": "the share of clipped samples",
    "dc_offset": "the DC offset",
}


def group_overlap(provenance: Provenance) -> list[Finding]:
    """Find learned objects that saw the caller they were tested on.

    Parameters
    ----------
    provenance : dict
        From a protocol.
    """
    found = pd.DataFrame(leaks(provenance))
    if found.empty:
        return []
    out = []
    for learned, part in found.groupby("learned"):
        first = part.iloc[0]
        severity = "bias" if learned in ("threshold", "scaling", "knots") else "leak"
        out.append(
            Finding(
                "group_overlap", severity,
                f"The held-out caller's data entered through {learned!r}.",
                f"in {len(part)} of the held-out places, for example caller {first['caller']!r} in "
                f"{first['design']} repeat {first['repeat']} fold {first['fold']}",
                f"Learn {learned!r} from the training callers of each fold.",
            )
        )  # fmt: skip
    return out


def caller_columns(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Measure how well each column alone predicts the outcome, and whether it is constant within callers.

    Parameters
    ----------
    table : DataFrame
        caller_id, y and the columns; rows of any unit (frames, segments, calls).
    columns : sequence of str
        Numeric columns are ranked. Others are scored by the share of positives among the other callers with
        the same value, so that a value of one caller says nothing.

    Returns
    -------
    DataFrame
        column, constant_within_caller, n_distinct, auroc (of caller means, the better direction), separates,
        index_like.
    """
    require_columns(table, ("caller_id", "y", *columns), "checked")
    by_caller = table.groupby("caller_id", sort=True)
    y_mean = by_caller["y"].mean()
    pure = y_mean.isin([0, 1]).to_numpy()
    y = y_mean.to_numpy()[pure].astype(int)
    if len(set(y)) < 2:
        raise ValidationError(
            "Columns can be checked against the outcome only where callers of both classes exist."
        )
    rows = []
    for column in columns:
        values = table[column]
        constant = bool((by_caller[column].nunique(dropna=False) <= 1).all())
        numeric = pd.api.types.is_numeric_dtype(values)
        if numeric:
            means = by_caller[column].mean().to_numpy(dtype=np.float64)[pure]
            score = np.where(
                np.isnan(means), np.nanmin(means) - 1.0 if np.isfinite(means).any() else 0.0, means
            )
        else:
            score = _share_among_others(by_caller[column].first().astype(str).to_numpy()[pure], y)
        area = auroc(y, score)
        best = max(area, 1.0 - area) if numeric else area
        rows.append(
            {
                "column": column, "constant_within_caller": constant, "n_distinct": int(values.nunique()),
                "auroc": best, "separates": constant and best >= SEPARATES,
                "index_like": numeric and constant and _index_like(table, column),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def column_findings(table: pd.DataFrame, columns: Sequence[str], in_model: bool = True) -> list[Finding]:
    """Turn `caller_columns` into findings: index-like columns, and caller-constant columns that separate.

    Parameters
    ----------
    table : DataFrame
        caller_id, y and the columns.
    columns : sequence of str
    in_model : bool
        Whether the model is given these columns; what it is not given is a note, never a leak. Nor is what as
        few callers would show by chance: a column that is constant within callers separates n0 and n1 of them
        with probability 2 / C(n0 + n1, n1), times the number of such columns.
    """
    out = []
    found = caller_columns(table, columns)
    chance = min(1.0, int(found["constant_within_caller"].sum()) * separated_by_chance(table))
    worst = "leak" if in_model and chance <= ALPHA else "note"
    remedy = "" if in_model else "It is not among the predictors; keep it so. "
    for row in found.to_dict("records"):
        evidence = (
            f"column {row['column']!r}: AUROC {row['auroc']:.3f} alone, {row['n_distinct']} distinct values"
        )
        if row["separates"]:
            evidence += f"; these callers would be separated by chance with probability {chance:.2g}"
        if row["index_like"]:
            out.append(
                Finding(
                    "index_column", worst if row["separates"] else "note",
                    f"{row['column']!r} numbers the callers"
                    + (", and their order is that of the outcome." if row["separates"] else "."),
                    evidence, remedy or "Do not hand it to the model.",
                )
            )  # fmt: skip
        elif row["separates"]:
            out.append(
                Finding(
                    "caller_constant_column", worst,
                    f"{row['column']!r} is the same for all rows of a caller and separates the outcomes.",
                    evidence,
                    remedy + "Ask how it was made: an effect estimated with the caller's own outcome, a "
                    "folder, a code.",
                )
            )  # fmt: skip
    return out


def separated_by_chance(table: pd.DataFrame) -> float:
    """Return the probability that a number given to each caller at random separates the outcomes."""
    share = table.groupby("caller_id")["y"].mean()
    n0, n1 = (int((share == value).sum()) for value in (0, 1))
    return 2.0 / comb(n0 + n1, n1)


def one_class_cells(calls: pd.DataFrame, strata: Sequence[str]) -> list[Finding]:
    """Find values of a stratum whose calls all have one outcome.

    A few callers who share a value may share their outcome by chance: where the probability of that (callers
    dealt to values at random, either outcome), times the number of values that are looked at, is above 0.05,
    it is a note and not a bias.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y and the strata.
    strata : sequence of str
    """
    require_columns(calls, ("call_id", "caller_id", "y", *strata), "calls")
    out: list[Finding] = []
    if calls["y"].nunique() < 2:
        return out
    looked_at = sum(calls[name].astype(str).nunique() for name in strata)
    for name in strata:
        for value, part in calls.groupby(calls[name].astype(str), sort=True):
            if part["y"].nunique() == 1:
                outcome = int(part["y"].iloc[0])
                share = len(part) / (calls["y"] == outcome).sum()
                callers = part["caller_id"].nunique()
                chance = min(1.0, looked_at * _one_class_by_chance(calls, callers))
                # A column that marks these calls and nothing else ranks them all right, the rest by chance.
                out.append(
                    Finding(
                        "one_class_cell", "bias" if chance <= ALPHA else "note",
                        f"All calls with {name} = {value} have outcome {outcome}: whatever tells this {name} "
                        "predicts the outcome.",
                        f"{len(part)} calls of {callers} callers, {share:.0%} of outcome {outcome}; a "
                        f"perfect mark of them alone reaches an AUROC of {0.5 + share / 2:.3f}; so many "
                        f"callers would share an outcome by chance with probability {chance:.2g}, "
                        f"{looked_at} values looked at",
                        f"Report the result without {name} = {value}; leaving it out as a test set cannot be "
                        "estimated.",
                    )
                )  # fmt: skip
    return out


def _one_class_by_chance(calls: pd.DataFrame, drawn: int) -> float:
    """Return the probability that so many callers, drawn without replacement, all have one outcome."""
    share = calls.groupby("caller_id")["y"].mean()
    n, alike = len(share), [int((share == value).sum()) for value in (0, 1)]
    return float(sum(comb(one, drawn) for one in alike) / comb(n, drawn))


def duplicate_audio(channel: pd.DataFrame, calls: pd.DataFrame) -> list[Finding]:
    """Find recordings with the same content, above all under different callers or outcomes.

    Parameters
    ----------
    channel : DataFrame
        call_id, sha256 of the decoded samples.
    calls : DataFrame
        call_id, caller_id, y.
    """
    require_columns(channel, ("call_id", "sha256"), "channel")
    joined = channel[["call_id", "sha256"]].merge(calls[["call_id", "caller_id", "y"]], on="call_id")
    out = []
    for _, part in joined.groupby("sha256", sort=True):
        if len(part) < 2:
            continue
        callers, outcomes = part["caller_id"].nunique(), part["y"].nunique()
        severity = "leak" if callers > 1 else "note"
        what = "different callers" if callers > 1 else "one caller"
        what += " and outcomes" if outcomes > 1 else ""
        out.append(
            Finding(
                "duplicate_audio", severity, f"The same recording stands under {what}.",
                f"calls {', '.join(sorted(part['call_id'].astype(str))[:5])}",
                "Keep one, or give the copies one caller_id so that they share a fold.",
            )
        )  # fmt: skip
    return out


def channel_table(channel: pd.DataFrame, calls: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Measure how well the recording channel alone predicts the outcome.

    Parameters
    ----------
    channel : DataFrame
        call_id and the columns of channel.csv.
    calls : DataFrame
        call_id, caller_id, y.
    level : float

    Returns
    -------
    DataFrame
        column, auroc, lower, upper (Obuchowski's interval over callers), n_missing, mean_0, mean_1. The
        direction is that of the column. Columns that do not vary, or are known of fewer than 3 callers in a
        class, have no row.
    """
    require_columns(channel, ("call_id",), "channel")
    require_one_row(channel, "call_id", "channel")
    if not channel["call_id"].isin(calls["call_id"]).any():
        raise ValidationError(
            "The channel table holds none of the calls; are its call_ids those of calls.csv?"
        )
    joined = calls[["call_id", "caller_id", "y"]].merge(channel, on="call_id").sort_values("call_id")
    rows = []
    for column in (c for c in CHANNEL if c in channel.columns):
        if not pd.api.types.is_numeric_dtype(joined[column]):
            raise ValidationError(
                f"The channel table's {column} holds {joined[column].iloc[0]!r}; it must hold numbers."
            )
        values = joined[column].to_numpy(dtype=np.float64)
        known = np.isfinite(values)
        y, groups = joined["y"].to_numpy()[known], joined["caller_id"].to_numpy()[known]
        of_class = [len(np.unique(groups[y == v])) for v in (0, 1)]
        if min(of_class) < LEAST_CALLERS or np.ptp(values[known]) == 0:
            continue
        interval = obuchowski(y, values[known], groups)
        low, high = interval.wald(level) if interval.informative else (np.nan, np.nan)
        rows.append(
            {
                "column": column, "auroc": interval.auroc, "lower": low, "upper": high,
                "n_missing": int((~known).sum()), "mean_0": values[known][y == 0].mean(),
                "mean_1": values[known][y == 1].mean(),
            }
        )  # fmt: skip
    columns = ["column", "auroc", "lower", "upper", "n_missing", "mean_0", "mean_1"]
    return pd.DataFrame(rows, columns=columns)


def channel_findings(channel: pd.DataFrame, calls: pd.DataFrame) -> list[Finding]:
    """Say which columns of the channel predict the outcome: 0.5 outside the interval, and a rank test.

    The level of each interval is 1 - 0.05 / columns (Bonferroni), so that a clean study is not accused by
    one of its eight columns. With few callers that interval is too short and a column may separate the
    outcomes by chance: the exact rank test of caller means at the same level has to agree. A separation that
    it does not confirm is a note.
    """
    out = []
    tested = max(len(channel_table(channel, calls)), 1)
    for row in channel_table(channel, calls, 1.0 - ALPHA / tested).to_dict("records"):
        separated = row["auroc"] in (0.0, 1.0)
        if not (separated or row["lower"] > 0.5 or row["upper"] < 0.5):
            continue
        p_value = _rank_test(calls.merge(channel[["call_id", row["column"]]], on="call_id"), row["column"])
        sure = p_value <= ALPHA / tested
        if sure or separated:
            interval = "" if separated else f" ({row['lower']:.2f} to {row['upper']:.2f})"
            out.append(
                Finding(
                    "channel", "bias" if sure else "note",
                    f"The recording alone predicts the outcome: {CHANNEL[row['column']]} differs by class."
                    if sure
                    else f"{CHANNEL[row['column']].capitalize()} separates the outcomes, which with so few "
                    "callers may be chance.",
                    f"{row['column']}: AUROC {row['auroc']:.3f}{interval}, rank test of callers P = "
                    f"{p_value:.2g}, {tested} columns tested together; mean {row['mean_0']:.4g} without and "
                    f"{row['mean_1']:.4g} with the outcome",
                    "Compare services, normalise level and bandwidth, and report the AUROC without the "
                    "service that differs.",
                )
            )  # fmt: skip
    return out


def _rank_test(rows: pd.DataFrame, column: str) -> float:
    """Return the two-sided P of Wilcoxon's rank test of caller means, callers of both outcomes aside."""
    from scipy.stats import mannwhitneyu

    by_caller = rows.dropna(subset=[column]).groupby("caller_id").agg(y=("y", "mean"), x=(column, "mean"))
    negative, positive = (by_caller.loc[by_caller["y"] == v, "x"].to_numpy() for v in (0, 1))
    if not len(negative) or not len(positive):
        return 1.0
    n = len(negative) + len(positive)
    if max(negative) < min(positive) or max(positive) < min(negative):
        return 2.0 / comb(n, len(positive))
    exact = n <= MOST_EXACT and len(np.unique(by_caller["x"])) == len(by_caller)
    method: Literal["exact", "asymptotic"] = "exact" if exact else "asymptotic"
    return float(mannwhitneyu(positive, negative, alternative="two-sided", method=method).pvalue)


def _share_among_others(value: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Score each caller by the share of positives among the callers with the same value.

    One caller of each outcome is taken out of every value first. Taking out only the caller who is scored
    would move the share against their own outcome: a column that says nothing would score below one half.
    """
    code = np.unique(value, return_inverse=True)[1]
    positive = np.maximum(np.bincount(code, y == 1) - 1, 0)[code]
    negative = np.maximum(np.bincount(code, y == 0) - 1, 0)[code]
    return np.asarray((positive + 0.5) / (positive + negative + 1.0))


def _index_like(table: pd.DataFrame, column: str) -> bool:
    """Whole numbers that are distinct between callers and evenly spaced: a running number."""
    of_caller = np.sort(table.groupby("caller_id")[column].first().to_numpy(dtype=np.float64))
    whole = bool(np.isfinite(of_caller).all() and (of_caller == np.round(of_caller)).all())
    gaps = np.diff(of_caller)
    return whole and len(gaps) > 0 and bool((gaps > 0).all()) and bool(np.median(gaps) == 1.0)
