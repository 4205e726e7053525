"""How far the raters agree whose labels are the outcome."""

from collections.abc import Mapping

import pandas as pd

from voicerisk.figures.wording import NO_LABELS, in_units, need
from voicerisk.report.tables.formats import count, estimate
from voicerisk.report.tables.publication import PublicationTable

COEFFICIENTS = {
    "light_kappa": "Light's kappa (mean of Cohen's over pairs)",
    "light_kappa_linear": "Light's kappa, linear weights",
    "light_kappa_quadratic": "Light's kappa, quadratic weights",
    "fleiss_kappa": "Fleiss' kappa",
    "conger_kappa": "Conger's kappa",
    "krippendorff_alpha_ordinal": "Krippendorff's alpha, ordinal",
    "icc_agreement": "ICC(A,1), absolute agreement of one rater",
}


def rater_agreement_table(agreement: pd.DataFrame, labels: Mapping[str, str] = NO_LABELS) -> PublicationTable:
    """Return each coefficient of agreement with its interval.

    Parameters
    ----------
    agreement : DataFrame
        agreement.csv: scale, metric, estimate, lower, upper, n_recordings, n_raters, n_undefined.
    labels : mapping of str to str
        Display names of scales and units.

    Raises
    ------
    ReportError
        If columns are missing.

    Examples
    --------
    >>> from voicerisk.validation import agreement_table
    >>> ratings = pd.DataFrame({"first": [0, 1, 2, 2, 1, 0], "second": [0, 1, 2, 1, 1, 0]})
    >>> found = agreement_table(ratings, n_boot=100).assign(scale="C-SSRS")
    >>> rater_agreement_table(found).cells.iloc[0, :2].tolist()
    ['C-SSRS', "Light's kappa (mean of Cohen's over pairs)"]
    """
    columns = ["scale", "metric", "estimate", "lower", "upper", "n_recordings", "n_raters", "n_undefined"]
    need(agreement, columns, "rater agreement")
    lines = []
    for scale, part in agreement.groupby("scale", sort=False):
        of = {str(row["metric"]): row for row in part.to_dict("records")}
        for metric, title in COEFFICIENTS.items():
            if metric in of:
                row = of[metric]
                lines.append(
                    [
                        labels.get(str(scale), str(scale)), title,
                        estimate(row["estimate"], row["lower"], row["upper"]), count(row["n_recordings"]),
                        count(row["n_raters"]),
                    ]
                )  # fmt: skip
    heads = ["Scale", "Coefficient", "Estimate (95% CI)", in_units("Calls", labels), "Raters"]
    notes = [
        in_units(
            "Of calls that every rater of the scale rated. Weights, alpha and ICC take grades in their "
            "order. Intervals draw calls anew and keep the raters.",
            labels,
        )
    ]
    lost = int(agreement["n_undefined"].max())
    if lost:
        notes.append(f"In up to {count(lost)} resamples all ratings were of one category: left out.")
    return PublicationTable(
        "agreement", "Agreement of raters", pd.DataFrame(lines, columns=heads), tuple(notes)
    )
