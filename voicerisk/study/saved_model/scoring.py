"""Scores of new calls by a saved model, with what each marker adds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.audio import AudioSettings, read_recording
from voicerisk.biomarkers import DEFINITION_VERSION, BiomarkerSettings, extract_call, preset_audio
from voicerisk.callers.moderator import Moderator, level_text
from voicerisk.callers.schema import SHORTEST_CALL
from voicerisk.errors import ModelError, StudyError
from voicerisk.intake import is_missing
from voicerisk.intake.sheet import REFUSED, TABLES
from voicerisk.models import AdditiveModel, read_model
from voicerisk.models.saved.scale import ScaleModel, is_scale_model, read_scale_model
from voicerisk.study.extraction.marker_table import MarkerTable, read_markers
from voicerisk.study.saved_model.refits import kept_refits, risk_intervals
from voicerisk.validation.metrics.conformal import EVERYONE, sets_of

# Where more than this share of a marker's values in a call lies beyond the range learned from, the model says
# little about the call.
MOST_OUTSIDE = 0.1


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of frames, segments and calls.

    Attributes
    ----------
    frames : DataFrame
        call_id, segment, frame, time_s, p_raw, log_odds, base (offset and sex), what each marker adds to the
        log-odds under its name, n_outside, `<marker>_outside`. Silent frames have no row.
    segments, calls : DataFrame
        call_id (and segment), the mean of p_raw, log_odds, base and of what each marker adds, n_frames. The
        score of a call is its mean p_raw; base and the markers' parts add up to its mean log_odds. Calls also
        have too_short (whether the call has fewer frames than any that the model learned from: then nothing
        says what its score is worth), most_outside (the largest share of a marker's values beyond the
        training range), beyond_training
        (whether that is more than a tenth, or the call is of a level that the model does not know: then do
        not rely on the rest) and, where the model holds the
        procedure that was validated, risk (recalibrated, at `prevalence`), prevalence, cut and flagged
        (whether the score reaches the cut; without a cut no call does). A call that is too short, or has more
        than a tenth of a marker's values beyond the training range, gets neither risk nor decision: both are
        missing. Where the study's audit kept refits, risk_lower and risk_upper hold the risks by 95% of
        them; missing too for a call of a level that the model does not know. outcomes lists the outcomes that
        the risk does not rule out ('0', '1', '0 or 1', 'neither'; empty: nothing is said) so that the true
        one is among them for 90% of callers of each level and class. A model of grades or of a number
        gives score (in place of p_raw and log_odds), predicted and, of grades, at_least_<grade>.
    outside : DataFrame
        call_id, marker, n_values (available ones), n_outside (beyond the range of the training data), share.
    notes : tuple of str
        Frames that the model cannot score, counted.
    """

    frames: pd.DataFrame
    segments: pd.DataFrame
    calls: pd.DataFrame
    outside: pd.DataFrame
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        from voicerisk.report.decision import of_call
        from voicerisk.study.shown import as_html

        return as_html([of_call(row) for row in self.calls.to_dict("records")] + list(self.notes))


