"""Evidence for TRIPOD+AI, PROBAST+AI, TRIPOD-Cluster: what software can fill, what a person must write.

The table holds evidence, never a rating. All 52 items of TRIPOD+AI (Collins et al., BMJ 2024;385:e078378,
table 2) and all 34 signalling questions of PROBAST+AI (Moons et al., BMJ 2025;388:e082505; 16 of development,
18 of evaluation) stand here under their own numbers, in our words. Numbers and meaning were compared with two
independent transcriptions of each form (docs/validation.md names them), not with the publisher's own files.
TRIPOD-Cluster (Debray et al., BMJ 2023;380:e071018; 19 items, 37 with their parts) is of studies with several
services; it was compared with one transcription.
"""

from collections.abc import Mapping
from difflib import get_close_matches

import pandas as pd

from voicerisk.errors import ValidationError

NOT_REPORTED = "NOT REPORTED"
AUTO, COMPLETE, PERSON = "software", "software, a person completes", "a person"
TRIPOD, PROBAST, CLUSTER = "TRIPOD+AI", "PROBAST+AI", "TRIPOD-Cluster"

# Item, what it asks for in our words, who can answer, fact. Some items rest on several facts.
TRIPOD_ITEMS: tuple[tuple[str, str, str, str], ...] = (
    ("1", "title: development or evaluation, population, outcome", PERSON, "title"),
    ("2", "abstract, by the checklist for abstracts", COMPLETE, "abstract"),
    ("3a", "context, diagnosis or prognosis, rationale, earlier models", PERSON, "background"),
    ("3b", "target population, purpose and intended users", COMPLETE, "intended_use"),
    ("3c", "known health inequalities", PERSON, "inequalities"),
    ("4", "objectives: development, evaluation or both", COMPLETE, "objectives"),
    ("5a", "sources of the data and how well they represent", PERSON, "data_sources"),
    ("5b", "dates of the calls", PERSON, "dates"),
    ("6a", "setting: services, number and place", COMPLETE, "setting"),
    ("6b", "eligibility of callers", PERSON, "eligibility"),
    ("6b", "eligibility: who was left out, and why", AUTO, "exclusions"),
    ("6c", "treatments and how they were handled", PERSON, "treatment"),
    ("7", "preparation and quality of the data, alike in all groups", AUTO, "preprocessing"),
    ("8a", "outcome: definition, horizon, how and when assessed", COMPLETE, "outcome"),
    ("8b", "outcome: qualification and demography of its assessors", COMPLETE, "agreement"),
    ("8c", "outcome: blinding of its assessment", PERSON, "blinding"),
    ("9a", "predictors: choice of candidates, and selection before the model", AUTO, "predictors"),
    ("9b", "predictors: definition, measurement, units", AUTO, "units"),
    ("9b", "predictors: blinding to the outcome and to one another", PERSON, "predictor_blinding"),
    ("9c", "predictors: qualification and demography of their assessors", COMPLETE, "predictor_assessors"),
    ("10", "sample size and its justification", AUTO, "sample_size"),
    ("11", "missing data, and why data were left out", AUTO, "missing"),
    ("12a", "how the data were used and partitioned", AUTO, "split"),
    ("12b", "handling of predictors: functional form, scaling", AUTO, "functional_form"),
    ("12c", "type of model, its steps, tuning, internal validation", AUTO, "tuning"),
    ("12d", "how differences between services are handled", AUTO, "clusters"),
    ("12e", "measures and plots of performance", AUTO, "measures"),
    ("12f", "updating (recalibration) that followed the evaluation", AUTO, "updating"),
    ("12g", "how the evaluated risks were computed", AUTO, "prediction"),
    ("13", "class imbalance, and recalibration after it", AUTO, "class_imbalance"),
    ("14", "what was done about fairness, and why", COMPLETE, "fairness"),
    ("15", "output, and how thresholds were found", AUTO, "threshold"),
    ("16", "differences between development and evaluation data", AUTO, "train_evaluation"),
    ("17", "ethics approval and consent", PERSON, "ethics"),
    ("18a", "funding and the funders' role", PERSON, "funding"),
    ("18b", "conflicts of interest", PERSON, "conflicts"),
    ("18c", "where the protocol is, or that there is none", PERSON, "protocol"),
    ("18d", "registration, or that there is none", PERSON, "registration"),
    ("18e", "availability of the data", COMPLETE, "data_hashes"),
    ("18f", "availability of the analysis code; versions", COMPLETE, "versions"),
    ("18f", "analysis code: seeds", AUTO, "seeds"),
    ("19", "involvement of patients and public, or that there was none", PERSON, "involvement"),
    ("20a", "flow of participants, with and without the outcome", AUTO, "flow"),
    ("20b", "characteristics, overall and by source", AUTO, "characteristics"),
    ("20c", "distribution of predictors beside the development data", AUTO, "train_evaluation"),
    ("21", "participants and events of each analysis", AUTO, "n_events"),
    ("22", "the full model, so that others can use it", AUTO, "full_model"),
    ("23a", "performance with intervals, subgroups included", AUTO, "performance"),
    ("23b", "differences of performance between services", AUTO, "heterogeneity"),
    ("24", "results of updating", AUTO, "updated_performance"),
    ("25", "interpretation, fairness included", PERSON, "interpretation"),
    ("26", "limitations", COMPLETE, "limitations"),
    ("27a", "poor or missing input when the model is used", AUTO, "poor_input"),
    ("27b", "what users do, and what they must know", COMPLETE, "users"),
    ("27c", "next steps of research", PERSON, "next_steps"),
)

