"""Numbers as journals print them, and what each publication table says."""

import numpy as np
import pandas as pd
import pytest

from voicerisk import figures, report
from voicerisk.errors import ReportError
from voicerisk.figures.differences import auroc_gap
from voicerisk.report.tables.formats import count, mean_sd, median_iqr, p_value, share
from voicerisk.validation.metrics.paired import paired_differences


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "<.001"),
        (0.00099, "<.001"),
        (0.001, ".001"),
        (0.0049, ".005"),
        (0.0099, ".010"),
        (0.01, ".01"),
        (0.0149, ".01"),
        (0.049, ".049"),
        (0.0499, ".0499"),
        (0.05, ".05"),
        (0.054, ".05"),
        (0.25, ".25"),
        (0.99, ".99"),
        (0.991, ">.99"),
        (1.0, ">.99"),
        (float("nan"), "–"),
    ],
)
def test_p_values(p, text):
    assert p_value(p) == text


def test_p_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"1\.2 is not a P value"):
        p_value(1.2)


def test_numbers():
    assert report.interval(-1.5, 0.25) == "\u22121.50 to 0.25"
    assert report.estimate(1.0, np.nan, np.nan) == "1.00" and report.estimate(np.nan, 0, 1) == "–"
    assert count(1234) == "1234" and count(352332) == "352\u2009332"
    assert share(76, 281) == "76/281 (27.0%)" and share(15, 60) == "15/60 (25%)" and share(0, 0) == "0/0"
    assert mean_sd([1, 2, 3, np.nan]) == "2.0 (1.0)" and mean_sd([2]) == "2.0" and mean_sd([]) == "–"
    assert median_iqr([1, 2, 3, 4, 5]) == "3.0 (2.0 to 4.0)"
    with pytest.raises(ValueError, match=r"1\.5 is not a count"):
        count(1.5)


def test_cohort_counts_add_up(made):
    calls = made.calls()
    segments = pd.DataFrame(
        {"call_id": calls["call_id"].repeat(3), "start_s": 0.0, "end_s": 2.5, "n_frames": 100}
    )
    table = report.cohort_characteristics(
        calls, segments, columns=("age", "service"), labels={"1": "High risk"}
    )
    cells = table.cells.set_index("Characteristic")
    assert cells.loc["Calls, n", "All"] == "60" and cells.loc["Callers, n", "All"] == "48"
    assert cells.loc["Calls, n"].iloc[1:].astype(int).sum() == 60
    assert "High risk, women" in cells.columns
    assert cells.loc["Service: 000, n/N (%)", "All"] == share(int((calls["service"] == "000").sum()), 60)
    assert cells.loc["Frames, n", "All"] == "18\u2009000"
    assert cells.loc["Segment length in s, median (IQR)", "All"] == "2.50 (2.50 to 2.50)"
    assert "both" not in " ".join(table.notes)
    mixed = calls.assign(outcome=[1, *calls["outcome"][1:]], caller_id="one caller")
    assert "Callers with calls of both outcomes count in both." in report.cohort_characteristics(mixed).notes


def test_gamm_table_prints_no_coefficient_and_warns_of_selection(made):
    smooths = made.smooths()
    table = report.gamm_table(smooths, made.terms(), made.LABELS)
    tests = ["P (same outcomes)", "P, Holm (same outcomes)", "P, BH (same outcomes)"]
    assert list(table.cells.columns) == ["Sex", "Marker", "EDF", "Reference df", "F", *tests]
    assert len(table.cells) == 24 and table.cells["Sex"].value_counts().to_dict() == {"Women": 12, "Men": 12}
    first = smooths[smooths["sex"] == "female"].iloc[0]
    assert (
        table.cells.iloc[0]["P (same outcomes)"] == p_value(first["p_value"])
        and table.cells.iloc[0]["Marker"] == "RMS level (dB)"
    )
    notes = " ".join(table.notes)
    assert "the same outcomes selected the markers" in notes
    assert (
        "sex: male: \u22120.84 (\u22121.41 to \u22120.27) log-odds, SE 0.29, t \u22122.90, P =.004." in notes
    )
    honest = report.gamm_table(smooths.assign(selected_on_same_labels=False))
    assert "selected" not in " ".join(honest.notes)
    assert list(honest.cells.columns)[5:] == ["P", "P, Holm", "P, BH"]


