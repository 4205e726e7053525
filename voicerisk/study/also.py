"""The middle that a study of two classes left out, scored without being learned from.

Each of its callers is scored by one fold of the nested protocol: by the fold that left the caller out where
they have a call that was learned from, else by a fold drawn at random. So nobody is scored by a model that
saw them, and everybody is judged by the same models, recalibrations and cuts.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table, strata_columns
from voicerisk.callers.moderator import level_text
from voicerisk.callers.schema import check_calls
from voicerisk.callers.streams import Stream, generator
from voicerisk.cohort import Cohort, load_cohort
from voicerisk.cohort.settings import ORDINAL
from voicerisk.errors import StudyError
from voicerisk.files import PRIVATE, write_csv, write_parquet
from voicerisk.models.calls.features import CallFrames, with_spreads
from voicerisk.models.calls.model import COMMON
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.results_folder import ResultsFolder, fingerprint
from voicerisk.pipeline.stages import Move
from voicerisk.pipeline.study_file import as_json
from voicerisk.pipeline.tables import read_table
from voicerisk.study.extraction.calls import call_fingerprints, extract_calls, read_marker_table
from voicerisk.study.fitting.design import FRAME_KEYS, ModelTables, model_tables
from voicerisk.study.fitting.family import FamilyFitter
from voicerisk.study.protocols import procedure_of
from voicerisk.study.settings import Study
from voicerisk.study.stages import StudyStages
from voicerisk.validation.contract import Member
from voicerisk.validation.metrics.grades import Measures, measured
from voicerisk.validation.metrics.logistic import expit
from voicerisk.validation.metrics.recalibration import Recalibration
from voicerisk.validation.metrics.scale import BOOTSTRAPS, spectrum_table, widening_of
from voicerisk.validation.protocols.choice import Choice
from voicerisk.validation.protocols.fold_plan import OuterFold, plan_folds
from voicerisk.validation.protocols.outer_fold import SCORE_DECIMALS

WITHOUT, EVERYONE = "without the middle", "everyone"


def middle_of(study: Study) -> Cohort:
    """Return the calls that `[cohort] score_also` names, with their rating as outcome.

    Raises
    ------
    StudyError
        Where no call has such a rating.
    """
    rated = replace(study.cohort, scale=ORDINAL, score_also=())
    everyone = load_cohort(rated, study.folder)
    mine = everyone.calls["outcome"].isin(study.cohort.score_also)
    if not mine.any():
        raise StudyError(
            f"{study.path.name}: [cohort] score_also names {list(study.cohort.score_also)}, but no call has "
            "such a rating and speech that is used; leave score_also out."
        )
    ids = everyone.calls.loc[mine, "call_id"]
    others = everyone.calls.loc[~mine, ["call_id", "file"]].assign(
        step="outcome", reason="learned from", row=0, value=""
    )
    return replace(
        everyone,
        calls=everyone.calls[mine].reset_index(drop=True),
        spans=everyone.spans[everyone.spans["call_id"].isin(ids)].reset_index(drop=True),
        exclusions=pd.concat([everyone.exclusions, others], ignore_index=True),
    )


def score_also(stages: StudyStages, tables: ModelTables, chosen: tuple[str, ...]) -> None:
    """Take the markers of the middle and score its calls; the nested protocol has run."""
    study, folder = stages.study, stages.folder
    middle = middle_of(study)
    own = study.biomarkers.frames
    mark = fingerprint(
        source=call_fingerprints(middle, study.audio, study.biomarkers)
        if own is None
        else stages.marks["extract"],
        calls=middle.calls.drop(columns=["path"]).to_csv(),
        spans=middle.spans.to_csv(),
        missing=study.biomarkers.missing,
        code=code_of(extract_middle),
    )
    stages.run(
        "also_extract",
        "Biomarkers of the middle",
        mark,
        lambda move: extract_middle(study, middle, folder, stages.jobs, move),
    )
    mark = fingerprint(
        frames=mark, nested=stages.marks["nested"], cohort=as_json(study.cohort), code=code_of(write_middle)
    )
    stages.run(
        "also",
        "The middle, scored",
        mark,
        lambda move: write_middle(study, tables, chosen, middle.calls, folder, move),
    )


def extract_middle(
    study: Study, middle: Cohort, folder: ResultsFolder, jobs: int, move: Move
) -> tuple[list[str], list[str]]:
    """Write the frames and segments of the middle's calls."""
    if study.biomarkers.frames is None:
        cache = folder.state / "frames_also"
        found = extract_calls(middle, study.audio, study.biomarkers, cache, jobs, move)
    else:
        found = read_marker_table(study.folder / study.biomarkers.frames, middle, study.biomarkers.missing)
    write_parquet(folder.file("also/frames.parquet"), found.frames)
    write_parquet(folder.file("also/segments.parquet"), found.segments)
    n = found.frames["call_id"].nunique()
    gone = len(middle.calls) - n
    lost = f"; {gone} have no frame that is used" if gone else ""
    return ["also/frames.parquet", "also/segments.parquet"], [
        f"{n} calls of the middle are scored without being learned from{lost}."
    ]