# Domains 1 to 3 ask the same of development (quality) and evaluation (risk of bias).
PROBAST_SHARED: tuple[tuple[str, str, str, str], ...] = (
    ("1.1", "appropriate sources of data", PERSON, "data_sources"),
    ("1.2", "appropriate study design", AUTO, "spectrum"),
    ("1.3", "inclusions and exclusions leave a representative sample", AUTO, "exclusions"),
    ("2.1", "predictors defined and assessed alike for all", AUTO, "units"),
    ("2.2", "predictors preprocessed alike for all", AUTO, "preprocessing"),
    ("2.3", "predictors assessed without knowledge of the outcome", PERSON, "predictor_blinding"),
    ("2.4", "predictors available when the model is to be used", COMPLETE, "intended_use"),
    ("3.1", "outcome defined and assessed appropriately", COMPLETE, "outcome"),
    ("3.2", "outcome defined and assessed alike for all", AUTO, "empty_cells"),
    ("3.3", "outcome assessed without knowledge of the predictors", PERSON, "outcome_blinding"),
    ("3.4", "appropriate time from predictors to outcome", PERSON, "interval"),
)
PROBAST_DEVELOPMENT: tuple[tuple[str, str, str, str], ...] = (
    ("4.1", "reasonable sample size", AUTO, "sample_size"),
    ("4.2", "continuous and categorical predictors handled appropriately", AUTO, "functional_form"),
    ("4.3", "missing or censored data handled appropriately", AUTO, "missing"),
    ("4.4", "class imbalance methods followed by recalibration", AUTO, "class_imbalance"),
    ("4.5", "overfitting addressed", AUTO, "tuning"),
)
PROBAST_EVALUATION: tuple[tuple[str, str, str, str], ...] = (
    ("4.1", "more than apparent performance", AUTO, "optimism"),
    ("4.2", "reasonable sample size", AUTO, "n_events"),
    ("4.3", "missing or censored data handled appropriately", AUTO, "missing"),
    ("4.4", "evaluated on data without imbalance correction", AUTO, "evaluation_weights"),
    ("4.5", "no leakage between training and test data", AUTO, "audit_flags"),
    ("4.6", "all steps of development repeated inside resampling", AUTO, "screening_inside"),
    ("4.7", "calibration, discrimination and net benefit evaluated", AUTO, "measures"),
)
# A cluster is a service: a line, a centre, a site.
CLUSTER_ITEMS: tuple[tuple[str, str, str, str], ...] = (
    ("1", "title: development or evaluation, population, outcome", PERSON, "title"),
    ("2", "abstract, the source of the data included", COMPLETE, "abstract"),
    ("3a", "context, rationale, earlier models, what the design gains", PERSON, "background"),
    ("3b", "objectives: development or evaluation", COMPLETE, "objectives"),
    ("4a", "eligibility of callers and of services", PERSON, "eligibility"),
    ("4b", "where the data come from, and how they were found and collected", PERSON, "data_sources"),
    ("5", "how the sample size came about", AUTO, "sample_size"),
    ("6a", "outcome: definition, how and when assessed", COMPLETE, "outcome"),
    ("6b", "predictors: definition, how and when measured", AUTO, "units"),
    ("7a", "preparation of the data, made alike over services", AUTO, "preprocessing"),
    ("7b", "how risk of bias was judged in each service", PERSON, "cluster_bias_method"),
    ("7c", "evaluation: what differs in definition from the development data", AUTO, "train_evaluation"),
    ("7d", "missing data", AUTO, "missing"),
    ("8a", "handling of predictors", AUTO, "functional_form"),
    ("8b", "type of model, its steps, selection and penalty, validation", AUTO, "tuning"),
    ("8c", "how differences of the model's parameters between services were handled", AUTO, "clusters"),
    ("8d", "evaluation: how the predictions were computed", AUTO, "prediction"),
    ("8e", "measures of performance", AUTO, "measures"),
    ("8f", "how differences of performance between services were handled", AUTO, "cluster_method"),
    ("8g", "updating that followed the evaluation, overall or for a service", AUTO, "updating"),
    ("9", "planned subgroup and sensitivity analyses", PERSON, "sensitivity_plan"),
    ("10a", "number of services and callers, from found to analysed", AUTO, "cluster_flow"),
    ("10b", "characteristics, overall and by service", AUTO, "characteristics"),
    ("10c", "evaluation: distributions beside those of development", AUTO, "train_evaluation"),
    ("11", "risk of bias found in each service", PERSON, "cluster_bias"),
    ("12a", "differences between services that changed the development", PERSON, "cluster_actions"),
    ("12b", "the full model, and how to use it", AUTO, "full_model"),
    ("13a", "performance with intervals, overall", AUTO, "performance"),
    ("13a", "performance with intervals, by service", AUTO, "cluster_performance"),
    ("13b", "differences of performance between services", AUTO, "cluster_heterogeneity"),
    ("14", "results of updating, overall and by service", AUTO, "updated_performance"),
    ("15", "results of subgroup and sensitivity analyses", AUTO, "fairness"),
    ("16a", "interpretation, differences between services included", PERSON, "interpretation"),
    ("16b", "evaluation: performance beside that in the development data", AUTO, "optimism"),
    ("16c", "strengths and limitations", COMPLETE, "limitations"),
    ("17", "use, and whether it carries over to other services", COMPLETE, "intended_use"),
    ("18", "protocol, code and data", COMPLETE, "versions"),
    ("18", "where the data are", COMPLETE, "data_hashes"),
    ("19", "funding and the funders' role", PERSON, "funding"),
)
ITEMS: tuple[tuple[str, str, str, str, str], ...] = (
    *((TRIPOD, *item) for item in TRIPOD_ITEMS),
    *((PROBAST, f"development {item[0]}", *item[1:]) for item in (*PROBAST_SHARED, *PROBAST_DEVELOPMENT)),
    *((PROBAST, f"evaluation {item[0]}", *item[1:]) for item in (*PROBAST_SHARED, *PROBAST_EVALUATION)),
    *((CLUSTER, *item) for item in CLUSTER_ITEMS),
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
