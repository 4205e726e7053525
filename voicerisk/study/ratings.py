"""Who the callers were, and how far the raters of their risk agree."""

from voicerisk.cohort import Cohort, describe_cohort, rating_table
from voicerisk.files import PRIVATE, write_csv
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.study.settings import Study

LEAST_RATERS = 2


def write_ratings(cohort: Cohort, study: Study, folder: ResultsFolder) -> list[str]:
    """Write `cohort.csv`, and where calls were rated `ratings.csv`, `disagreements.csv` and `agreement.csv`.

    Agreement is measured within each scale that at least two raters used, on the calls that all of them
    rated.
    """
    import pandas as pd

    from voicerisk.validation import agreement_table

    numeric = [name for name in study.cohort.covariates if pd.api.types.is_numeric_dtype(cohort.calls[name])]
    write_csv(folder.file("cohort.csv"), describe_cohort(cohort, numeric))
    written = ["cohort.csv"]
    if cohort.ratings.empty:
        return written
    write_csv(folder.file("ratings.csv"), cohort.ratings, PRIVATE)
    write_csv(folder.file("disagreements.csv"), cohort.disagreements, PRIVATE)
    written += ["ratings.csv", "disagreements.csv"]
    tables = []
    for scale in cohort.ratings["scale"].unique():
        rated = rating_table(cohort.ratings, scale).dropna()
        if rated.shape[1] >= LEAST_RATERS and len(rated) >= LEAST_RATERS:
            measured = agreement_table(rated, seed=study.validation.seed)
            measured.insert(0, "scale", scale)
            tables.append(measured)
    if tables:
        write_csv(folder.file("agreement.csv"), pd.concat(tables, ignore_index=True))
        written.append("agreement.csv")
    return written