def write_middle(
    study: Study,
    tables: ModelTables,
    chosen: tuple[str, ...],
    calls: pd.DataFrame,
    folder: ResultsFolder,
    move: Move,
) -> tuple[list[str], list[str]]:
    """Score the middle; write its scores, the decisions with it, and the spectrum effect."""
    fitter = procedure_of(study, "nested", tables, chosen, folder.checkpoints("also", ""), 1)
    assert isinstance(fitter, FamilyFitter)  # as load_study made sure
    frames, segments = read_table(folder.path, "also/frames"), read_table(folder.path, "also/segments")
    columns = list(
        dict.fromkeys(
            ["call_id", "caller_id", "sex", "outcome", *study.cohort.groups, *study.cohort.covariates]
        )
    )
    made = model_tables(
        calls[columns], frames, segments, _markers(frames), study.biomarkers.levels, study.cohort
    )
    made = with_covariates(made, tables)
    design = "loco" if "loco" in study.validation.designs else "grouped_kfold"
    scored = score_by_folds(study, fitter, tables, made, folder, design, move)
    both = with_the_learned(study, scored, folder, design)
    write_csv(folder.file("also/scores.csv"), both.drop(columns=["y", "repeat"]), PRIVATE)
    seed = study.validation.seed
    spectrum = spectrum_table(both.rename(columns={"p_raw": "score"}), *ends_of(study), seed)
    write_csv(folder.file("also/spectrum.csv"), spectrum)
    write_csv(folder.file("also/decisions.csv"), decisions(both, *ends_of(study), seed))
    write_csv(folder.file("also/flagged.csv"), flagged_by_grade(both))
    return [f"also/{name}.csv" for name in ("scores", "spectrum", "decisions", "flagged")], []


