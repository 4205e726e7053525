"""External validation: a saved model on the calls of another study."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table, callers_in_classes
from voicerisk.callers.schema import SCORE_DECIMALS
from voicerisk.cohort import load_cohort
from voicerisk.errors import StudyError
from voicerisk.files import PRIVATE, sha256_file, write_csv, write_json, write_parquet
from voicerisk.models import AdditiveModel, read_model
from voicerisk.models.saved.additive import CALL
from voicerisk.models.saved.scale import is_scale_model
from voicerisk.pipeline.notebook import usual_reporter
from voicerisk.pipeline.progress import Reporter
from voicerisk.study.external.calls import require_markers, same_markers, shift_of, with_levels
from voicerisk.study.external.scale import ScaleExternalResult, validate_scale
from voicerisk.study.output.figures import marker_labels
from voicerisk.study.saved_model.scoring import scorable, unknown_levels
from voicerisk.study.scale.checks import refuse_scale
from voicerisk.study.settings import Study
from voicerisk.study.stages import StudyStages, open_results
from voicerisk.validation import compute_metrics, external_rows, recalibration_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "external"
LEAST_CALLERS = 2
YEARS = (1900, 2100)


@dataclass(frozen=True, slots=True)
class ExternalResult:
    """What a saved model is worth on another study.

    Attributes
    ----------
    folder : Path
        `external` in the results folder of the new study.
    metrics : DataFrame
        The schema of metrics.csv, design 'external'.
    recalibration : DataFrame
        group ('all', or a column and its value), n, n_events, method, intercept, slope, auroc, brier, mean_p,
        prevalence, brier_left_out.
    shift : DataFrame
        marker, mean_before, mean_after, sd_before, difference, outside, missing_before, missing_after,
        shifted, share_outside_knots. Without the model's study beside it only the last is known.
    notes : tuple of str
    """

    folder: Path
    metrics: pd.DataFrame
    recalibration: pd.DataFrame
    shift: pd.DataFrame
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        from voicerisk.report.decision import of_validation
        from voicerisk.study.shown import as_html

        return as_html(of_validation(self.metrics, self.recalibration), by_group(self), self.folder)

    def plot(self, name: str = "calibration") -> "Figure":
        """Draw a figure of the validation: 'calibration', 'roc' or 'subgroup_forest'.

        Raises
        ------
        StudyError
            If there is no such figure.
        """
        from voicerisk.study.shown import figure_of

        return figure_of(self.folder / "figures", name)


def validate_externally(
    model: Path,
    study: Study,
    out: Path | str,
    threshold: float | None = None,
    time: str | None = None,
    jobs: int = 1,
    reporter: Reporter | None = None,
    prevalence: float | None = None,
) -> ExternalResult | ScaleExternalResult:
    """Score another study with a saved model, which learns nothing from it.

    Parameters
    ----------
    model : Path
        `boost/model.json` of a results folder, or `scale/model.json` of a study of grades or of a number, to
        which threshold, time and prevalence do not belong. Its recalibration, cut and prevalence are judged,
        nothing else; the frames of its study, where they lie beside it, show how the markers moved.
    study : Study
        The new study.
    out : Path or str
        Results folder of the new study.
    threshold : float, optional
        Cut on the score. Default: the one in the file; without either no call is decided.
    time : str, optional
        Column of calls.csv with dates or years: results are shown by year.
    jobs : int
    reporter : Reporter, optional
    prevalence : float, optional
        Share of calls with the outcome expected in the new place; the risk is moved to it. Default: that of
        the model's study.

    Returns
    -------
    ExternalResult, or ScaleExternalResult of a model of grades or of a number

    Raises
    ------
    StudyError
        Where the new study has an outcome of another scale or too few callers, or takes its markers in
        another way.

    Examples
    --------
    >>> import voicerisk
    >>> other = voicerisk.load_study("other/study.toml")  # doctest: +SKIP
    >>> voicerisk.validate(Path("results/boost/model.json"), other, "other_results")  # doctest: +SKIP
    """
    told = reporter or usual_reporter()
    if is_scale_model(model):
        asked = {"--threshold": threshold, "--time": time, "--prevalence": prevalence}
        return validate_scale(model, study, out, jobs, told, asked)
    refuse_scale(study, "validate", f"{model.name} is a model of two classes")
    scorer = read_model(model)
    same_markers(scorer, study, model)
    cohort = load_cohort(study.cohort, study.folder)
    folder = open_results(study, out)
    with folder.locked():
        stages = StudyStages(study, folder, jobs, told)
        tables, _ = stages.extract(cohort)
        require_markers(scorer, study, model, tables)
        notes: list[str] = []
        with told.stage("External validation") as move:
            strata = list(study.cohort.groups)
            calls = tables.calls[["call_id", "caller_id", "y", "n_frames", *strata]]
            if time is not None:
                calls = calls.assign(year=_years(cohort.calls, calls["call_id"], time))
                strata = [*strata, "year"]
            _enough(calls)
            cut = _cut(scorer, threshold, notes)
            frames, left_out = scorable(scorer, with_levels(scorer, study, cohort.calls, tables.frames))
            notes.extend((*left_out, *unknown_levels(scorer, frames)[1]))
            scored = scorer.score(frames, unseen=True)
            p_raw = scorer.of_calls(frames, scored, ["call_id"]).set_index("call_id")["p_raw"]
            score = p_raw[calls["call_id"]].to_numpy().round(SCORE_DECIMALS)
            risk, said = _risk(scorer, score, prevalence)
            notes.append(said)
            move(1, 4)
            name = "call_models" if scorer.unit == CALL else "gamboost"
            rows = external_rows(calls.drop(columns="n_frames"), score, risk, cut, name, protocol="saved")
            metrics = compute_metrics(rows, study.validation, subgroups=strata)
            notes += [str(note) for note in metrics.attrs.get("notes", ()) if "of the resamples" not in note]
            move(2, 4)
            recalibration = _recalibrations(calls, risk, strata, notes)
            shift = shift_of(model, scorer, tables, scored, notes)
            move(3, 4)
            place = folder.file(FOLDER)
            write_parquet(place / "predictions.parquet", rows)
            write_csv(place / "metrics.csv", metrics)
            write_csv(place / "recalibration.csv", recalibration)
            write_csv(place / "marker_shift.csv", shift)
            notes.append("Intervals resample the new study's callers; the model is fixed.")
            used = None if scorer.procedure is None else asdict(scorer.procedure)
            record = {
                "model": model.name, "model_sha256": sha256_file(model), "procedure": used,
                "prevalence": prevalence, "threshold": _or_none(cut),
                "calls": len(calls), "callers": int(calls["caller_id"].nunique()), "notes": notes,
            }  # fmt: skip
            write_json(place / "validation.json", record, PRIVATE)
            _draw(study, place, rows, metrics, strata)
            move(4, 4)
    for note in notes:
        told.note(note)
    return ExternalResult(place, metrics, recalibration, shift, tuple(notes))


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _enough(calls: pd.DataFrame) -> None:
    for outcome, n in enumerate(callers_in_classes(caller_table(calls, ()))):
        if n < LEAST_CALLERS:
            raise StudyError(
                f"External validation needs at least {LEAST_CALLERS} callers in each class, but {n} "
                f"ha{'ve' if n != 1 else 's'} outcome {outcome}."
            )


def _cut(scorer: AdditiveModel, threshold: float | None, notes: list[str]) -> float:
    if threshold is not None:
        if not 0.0 <= threshold <= 1.0:
            raise StudyError(f"The threshold is a score from 0 to 1, not {threshold}.")
        return threshold
    cut = None if scorer.procedure is None else scorer.procedure.cut
    if cut is None:
        notes.append(
            "The model holds no cut, so that no call is flagged; give one with --threshold to see decisions."
        )
        return np.nan
    notes.append(f"The cut is {cut:.4f}, the one that the model holds; it is not learned anew.")
    return cut


def _risk(scorer: AdditiveModel, score: np.ndarray, prevalence: float | None) -> tuple[np.ndarray, str]:
    """Return the risk of each call as the file gives it, and what kind of number it is."""
    procedure = scorer.procedure
    if procedure is None or not procedure.has_risk:
        if prevalence is not None:
            raise StudyError("A prevalence was given, but the model holds no recalibration to move.")
        return score, (
            "p is the bare score: this model holds no recalibration, so that its calibration shows what the "
            "score is worth as a risk and nothing that was validated."
        )
    here = procedure.prevalence if prevalence is None else prevalence
    return procedure.risk(score, here), (
        f"p is the recalibrated risk that the model holds, where {here:.3f} of the calls have the outcome"
        + (" (as in its own study)." if prevalence is None else " (as asked for).")
    )


def _years(cohort_calls: pd.DataFrame, call_ids: pd.Series, column: str) -> np.ndarray:
    if column not in cohort_calls:
        raise StudyError(
            f"calls.csv has no column {column!r} to tell the time; it has {', '.join(cohort_calls.columns)}."
        )
    values = cohort_calls.set_index("call_id")[column].loc[call_ids]
    if pd.api.types.is_numeric_dtype(values):
        years = values.where(values.between(*YEARS) & (values % 1 == 0))
    else:
        # Two digits for the year (03.04.05) can be read in several ways.
        full = values.where(values.astype("str").str.contains(r"(?:^|\D)(?:19|20)\d\d(?:\D|$)"))
        years = pd.to_datetime(full, errors="coerce", format="mixed").dt.year
    if years.isna().any():
        call = years.index[years.isna()][0]
        serial = pd.api.types.is_number(values[call]) and values[call] > YEARS[1]
        hint = " (a spreadsheet's number of a day is refused)" if serial else ""
        raise StudyError(
            f"Column {column} of call {call} is {values[call]!r}, which is no date with a year of four digits"
            f"{hint}; write 2021-05-17."
        )
    return np.asarray(years.astype(int).astype(str).to_numpy(dtype=object))


def _recalibrations(
    calls: pd.DataFrame, risk: np.ndarray, strata: list[str], notes: list[str]
) -> pd.DataFrame:
    """Recalibrate on all calls, and by each value of each stratum that has both classes."""
    groups: list[tuple[str, np.ndarray]] = [("all", np.ones(len(calls), dtype=bool))]
    for name in strata:
        text = calls[name].astype(str)
        groups += [(f"{name}={value}", (text == value).to_numpy()) for value in sorted(text.unique())]
    parts = []
    for name, mask in groups:
        inside = calls[mask]
        y = inside["y"].to_numpy()
        if min(callers_in_classes(caller_table(inside, ()))) < LEAST_CALLERS:
            notes.append(f"{name}: fewer than {LEAST_CALLERS} callers in a class, so no recalibration.")
            continue
        table = recalibration_table(y, risk[mask], inside["caller_id"].to_numpy())
        table.insert(0, "group", name)
        table.insert(1, "n", len(y))
        table.insert(2, "n_events", int(y.sum()))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _draw(study: Study, place: Path, rows: pd.DataFrame, metrics: pd.DataFrame, strata: list[str]) -> None:
    from voicerisk.figures import calibration_points, curve_points, make

    figures = place / "figures"
    labels = marker_labels(study.biomarkers.levels)
    curve, strip = calibration_points(rows)
    make("calibration", curve, figures, parts={"strip": strip, "metrics": metrics}, labels=labels)
    make("roc", curve_points(rows), figures, parts={"metrics": metrics}, labels=labels)
    if (metrics["subgroup"] != "all").any():
        make("subgroup_forest", metrics, figures, labels=labels)


def by_group(result: ExternalResult, groups: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return AUROC and recalibration of each group, for the console.

    Parameters
    ----------
    result : ExternalResult
    groups : tuple of str
        Prefixes of groups to show, such as 'service='; all when empty.
    """
    table = result.metrics
    auroc = table[(table["unit"] == "call") & (table["metric"] == "auroc")]
    auroc = auroc[auroc["method"].str.contains("percentile")].set_index("subgroup")
    rows = []
    for name, part in result.recalibration.groupby("group", sort=False):
        if groups and name != "all" and not str(name).startswith(groups):
            continue
        of = part.set_index("method")
        rows.append(
            {
                "group": name, "n": int(part["n"].iloc[0]), "n_events": int(part["n_events"].iloc[0]),
                "auroc": auroc["estimate"].get(name, np.nan), "lower": auroc["lower"].get(name, np.nan),
                "upper": auroc["upper"].get(name, np.nan),
                "mean_p": of.loc["as is", "mean_p"], "prevalence": of.loc["as is", "prevalence"],
                "in_the_large": of.loc["in the large", "intercept"],
                "slope": of.loc["intercept and slope", "slope"],
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
