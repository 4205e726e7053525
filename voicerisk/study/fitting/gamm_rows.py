"""The rows and columns of a study's GAMM."""

import pandas as pd

from voicerisk.callers.moderator import Moderator
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.settings import Study


def linear_terms(study: Study, chosen: tuple[str, ...]) -> list[str]:
    """Return what enters the GAMM linearly: the 0/1 marker, and what the study names."""
    named = set(study.gamm.linear)
    return [name for name in (*chosen, *study.cohort.covariates) if name == "voiced" or name in named]


# Rows x curves^2, which bam's time follows: from here on a fit takes 15 CPU seconds and more.
MODERATED_WORK = 1e8


def compares_curves(rows: int, markers: int, levels: int) -> bool:
    """Say whether a study tests that curves differ between levels, for which the GAMM is fitted again."""
    return levels < 2 or rows * (markers * levels) ** 2 <= MODERATED_WORK


def gamm_column(moderator: Moderator | None) -> str:
    """Return what the moderator's column is called in the GAMM's table."""
    return "moderator" if moderator is None else moderator.name


def gamm_levels(moderator: Moderator | None, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows of levels with too few callers for a curve that could be tested, and say how many."""
    if moderator is None or not moderator.shared:
        return table, []
    few = table[gamm_column(moderator)].isin(moderator.shared)
    note = (
        f"{moderator.name}: {table.loc[few, 'caller_id'].nunique()} callers of {', '.join(moderator.shared)} "
        f"({few.sum()} rows) are not in the GAMM: a level with so few callers has no curve to test. The "
        "score is learned from them too."
    )
    return table[~few], [note]


def gamm_table(
    tables: ModelTables, chosen: tuple[str, ...], level: str, covariates: tuple[str, ...]
) -> pd.DataFrame:
    """Return the rows of the GAMM: segments or frames with outcome, level, covariates and markers."""
    by_frame = level == "frame" or any(marker not in tables.segments for marker in chosen)
    rows = tables.frames if by_frame else tables.segments
    of_rows = tables.of_frames if by_frame else tables.of_segments
    table = rows[["call_id", "caller_id", "segment", *chosen]].assign(outcome=of_rows("y").astype(int))
    moderator = tables.moderator
    levels = "all callers" if moderator is None else of_rows(moderator.name)
    table[gamm_column(moderator)] = levels if moderator is None else pd.Series(levels).map(str).to_numpy()
    return table.assign(**{name: of_rows(name) for name in covariates})
