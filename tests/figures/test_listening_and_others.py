"""Decision curves, audit, permutation null, subgroups and the listening figure."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from voicerisk import figures
from voicerisk.errors import ReportError
from voicerisk.validation.audit import climb as audit


def test_decision_curves_show_their_share_and_the_differences_with_intervals(made):
    curve = made.decision_curve()
    model, everybody = (curve[curve["strategy"] == name] for name in ("model", "all"))
    gain = model["net_benefit"].to_numpy() - everybody["net_benefit"].to_numpy()
    none = model.assign(strategy="model_minus_none")
    parts = [curve, model.assign(strategy="model_minus_all", net_benefit=gain), none]
    table = pd.concat(parts).assign(prevalence=0.42)
    figure = figures.decision_curves(table)
    left, right = figure.axes[:2]
    assert "0.42 of calls have the outcome" in left.get_xlabel()
    lines = {line.get_label(): line.get_ydata() for line in right.lines}
    np.testing.assert_allclose(lines["to acting on all"], gain)
    assert len(right.collections) == 2  # a band for each difference
    assert len(figures.decision_curves(curve).axes) == 1
    named = figures.decision_curves(curve.assign(design="grouped_kfold")).axes[0]
    assert "grouped k-fold" in [text.get_text() for text in named.texts]


def test_decision_curves_grey_what_nobody_would_act_on(made):
    figure = figures.decision_curves(made.decision_curve().assign(relevant_low=0.1, relevant_high=0.5))
    greyed = [
        patch.get_extents().transformed(figure.axes[0].transData.inverted())
        for patch in figure.axes[0].patches
    ]
    spans = {(round(box.x0, 6), round(box.x1, 6)) for box in greyed}
    assert spans == {(0.0, 0.1), (0.5, 1.0)}
    assert not figures.decision_curves(made.decision_curve()).axes[0].patches


def test_ladder_refuses_two_units_in_one_rung(made):
    ladder = made.ladder()
    with pytest.raises(ReportError, match="rung 0 has two rows for auroc"):
        figures.audit_ladder(pd.concat([ladder, ladder.head(1)]))
    names = [label.get_text() for label in figures.audit_ladder(ladder).axes[0].get_yticklabels()]
    assert names[0] == "honest nested protocol" and names[1] == "+ scaling and knots on all callers"


def test_ladder_shades_the_rungs_that_have_seen_held_out_callers(made):
    wide = made.wide_ladder()
    plain = figures.audit_ladder(wide.assign(leaked=""))
    leaked = [""] * (len(wide) - 1) + ["caller_effect"]
    shaded = figures.audit_ladder(wide.assign(leaked=leaked))
    for panel, before in zip(shaded.axes, plain.axes, strict=True):
        assert len(panel.patches) == 1 and not before.patches
        box = panel.patches[0].get_extents().transformed(panel.transData.inverted())
        assert box.y0 < 1 - len(wide) < box.y1  # the last rung
    # An estimate of 1 is drawn whole.
    assert not [line for line in shaded.axes[0].lines if line.get_marker() == "o" and line.get_clip_on()]


def test_few_shuffles_are_drawn_one_by_one(made):
    few = pd.DataFrame({"value": np.linspace(0.4, 0.6, 19), "observed": 0.8})
    panel = figures.permutation_null(few).axes[0]
    assert not panel.patches and len(panel.lines[0].get_xdata()) == 19
    assert figures.permutation_null(made.null_draws()).axes[0].patches


def test_ladder_takes_the_audits_own_table(made, legible):
    wide = made.wide_ladder()
    figure = figures.audit_ladder(wide)
    legible(figure)
    titles = [panel.get_title(loc="left").replace("\n", " ") for panel in figure.axes]
    assert titles == [
        "AUROC as printed", "AUROC of calls", "Average precision", "Frames decided rightly", "Brier score",
    ]  # fmt: skip
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[1] == "+ scaling and knots on all callers"
    for axis, column in ((0, "null_mean_kfold"), (1, "null_mean_call_kfold")):
        ticks = [line for line in figure.axes[axis].lines if line.get_marker() == "|"]
        np.testing.assert_allclose(ticks[0].get_xdata(), wide[column])
    assert not [line for line in figure.axes[2].lines if line.get_marker() == "|"]  # the null is the AUROC's


@pytest.mark.parametrize("effect", ["all_data", "brandom"])
def test_labels_of_the_audits_own_rungs_do_not_touch(made, legible, effect):
    rungs = audit.ladder(effect)
    table = made.wide_ladder().iloc[[0] * len(rungs)].assign(label=[rung.label for rung in rungs])
    figure = figures.audit_ladder(table.reset_index(drop=True))
    assert len(figure.axes[0].get_yticklabels()) == len(rungs)
    legible(figure)


def test_permutation_p_value_counts_ties_and_the_observed_value(made):
    draws = pd.DataFrame({"value": [0.4, 0.5, 0.6, 0.6], "observed": 0.6})
    text = figures.permutation_null(draws).axes[0].get_xlabel()
    assert "P=.60 (smallest possible .20)" in text and "over 4 permutations" in text and "mean 0.525" in text
    with pytest.raises(ReportError, match="2 observed values"):
        figures.permutation_null(draws.assign(observed=[0.6, 0.6, 0.6, 0.7]))
    with pytest.raises(ReportError, match="1 permutations have no value"):
        figures.permutation_null(draws.assign(value=[0.4, 0.5, 0.6, np.nan]))


def test_subgroups_that_cannot_be_estimated_say_so(made):
    figure = figures.subgroup_forest(made.metrics())
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("not estimable") == 2
    assert len(figure.axes[0].get_yticks()) == 5
    whole = made.metrics().query("subgroup == 'all'")
    with pytest.raises(ReportError, match="no subgroup"):
        figures.subgroup_forest(whole)


def test_sound_tables_keep_peaks_and_find_a_tone():
    rate = 8000
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * rate) / rate)
    tone[4321] = -0.9
    envelope, spectrogram = figures.sound_tables(tone, rate, columns=200)
    assert len(envelope) == 200 and envelope["low"].min() == -0.9
    loudest = spectrogram.groupby("frequency_hz")["level_db"].mean().idxmax()
    assert loudest == pytest.approx(1000, abs=rate / 2 / 96)
    assert spectrogram["level_db"].max() == 0 and spectrogram["level_db"].min() >= -70
    silent, levels = figures.sound_tables(np.zeros(500), rate)
    assert (silent["high"] == 0).all() and (levels["level_db"] == -70).all()
    with pytest.raises(ReportError, match="shape"):
        figures.sound_tables(np.zeros((2, 5)), rate)


def test_tracks_do_not_bridge_silence_and_contributions_sum_to_the_link(made):
    envelope, _ = figures.sound_tables(*made.call_sound())
    tracks, contributions, scores = made.call_frames()
    parts = {"tracks": tracks, "contributions": contributions, "scores": scores}
    figure = figures.draw("listening", envelope, parts, made.LABELS)
    track = figure.axes[1].lines[0]
    assert np.isnan(track.get_ydata()).sum() == 1  # one stretch without speech
    total = figure.axes[4].lines[0]
    drawn = total.get_ydata()[~np.isnan(total.get_ydata())]
    np.testing.assert_allclose(1 / (1 + np.exp(-drawn)), scores["p_raw"], atol=1e-12)
    legend = [text.get_text() for text in figure.axes[4].get_legend().get_texts()]
    assert len(legend) == 8 and "other terms" in legend


def test_names_that_begin_with_an_underscore_stay_in_legends(made):
    predictions = made.predictions()
    points = figures.curve_points(predictions.assign(protocol="_hid$den"))
    assert figures.roc(points).legends[0].get_texts()[0].get_text() == r"_hid\$den"
    table = figures.missing_table(made.frames().assign(service="_x"), made.MARKERS[:2], ("service",))
    legend = figures.missing_values(table).axes[1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["_x (n = 2\u2009400)"]
    envelope, _ = figures.sound_tables(*made.call_sound())
    _, contributions, _ = made.call_frames()
    one = contributions[contributions["term"] == "dom"].assign(term="_secret")
    figure = figures.draw("listening", envelope, {"contributions": one})
    assert figure.axes[1].get_legend().get_texts()[0].get_text() == "_secret"


def test_the_call_score_is_the_one_that_was_judged_and_not_the_mean_of_frames(made):
    _, _, scores = made.call_frames()
    envelope, _ = figures.sound_tables(*made.call_sound(), columns=60, bands=8)

    def said(table) -> str:
        figure = figures.draw("listening", envelope, {"scores": table})
        return " ".join(text.get_text() for text in figure.findobj(Text))

    judged = said(scores.assign(call_score=0.125, protocol="nested"))
    assert "call score 0.12" in judged and "out-of-fold: the model fitted without this caller" in judged
    assert "not the saved one" in judged
    bare = said(scores)
    assert "call score" not in bare and f"mean of frames {scores['p_raw'].mean():.2f}" in bare
