"""The exclusion flow: what left, at which step, for which reason, and what remained (CONSORT, STARD)."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FLOW_COLUMNS = ("step", "unit", "reason", "n", "remaining")
EXCLUSION_COLUMNS = ("step", "reason", "call_id", "file", "row", "value")


@dataclass(slots=True)
class Flow:
    """Counts steps as they happen; `table` and `exclusions` are the results."""

    _steps: list[tuple[str, str, str, int, int]] = field(default_factory=list)
    _gone: list[tuple[str, str, str, str, int, str]] = field(default_factory=list)

    def stand(self, step: str, calls: pd.DataFrame, n_spans: int | None = None) -> None:
        """Note how many calls and callers (and spans) there are at a step."""
        self._steps.append((step, "call", "", 0, len(calls)))
        self._steps.append((step, "caller", "", 0, calls["caller_id"].nunique()))
        if n_spans is not None:
            self._steps.append((step, "span", "", 0, n_spans))

    def stand_spans(self, step: str, n_spans: int) -> None:
        """Note how many spans there are at a step."""
        self._steps.append((step, "span", "", 0, n_spans))

    def leave(
        self,
        calls: pd.DataFrame,
        out: NDArray[np.bool_],
        step: str,
        reason: str,
        value: pd.Series | None = None,
    ) -> pd.DataFrame:
        """Return the calls without those marked `out`, which are counted and listed under `reason`."""
        if not out.any():
            return calls
        kept, gone = calls[~out], calls[out]
        before, after = calls["caller_id"].nunique(), kept["caller_id"].nunique()
        self._steps.append((step, "call", reason, len(gone), len(kept)))
        self._steps.append((step, "caller", reason, before - after, after))
        values = [""] * len(gone) if value is None else [str(one) for one in value[out]]
        self._gone.extend(
            (step, reason, call, file, row, one)
            for call, file, row, one in zip(gone["call_id"], gone["file"], gone["row"], values, strict=True)
        )
        return kept

    def leave_spans(
        self, step: str, reason: str, gone: list[tuple[str, str, int, str]], remaining: int
    ) -> None:
        """Count and list spans that leave, each as (call_id, label file, line, value)."""
        if gone:
            self._steps.append((step, "span", reason, len(gone), remaining))
            self._gone.extend((step, reason, *one) for one in gone)

    @property
    def table(self) -> pd.DataFrame:
        """The flow."""
        return pd.DataFrame(self._steps, columns=list(FLOW_COLUMNS)).astype(
            {"step": "str", "unit": "str", "reason": "str", "n": "int64", "remaining": "int64"}
        )

    @property
    def exclusions(self) -> pd.DataFrame:
        """One row for each call or span that left."""
        return pd.DataFrame(self._gone, columns=list(EXCLUSION_COLUMNS)).astype(
            {"step": "str", "reason": "str", "call_id": "str", "file": "str", "row": "int64", "value": "str"}
        )