def score(
    model: Path | AdditiveModel, source: Path, sex: str | None = None, prevalence: float | None = None
) -> Scores:
    """Score a recording or a table of frames.

    Parameters
    ----------
    model : Path or AdditiveModel
        `boost/model.json` of a study, or `scale/model.json` of a study of grades or of a number.
    source : Path
        A sound file (analysed whole, with the audio settings of the model's study), or a table of frames
        (CSV, Excel, Parquet) with `call_id` and the model's markers, as `voicerisk extract` or a study
        writes it.
    sex : str, optional
        The level of the model's moderator ('female' or 'male' where that is sex) where the table does not
        say: it fills gaps of the column and may not contradict it. A moderated model needs the level of every
        call.
    prevalence : float, optional
        Share of calls with the outcome where the scores are used; None = that of the model's study.

    Returns
    -------
    Scores

    Raises
    ------
    StudyError
        If there is no table, no frame, nothing that says the level, two different levels of a call, or no
        frame of a call that can be scored; if a marker is missing from the table.
    ModelError
        If a prevalence is given for a model whose score is no risk.

    Examples
    --------
    >>> import voicerisk
    >>> scores = voicerisk.score(Path("results/boost/model.json"), Path("call.wav"))  # doctest: +SKIP
    >>> scores.calls  # doctest: +SKIP
    """
    if isinstance(model, Path) and is_scale_model(model):
        return _score_scale(read_scale_model(model), source, sex, prevalence)
    scorer = read_model(model) if isinstance(model, Path) else model
    frames = _frames(source, scorer, sex)
    frames, notes = scorable(scorer, frames)
    strangers, said = unknown_levels(scorer, frames)
    scored = raw = scorer.score(frames, unseen=True)
    keys = [name for name in ("call_id", "segment", "frame", "time_s") if name in frames]
    scored = pd.concat([frames[keys], scored], axis=1)
    outside = _outside(frames, scored, scorer.markers)
    calls = judged(scorer.of_calls(frames, raw, ["call_id"]), scorer, prevalence)
    most = outside.groupby("call_id")["share"].max().reindex(calls["call_id"]).fillna(0.0).to_numpy()
    strange = calls["call_id"].isin(strangers).to_numpy()
    calls = calls.assign(
        most_outside=most,
        beyond_training=(most > MOST_OUTSIDE) | strange,
        too_short=calls["n_frames"].to_numpy() < shortest_call(scorer),
    )
    about = ""
    if isinstance(model, Path):
        refits, about = kept_refits(model, scorer)
        if refits is not None:
            low, high = risk_intervals(refits, scorer, frames, calls)
            calls = calls.assign(
                risk_lower=np.where(strange, np.nan, low), risk_upper=np.where(strange, np.nan, high)
            )
    calls = with_sets(abstained(calls), scorer, frames)
    segments = scorer.of_calls(frames, raw, ["call_id", "segment"])
    return Scores(
        scored, segments, calls, outside, (*notes, *said, *caveats(scorer), *([about] if about else []))
    )


def abstained(calls: pd.DataFrame) -> pd.DataFrame:
    """Take risk and decision from calls that are too short or out of range."""
    gone = calls["too_short"].to_numpy() | (calls["most_outside"].to_numpy() > MOST_OUTSIDE)
    for name in ("risk", "risk_lower", "risk_upper"):
        if name in calls:
            calls = calls.assign(**{name: calls[name].mask(gone)})
    if "flagged" in calls and gone.any():
        calls = calls.assign(flagged=calls["flagged"].astype("boolean").mask(gone))
    return calls


def with_sets(calls: pd.DataFrame, scorer: AdditiveModel, frames: pd.DataFrame) -> pd.DataFrame:
    """Add the outcomes that a call's risk does not rule out, where the file holds the cuts of its study."""
    cuts, procedure = scorer.notes.get("conformal"), scorer.procedure
    if not isinstance(cuts, Mapping) or procedure is None or "risk" not in calls:
        return calls
    group = np.full(len(calls), EVERYONE, dtype=object)
    if scorer.moderator is not None:
        name = scorer.moderator.name
        first = frames.groupby("call_id", sort=False)[name].first().loc[calls["call_id"]]
        group = first.map(lambda value: level_text(value, name)).to_numpy(dtype=object)
    # Cuts are at the study's own prevalence; elsewhere the risk moves, and what it rules out does not.
    risk = np.where(calls["risk"].isna(), np.nan, procedure.risk(calls["p_raw"].to_numpy()))
    return calls.assign(outcomes=sets_of(risk, group, cuts))


def _score_scale(model: ScaleModel, source: Path, sex: str | None, prevalence: float | None) -> Scores:
    """Score with a model of grades or of a number: what it says of calls takes the place of risk and cut."""
    if prevalence is not None:
        raise ModelError(
            f"A prevalence was given, but a model of an {model.scale} outcome has no use for it."
        )
    found = score(model.score, source, sex)
    rename = {"log_odds": "score"}
    calls = found.calls.drop(columns="p_raw").rename(columns=rename)
    said = model.of_scores(calls["score"].to_numpy())
    return Scores(
        found.frames.drop(columns="p_raw").rename(columns=rename),
        found.segments.drop(columns="p_raw").rename(columns=rename),
        pd.concat([calls, said], axis=1),
        found.outside,
        tuple(note for note in found.notes if note not in caveats(model.score)),
    )


