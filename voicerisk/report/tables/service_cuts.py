"""Cuts that a service would choose, side by side and in calls."""

import pandas as pd

from voicerisk.report.tables.formats import count, estimate
from voicerisk.report.tables.publication import PublicationTable

WORDS = {
    "youden": "Youden's cut",
    "sensitivity": "finds at least {value:.0%} of calls with the outcome",
    "cost": "a missed call costs as much as {value:g} false alarms",
    "capacity": "flags at most {value:g} of 100 calls",
}


def service_cuts_table(cuts: pd.DataFrame) -> PublicationTable:
    """Return what cuts by several rules keep on callers they were not learned on, of 1,000 calls.

    Parameters
    ----------
    cuts : DataFrame
        `service_cuts.csv`.
    """
    rows = [
        {
            "The cut": rule_in_words(str(row["rule"])),
            "Sensitivity": estimate(row["sensitivity"], row["sensitivity_lower"], row["sensitivity_upper"]),
            "Specificity": estimate(row["specificity"], row["specificity_lower"], row["specificity_upper"]),
            "Flagged": count(round(row["flagged"])),
            "Of them with the outcome": count(round(row["found"])),
            "Missed": count(round(row["with_outcome"]) - round(row["found"])),
        }
        for row in cuts.to_dict("records")
    ]
    first = cuts.iloc[0]
    notes = (
        f"Of 1,000 calls, {count(round(first['with_outcome']))} of them with the outcome.",
        "Each cut was learned on callers drawn with replacement and judged on those not drawn; means over "
        f"{count(cuts['n_boot'].max())} draws, in brackets 2.5 and 97.5 % of them. A rule keeps its word on "
        "the callers it was learned on; on others it keeps it on average or less.",
    )
    return PublicationTable("service_cuts", "Cuts side by side, of 1,000 calls", pd.DataFrame(rows), notes)


def rule_in_words(rule: str) -> str:
    """Return a rule of `service_cuts.csv` as words.

    Examples
    --------
    >>> rule_in_words("sensitivity 0.95"), rule_in_words("youden")
    ('finds at least 95% of calls with the outcome', "Youden's cut")
    """
    kind, _, value = rule.partition(" ")
    return WORDS[kind].format(value=float(value)) if value else WORDS[kind]
