"""What a study of grades or of a number may ask for, and what is of two classes."""

from collections.abc import Iterator, Sequence

import pandas as pd

from voicerisk.cohort.settings import CONTINUOUS
from voicerisk.errors import StudyError
from voicerisk.study.fitting.family import members_of
from voicerisk.study.outcome_scale import is_scale
from voicerisk.study.settings import Study
from voicerisk.validation.protocols.fold_plan import plan_folds
from voicerisk.validation.protocols.scale import halves

ONLY_NESTED = (
    'a study of scale = "{scale}" is validated by the nested protocol with models of calls; the published '
    "protocol, gamboost, screening and the GAMM are of two classes"
)


def refused(study: Study, protocols: Sequence[str]) -> str:
    """Say what the study asks for that its scale does not have; '' where nothing."""
    if not is_scale(study):
        return ""
    said = ONLY_NESTED.format(scale=study.cohort.scale)
    if "nested" not in protocols:
        return f"{said}; add nested to [validation] protocols"
    if not members_of(study.validation.family, None):
        return f"{said}; name a member such as curves in [validation] family"
    if study.validation.prior is not None or study.validation.prevalence is not None:
        return f"{said}; leave prior and prevalence out of [validation]"
    return ""


def refuse_scale(study: Study, command: str, why: str | None = None) -> None:
    """Refuse a command that is of two classes, or whose model is (`why`).

    Raises
    ------
    StudyError
        For a study of another scale.
    """
    if is_scale(study):
        raise StudyError(
            f"{why or f'`voicerisk {command}` is of two classes'}, but {study.path.name} has [cohort] "
            f'scale = "{study.cohort.scale}"; give it a study file with scale = "binary".'
        )


def outcome_findings(study: Study, calls: pd.DataFrame) -> Iterator[str]:
    """Say how many calls and callers each grade has, or how a number is spread."""
    if study.cohort.scale == CONTINUOUS:
        y = calls["outcome"]
        yield (
            f"the outcome of {len(y)} calls is a number from {y.min():g} to {y.max():g}, mean "
            f"{y.mean():.4g}, standard deviation {y.std():.4g}"
        )
        return
    for grade, part in calls.groupby("outcome"):
        yield f"{len(part)} calls of {part['caller_id'].nunique()} callers have grade {grade}"


def models_to_fit(study: Study, calls: pd.DataFrame) -> int:
    """Count the training sets of the nested protocol.

    Raises
    ------
    ValidationError
        Where the halves of the scale have too few callers.
    """
    table = calls[["call_id", "caller_id", "outcome", *study.cohort.strata]].rename(columns={"outcome": "y"})
    callers, _ = halves(table.assign(n_frames=1))
    planned, _ = plan_folds(callers, study.validation.designs, study.validation, "nested", None, True)
    return sum(1 + len(one.inner) for one in planned)
