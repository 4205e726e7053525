"""What a reader must know of the repeats of one model, counted from what each repeat wrote down."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from voicerisk.errors import StudyError


def spoken(
    title: str, protocol: str, facts: Sequence[dict[str, Any]], history: pd.DataFrame, epochs: int
) -> list[str]:
    """Say what a reader must know of the repeats."""
    notes = []
    shared = sum(one["train_and_test_users_shared"] > 0 for one in facts)
    if shared:
        raise StudyError(
            f"{title}: in {shared} repeats a user is in training and test; this must not happen."
        )
    last = (
        history[(history["chosen"]) & (history["step"] == epochs)] if title != "TF-IDF" else history.iloc[:0]
    )
    if len(last):
        notes.append(f"{title}, {protocol}: in {len(last)} repeats the last of {epochs} epochs was the best.")
    bound = sum(bool(one.get("recalibration_at_bound")) for one in facts)
    if bound:
        notes.append(
            f"{title}, {protocol}: in {bound} of {len(facts)} repeats the recalibration hit its bound."
        )
    edge = [f"{one['penalty_c']:g}" for one in facts if one.get("penalty_at_edge")]
    if edge:
        notes.append(
            f"{title}, {protocol}: in {len(edge)} of {len(facts)} repeats the chosen penalty is the first or "
            f"last tried (C = {', '.join(sorted(set(edge)))})."
        )
    cut = facts[0].get("sessions_cut_to_max_words", 0)
    if cut:
        notes.append(f"{title}, {protocol}: {cut} sessions have more than `max_words` words and were cut.")
    coverage = [one["vector_coverage_test"] for one in facts if "vector_coverage_test" in one]
    if coverage:
        mean = sum(coverage) / len(coverage)
        notes.append(f"{title}, {protocol}: {mean:.1%} of the running words of test sessions have a vector.")
    return notes
