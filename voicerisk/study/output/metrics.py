"""The tables that join all protocols, and the manifest that says what everything was made from."""

import json
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

import pandas as pd

from voicerisk.biomarkers import DEFINITION_VERSION
from voicerisk.files import PRIVATE, write_csv, write_json
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table
from voicerisk.study.output.too_small import constant_folds, how_many_callers
from voicerisk.study.protocols import joined, part_of
from voicerisk.study.rivals import PREDICTIONS
from voicerisk.study.settings import Study
from voicerisk.validation import compute_metrics, degenerate_scores
from voicerisk.validation.metrics.compute import ONE_CLASS
from voicerisk.validation.metrics.conformal import conformal_sets
from voicerisk.validation.metrics.cut_stability import cut_stability
from voicerisk.validation.metrics.decision_curves import shift_prevalence
from voicerisk.validation.metrics.paired import paired_differences
from voicerisk.validation.metrics.service_cuts import service_cuts
from voicerisk.validation.metrics.settling import settled_after, settling

PACKAGES = ("voicerisk", "numpy", "scipy", "pandas", "numba", "scikit-learn", "python-glmnet", "soundfile",
            "soxr", "statsmodels", "matplotlib", "rpy2-rinterface")  # fmt: skip


STEP_S = 0.02  # frames of 40 ms overlap by half
LEAST_SETTLED = 20  # calls, to be spoken of
SETTLED = 0.1  # a difference of risks that is spoken of as settled
HEADER_SLACK_S = 0.1  # compressed formats round to a packet


def _worth_reading(every: Sequence[str]) -> list[str]:
    """Return the notes of the metrics, those that repeat for each metric or subgroup said once."""
    resamples = [note for note in every if "of the resamples" in note]
    alone = [note for note in every if ONE_CLASS in note]
    notes = [note for note in every if note not in resamples and note not in alone]
    if alone:
        where = dict.fromkeys(note.partition(f": {ONE_CLASS}")[0].rpartition(", ")[2] for note in alone)
        notes.append(
            f"No discrimination could be measured where all calls have one outcome: {', '.join(where)}."
        )
    if resamples:
        notes.append(f"{len(resamples)} metrics are undefined in some resamples: see metrics_notes.json.")
    return notes


def write_metrics(
    study: Study, folder: ResultsFolder, protocols: Sequence[str], move: Callable[[int, int], None]
) -> tuple[list[str], list[str]]:
    """Measure all predictions; write `metrics.csv`, `comparisons.csv`, and what folds and cuts hold."""
    tables = [read_table(folder.path, f"predictions_{name}") for name in protocols]
    predictions, notes = at_study_prevalence(pd.concat(tables, ignore_index=True), study.validation.prior)
    metrics = compute_metrics(
        predictions,
        study.validation,
        bootstrap_strata=study.validation.strata,
        subgroups=list(study.cohort.groups),
        prevalence=study.validation.prevalence,
        progress=move,
    )
    every = [str(note) for note in metrics.attrs.get("notes", ())]
    rivals = rivals_at_study_prevalence(study, folder, protocols)
    if rivals is not None:
        of_rivals = compute_metrics(
            rivals,
            study.validation,
            bootstrap_strata=study.validation.strata,
            units=("call",),
            prevalence=study.validation.prevalence,
        )
        metrics = pd.concat([metrics, of_rivals, constant_folds(folder, metrics)], ignore_index=True)
    write_csv(folder.file("metrics.csv"), metrics)
    comparisons = paired_differences(
        predictions if rivals is None else pd.concat([predictions, rivals], ignore_index=True),
        seed=study.validation.seed,
        bootstrap_strata=study.validation.strata,
    )
    write_csv(folder.file("comparisons.csv"), comparisons)
    out_of_bag = cut_stability(predictions, study.validation)
    write_csv(folder.file("thresholds_out_of_bag.csv"), out_of_bag)
    write_csv(folder.file("service_cuts.csv"), service_cuts(predictions, study.validation))
    moderator = study.cohort.moderator_column
    others = tuple(name for name in study.cohort.groups if name != moderator)
    write_csv(folder.file("conformal.csv"), conformal_sets(predictions, moderator, others))
    if study.validation.strata:
        notes.append(f"Metrics: callers were drawn within {' x '.join(study.validation.strata)}.")
    write_csv(folder.file("thresholds.csv"), joined(folder, protocols, "thresholds"))
    thresholds = read_table(folder.path, "thresholds")
    write_csv(folder.file("tuning.csv"), joined(folder, protocols, "tuning"))
    settled, said = settled_calls(predictions, thresholds, study.biomarkers.frames is not None)
    folder.file("settling.csv").unlink(missing_ok=True)
    if len(settled):
        write_csv(folder.file("settling.csv"), settled)
        notes += said
    provenance = {
        name: json.loads(folder.file(f"{part_of(name)}/provenance.json").read_text(encoding="utf-8"))
        for name in protocols
    }
    write_json(folder.file("provenance.json"), provenance, PRIVATE)
    folds = fold_table(folder, protocols)
    write_csv(folder.file("folds.csv"), folds)
    clamped = folds.loc[folds["protocol"] == "nested", "share_outside"].dropna()
    if len(clamped):
        notes.append(
            f"Nested: on average {clamped.mean():.2%} of held-out values lay beyond the knots of their fold."
        )
    curve, needed = how_many_callers(study, folder, metrics)
    notes += needed
    alarms = degenerate_scores(predictions)
    notes += [f"{row.protocol}, {row.design}: {row.finding}" for row in alarms[alarms["alarm"]].itertuples()]
    write_json(folder.file("metrics_notes.json"), every)
    notes += _worth_reading(every)
    names = [
        "metrics.csv",
        "comparisons.csv",
        "thresholds.csv",
        "thresholds_out_of_bag.csv",
        "service_cuts.csv",
        "conformal.csv",
        "tuning.csv",
        "folds.csv",
        "provenance.json",
        "metrics_notes.json",
        *curve,
        *(["settling.csv"] if len(settled) else []),
    ]
    return names, list(dict.fromkeys(notes))


