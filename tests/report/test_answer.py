"""The two sentences that open a report: counts, what is said of chance, and what made the difference."""

import pandas as pd
import pytest

from voicerisk.report.answer import answer


def metrics_of(**protocols):
    rows = []
    for protocol, (design, auroc, sensitivity, specificity) in protocols.items():
        for name, value in (("auroc", auroc), ("sensitivity", sensitivity), ("specificity", specificity)):
            rows.append(
                {
                    "protocol": protocol, "model": "m", "target": "outcome", "design": design, "unit": "call",
                    "subgroup": "all", "metric": name, "estimate": value, "lower": 0.0, "upper": 1.0,
                    "method": "caller_bootstrap_percentile_given_scores", "n": 50, "n_events": 20,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_calls_are_counted_not_shown_as_shares():
    said = answer(metrics_of(nested=("grouped_kfold", 0.9, 0.8, 0.9), published=("loco", 0.91, 0.9, 0.8)))
    assert said == [
        "Of 20 calls with the outcome the honest model found 16 and missed 4; it also flagged 3 of 30 others "
        "(AUROC 0.90).",
        "Of 20 calls with the outcome the published recipe on the same calls found 18 and missed 2; it also "
        "flagged 6 of 30 others (AUROC 0.91); here the two agree.",
    ]


def test_a_model_that_learned_nothing_is_called_so():
    said = answer(metrics_of(nested=("loco", 0.5, 0.4, 0.6)))
    assert said[0].endswith("(AUROC 0.50), which is no better than chance.")
    assert len(said) == 1


def test_folds_that_learned_nothing_are_said_with_what_simple_models_found():
    made = metrics_of(nested=("loco", 0.52, 0.4, 0.6), rival=("loco", 0.64, 0.5, 0.7))
    made.loc[made["protocol"] == "rival", "model"] = "ridge_means"
    row = made.iloc[0].to_dict() | {"metric": "folds_constant", "method": "count"}
    few, many = (pd.concat([made, pd.DataFrame([row | {"estimate": share}])]) for share in (0.2, 0.4))
    assert len(answer(few)) == 1
    assert answer(many)[1] == (
        "In 40% of the folds it learned nothing: the study is too small for this procedure, or there is "
        "nothing to find. Of the simple models ridge on call means came furthest, to AUROC 0.64."
    )


def test_no_cut_is_no_decision():
    said = answer(metrics_of(nested=("loco", 0.5, float("nan"), float("nan"))))
    assert said == ["Of 20 calls with the outcome the honest model found none: it learned no cut."]


@pytest.mark.parametrize(
    ("ladder", "ending"),
    [
        (None, "`voicerisk audit` says what made the difference."),
        (
            pd.DataFrame({"label": ["nested", "screened on all", "cut on all"], "auroc": [0.7, 0.95, 0.96]}),
            "what made the difference most: screened on all.",
        ),
        (
            pd.DataFrame({"label": ["nested", "cut on all"], "auroc": [0.7, 0.7]}),
            "no single step of the audit's ladder explains the difference.",
        ),
    ],
)
def test_what_made_the_difference_comes_from_the_ladder(ladder, ending):
    metrics = metrics_of(nested=("loco", 0.7, 0.6, 0.7), published=("loco", 0.96, 0.9, 0.9))
    assert answer(metrics, ladder)[1].endswith(ending)


def test_grouped_kfold_is_told_first():
    both = pd.concat(
        [metrics_of(nested=("loco", 0.6, 0.5, 0.5)), metrics_of(nested=("grouped_kfold", 0.8, 0.7, 0.7))]
    )
    assert "(AUROC 0.80)" in answer(both)[0]
