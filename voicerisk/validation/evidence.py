"""Evidence for TRIPOD+AI and PROBAST+AI: what software can fill, and what a person must write.

The table holds evidence, never a rating. Item numbers follow TRIPOD+AI (BMJ 2024;385:e078378). Items 1 to 6c
and 18f (code sharing) were compared with texts that cite the form; the others follow its published structure
and are to be compared with the official form before a submission. PROBAST+AI is given by domain, without
numbers.
"""

from collections.abc import Mapping
from difflib import get_close_matches

import pandas as pd

from voicerisk.errors import ValidationError

NOT_REPORTED = "NOT REPORTED"
AUTO, COMPLETE, PERSON = "software", "software, a person completes", "a person"

ITEMS: tuple[tuple[str, str, str, str, str], ...] = (
    ("TRIPOD+AI", "1", "title", PERSON, "title"),
    ("TRIPOD+AI", "2", "abstract: numbers", COMPLETE, "abstract"),
    ("TRIPOD+AI", "3a", "context and rationale", PERSON, "background"),
    ("TRIPOD+AI", "3b", "target population and intended use", COMPLETE, "intended_use"),
    ("TRIPOD+AI", "3c", "known health inequalities", PERSON, "inequalities"),
    ("TRIPOD+AI", "4", "objectives: development or evaluation", COMPLETE, "objectives"),
    ("TRIPOD+AI", "5a", "data sources", PERSON, "data_sources"),
    ("TRIPOD+AI", "5b", "dates", AUTO, "dates"),
    ("TRIPOD+AI", "6a", "setting", COMPLETE, "setting"),
    ("TRIPOD+AI", "6b", "eligibility and exclusions", AUTO, "exclusions"),
    ("TRIPOD+AI", "6c", "treatments received", PERSON, "treatment"),
    ("TRIPOD+AI", "7", "data preparation", AUTO, "preprocessing"),
    ("TRIPOD+AI", "8a", "outcome: definition and coding", COMPLETE, "outcome"),
    ("TRIPOD+AI", "8b", "outcome: assessors and their agreement", COMPLETE, "agreement"),
    ("TRIPOD+AI", "8c", "outcome: blinding", COMPLETE, "blinding"),
    ("TRIPOD+AI", "9a", "predictors: choice", AUTO, "predictors"),
    ("TRIPOD+AI", "9b", "predictors: definitions and units", AUTO, "units"),
    ("TRIPOD+AI", "10", "sample size", AUTO, "sample_size"),
    ("TRIPOD+AI", "11", "missing values", AUTO, "missing"),
    ("TRIPOD+AI", "12a", "partition of the data", AUTO, "split"),
    ("TRIPOD+AI", "12b", "handling of predictors", AUTO, "functional_form"),
    ("TRIPOD+AI", "12c", "type of model, tuning, internal validation", AUTO, "tuning"),
    ("TRIPOD+AI", "12d", "heterogeneity between services", AUTO, "heterogeneity"),
    ("TRIPOD+AI", "12e", "measures of performance", AUTO, "measures"),
    ("TRIPOD+AI", "12f", "updating", AUTO, "updating"),
    ("TRIPOD+AI", "12g", "how risks are computed", AUTO, "prediction"),
    ("TRIPOD+AI", "13", "class imbalance", AUTO, "class_imbalance"),
    ("TRIPOD+AI", "14", "fairness", AUTO, "fairness"),
    ("TRIPOD+AI", "15", "output and threshold", AUTO, "threshold"),
    ("TRIPOD+AI", "16", "differences between training and evaluation", AUTO, "train_evaluation"),
    ("TRIPOD+AI", "17", "ethics", PERSON, "ethics"),
    ("TRIPOD+AI", "18a", "funding", PERSON, "funding"),
    ("TRIPOD+AI", "18b", "conflicts of interest", PERSON, "conflicts"),
    ("TRIPOD+AI", "18c", "protocol", PERSON, "protocol"),
    ("TRIPOD+AI", "18d", "registration", PERSON, "registration"),
    ("TRIPOD+AI", "18e", "data sharing", COMPLETE, "data_hashes"),
    ("TRIPOD+AI", "18f", "code sharing: versions", COMPLETE, "versions"),
    ("TRIPOD+AI", "18f", "code sharing: seeds", AUTO, "seeds"),
    ("TRIPOD+AI", "19", "patient and public involvement", PERSON, "involvement"),
    ("TRIPOD+AI", "20a", "flow of participants", AUTO, "flow"),
    ("TRIPOD+AI", "20b", "characteristics by class and service", AUTO, "characteristics"),
    ("TRIPOD+AI", "20c", "differences to the development data", AUTO, "train_evaluation"),
    ("TRIPOD+AI", "21", "callers and events of each analysis", AUTO, "n_events"),
    ("TRIPOD+AI", "22", "full model", AUTO, "full_model"),
    ("TRIPOD+AI", "23a", "performance with intervals", AUTO, "performance"),
    ("TRIPOD+AI", "23b", "heterogeneity of performance", AUTO, "heterogeneity"),
    ("TRIPOD+AI", "24", "results of updating", AUTO, "updating"),
    ("TRIPOD+AI", "25", "interpretation", PERSON, "interpretation"),
    ("TRIPOD+AI", "26", "limitations", COMPLETE, "audit_flags"),
    ("TRIPOD+AI", "27", "usability in the setting", COMPLETE, "usability"),
    ("PROBAST+AI", "participants", "extreme groups, dropped middle class", AUTO, "spectrum"),
    ("PROBAST+AI", "participants", "services with one class only", AUTO, "empty_cells"),
    ("PROBAST+AI", "predictors", "assessed without knowledge of the outcome", PERSON, "blinding"),
    ("PROBAST+AI", "outcome", "assessed without knowledge of the predictors", PERSON, "outcome_blinding"),
    ("PROBAST+AI", "analysis", "events per candidate parameter", AUTO, "sample_size"),
    ("PROBAST+AI", "analysis", "all participants analysed", AUTO, "exclusions"),
    ("PROBAST+AI", "analysis", "missing data", AUTO, "missing"),
    ("PROBAST+AI", "analysis", "predictors selected inside resampling", AUTO, "screening_inside"),
    ("PROBAST+AI", "analysis", "clusters respected (callers)", AUTO, "split"),
    ("PROBAST+AI", "analysis", "overfitting and optimism", AUTO, "optimism"),
    ("PROBAST+AI", "analysis", "calibration and discrimination", AUTO, "measures"),
    ("PROBAST+AI", "analysis", "class imbalance recalibrated", AUTO, "class_imbalance"),
    ("PROBAST+AI", "analysis", "leakage", AUTO, "audit_flags"),
    ("PROBAST+AI", "analysis", "uncertainty", AUTO, "performance"),
)


