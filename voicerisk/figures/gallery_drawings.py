"""Every figure that a study has: its name, its function, and what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass

LEAST_MM = 55.0  # of most figures


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure that a study has.

    Attributes
    ----------
    module : str
        Module of this room with a function of the figure's name.
    title : str
        Heading in reports.
    says : str
        What it shows, in one sentence (alternative text and caption).
    parts : tuple of str
        Keyword arguments that take further tables.
    private : bool
        It shows single calls: its files are for their owner alone.
    least_mm : float
        Width below which it cannot be read.
    """

    module: str
    title: str
    says: str
    parts: tuple[str, ...] = ()
    private: bool = False
    least_mm: float = LEAST_MM


DRAWINGS: Mapping[str, Drawing] = {
    "exclusion_flow": Drawing(
        "flow",
        "Exclusion flow",
        "What entered the study, what left at each step and why, and what remained.",
        ("groups",),
    ),
    "missing_values": Drawing(
        "missing", "Missing values", "Share of frames without a value of each marker, overall and by group."
    ),
    "lasso_path": Drawing(
        "paths",
        "Lasso path",
        "Coefficients and cross-validated deviance against the penalty, with the two choices of it.",
    ),
    "selection_frequencies": Drawing(
        "selection", "Selection frequencies", "In how many folds each marker was chosen."
    ),
    "gamm_curves": Drawing(
        "curves",
        "Markers and risk",
        "Smooth effect of each marker on risk, women and men overlaid, with bands.",
        ("observed", "smooths"),
    ),
    "difference_curves": Drawing(
        "curves",
        "Differences between two levels",
        "Difference of women's and men's curve for each marker.",
        ("observed",),
    ),
    "partial_effects": Drawing(
        "curves",
        "What each marker adds to the score",
        "Contribution of each marker to the score, by level of the moderator.",
        ("observed",),
    ),
    "risk_path": Drawing(
        "paths", "Risk path", "Deviance against the number of boosting steps, with the number chosen."
    ),
    "protocols_compared": Drawing(
        "protocols",
        "Metrics under both protocols",
        "Discrimination and decisions under the published and the nested protocol, with intervals.",
        ("comparisons",),
        least_mm=150.0,
    ),
    "roc": Drawing(
        "discrimination", "ROC curves", "Sensitivity against 1 minus specificity of calls.", ("metrics",)
    ),
    "precision_recall": Drawing(
        "discrimination", "Precision-recall curves", "Precision against sensitivity of calls.", ("metrics",)
    ),
    "calibration": Drawing(
        "calibration_curve",
        "Calibration",
        "Observed share of positive calls against predicted risk.",
        ("strip", "metrics"),
    ),
    "predicted_observed": Drawing(
        "grades",
        "Predicted and observed",
        "What each call was told by a model that never saw its caller, against the grade or number it had.",
        private=True,
    ),
    "grade_calibration": Drawing(
        "grades",
        "Calibration of each grade",
        "Observed share of calls of a grade or more against its predicted probability.",
    ),
    "decision_curves": Drawing(
        "net_benefit",
        "Decision curves",
        "Net benefit of acting on the model, on all and on none, by threshold.",
    ),
    "threshold_distribution": Drawing(
        "decisions", "Thresholds", "Where the cut lies in each fold and over bootstraps.", ("draws",)
    ),
    "score_dots": Drawing(
        "decisions",
        "Score of every call",
        "Scores in rising order with the cut; calls decided wrongly are ringed.",
        private=True,
    ),
    "settling": Drawing(
        "settling",
        "How long must a caller speak",
        "How far risk and decision after some seconds of speech are from those of the rest of the call.",
    ),
    "subgroup_forest": Drawing(
        "subgroups",
        "Subgroups",
        "Metrics with intervals for all callers and for each subgroup.",
        least_mm=85.0,
    ),
    "confusion": Drawing(
        "classes", "Confusion of classes", "True classes against the likeliest one, rows summing to 1."
    ),
    "training_curves": Drawing(
        "classes", "Training of the networks", "Loss by epoch on the rows that teach and on those that stop."
    ),
    "audit_ladder": Drawing(
        "audit",
        "Audit ladder",
        "What each rule of the published protocol adds to the numbers of the honest one.",
        least_mm=85.0,
    ),
    "permutation_null": Drawing(
        "audit", "Permutation null", "The metric over permuted outcomes, and the observed value."
    ),
    "instability": Drawing(
        "instability",
        "Instability of single risks",
        "What models of bootstrapped callers say of each call, against the model of all callers: risk, mean "
        "difference, decision, and calibration.",
        ("calibration",),
        private=True,
    ),
    "listening": Drawing(
        "listening",
        "Listening figure",
        "One call over time: sound, markers, contributions to the score, and the score.",
        ("spectrogram", "spans", "tracks", "contributions", "scores"),
        private=True,
    ),
}