def judged(calls: pd.DataFrame, scorer: AdditiveModel, prevalence: float | None = None) -> pd.DataFrame:
    """Add what the saved procedure says of calls: risk, prevalence, cut, flagged.

    Parameters
    ----------
    calls : DataFrame
        One row a call, with its score `p_raw`.
    scorer : AdditiveModel
    prevalence : float, optional
        None = that of the model's study.
    """
    procedure = scorer.procedure
    if procedure is None or not procedure.has_risk:
        if prevalence is not None:
            raise ModelError(
                "A prevalence was given, but this model holds no recalibration, so that its score is no "
                "risk; use boost/model.json of a study that ran the nested protocol."
            )
    else:
        here = procedure.prevalence if prevalence is None else prevalence
        calls = calls.assign(risk=procedure.risk(calls["p_raw"].to_numpy(), here), prevalence=here)
    if procedure is None:
        return calls
    cut = np.nan if procedure.cut is None else procedure.cut
    return calls.assign(cut=cut, flagged=procedure.flagged(calls["p_raw"].to_numpy()))


def shortest_call(scorer: AdditiveModel) -> int:
    """Return the frames of the shortest call that a model learned from; 0 where its file does not say."""
    known = scorer.notes.get(SHORTEST_CALL)
    return known if isinstance(known, int) and not isinstance(known, bool) else 0


def caveats(scorer: AdditiveModel) -> tuple[str, ...]:
    """Return what a user of this model must be told."""
    procedure = scorer.procedure
    if procedure is None:
        return (
            "This file holds a bare model: no recalibration, no cut. Its score p_raw is not a risk and was "
            "not validated as one.",
        )
    said = []
    if not procedure.has_risk:
        said.append(
            "This is the model of the published protocol: no recalibration, so that its score is not a risk. "
            "boost/model.json is the one that was validated on callers left out of everything."
        )
    if procedure.is_flat:
        said.append("The study's inner scores did not rise with risk: every risk is the prevalence.")
    if procedure.cut is None:
        said.append("No cut could be learned: no call is flagged.")
    return tuple(said)


def unknown_levels(scorer: AdditiveModel, frames: pd.DataFrame) -> tuple[list[str], tuple[str, ...]]:
    """Return the calls whose level the model does not know, and what a reader must be told of them.

    Parameters
    ----------
    scorer : AdditiveModel
    frames : DataFrame
        call_id and the moderator.
    """
    by = scorer.moderator
    if by is None:
        return [], ()
    of_calls = frames.groupby("call_id", sort=False)[by.name].first()
    of_calls = of_calls.map(lambda value: level_text(value, by.name))
    strange = of_calls[~of_calls.isin(by.levels)]
    if strange.empty:
        return [], ()
    counted = strange.value_counts()
    n = len(strange)
    named = ", ".join(f"{level!r} in {count}" for level, count in counted.items())
    return list(strange.index), (
        f"{by.name}: the model does not know the level of {n} call{'s' * (n > 1)} ({named}); it knows "
        f"{', '.join(by.levels)}. {'They get' if n > 1 else 'It gets'} the mean of their curves, which "
        "was not validated for anyone.",
    )


