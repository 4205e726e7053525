"""What an audit found, in plain words: the finding, its evidence and its remedy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd

SEVERITIES = ("leak", "bias", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Parameters
    ----------
    mechanism : str
        Short stable name, for example 'caller_effect' or 'index_column'.
    severity : {'leak', 'bias', 'note'}
        'leak': the held-out caller's outcome, or who he is, entered. 'bias': the number is not what it says
        without any leak. 'note': to be known.
    finding, evidence, remedy : str
        One sentence each.
    """

    mechanism: str
    severity: str
    finding: str
    evidence: str
    remedy: str


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as a table, leaks first.

    Returns
    -------
    DataFrame
        mechanism, severity, finding, evidence, remedy.
    """
    columns = ["mechanism", "severity", "finding", "evidence", "remedy"]
    table = pd.DataFrame([asdict(one) for one in findings], columns=columns)
    order = table["severity"].map(SEVERITIES.index)
    return table.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 1 where there is a leak, else 0: for continuous integration."""
    return int(any(one.severity == "leak" for one in findings))
