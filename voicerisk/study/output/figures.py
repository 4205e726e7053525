"""Which table of a study becomes which figure."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.biomarkers import catalogue
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import StudyError
from voicerisk.models.calls.features import spread_of
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import has_table, read_table
from voicerisk.study.fitting.design import FRAME_KEYS
from voicerisk.study.output.audit_figures import audit_pictures, with_bands
from voicerisk.study.output.metrics import at_study_prevalence
from voicerisk.study.output.one_call import HeardCall
from voicerisk.study.protocols import part_of
from voicerisk.study.settings import Study
from voicerisk.validation import decision_curves

RUG_ROWS = 400
FLAT = (
    "Not to be read: outcomes are constant within callers, so that the random intercepts explain them and "
    "flatten every curve. The fit without them is the one to read."
)
# Boxes of the flow state what stays, so they are named by it.
FLOW_LABELS = {
    "labels": "Spans with chosen labels",
    "spans": "Within the caller's spans",
    "framing": "Spans of a frame or more",
    "silence": "Not silent",
    "missing": "Complete",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure to draw: its name in the gallery, its table, further tables, and numbers it marks."""

    name: str
    table: pd.DataFrame
    parts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)


def draw_figures(
    study: Study, folder: ResultsFolder, protocols: Sequence[str], move: Callable[[int, int], None]
) -> list[str]:
    """Draw every figure of a study into `figures/` as PDF, SVG and PNG, its tables beside it."""
    from voicerisk.figures import make

    place = folder.file("figures")
    for stale in place.glob("*") if place.is_dir() else ():
        stale.unlink()
    pictures = [picture for picture in _pictures(study, folder, protocols) if len(picture.table)]
    labels = marker_labels(study.biomarkers.levels) | FLOW_LABELS
    written = []
    for number, picture in enumerate(pictures, start=1):
        written += make(
            picture.name,
            picture.table,
            place,
            parts=picture.parts,
            labels=labels,
            constants=picture.constants,
        )
        move(number, len(pictures))
    tables = [file for file in place.glob("*.csv") if file not in written]
    return [file.relative_to(folder.path).as_posix() for file in [*written, *tables]]


def draw_call(
    heard: HeardCall,
    results: Path,
    *,
    style: str | Path = "default",
    width_mm: float | None = None,
    formats: Sequence[str] = ("pdf", "svg", "png"),
    dpi: int = 300,
) -> list[Path]:
    """Draw the listening figure of one call into `figures/` of a results folder, for its owner alone.

    Parameters
    ----------
    heard : HeardCall
        From `study.listening.listen_to`.
    results : Path
    style, width_mm, formats, dpi
        As in `figures.redraw`.

    Returns
    -------
    list of Path
        The figure in each format, and its tables.
    """
    from voicerisk.figures import make

    return make(
        f"listening--{file_name(heard.call_id)}",
        heard.envelope,
        results / "figures",
        parts=heard.parts,
        labels=call_labels(),
        style=style,
        width_mm=width_mm,
        formats=formats,
        dpi=dpi,
    )