def test_performance_has_both_protocols_with_events_and_callers(made):
    metrics = made.metrics()
    table = report.performance_table(metrics)
    columns = list(table.cells.columns)
    assert columns[2:] == [
        "Nested, grouped k-fold",
        "Nested, leave one caller out",
        "Published, leave one caller out",
    ]
    cells = table.cells.set_index(["Unit", "Metric"])
    assert cells.loc[("Calls", "n (events; callers)")].tolist() == ["60 (15; 48)"] * 3
    row = metrics.query(
        "protocol == 'nested' and design == 'loco' and unit == 'call' and subgroup == 'all' and "
        "metric == 'auroc' and method == @made.PERCENTILE"
    ).iloc[0]
    expected = report.estimate(row["estimate"], row["lower"], row["upper"])
    assert cells.loc[("Calls", "AUROC"), "Nested, leave one caller out"] == expected
    assert cells.loc[("Calls", "Brier score"), "Published, leave one caller out"] == "–"
    assert cells.loc[("Frames, each by itself", "AUROC"), "Published, leave one caller out"].startswith(
        "0.02"
    )
    auto = cells.loc[
        ("Frames, each by itself", "AUROC, automatic direction"), "Published, leave one caller out"
    ]
    assert auto.startswith(("0.9", "1.0"))
    assert "given these scores" in table.notes[0] and "95%" in table.notes[0]


def test_differences_have_their_own_intervals_and_sizes(made):
    found = paired_differences(made.predictions().assign(fold=0), n_boot=200)
    table = report.comparison_table(found)
    assert table.cells["Difference"].tolist() == ["Nested minus published protocol"]
    assert table.cells["n (events; callers)"].tolist() == ["60 (15; 48)"]
    row = found.query("metric == 'auroc'").iloc[0]
    assert table.cells["AUROC"].tolist() == [report.estimate(row["difference"], row["lower"], row["upper"])]
    assert "Brier score" not in table.cells  # the published protocol has no risk
    said = auroc_gap(found)
    assert "on the same 60 calls (15 with the outcome)" in said and said.endswith(" difference is shown.")
    none = found.assign(lower=-0.1, upper=0.1)
    assert auroc_gap(none).endswith("(−0.10 to 0.10), no difference is shown.")
    assert auroc_gap(found.assign(lower=0.1)).endswith(", a difference is shown.")
    assert auroc_gap(found, "rival") == "" and auroc_gap(None) == ""
    figure = figures.protocols_compared(made.metrics(), comparisons=none)
    assert " ".join(figure.get_supxlabel().split()).endswith(auroc_gap(none))


def test_performance_refuses_two_rows_for_one_cell(made):
    metrics = made.metrics()
    with pytest.raises(ReportError, match="2 rows for auroc, caller"):
        report.performance_table(pd.concat([metrics, metrics]))


def test_rows_of_callers_are_left_out_where_they_only_repeat_the_calls(made):
    metrics = made.metrics().query("unit != 'caller'")
    calls = metrics[metrics["unit"] == "call"].assign(n_callers=lambda table: table["n"])
    twins = pd.concat([calls, calls.assign(unit="caller")], ignore_index=True)
    table = report.performance_table(twins)
    assert set(table.cells["Unit"]) == {"Calls"} and any(
        "Every caller has one call" in note for note in table.notes
    )
    other = twins.assign(
        estimate=np.where(twins["unit"] == "caller", 0.9 * twins["estimate"], twins["estimate"])
    )
    assert set(report.performance_table(other).cells["Unit"]) == {"Calls", "Callers"}