def ends_of(study: Study) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ratings of the two classes."""
    coding = study.cohort.cssrs
    assert coding is not None
    return coding.low, coding.imminent


def with_covariates(made: ModelTables, learned: ModelTables) -> ModelTables:
    """Return the middle's tables with the moderator and covariates of those that were learned from.

    Raises
    ------
    StudyError
        For a covariate that the calls do not have as a number.
    """
    frames = made.frames
    for name in learned.covariates:
        if name not in made.calls or not pd.api.types.is_numeric_dtype(made.calls[name]):
            raise StudyError(
                f"[cohort] score_also takes covariates that are numbers, but {name!r} is text; leave it out "
                "of [boost] covariates."
            )
        frames = frames.assign(**{name: made.of_frames(name).astype(np.float64)})
    return replace(made, frames=frames, moderator=learned.moderator, covariates=learned.covariates)


def score_by_folds(
    study: Study,
    fitter: FamilyFitter,
    tables: ModelTables,
    made: ModelTables,
    folder: ResultsFolder,
    design: str,
    move: Callable[[int, int], None],
) -> pd.DataFrame:
    """Score calls by folds of the nested protocol that held their callers out.

    Parameters
    ----------
    study : Study
    fitter : FamilyFitter
    tables : ModelTables
        Calls learned from.
    made : ModelTables
        Calls to score.
    folder : ResultsFolder
        With `tuning.csv` and `thresholds.csv`, which say what each fold took.
    design : str
    move : callable

    Returns
    -------
    DataFrame
        design, fold, call_id, caller_id, rating, p_raw, p, threshold, flagged.
    """
    settings = study.validation
    own = check_calls(tables.calls[["call_id", "caller_id", "y", "n_frames", *study.cohort.groups]])
    prior = settings.prior if settings.prior is not None else float(own["y"].mean())
    callers = caller_table(own, strata_columns(own))
    planned, _ = plan_folds(callers, [design], settings, "nested", prior, True)
    planned = [one for one in planned if one.repeat == 0]
    tuning, cuts = (
        table[(table["protocol"] == "nested") & (table["design"] == design) & (table["repeat"] == 0)]
        for table in (read_table(folder.path, "tuning"), read_table(folder.path, "thresholds"))
    )
    codes = pd.Index(made.calls["call_id"]).get_indexer(pd.Index(made.frames["call_id"])).astype(np.int64)
    columns = {name: made.frames[name].to_numpy(np.float64) for name in tables.inputs}
    frames = CallFrames(with_spreads(columns, codes, len(made.calls)), codes, len(made.calls))
    level = levels_of(made)
    fold_of = assigned(made.calls["caller_id"], planned, settings.seed)
    parts = []
    for done, plan in enumerate(planned, start=1):
        rows = np.flatnonzero(fold_of == plan.fold)
        if len(rows):
            weights = tuning[tuning["fold"] == plan.fold].set_index("member")["weight"]
            choice = Choice(
                tuple(Member(name, 0) for name in fitter.members),
                weights[list(fitter.members)].to_numpy(np.float64),
                None,
                None,
                np.zeros(0),
            )
            model = fitter.saved(plan.outer, choice)
            assert model is not None
            cut = cuts[cuts["fold"].astype(float) == plan.fold].iloc[0]
            raw = expit(model.call_link(frames, level))[rows].round(SCORE_DECIMALS)
            line = Recalibration(float(cut["intercept"]), float(cut["slope"]), False, False)
            held = made.calls.iloc[rows]
            parts.append(
                pd.DataFrame(
                    {
                        "design": design,
                        "fold": plan.fold,
                        "call_id": held["call_id"].to_numpy(),
                        "caller_id": held["caller_id"].to_numpy(),
                        "rating": held["y"].to_numpy(),
                        "p_raw": raw,
                        "p": line(raw),
                        "threshold": float(cut["threshold"]),
                        "flagged": raw >= float(cut["threshold"]),
                    }
                )
            )
        move(done, len(planned))
    return pd.concat(parts, ignore_index=True)


def levels_of(made: ModelTables) -> np.ndarray:
    """Return each call's level of the moderator; what has no curve of its own shares the common one."""
    moderator = made.moderator
    if moderator is None:
        return np.full(len(made.calls), COMMON, dtype=object)
    texts = [level_text(value, moderator.name) for value in made.calls[moderator.name]]
    return np.array([text if text in moderator.own else COMMON for text in texts], dtype=object)


def assigned(callers: pd.Series, planned: list[OuterFold], seed: int) -> np.ndarray:
    """Return the fold that scores each call: the one that left its caller out, else one drawn by caller."""
    held = {caller: plan.fold for plan in planned for caller in plan.outer.assess}
    free = sorted({str(caller) for caller in callers} - set(held))
    order = generator(Stream.SCORED_ALSO, seed).permutation(len(planned))
    drawn = {caller: planned[order[place % len(planned)]].fold for place, caller in enumerate(free)}
    return np.array([{**held, **drawn}[str(caller)] for caller in callers])