def file_name(call_id: str) -> str:
    """Return a name for a call's files that every file system takes; an id that is one stays as it is.

    Examples
    --------
    >>> file_name("call_07"), file_name("../x")
    ('call_07', 'x-d6b96a97')
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "", call_id)
    return plain if plain == call_id else f"{plain[:40]}-{sha256(call_id.encode()).hexdigest()[:8]}"


def call_labels() -> dict[str, str]:
    """Return the labels of whatever markers a listening figure may show."""
    return marker_labels("both")


def marker_labels(levels: str = "frame") -> dict[str, str]:
    """Return the publication label of each marker, unit included, from the catalogue."""
    table = catalogue()
    label = {
        str(name): f"{text} ({unit})" if unit else str(text)
        for name, text, unit in zip(table["name"], table["label"], table["unit"], strict=True)
    }
    # A frame's spread is its squared distance from the mean of its call.
    label |= {
        spread_of(name): f"{text}, spread within calls" + (f" ({_squared(unit)})" if unit else "")
        for name, text, unit in zip(table["name"], table["label"], table["unit"], strict=True)
    }
    if levels == "both":
        for name, text in list(label.items()):
            label[f"{name}_segment"] = f"{text}, segment mean"
            label[f"{name}_deviation"] = f"{text}, deviation"
    if levels == "caller":
        for name, text in list(label.items()):
            label[f"{name}_caller"] = f"{text}, mean of the caller"
            label[f"{name}_within"] = f"{text}, within caller"
    return label


def _squared(unit: str) -> str:
    return f"({unit})²" if re.search(r"[ /]", unit) else f"{unit}²"


def _pictures(study: Study, folder: ResultsFolder, protocols: Sequence[str]) -> Iterator[Picture]:
    yield from _of_data(study, folder)
    yield from _of_inference(study, folder)
    yield from _of_validation(study, folder, protocols)
    yield from _of_audit(folder)


def _of_audit(folder: ResultsFolder) -> Iterator[Picture]:
    for name, table, parts in audit_pictures(folder):
        yield Picture(name, table, parts)


def _of_data(study: Study, folder: ResultsFolder) -> Iterator[Picture]:
    from voicerisk.figures import missing_table

    calls = read_table(folder.path, "calls")
    frames = read_table(folder.path, "frames")
    yield Picture(
        "exclusion_flow",
        read_table(folder.path, "flow").fillna({"reason": ""}),
        {"groups": _final_groups(calls, frames)},
    )
    by = ["outcome", *study.cohort.groups]
    markers = [name for name in frames.columns if name not in FRAME_KEYS]
    labelled = frames.merge(calls[["call_id", *by]], on="call_id")
    labelled["outcome"] = labelled["outcome"].map({0: "outcome 0", 1: "outcome 1"})
    missing = missing_table(labelled, markers, by)
    if missing["n_missing"].any():
        yield Picture("missing_values", missing)


def _final_groups(calls: pd.DataFrame, frames: pd.DataFrame) -> pd.DataFrame:
    n_frames = frames.groupby("call_id").size()
    kept = calls[calls["call_id"].isin(n_frames.index)]
    rows = []
    for outcome in (0, 1):
        part = kept[kept["outcome"] == outcome]
        name = f"Outcome {outcome}"
        rows += [
            (name, "call", len(part)),
            (name, "caller", part["caller_id"].nunique()),
            (name, "frame", int(n_frames[part["call_id"]].sum())),
        ]
    return pd.DataFrame(rows, columns=["group", "unit", "n"])


def _of_inference(study: Study, folder: ResultsFolder) -> Iterator[Picture]:
    path = read_table(folder.path, "lasso_path")
    path = path[path["lambda"] > 0]  # 0 where no marker varies with the outcome: there is no path to draw
    if len(path):
        chosen = {
            name: float(path.loc[path[flag], "lambda"].iloc[0])
            for name, flag in (("lambda_min", "is_min"), ("lambda_1se", "is_1se"))
        }
        path = path.drop(columns=["is_min", "is_1se", "intercept"])
        yield Picture("lasso_path", path, constants=chosen)
    notes = json.loads(folder.file("gamm/notes.json").read_text(encoding="utf-8"))
    if notes["kept"]:
        curves, smooths = (read_table(folder.path, f"gamm/{name}") for name in ("curves", "smooths"))
        rug = rug_of(folder, list(curves["marker"].unique()), study.gamm.level, study.cohort.moderator_column)
        # Where a random intercept separates the classes its curves are flat: the other fit is to be read.
        for model, part in curves.groupby("model", sort=False):
            readable = model == notes["readable"]
            name = "gamm_curves" if readable else f"gamm_curves--{model}"
            if not readable:
                part = part.assign(note=FLAT)
            yield Picture(name, part, {"observed": rug, "smooths": smooths[smooths["model"] == model]})
        if has_table(folder.path, "gamm/differences"):
            yield Picture("difference_curves", read_table(folder.path, "gamm/differences"), {"observed": rug})
    yield from effect_pictures(study, folder)


def effect_pictures(study: Study, folder: ResultsFolder) -> Iterator[Picture]:
    """Yield the figures of partial effects: of the model that is handed out, then of the published recipe."""
    for suffix, name in (("", "partial_effects"), ("_published", "partial_effects--published")):
        table = f"boost/partial_effects{suffix}"
        effects = read_table(folder.path, table) if has_table(folder.path, table) else pd.DataFrame()
        if len(effects):
            markers = list(effects["marker"].unique())
            observed = rug_of(folder, markers, "frame", study.cohort.moderator_column)
            banded = effects if suffix else with_bands(folder, effects)
            yield Picture(name, banded, {"observed": observed})


def rug_of(folder: ResultsFolder, markers: Sequence[str], level: str, moderator: str | None) -> pd.DataFrame:
    """Return some observed values of each marker and level, of the kind of rows that were fitted."""
    rows = read_table(folder.path, "frames" if level == "frame" else "segments")
    calls = read_table(folder.path, "calls")
    calls = calls.set_index("call_id")
    sex = rows["call_id"].map(calls[moderator].map(str)) if moderator else pd.Series("all", rows.index)
    parts = []
    for name in markers:
        if name in rows:
            values = pd.DataFrame({"marker": name, "sex": sex, "x": rows[name]}).dropna()
            parts.append(values.iloc[:: max(1, len(values) // RUG_ROWS)])
    columns = ["marker", "sex", "x"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _of_validation(study: Study, folder: ResultsFolder, protocols: Sequence[str]) -> Iterator[Picture]:
    from voicerisk.figures import calibration_points, call_scores, curve_points
    from voicerisk.figures.wording import one_design

    metrics = read_table(folder.path, "metrics")
    comparisons = read_table(folder.path, "comparisons")
    yield Picture("protocols_compared", metrics, {"comparisons": comparisons})
    # The forest shows calls left out one caller at a time.
    shown = (metrics["unit"] == "call") & (metrics["design"] == "loco") & (metrics["subgroup"] != "all")
    if shown.any():
        yield Picture("subgroup_forest", metrics)
    predictions = pd.concat(
        [
            read_table(folder.path, f"predictions_{name}", filters=[("unit", "==", "call")])
            for name in protocols
        ],
        ignore_index=True,
    )
    predictions, _ = at_study_prevalence(predictions, study.validation.prior)
    points = curve_points(predictions)
    yield Picture("roc", points, {"metrics": metrics})
    yield Picture("precision_recall", points, {"metrics": metrics})
    if "nested" in protocols:
        curve, strip = calibration_points(predictions[predictions["protocol"] == "nested"])
        yield Picture("calibration", curve, {"strip": strip, "metrics": metrics})
        rows = one_design(predictions[predictions["protocol"] == "nested"])
        curve = decision_curves(rows)
        yield Picture("decision_curves", curve, constants=_relevant(study))
        target = study.validation.prevalence
        if target is not None:
            # p is a risk at the study's own share of positive calls; sensitivity and specificity carry over.
            share = float(rows.drop_duplicates("call_id")["y"].mean())
            curve = decision_curves(rows, prior=share, prevalence=target)
            yield Picture(f"decision_curves--prevalence_{target:g}", curve, constants=_relevant(study))
        yield from _of_tuning(folder)
    thresholds = read_table(folder.path, "thresholds")
    yield Picture("threshold_distribution", thresholds, {"draws": published_cuts(study, predictions)})
    if has_table(folder.path, "settling"):
        settled = read_table(folder.path, "settling")
        if len(settled) > 2:  # of short calls one or two lengths are left: numbers for a table, not a line
            yield Picture("settling", settled)
    for name in protocols:
        yield Picture(f"score_dots--{name}", call_scores(predictions[predictions["protocol"] == name]))
    if has_table(folder.path, "also/scores"):
        scored = read_table(folder.path, "also/scores")
        drawn = scored[["call_id", "caller_id", "threshold", "learned"]]
        yield Picture(
            "predicted_observed--with_the_middle",
            drawn.assign(y=scored["rating"], predicted=scored["p_raw"], of="score of the call"),
        )


def _relevant(study: Study) -> dict[str, float]:
    """Return the risks somebody would act on, if `[report] risks_to_act_on` states them: [low, high]."""
    stated = study.report.get("risks_to_act_on")
    if stated is None:
        return {}
    numbers = (
        isinstance(stated, list) and len(stated) == 2 and all(isinstance(x, int | float) for x in stated)
    )
    if not (numbers and 0 <= stated[0] < stated[1] <= 1):
        raise StudyError(
            f"[report] risks_to_act_on is {stated!r}; give two risks between 0 and 1, for example "
            "[0.05, 0.3]."
        )
    return {"relevant_low": float(stated[0]), "relevant_high": float(stated[1])}


def published_cuts(study: Study, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the bootstrap cuts whose mean is the published protocol's cut.

    Parameters
    ----------
    study : Study
    predictions : DataFrame
        The predictions table; the published protocol's leave-one-caller-out calls are used.

    Returns
    -------
    DataFrame
        Columns protocol, threshold: every optimal cut of every resample; empty where there is no such cut.
    """
    from voicerisk.callers.draws import draw_callers
    from voicerisk.validation.metrics.youden import youden_cuts

    calls = predictions[(predictions["protocol"] == "published") & (predictions["unit"] == "call")]
    calls = calls[calls["design"] == "loco"].sort_values(["caller_id", "call_id"], kind="stable")
    settings = study.validation
    if calls.empty or settings.threshold != "bootstrap_youden" or calls["p_raw"].nunique() == 1:
        return pd.DataFrame(columns=["protocol", "threshold"])
    score, y = calls["p_raw"].to_numpy(float), calls["y"].to_numpy(int)
    groups = np.unique(calls["caller_id"].to_numpy(str), return_inverse=True)[1]
    counts, _ = draw_callers(
        groups, y, settings.bootstraps, generator(Stream.BOOTSTRAP_CUTS, settings.seed, 0, 0)
    )
    cuts = np.concatenate([youden_cuts(score, y, row[groups])[0] for row in counts])
    return pd.DataFrame({"protocol": "published", "threshold": cuts[np.isfinite(cuts)]})


