"""How often sets of outcomes held the true one, by group and class."""

import pandas as pd

from voicerisk.figures.wording import number
from voicerisk.report.tables.formats import count, estimate
from voicerisk.report.tables.publication import PublicationTable


def conformal_table(sets: pd.DataFrame) -> PublicationTable:
    """Return how often the set held the outcome, and how often it says something, by group and class.

    Parameters
    ----------
    sets : DataFrame
        `conformal.csv`.
    """
    rows = [
        {
            "Group": "all calls" if row["by"] == "all" else f"{row['by']} {row['group']}",
            "Outcome": str(int(row["outcome"])),
            "Callers": count(row["n_callers"]),
            "True outcome in the set": estimate(row["covered"], row["lower"], row["upper"]),
            "One outcome": number(row["one"]),
            "Both": number(row["both"]),
        }
        for row in sets.to_dict("records")
    ]
    level = float(sets["level"].iloc[0])
    notes = (
        f"A set lists the outcomes that the risk of a call does not rule out, so that {level:.0%} of callers "
        "of each level of the moderator and each class have theirs in it. Both: the model cannot tell.",
        "Judged on callers left out of model and cut. Groups that are no levels of the moderator have no "
        "cuts of their own. Of fewer than nine callers nothing is ruled out.",
    )
    return PublicationTable("conformal", "Sets of outcomes, by group", pd.DataFrame(rows), notes)
