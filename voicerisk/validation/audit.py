"""The ladder from the honest to the published protocol, one switch at a time, on the same seed and folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.validation.alarms import degenerate_scores
from voicerisk.validation.calibration import calibration_line
from voicerisk.validation.decisions import decision_metrics
from voicerisk.validation.discrimination import auroc
from voicerisk.validation.findings import Finding, exit_code
from voicerisk.validation.ladder_findings import ladder_findings
from voicerisk.validation.permutation import judge_permutations, permute_outcomes
from voicerisk.validation.protocols import NESTED, ProtocolResult, run_protocol
from voicerisk.validation.provenance import leaks
from voicerisk.validation.ranking import rank_statistics
from voicerisk.validation.refit import FitPaths, Progress
from voicerisk.validation.settings import ValidationSettings
from voicerisk.validation.switches import Switches
from voicerisk.validation.tables import check_calls
from voicerisk.validation.thresholds import automatic_direction

CALLER_EFFECTS = ("none", "all_data", "brandom")
STREAM = 37
CONSTANT = 1e-9


@dataclass(frozen=True, slots=True)
class FitSwitches:
    """How a refit departs from the honest one.

    Parameters
    ----------
    global_scaling : bool
        Scaling and knots from all callers.
    global_screening : bool
        Screening on all callers.
    row_folds : bool
        Lambda and the number of steps chosen on folds over rows, which callers straddle; the path then
        ends at
        the number of steps chosen.
    caller_effect : {'none', 'all_data', 'brandom'}
        'all_data': each caller's effect estimated with all outcomes enters as a predictor. 'brandom': a
        random
        intercept in the model, 0 for a caller it never saw.
    """

    global_scaling: bool = False
    global_screening: bool = False
    row_folds: bool = False
    caller_effect: str = "none"


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the ladder.

    Parameters
    ----------
    name, label : str
        Stable name, and what the switch does in words.
    fit : FitSwitches
    protocol : Switches
    unit : {'call', 'frame'}
        Unit of which the rung would print its numbers.
    automatic : bool
        Whether the direction is chosen from the same scores.
    """

    name: str
    label: str
    fit: FitSwitches
    protocol: Switches
    unit: str = "call"
    automatic: bool = False


MakeFitter = Callable[[FitSwitches, pd.DataFrame], FitPaths]
"""Makes the refit function for switches and a table of calls, whose outcomes may have been permuted."""


def ladder(caller_effect: str = "all_data") -> tuple[Rung, ...]:
    """Return the rungs, each the one before plus one switch.

    Parameters
    ----------
    caller_effect : {'all_data', 'brandom'}
        What the rung of the caller effect puts into the model.
    """
    if caller_effect not in CALLER_EFFECTS[1:]:
        raise ValidationError(
            f"The caller effect of the ladder is all_data or brandom, not {caller_effect!r}."
        )
    fit, protocol = FitSwitches(), replace(NESTED, assert_unseen=False)
    rungs = [Rung("honest", "everything learned inside the fold", fit, replace(protocol, name="honest"))]

    def add(name: str, label: str, unit: str = "call", automatic: bool = False) -> None:
        rungs.append(Rung(name, label, fit, replace(protocol, name=name), unit, automatic))

    fit = replace(fit, global_scaling=True)
    add("global_scaling", "+ scaling and knots from all callers")
    fit = replace(fit, global_screening=True)
    add("global_screening", "+ screening on all callers")
    fit, protocol = replace(fit, row_folds=True), replace(protocol, tune_steps=False)
    add("row_folds", "+ lambda and steps by folds over rows")
    protocol = replace(protocol, threshold_from="holdout", midpoints=False)
    add("holdout_threshold", "+ threshold from the hold-out scores")
    protocol = replace(protocol, constant_prior=False, recalibrate=False)
    add("shifting_prior", "+ no class weights: the share of positives shifts with who is left out")
    add("frame_units", "+ frames counted as units", unit="frame")
    fit = replace(fit, caller_effect=caller_effect)
    add("caller_effect", f"+ caller effect in the model ({caller_effect})", unit="frame")
    add("automatic_direction", "+ direction chosen from the same scores", unit="frame", automatic=True)
    return tuple(rungs)


