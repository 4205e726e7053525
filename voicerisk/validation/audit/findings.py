"""What an audit found, in plain words: the finding, its evidence and its remedy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd

SEVERITIES = ("leak", "bias", "note")
STUDY, LADDER = "the study", "the ladder"
LEAK_EXIT = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Parameters
    ----------
    mechanism : str
        Short stable name, for example 'caller_effect' or 'index_column'.
    severity : {'leak', 'bias', 'note'}
        'leak': the held-out caller's outcome, or who they are, entered. 'bias': the number is not what it
        says, without any leak. 'note': to be known.
    finding, evidence, remedy : str
        One sentence each.
    concerns : {'the study', 'the ladder'}
        'the study': its data, or its honest pipeline. 'the ladder': a liberty that the audit took on purpose,
        to show what it does to this study's numbers.
    """

    mechanism: str
    severity: str
    finding: str
    evidence: str
    remedy: str
    concerns: str = STUDY


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as a table: those of the study first, leaks first within each.

    Returns
    -------
    DataFrame
        concerns, mechanism, severity, finding, evidence, remedy.
    """
    columns = ["concerns", "mechanism", "severity", "finding", "evidence", "remedy"]
    table = pd.DataFrame([asdict(one) for one in findings], columns=columns)
    order = table["concerns"].map([STUDY, LADDER].index) * 10 + table["severity"].map(SEVERITIES.index)
    return table.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 3 where the study itself leaks, else 0: for continuous integration.

    1 and 2 are what a command gives for bad input and bad options. What the ladder does on purpose does not
    count.
    """
    leaks = any(one.severity == "leak" and one.concerns == STUDY for one in findings)
    return LEAK_EXIT if leaks else 0
