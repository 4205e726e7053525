"""What a reader must know of the repeats of one model, counted from what each repeat wrote down."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from voicerisk.errors import StudyError

# A network that stops here has seen every session once or twice.
EARLY = 2


def notes_of_repeats(
    title: str, protocol: str, facts: Sequence[dict[str, Any]], history: pd.DataFrame, epochs: int
) -> list[str]:
    """Say what a reader must know of the repeats."""
    notes = []
    shared = sum(one["train_and_test_users_shared"] > 0 for one in facts)
    if shared:
        raise StudyError(
            f"{title}: in {shared} repeats a user is in training and test; this must not happen."
        )
    if "train_loss" in history:
        best = history.loc[history["chosen"], "step"]
        last, early = int((best == epochs).sum()), int((best <= EARLY).sum())
        if last:
            notes.append(f"{title}, {protocol}: in {last} repeats the last of {epochs} epochs was the best.")
        if early:
            notes.append(
                f"{title}, {protocol}: in {early} of {len(best)} repeats epoch 1 or 2 was the best: the "
                "network learned almost nothing; compare it with the linear model."
            )
    for name in dict.fromkeys(name for one in facts for name in one.get("never_decided", ())):
        n = sum(name in one.get("never_decided", ()) for one in facts)
        notes.append(
            f"{title}, {protocol}: in {n} of {len(facts)} repeats {name} is never the likeliest class of a "
            "test session, so that none of its sessions is found by that rule."
        )
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
