"""The middle class that a study left out, with its number."""

import pandas as pd

# The words of the flow of exclusions for a C-SSRS rating between the classes; 0 (no ideation) is none.
MIDDLE = r"^C-SSRS [1-6]"


def middle_class(flow: pd.DataFrame) -> int:
    """Return how many calls were left out because their rating lies between the classes.

    Parameters
    ----------
    flow : DataFrame
        flow.csv: step, reason, unit, n.

    Examples
    --------
    >>> import pandas as pd
    >>> flow = pd.DataFrame({"step": "outcome", "unit": "call", "n": [7, 2],
    ...     "reason": ["C-SSRS 3-4 (moderate risk)", "C-SSRS 0 (no ideation)"]})
    >>> middle_class(flow)
    7
    """
    mine = (flow["unit"] == "call") & flow["reason"].astype(str).str.contains(MIDDLE)
    if "step" in flow:
        mine &= flow["step"] == "outcome"
    return int(flow.loc[mine, "n"].astype(int).sum())


def spectrum_note(flow: pd.DataFrame | None, n_calls: int) -> str:
    """Say how many calls of a middle class are missing, and what that does; '' where none was left out.

    Parameters
    ----------
    flow : DataFrame or None
    n_calls : int
        Calls that were analysed.
    """
    left_out = 0 if flow is None or flow.empty else middle_class(flow)
    if not left_out:
        return ""
    one = left_out == 1
    return (
        f"{left_out} call{'' if one else 's'} of a middle class {'was' if one else 'were'} left out beside "
        f"the {n_calls} analysed: every figure here is better than in practice, where such calls come too."
    )