@dataclass(frozen=True, slots=True)
class Audit:
    """What climbing the ladder gave.

    Parameters
    ----------
    table : DataFrame
        rung, label, unit, auroc (what the rung would print), auroc_call, auroc_caller, auroc_frame,
        average_precision, youden_j, accuracy_frame (the call's decision carried by its frames), brier,
        calibration_slope, null_mean, null_se, n_permutations, leaked (learned objects that saw
        held-out callers).
    findings : tuple of Finding
    """

    table: pd.DataFrame
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 where the honest rung itself leaks; the other rungs leak on purpose."""
        return exit_code([one for one in self.findings if one.mechanism.startswith("honest")])


def audit_ladder(
    calls: pd.DataFrame,
    make_fitter: MakeFitter,
    settings: ValidationSettings,
    design: str = "loco",
    n_permutations: int = 0,
    rungs: Sequence[Rung] | None = None,
    finished: Mapping[str, Mapping[str, Any]] | None = None,
    keep: Callable[[str, Mapping[str, Any]], None] | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Climb the ladder.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    make_fitter : callable
        (switches, calls) -> refit function.
    settings : ValidationSettings
    design : {'loco', 'grouped_kfold'}
        One repeat of it, the same folds on every rung. Frame scores exist for 'loco' only.
    n_permutations : int
        Permutations among all callers on every rung; 0 leaves `null_mean` empty.
    rungs : sequence of Rung, optional
        `ladder()` when left out.
    finished : mapping, optional
        Rows that an earlier run kept, by rung: they are not run again.
    keep : callable, optional
        Called with the rung's name and its row as soon as it is finished.
    progress : callable, optional

    Returns
    -------
    Audit
    """
    table = check_calls(calls)
    chosen = ladder() if rungs is None else tuple(rungs)
    once = replace(settings, designs=(design,), repeats=1)
    rows: list[dict[str, Any]] = []
    for number, rung in enumerate(chosen):
        row = dict((finished or {}).get(rung.name, {}))
        if not row:
            row = _climb(rung, table, make_fitter, once, design, n_permutations)
            if keep is not None:
                keep(rung.name, row)
        rows.append(row)
        if progress is not None:
            progress(number + 1, len(chosen))
    climbed = pd.DataFrame(rows)
    return Audit(climbed, ladder_findings(climbed))


def _climb(
    rung: Rung,
    calls: pd.DataFrame,
    make_fitter: MakeFitter,
    settings: ValidationSettings,
    design: str,
    n: int,
) -> dict[str, Any]:
    result = run_protocol(calls, make_fitter(rung.fit, calls), settings, rung.protocol, (design,))
    row: dict[str, Any] = {
        "rung": rung.name,
        "label": rung.label,
        "unit": rung.unit,
        **rung_metrics(result, calls, rung),
    }
    row["leaked"] = ", ".join(sorted({str(one["learned"]) for one in leaks(result.provenance)}))
    alarm = degenerate_scores(result.predictions)
    row["degenerate"] = bool(alarm["alarm"].any())
    null = np.empty(n)
    observed = float(row["auroc"])
    for b in range(n):
        rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(STREAM, b)))
        permuted = permute_outcomes(calls, rng)
        again = run_protocol(permuted, make_fitter(rung.fit, permuted), settings, rung.protocol, (design,))
        null[b] = rung_metrics(again, permuted, rung)["auroc"]
    judged = judge_permutations("all", observed, null) if n else None
    row["null_mean"] = judged.null_mean if judged else np.nan
    row["null_se"] = judged.monte_carlo_se if judged else np.nan
    row["null_verdict"] = judged.verdict if judged else ""
    row["n_permutations"] = n
    return row


def rung_metrics(result: ProtocolResult, calls: pd.DataFrame, rung: Rung) -> dict[str, float]:
    """Measure one rung; `auroc` is in the unit and direction that the rung would print."""
    rows = result.predictions[result.predictions["unit"] == "call"].set_index("call_id")
    frames = result.predictions[result.predictions["unit"] == "frame"]
    y, score = rows["y"].to_numpy(), rows["p_raw"].to_numpy(dtype=np.float64)
    size = calls.set_index("call_id")["n_frames"].loc[rows.index].to_numpy(dtype=np.float64)
    of_call = auroc(y, score)
    by_caller = rows.groupby("caller_id").agg(y=("y", "mean"), p_raw=("p_raw", "mean"))
    pure = by_caller["y"].isin([0, 1]).all()
    alone = np.zeros(len(y), dtype=np.int64)
    ranked = rank_statistics(score, y, alone, np.ones((1, 1)))
    reverse = automatic_direction(score, y) == "<="
    cut = rows["threshold"].to_numpy(dtype=np.float64, na_value=np.nan)
    flagged = score <= cut if rung.automatic and reverse else score >= cut
    decided = ~np.isnan(cut)
    decisions = [
        decision_metrics(y[decided] == 1, flagged[decided], alone[decided], w[decided], np.ones((1, 1)))
        for w in (np.ones(len(y)), size)
    ]
    p = rows["p"].to_numpy(dtype=np.float64)
    of_frame = auroc(frames["y"].to_numpy(), frames["p_raw"].to_numpy()) if len(frames) else np.nan
    printed = of_frame if rung.unit == "frame" and len(frames) else of_call
    if rung.automatic and reverse:
        printed = 1.0 - printed
    return {
        "auroc": printed,
        "auroc_call": of_call,
        "auroc_caller": auroc(by_caller["y"].to_numpy(), by_caller["p_raw"].to_numpy()) if pure else np.nan,
        "auroc_frame": of_frame,
        "average_precision": float(ranked.average_precision[0]),
        "youden_j": float(decisions[0]["youden_j"][0]),
        "accuracy_frame": float(decisions[1]["accuracy"][0]),
        "brier": float(((p - y) ** 2).mean()),
        "calibration_slope": calibration_line(y, p).slope if np.ptp(p) > CONSTANT else np.nan,
    }