def rivals_at_study_prevalence(
    study: Study, folder: ResultsFolder, protocols: Sequence[str]
) -> pd.DataFrame | None:
    """Return the predictions of the simple models; None where the nested protocol was not run."""
    if "nested" not in protocols:
        return None
    return at_study_prevalence(read_table(folder.path, PREDICTIONS), study.validation.prior)[0]


def settled_calls(
    predictions: pd.DataFrame, thresholds: pd.DataFrame, own_markers: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Return after how much speech the nested risk settles, and a sentence that says it.

    A study on a table of the user's own markers has a step of its own; without times there is no table.
    """
    nested = predictions[predictions["protocol"] == "nested"]
    step = STEP_S
    if own_markers:
        frames = nested[nested["unit"] == "frame"].sort_values(["call_id", "segment", "frame"])
        steps = frames.groupby(["call_id", "segment"], observed=True)["time_s"].diff()
        step = float(steps[steps > 0].median())
    if nested.empty or not step > 0:
        return pd.DataFrame(), []
    table = settling(nested, thresholds[thresholds["protocol"] == "nested"], step)
    if table.empty:
        return table, []
    known = table[table["n_calls"] >= LEAST_SETTLED]
    of = nested.loc[nested["unit"] == "call", "call_id"].nunique()
    if known.empty:
        return table, [
            f"Calls are too short to say how long a caller must speak: fewer than {LEAST_SETTLED} of {of} "
            f"last twice {table['seconds'].iloc[0]:g} s."
        ]
    after = settled_after(known, SETTLED)
    row = known.iloc[-1] if after is None else known[known["seconds"] == after].iloc[0]
    counted = f"({row['n_calls']:.0f} of {of} calls, which last at least twice as long; settling.csv)"
    if after is None:
        return table, [
            f"After {row['seconds']:g} s of speech one call in ten still has a risk that is more than "
            f"{row['q90_change']:.2f} from what the rest of the call says {counted}."
        ]
    return table, [
        f"After {after:g} s of speech the risk of nine calls in ten lies within {SETTLED:g} of what the rest "
        f"of the call says {counted}."
    ]


def at_study_prevalence(predictions: pd.DataFrame, prior: float | None) -> tuple[pd.DataFrame, list[str]]:
    """Return predictions whose recalibrated risk is one at the study's own share of positive calls.

    `p` of the nested protocol is a risk at the class prior. Where the study file sets another prior than the
    study's share, calibration, Brier score and net benefit on the study's calls need it moved back.
    """
    if prior is None:
        return predictions, []
    calls = (predictions["protocol"] != "published") & (predictions["unit"] == "call")
    share = float(predictions.loc[calls].drop_duplicates("call_id")["y"].mean()) if calls.any() else prior
    moved = predictions.copy()
    moved.loc[calls, "p"] = shift_prevalence(predictions.loc[calls, "p"].to_numpy(), prior, share)
    return moved, [
        f"p of the nested protocol is a risk at the class prior {prior:g}; for calibration, Brier score and "
        f"net benefit it was moved to the study's share of positive calls, {share:.3f}."
    ]


def fold_table(folder: ResultsFolder, protocols: Sequence[str]) -> pd.DataFrame:
    """Return one row a fold: markers chosen, learners left out, share of values beyond the knots."""
    rows = []
    for name in protocols:
        notes = json.loads(folder.file(f"{part_of(name)}/notes.json").read_text(encoding="utf-8"))
        for key, fit in notes["fits"].items():
            shares = list(fit.get("clamped", {}).values())
            rows.append(
                {
                    "protocol": name,
                    "fold": key,
                    "selected": " ".join(fit.get("selected", ())),
                    "left_out": "; ".join(": ".join(pair) for pair in fit.get("left_out", ())),
                    "share_outside": float(sum(shares) / len(shares)) if shares else float("nan"),
                }
            )
    return pd.DataFrame(rows, columns=["protocol", "fold", "selected", "left_out", "share_outside"])


def write_manifest(study: Study, folder: ResultsFolder, protocols: Sequence[str], calls_sha256: str) -> None:
    """Write `manifest.json`: settings, versions, hashes of inputs and outputs, seeds, timings, notes.

    No absolute path and no caller id enters it.
    """
    records = folder.records()
    calls_table = study.folder / study.cohort.calls
    notes = {
        name: json.loads(folder.file(f"{part_of(name)}/notes.json").read_text(encoding="utf-8"))
        for name in protocols
    }
    for part in notes.values():
        part.pop("fits", None)
    write_json(
        folder.file("manifest.json"),
        {
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "study_file": {"name": study.path.name, "sha256": study.digest},
            "calls_table": {"name": calls_table.name, "sha256": calls_sha256},
            **_sound(folder),
            "settings": without_folders(study.as_dict()),
            "seed": study.validation.seed,
            "protocols": list(protocols),
            "protocol_notes": notes,
            "biomarker_definitions": DEFINITION_VERSION,
            "versions": {"python": platform.python_version(), **_versions(), "r": _r_versions(folder)},
            "stages": {
                name: {key: record[key] for key in ("seconds", "notes", "outputs")}
                for name, record in records.items()
            },
        },
    )


def without_folders(value: Any) -> Any:
    """Return settings in which an absolute path is but its last part: a manifest is made to be shared."""
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def _sound(folder: ResultsFolder) -> dict[str, Any]:
    """Return the hashes of the decoded recordings, and how long they are by their headers and decoded.

    Which call has which hash stands in `channel.csv`, which is private.
    """
    channel = read_table(folder.path, "channel")
    if "sha256" not in channel:
        return {"recordings": []}
    known = channel[channel["stated_s"].notna()]
    differ = (known["stated_s"] - known["duration_s"]).abs() > HEADER_SLACK_S
    return {
        "recordings": sorted(channel["sha256"].unique()),
        "sound": {
            "calls": len(channel),
            "decoded_s": round(float(channel["duration_s"].sum()), 3),
            "stated_s": round(float(known["stated_s"].sum()), 3),
            "calls_whose_header_states_no_length": len(channel) - len(known),
            "calls_whose_header_states_another_length": int(differ.sum()),
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _r_versions(folder: ResultsFolder) -> dict[str, str]:
    """Return the versions of R and mgcv that fitted the GAMM."""
    file = folder.file("gamm/notes.json")
    if not file.is_file():  # a study without a GAMM asks nothing of R
        return {}
    notes = json.loads(file.read_text(encoding="utf-8"))
    return dict(notes.get("versions", {}))
