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
                    "subgroup": "all", "metric": name, "estimate": value, "lower": value - 0.1,
                    "upper": value + 0.1, "method": "caller_bootstrap_percentile_given_scores", "n": 50,
                    "n_events": 20,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def compared(difference, lower, upper, design="loco", other="published"):
    row = {"protocol": "nested", "model": "m", "other_protocol": other, "other_model": "m",
           "design": design, "metric": "auroc", "difference": difference, "lower": lower, "upper": upper,
           "method": "paired_caller_bootstrap_given_scores"}  # fmt: skip
    return pd.DataFrame([row])


def test_calls_are_counted_not_shown_as_shares():
    metrics = metrics_of(nested=("grouped_kfold", 0.9, 0.8, 0.9), published=("loco", 0.91, 0.9, 0.8))
    claims = [
        "Of 20 calls with the outcome the honest model found 16 and missed 4; it also flagged 3 of 30 others "
        "(AUROC 0.90, grouped k-fold).",
        "Of 20 calls with the outcome the published recipe on the same calls found 18 and missed 2; it also "
        "flagged 6 of 30 others (AUROC 0.91, leave one caller out).",
    ]
    assert answer(metrics) == claims  # two designs say nothing of a difference
    assert answer(metrics, comparisons=compared(0.3, 0.1, 0.5, other="rival")) == claims
    assert answer(metrics, comparisons=compared(0.0149, -0.07, 0.1))[1] == claims[1][:-1] + (
        "; no difference between the two is shown on these calls (nested minus published, leave one caller "
        "out: 0.01, 95% interval \N{MINUS SIGN}0.07 to 0.10)."
    )


def test_a_mean_over_repeats_that_is_not_whole_is_said_to_be_about():
    said = answer(metrics_of(nested=("grouped_kfold", 0.9, 0.82, 1 - 2.5 / 30)))[0]
    assert "found about 16 and missed about 4; it also flagged about 3 of 30 others" in said


def test_what_is_not_shown_to_be_better_than_chance_is_called_so():
    said = answer(metrics_of(nested=("loco", 0.58, 0.4, 0.6)))
    ending = ", which is not shown to be better than chance."
    assert said[0].endswith(f"(AUROC 0.58, leave one caller out){ending}") and len(said) == 1
    close = metrics_of(nested=("loco", 0.53, 0.4, 0.6)).assign(lower=0.51)
    assert not answer(close)[0].endswith(ending)
    constant = metrics_of(nested=("loco", 0.5, 0.4, 0.6)).assign(lower=float("nan"))
    assert answer(constant)[0].endswith(ending)


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
        (None, "`voicerisk audit` looks for what made the difference."),
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
    said = answer(metrics, ladder, compared(-0.26, -0.4, -0.1))[1]
    assert said.endswith(ending) and "its AUROC is higher (nested minus published" in said
    assert "made the difference" not in answer(metrics, ladder, compared(-0.26, -0.6, 0.1))[1]


def test_grouped_kfold_is_told_first():
    both = pd.concat(
        [metrics_of(nested=("loco", 0.6, 0.5, 0.5)), metrics_of(nested=("grouped_kfold", 0.8, 0.7, 0.7))]
    )
    assert "(AUROC 0.80, grouped k-fold)" in answer(both)[0]