def _of_tuning(folder: ResultsFolder) -> Iterator[Picture]:
    """Risk path and selection frequencies over the outer folds of one design of the nested protocol."""
    from voicerisk.figures import selection_table

    tuning = read_table(folder.path, "tuning")
    tuning = tuning[tuning["step"].notna()]
    if len(tuning):
        first = tuning[tuning["design"] == tuning["design"].iloc[0]]
        first = first[first["repeat"] == first["repeat"].min()]
        steps = first[first["chosen"]].set_index("fold")["step"]
        path = first[["fold", "step", "deviance"]].assign(mstop=first["fold"].map(steps), series="held out")
        yield Picture("risk_path", path)
    notes = json.loads(folder.file(f"{part_of('nested')}/notes.json").read_text(encoding="utf-8"))
    # One design: folds that each leave out several callers say more about chance than leaving out one.
    design = "grouped_kfold" if any("/grouped_kfold/" in key for key in notes["fits"]) else "loco"
    fits = [fit for key, fit in notes["fits"].items() if f"/{design}/" in key]
    chosen = [fit["selected"] for fit in fits if "selected" in fit]
    markers = read_table(folder.path, "screening")["marker"].drop_duplicates()
    if chosen:
        yield Picture("selection_frequencies", selection_table(chosen, list(markers), protocol="nested"))