def with_the_learned(study: Study, scored: pd.DataFrame, folder: ResultsFolder, design: str) -> pd.DataFrame:
    """Return the held-out calls of the study with the middle beside them: y is the rating."""
    rows = read_table(folder.path, "predictions_nested", filters=[("unit", "==", "call")])
    rows = rows[(rows["design"] == design) & (rows["repeat"] == 0)]
    assert study.cohort.cssrs is not None
    rating = read_table(folder.path, "calls").set_index("call_id")[study.cohort.cssrs.column]
    own = rows[["design", "fold", "call_id", "caller_id", "p_raw", "threshold"]].assign(
        p=rows["p"],
        rating=rows["call_id"].map(rating).astype(np.int64),
        flagged=rows["p_raw"] >= rows["threshold"],
        learned=True,
    )
    both = pd.concat([own, scored.assign(learned=False)[own.columns]], ignore_index=True)
    return both.assign(y=both["rating"], repeat=0)


def flagged_by_grade(both: pd.DataFrame) -> pd.DataFrame:
    """Return, by rating, how many calls are flagged: rating, n, n_callers, n_flagged, share, median_score."""
    rows = [
        {
            "rating": rating,
            "n": len(part),
            "n_callers": part["caller_id"].nunique(),
            "n_flagged": int(part["flagged"].sum()),
            "share": float(part["flagged"].mean()),
            "median_score": float(part["p_raw"].median()),
        }
        for rating, part in both.groupby("y")
    ]
    return pd.DataFrame(rows)


def decisions(
    both: pd.DataFrame, low: tuple[int, ...], high: tuple[int, ...], seed: int, n_boot: int = BOOTSTRAPS
) -> pd.DataFrame:
    """Return what the cuts decide without the middle and with everyone.

    Parameters
    ----------
    both : DataFrame
        design, fold, caller_id, y (rating), flagged.
    low, high : tuple of int
        Ratings of the two classes; with everyone what is not high stands against it.
    seed, n_boot : int
        Of the bootstrap over callers.

    Returns
    -------
    DataFrame
        calls ('without the middle', 'everyone'), metric (sensitivity, specificity, ppv, npv), estimate,
        lower, upper, n, n_events, n_flagged.
    """
    event = both["y"].isin(high).to_numpy()
    flagged = both["flagged"].to_numpy(bool)
    kept = event | both["y"].isin(low).to_numpy()
    factor = widening_of(str(both["design"].iloc[0]), both)
    parts = []
    for name, used in ((WITHOUT, kept), (EVERYONE, np.ones(len(both), bool))):
        shares = {
            "sensitivity": (flagged, event),
            "specificity": (~flagged, ~event),
            "ppv": (event, flagged),
            "npv": (~event, ~flagged),
        }
        own: Measures = {
            metric: partial(_share, hit & given & used, given & used)
            for metric, (hit, given) in shares.items()
        }
        table = measured([own], both["caller_id"].to_numpy(), n_boot, seed=seed, factor=factor).drop(
            columns=["n", "n_callers"]
        )
        parts.append(
            table.assign(
                calls=name,
                n=int(used.sum()),
                n_events=int((event & used).sum()),
                n_flagged=int((flagged & used).sum()),
            )
        )
    found = pd.concat(parts, ignore_index=True)
    # a share that is alike in all resamples has no interval that they could tell
    found.loc[found["lower"] == found["upper"], ["lower", "upper"]] = np.nan
    return found[["calls", "metric", "estimate", "lower", "upper", "n", "n_events", "n_flagged"]]


def _share(hit: np.ndarray, given: np.ndarray, w: np.ndarray) -> float:
    total = float(w[given].sum())
    return float(w[hit].sum()) / total if total > 0 else np.nan


def _markers(frames: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(name) for name in frames.columns if name not in FRAME_KEYS)