def test_what_is_not_one_is_not_printed_as_one():
    assert report.estimate(0.9968, 0.98, 1.0) == "0.997 (0.98 to 1.00)"
    assert report.estimate(1.0, 0.9999, 1.0) == "1.00 (0.9999 to 1.00)"
    assert report.estimate(-0.001, -0.2, 0.3) == "0.00 (−0.20 to 0.30)"


def test_audit_in_plain_words(made):
    from types import SimpleNamespace

    from voicerisk.report import words

    def said(findings, tests=None):
        return words.audited(SimpleNamespace(findings=findings, tests=tests, manifest={}))

    assert "has not been run" in said(None)[0] and "`voicerisk audit STUDY.toml" in said(None)[0]
    rows = pd.DataFrame(
        {"concerns": ["the study", "the ladder", "the study"], "severity": ["bias", "leak", "note"],
         "finding": "f", "evidence": "e", "remedy": "r"}
    )  # fmt: skip
    tests = pd.DataFrame({"says": ["Shuffled outcomes give 0.5."]})
    lines = said(rows, tests)
    assert lines[0].startswith("The audit found no leak in the study") and "1 reason why" in lines[1]
    assert lines[-1] == "Shuffled outcomes give 0.5."
    assert "1 leak in the study itself" in said(rows.assign(severity=["leak", "leak", "note"]))[0]
    table = report.findings_list(rows).cells
    assert list(table["Concerns"]) == ["the study", "the study", "the ladder"]


def test_biomarker_dictionary_keeps_order_and_names_unknown_markers():
    catalogue = pd.DataFrame(
        {"name": ["a", "b"], "label": ["A", "B"], "unit": ["Hz", ""], "description": "d", "definition": "f"}
    )
    table = report.biomarker_table(catalogue, ["b", "a"])
    assert list(table.cells["Marker"]) == ["B", "A"]
    with pytest.raises(ReportError, match="z is not in the catalogue"):
        report.biomarker_table(catalogue, ["z"])


def test_thresholds_table(made):
    thresholds = made.thresholds()
    cells = report.thresholds_table(thresholds).cells.set_index("Protocol")
    assert (
        cells.loc["Published", "Cuts"] == "one for all folds" and cells.loc["Published", "Cut, range"] == "–"
    )
    assert cells.loc["Nested", "Cuts"] == "one a fold, 48"
    assert cells.loc["Published", "Cut, median (IQR)"] == "0.46"
    thresholds.loc[thresholds.index[-1], "threshold"] = np.nan
    assert (
        report.thresholds_table(thresholds).cells.set_index("Protocol").loc["Nested", "Without a cut"] == "1"
    )


def test_missed_calls_show_label_texts_only_when_allowed(made):
    scores = figures.call_scores(made.predictions())
    wrong = scores[scores["wrong"]]
    spans = pd.DataFrame(
        {"call_id": wrong["call_id"].iloc[0], "label": ["flat affect", "", "flat affect", "crying"]}
    )
    table = report.missed_calls(scores, spans)
    assert len(table.cells) == len(wrong) and table.private
    assert "Labels" not in table.cells and "crying" not in table.cells.to_string()
    shown = report.missed_calls(scores, spans, show_labels=True, names={wrong["call_id"].iloc[0]: "call A"})
    assert shown.cells.iloc[0]["Labels"] == "flat affect; crying" and shown.cells.iloc[0]["Call"] == "call A"
    with pytest.raises(ReportError, match="there is no table of spans"):
        report.missed_calls(scores, show_labels=True)
    nothing = report.missed_calls(scores.assign(wrong=False))
    assert nothing.cells.empty and nothing.notes == ("No call was decided wrongly.",)