def scorable(scorer: AdditiveModel, frames: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out frames in which a marker is missing that the model never saw missing, and say how many.

    Parameters
    ----------
    scorer : AdditiveModel
    frames : DataFrame
        call_id and the model's markers.

    Returns
    -------
    frames : DataFrame
        Numbered anew.
    notes : tuple of str

    Raises
    ------
    StudyError
        Where a call would lose all its frames.
    """
    never = [marker for marker in scorer.markers if marker not in scorer.availability and marker in frames]
    missing = frames[never].isna()
    gone = missing.any(axis=1).to_numpy()
    if not gone.any():
        return frames.reset_index(drop=True), ()
    counts = missing.sum()
    named = ", ".join(f"{marker} in {n}" for marker, n in counts[counts > 0].items())
    empty = sorted(set(frames["call_id"]) - set(frames.loc[~gone, "call_id"]))
    if empty:
        raise StudyError(
            f"Call {empty[0]} has no frame that the model can score: {named} frames (of all "
            "calls) is missing, which the model never saw in its training; leave such calls out."
        )
    note = (
        f"{gone.sum()} of {len(frames)} frames were left out: a marker is missing in them that the model "
        f"never saw missing ({named})."
    )
    return frames[~gone].reset_index(drop=True), (note,)


def _frames(source: Path, scorer: AdditiveModel, sex: str | None) -> pd.DataFrame:
    moderator = scorer.moderator
    given = None if sex is None else level_text(sex, "sex" if moderator is None else moderator.name)
    if source.suffix.lower() in TABLES or source.suffix.lower() in REFUSED:
        if not source.is_file():
            raise StudyError(f"{source} is not there.")
        markers = read_markers(source, scorer.markers)
        table = markers.frames
        if moderator is not None and moderator.name in markers.sheet.cells:
            table[moderator.name] = _levels(markers, moderator, given)
    else:
        audio, settings = _measured(scorer)
        recording = read_recording(source, channel=audio.channel, resample_hz=audio.resample_hz)
        table = extract_call(recording, None, audio, settings, name=str(source)).frames
        table.insert(0, "call_id", source.stem)
    if moderator is not None and moderator.name not in table:
        if given is None:
            raise StudyError(
                f"The model differs by {moderator.name}, but {source.name} does not say which it is; add "
                f"--sex with {' or '.join(moderator.levels)}."
            )
        table[moderator.name] = given
    if "silent" in table:
        table = table[~table["silent"].astype(bool)]
    if table.empty:
        raise StudyError(f"{source.name} holds no frame with speech.")
    if "segment" not in table:
        table = table.assign(segment=0)
    return table.reset_index(drop=True)


def _levels(table: MarkerTable, moderator: Moderator, given: str | None) -> pd.Series:
    """Return the level of each row, gaps filled with the one given; nothing is overwritten."""
    name = moderator.name
    cells = table.sheet.cells[name].astype("str")
    missing = cells.map(is_missing).to_numpy(dtype=bool)
    levels = cells.map(lambda cell: level_text(cell, name)).mask(missing)
    if given is not None:
        against = (levels.notna() & (levels != given)).to_numpy(dtype=bool)
        if against.any():
            raise StudyError(
                f"--sex {given} contradicts {table.name} ({table.sheet.shown(name, against)}); it only says "
                "what the table does not."
            )
        levels = levels.where(levels.notna(), given)
    elif missing.any():
        raise StudyError(
            f"{table.name}: {name} is missing ({table.sheet.shown(name, missing)}); fill it, or add --sex."
        )
    both = levels.groupby(table.frames["call_id"]).unique()
    several = both[both.map(len) > 1]
    if len(several):
        first, second = several.iloc[0][:2]
        raise StudyError(
            f"{table.name}: call {several.index[0]!r} is {first} in some rows and {second} in others."
        )
    return levels


def _measured(scorer: AdditiveModel) -> tuple[AudioSettings, BiomarkerSettings]:
    """Return how the model's study took its markers; refuse where this version would take them otherwise."""
    notes = scorer.notes
    levels = notes.get("levels", "frame")
    if levels != "frame":
        raise StudyError(
            f"The model was learned with [biomarkers] levels = {levels}; a recording is scored by models of "
            "frames alone (levels = frame). Score a table of its markers."
        )
    defined = notes.get("biomarker_definitions", DEFINITION_VERSION)
    if defined != DEFINITION_VERSION:
        raise StudyError(
            f"The model's markers were taken by definitions {defined}, but this voicerisk has "
            f"{DEFINITION_VERSION}: they would be other numbers. Use the version that wrote the model "
            f"({notes.get('voicerisk', 'unknown')})."
        )
    kept = notes.get("audio")
    try:
        audio = AudioSettings(**kept) if kept else preset_audio("published")
    except TypeError as error:
        raise ModelError(f"The model's audio settings are none of this version ({error}).") from error
    preset = str(notes.get("preset", "published"))
    return audio, BiomarkerSettings(preset=preset, set=scorer.markers or "named")


def _outside(frames: pd.DataFrame, scored: pd.DataFrame, markers: tuple[str, ...]) -> pd.DataFrame:
    """Count values beyond the training range by call and marker; missing ones are neither in nor out."""
    ranged = [marker for marker in markers if f"{marker}_outside" in scored]
    call = frames["call_id"]
    order = pd.unique(call)
    parts = []
    for marker in ranged:
        values = frames[marker].notna().groupby(call, sort=False).sum()
        beyond = scored[f"{marker}_outside"].groupby(call, sort=False).sum()
        parts.append(pd.DataFrame({"marker": marker, "n_values": values, "n_outside": beyond}))
    if not parts:
        return pd.DataFrame(columns=["call_id", "marker", "n_values", "n_outside", "share"])
    table = pd.concat(parts).rename_axis("call_id").reset_index()
    place = pd.Series(np.arange(len(order)), index=order)
    table = table.iloc[table["call_id"].map(place).argsort(kind="stable")].reset_index(drop=True)
    return table.assign(share=table["n_outside"] / table["n_values"].where(table["n_values"] > 0))