def known_facts() -> tuple[str, ...]:
    """Return the names of all facts the table can hold."""
    return tuple(dict.fromkeys(fact for *_, fact in ITEMS))


def reporting_evidence(facts: Mapping[str, str]) -> pd.DataFrame:
    """Fill the reporting table.

    Parameters
    ----------
    facts : mapping of str to str
        Name of a fact (`known_facts`) -> its evidence in words, with numbers.

    Returns
    -------
    DataFrame
        checklist, item, topic, who ('software', 'software, a person completes', 'a person'), fact, evidence
        ('NOT REPORTED' where there is none, never blank).

    Raises
    ------
    ValidationError
        Where a fact is unknown; the message names the nearest known one.

    Examples
    --------
    >>> table = reporting_evidence({"seeds": "folds and bootstraps: 1"})
    >>> table.set_index("fact")["evidence"]["seeds"]
    'folds and bootstraps: 1'
    """
    known = known_facts()
    for name in facts:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; the nearest known one is {near[0]!r}" if near else ""
            raise ValidationError(f"The reporting table knows no fact {name!r}{hint}.")
    rows = [
        (checklist, item, topic, who, fact, str(facts.get(fact, "")).strip() or NOT_REPORTED)
        for checklist, item, topic, who, fact in ITEMS
    ]
    return pd.DataFrame(rows, columns=["checklist", "item", "topic", "who", "fact", "evidence"])