def test_audit_tables(made):
    cells = report.audit_table(made.wide_ladder()).cells
    assert cells["Rung"].iloc[1] == "1. scaling and knots on all callers"
    assert cells["Brier score"].iloc[0] == "0.200"
    assert cells["Calls with a cut + without"].iloc[0] == "8 + 2"
    assert cells["As printed, mean over permuted outcomes (grouped k-fold)"].iloc[0] == "0.49"
    assert cells["Had seen held-out callers"].tolist()[:2] == ["nothing", "knots"]
    findings = pd.DataFrame(
        {"severity": ["note", "leak", "bias"], "finding": "f", "evidence": "e", "remedy": [None, "r", "r"]}
    )
    table = report.findings_list(findings).cells
    assert list(table["Kind"]) == ["leak", "bias", "note"] and table["Remedy"].iloc[2] == "–"


def test_the_whole_procedure_stands_beside_the_interval_given_scores_with_its_coverage():
    from voicerisk.report.tables.audit import procedure_table, whole_procedure_line

    rows = pd.DataFrame(
        {
            "quantity": ["auroc_kfold", "auroc_kfold_whole_procedure", "auroc_optimism"],
            "estimate": [0.7, 0.7, 0.12],
            "lower": [0.62, 0.58, float("nan")],
            "upper": [0.78, 0.81, float("nan")],
            "how": ["given these scores", "200 bootstraps", "200 bootstraps"],
            "frames_per_caller": ["40"] * 3,
        }
    )
    table = procedure_table(rows)
    shown = table.cells.set_index("Quantity")["Estimate (95% interval)"]
    assert shown["AUROC, grouped k-fold, interval given these scores"] == "0.700 (0.620 to 0.780)"
    assert shown["AUROC, grouped k-fold, whole-procedure interval"] == "0.700 (0.580 to 0.810)"
    assert shown["Optimism of the AUROC"] == "0.120"
    assert "given these scores" in table.notes[0] and "whole procedure" in table.notes[0]
    assert "Thinned: 40 frames a caller" in table.notes[1]
    assert "0.70 (0.58 to 0.81). Thinned" in whole_procedure_line(rows)
    assert whole_procedure_line(rows.iloc[:1]) == ""
    assert whole_procedure_line(rows.assign(lower=float("nan"))) == ""


def test_who_wrote_says_whose_means_are_tested():
    from voicerisk.report.tables.classes import characteristics_table
    from voicerisk.text.characteristics import characteristics, group_differences

    sessions = pd.DataFrame(
        {
            "user_id": list("aabccdee"), "label": ["NS", "NS", "NS", "SI", "SI", "SI", "NS", "SI"],
            "age": [14.0, 14, 16, 17, 17, 20, 15, 15], "n_messages": 3,
            "n_words": [10, 30, 50, 60, 80, 90, 20, 20], "messages_cut": 0,
        }
    )  # fmt: skip
    classes = ("NS", "SI")
    differences = group_differences(sessions, classes)
    table = characteristics_table(characteristics(sessions, classes), differences)
    cells = table.cells.set_index("Characteristic")
    assert cells.loc["Age in years, mean (95% CI)", "Difference"].startswith("F(1, 2) = ")
    assert cells.loc["Users without an age, n", "All"] == "0"
    said = " ".join(table.notes)
    assert "of users with sessions of one class, each user once" in said
    assert "left out of the analysis of variance: 1." in said and "as independent" not in said.replace(
        "sessions of one user are not taken as independent", ""
    )
    alone = sessions.assign(user_id=[f"s{number}" for number in range(8)])
    unknown = characteristics_table(
        characteristics(alone, classes, users_known=False), group_differences(alone, classes)
    )
    cells, said = unknown.cells.set_index("Characteristic"), " ".join(unknown.notes)
    assert cells.loc["Sessions without an age, n", "All"] == "0"
    assert cells.loc["Age in years, mean (95% CI)", "Difference"].startswith("F(1, 6) = ")
    assert "sessions are the units" in said and "of users" not in said
    with pytest.raises(ReportError, match="sessions of one user as independent; run `voicerisk text run`"):
        characteristics_table(characteristics(sessions, classes), differences.drop(columns="left_out"))
