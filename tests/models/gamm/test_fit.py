"""The GAMM against hand-written mgcv calls, its separation warning, its counts and its refusals."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ModelError, RBridgeError
from voicerisk.models.gamm.fit import WITH, WITHOUT, GammModel, GammSettings, fit_gamm
from voicerisk.models.gamm.tables import predict_gamm

REFERENCE = Path(__file__).parents[2] / "reference" / "mgcv"
MARKERS = ["x1", "x2", "x3", "x4"]


def cohort(callers=30, segments=8, mixed=True, seed=1, effect=1.0):
    rng = np.random.default_rng(seed)
    caller = np.repeat(np.arange(callers), segments)
    male = caller % 2 == 1
    label = (caller // 2) % 2 if not mixed else rng.integers(0, 2, len(caller))
    x1 = rng.normal(size=len(caller)) + effect * label * ~male
    x2 = rng.normal(size=len(caller))
    return pd.DataFrame(
        {
            "caller_id": [f"c{i:02d}" for i in caller],
            "call_id": [f"k{i:02d}" for i in caller],
            "segment": np.tile(np.arange(segments, dtype=np.int32), callers),
            "sex": np.where(male, "male", "female"),
            "outcome": label,
            "x1": x1,
            "x2": x2,
        }
    )


@pytest.mark.r
@pytest.mark.parametrize("method", ["gam_REML", "bam_fREML", "bam_fREML_discrete"])
def test_committed_reference(worker, tmp_path, method):
    expected = json.loads((REFERENCE / f"n300_mgcv_{method}.json").read_text())
    data = pd.read_csv(REFERENCE.parent / "mboost" / "n300_data.csv").rename(
        columns={"caller": "caller_id", "y": "outcome"}
    )
    data["sex"] = data["sex"].map({"F": "female", "M": "male"})
    data["call_id"] = data["caller_id"]
    data["segment"] = np.arange(len(data))
    engine = method.split("_")[0]
    # k is not lowered here: the reference has 300 rows for 8 smooths of 10.
    fit = fit_gamm(
        data,
        MARKERS,
        GammModel(
            engine=engine, level="frame" if "discrete" in method else "segment", discrete="discrete" in method
        ),
        rds_path=tmp_path / "model.rds",
        worker=worker,
    )
    new = pd.read_csv(REFERENCE.parent / "mboost" / "n300_new.csv").replace(
        {"sex": {"F": "female", "M": "male"}}
    )
    found = predict_gamm(tmp_path / "model.rds", new, worker=worker)
    np.testing.assert_allclose(found["link"], expected["new_link_no_caller"], atol=1e-8)
    smooth = expected["smooth"]
    n = len(fit.smooths)
    assert n == 8
    np.testing.assert_allclose(fit.smooths["edf"], smooth["edf"][:n], atol=1e-4)
    np.testing.assert_allclose(fit.smooths["ref_df"], smooth["Ref.df"][:n], atol=1e-4)
    np.testing.assert_allclose(fit.smooths["statistic"], smooth["Chi.sq"][:n], rtol=1e-6)
    # Below 1e-12 both are rounding errors of the inversion (R can go negative); ours are never negative.
    assert (fit.smooths["p_value"] >= 0).all()
    floor = 1e-12
    ours, theirs = np.maximum(fit.smooths["p_value"], floor), np.maximum(smooth["p-value"][:n], floor)
    np.testing.assert_allclose(np.log(ours), np.log(theirs), atol=1e-6)
    np.testing.assert_allclose(fit.terms["estimate"], expected["parametric"]["Estimate"], atol=1e-6)
    np.testing.assert_allclose(fit.terms["se"], expected["parametric"]["Std. Error"], atol=1e-6)
    np.testing.assert_allclose(fit.fit["r2_adjusted"], expected["r_sq"], atol=1e-6)
    np.testing.assert_allclose(fit.fit["deviance_explained"], expected["dev_expl"], atol=1e-6)
    np.testing.assert_allclose(fit.fit["edf"], expected["total_edf"], atol=1e-4)
    np.testing.assert_allclose(fit.variance["sd"], expected["var_caller"][0], rtol=1e-3)


HAND_WRITTEN = """
suppressMessages(library(mgcv))
d <- read.csv("rows.csv"); d$sex <- factor(d$sex); d$caller_id <- factor(d$caller_id)
m <- {engine}(outcome ~ sex + s(x1, by = sex, k = 6) + s(x2, by = sex, k = 6){random}, data = d,
  family = binomial, method = "{method}"{extra})
g <- if (inherits(m, "gam")) m else m$gam
t <- summary(g)
x <- seq(min(d$x1[d$sex == "male"]), max(d$x1[d$sex == "male"]), length.out = 11)
write.csv(data.frame(label = rownames(t$s.table), t$s.table), "smooths.csv", row.names = FALSE)
write.csv(data.frame(t$p.table), "terms.csv", row.names = FALSE)
# Centred over the rows of the sex, whatever the engine.
smooth <- Filter(function(s) s$label == "s(x1):sexmale", g$smooth)[[1]]
columns <- smooth$first.para:smooth$last.para
at <- function(x) {{
  PredictMat(smooth, data.frame(x1 = x, sex = factor(rep("male", length(x)), levels = levels(d$sex))))
}}
X <- sweep(at(x), 2, colMeans(at(d$x1[d$sex == "male"])))
fit <- drop(X %*% coef(g)[columns])
se <- sqrt(rowSums((X %*% g$Vp[columns, columns]) * X))
write.csv(data.frame(x, fit, se), "curve.csv", row.names = FALSE)
d <- if (length(t$dev.expl)) t$dev.expl else NA
write.csv(data.frame(r = t$r.sq, d = d), "fit.csv", row.names = FALSE)
"""


@pytest.mark.r
@pytest.mark.parametrize("engine", ["bam", "gam", "gamm"])
def test_live_mgcv_called_by_hand(worker, tmp_path, engine):
    rows = cohort()
    rows.to_csv(tmp_path / "rows.csv", index=False)
    script = HAND_WRITTEN.format(
        engine=engine,
        method="fREML" if engine == "bam" else "REML",
        random="" if engine == "gamm" else ' + s(caller_id, bs = "re")',
        extra=", random = list(caller_id = ~1), verbosePQL = FALSE"
        if engine == "gamm"
        else (", discrete = TRUE" if engine == "bam" else ""),
    )
    subprocess.run(["Rscript", "--vanilla", "-e", script], cwd=tmp_path, check=True, capture_output=True)
    fit = fit_gamm(rows, ["x1", "x2"], GammModel(engine=engine, k=6, curve_points=11), worker=worker)
    smooths = pd.read_csv(tmp_path / "smooths.csv").iloc[:4]
    np.testing.assert_allclose(fit.smooths["edf"], smooths["edf"], atol=1e-8)
    np.testing.assert_allclose(fit.smooths["ref_df"], smooths["Ref.df"], atol=1e-8)
    np.testing.assert_allclose(fit.smooths["statistic"], smooths.iloc[:, 3], rtol=1e-8)
    np.testing.assert_allclose(fit.smooths["p_value"], smooths.iloc[:, 4], rtol=1e-8)
    assert set(fit.smooths["statistic_name"]) == {smooths.columns[3]}
    terms = pd.read_csv(tmp_path / "terms.csv")
    np.testing.assert_allclose(fit.terms["estimate"], terms["Estimate"], rtol=1e-8)
    np.testing.assert_allclose(fit.terms["se"], terms["Std..Error"], rtol=1e-8)
    np.testing.assert_allclose(fit.terms["p_value"], terms.iloc[:, 3], rtol=1e-8)
    curve = pd.read_csv(tmp_path / "curve.csv")
    ours = fit.curves.query("marker == 'x1' and sex == 'male'")
    np.testing.assert_allclose(ours["x"], curve["x"], rtol=1e-12)
    np.testing.assert_allclose(ours["estimate"], curve["fit"], atol=1e-8)
    np.testing.assert_allclose(ours["se"], curve["se"], atol=1e-8)
    np.testing.assert_allclose(ours["upper"] - ours["estimate"], 1.959964 * ours["se"], rtol=1e-6)
    assert (ours["upper_simultaneous"] >= ours["upper"]).all()
    quality = pd.read_csv(tmp_path / "fit.csv").iloc[0]
    if engine == "gamm":
        np.testing.assert_allclose(fit.fit["r2_adjusted_fixed"], quality["r"], rtol=1e-8)
        assert np.isnan(fit.fit["r2_adjusted"].iloc[0])
    else:
        np.testing.assert_allclose(fit.fit["r2_adjusted"], quality["r"], rtol=1e-8)
        np.testing.assert_allclose(fit.fit["deviance_explained"], quality["d"], rtol=1e-8)


@pytest.mark.r
def test_wald_intervals_are_estimate_plus_minus_quantile_times_se(worker):
    terms = fit_gamm(cohort(), ["x1"], GammModel(k=5, confidence=0.9), worker=worker).terms
    np.testing.assert_allclose(terms["lower"], terms["estimate"] - 1.6448536 * terms["se"], rtol=1e-6)
    np.testing.assert_allclose(terms["upper"], terms["estimate"] + 1.6448536 * terms["se"], rtol=1e-6)
    assert set(terms["statistic_name"]) == {"z"}


@pytest.mark.r
def test_separation_is_said_and_the_marker_found_without_intercept(worker, tmp_path):
    rows = cohort(mixed=False)
    fit = fit_gamm(rows, ["x1", "x2"], GammSettings(), rds_path=tmp_path / "model.rds", worker=worker)
    assert fit.separated
    assert fit.notes[0].startswith("Every caller has one outcome, so a term for each caller explains")
    assert fit.separation["share"].tolist() == [1.0]
    assert fit.fit["r2_adjusted"].iloc[0] > 0.9
    assert fit.fit["r2_adjusted_fixed"].iloc[0] < 0.4
    beside = fit.readable
    assert beside.model == WITHOUT
    p = beside.smooths.set_index(["marker", "sex"])["p_value"]
    assert p["x1", "female"] < 0.01
    assert p["x1", "male"] > 0.05
    assert set(beside.smooths["statistic_name"]) == {"F"}
    assert beside.fit["covariance"].iloc[0] == "caller_jackknife"
    assert (tmp_path / "model.rds").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / f"model_{WITHOUT}.rds").is_file()
    both = fit.table("curves")
    assert set(both["model"]) == {WITH, WITHOUT}
    assert len(both) == 2 * 4 * 100


@pytest.mark.r
def test_intercepts_that_separate_are_left_out_where_they_would_take_minutes(worker, tmp_path, monkeypatch):
    rows = cohort(mixed=False)
    alone = fit_gamm(rows, ["x1", "x2"], GammSettings(k=5), worker=worker).readable
    monkeypatch.setattr("voicerisk.models.gamm.fit.MOST_SEPARATED", 2 * 2 * 4 + 30 - 1)  # curves, callers
    fit = fit_gamm(rows, ["x1", "x2"], GammSettings(k=5), rds_path=tmp_path / "model.rds", worker=worker)
    assert fit.model == WITHOUT and fit.separated and fit.beside is None and fit.readable is fit
    assert fit.notes[0].startswith("Every caller has one outcome, so a term for each caller explains")
    assert "it was not made" in fit.notes[0]
    pd.testing.assert_frame_equal(fit.smooths, alone.smooths)
    assert (tmp_path / "model.rds").is_file() and set(fit.table("curves")["model"]) == {WITHOUT}
    monkeypatch.setattr("voicerisk.models.gamm.fit.MOST_SEPARATED", 2 * 2 * 4 + 30)
    assert fit_gamm(rows, ["x1", "x2"], GammSettings(k=5), worker=worker).model == WITH


@pytest.mark.r
def test_no_separation_without_constant_outcomes(worker):
    fit = fit_gamm(cohort(), ["x1"], GammSettings(k=5), worker=worker)
    assert not fit.separated
    assert fit.beside is None
    assert fit.readable is fit
    assert fit.notes == ()


@pytest.mark.r
def test_row_and_caller_order_do_not_matter(worker):
    rows = cohort(mixed=False)
    shuffled = rows.sample(frac=1.0, random_state=3).reset_index(drop=True)
    renamed = shuffled["caller_id"].map(lambda name: f"z{99 - int(name[1:]):02d}")
    plain = fit_gamm(rows, ["x1"], GammSettings(k=5), worker=worker)
    moved = fit_gamm(shuffled.assign(caller_id=renamed), ["x1"], GammSettings(k=5), worker=worker)
    for one, other in ((plain, moved), (plain.beside, moved.beside)):
        np.testing.assert_allclose(one.smooths["edf"], other.smooths["edf"], atol=1e-3)
        np.testing.assert_allclose(one.curves["estimate"], other.curves["estimate"], atol=1e-3)
        np.testing.assert_allclose(one.curves["se"], other.curves["se"], atol=1e-3)


@pytest.mark.r
def test_swapping_sex_swaps_the_curves(worker):
    rows = cohort()
    swapped = rows.assign(sex=rows["sex"].map({"female": "male", "male": "female"}))
    one = fit_gamm(rows, ["x1"], GammSettings(k=5), worker=worker)
    other = fit_gamm(swapped, ["x1"], GammSettings(k=5), worker=worker)
    mine = one.curves.query("sex == 'female'")
    theirs = other.curves.query("sex == 'male'")
    np.testing.assert_allclose(mine["estimate"], theirs["estimate"], atol=1e-4)
    np.testing.assert_allclose(one.terms["estimate"].iloc[1], -other.terms["estimate"].iloc[1], atol=1e-4)


@pytest.mark.r
def test_doubling_every_row_leaves_the_caller_clustered_interval(worker):
    # Copies carry no information: the model's own interval shrinks by sqrt(2), the caller's must not.
    rows = cohort(mixed=False)
    settings = GammSettings(random=(), k=3)
    once = fit_gamm(rows, ["x1"], settings, worker=worker)
    twice = fit_gamm(pd.concat([rows, rows], ignore_index=True), ["x1"], settings, worker=worker)
    np.testing.assert_allclose(twice.terms["se"], once.terms["se"], rtol=0.05)


@pytest.mark.r
def test_splitting_a_caller_moves_his_weight_and_no_curve(worker):
    # Without random intercepts the fit knows no caller: only intervals and degrees of freedom may move.
    rows = cohort(mixed=False)
    settings = GammSettings(random=(), k=5)
    half = (rows["caller_id"] == "c00") & (rows["segment"] >= 4)
    once = fit_gamm(rows, ["x1"], settings, worker=worker)
    split = fit_gamm(
        rows.assign(caller_id=rows["caller_id"].mask(half, "c99")), ["x1"], settings, worker=worker
    )
    np.testing.assert_allclose(once.curves["estimate"], split.curves["estimate"], atol=1e-10)
    np.testing.assert_allclose(once.terms["estimate"], split.terms["estimate"], atol=1e-10)
    assert once.smooths["residual_df"].tolist() == [14, 14]
    assert split.smooths["residual_df"].tolist() == [15, 14]  # c00 was a woman
    assert (once.curves["se"] != split.curves["se"]).any()
    np.testing.assert_array_equal(once.curves.isna(), split.curves.isna())


@pytest.mark.r
def test_same_seed_same_numbers(worker):
    one = fit_gamm(cohort(), ["x1"], GammModel(k=5, seed=3), worker=worker)
    two = fit_gamm(cohort(), ["x1"], GammModel(k=5, seed=3), worker=worker)
    pd.testing.assert_frame_equal(one.curves, two.curves, check_exact=True)
    assert one.specification == two.specification
    other = fit_gamm(cohort(), ["x1"], GammModel(k=5, seed=4), worker=worker)
    assert other.specification != one.specification


@pytest.mark.r
def test_one_sex_only(worker):
    rows = cohort().query("sex == 'female'")
    fit = fit_gamm(rows, ["x1"], GammSettings(k=5), worker=worker)
    assert fit.terms["term"].tolist() == ["(Intercept)"]
    assert fit.smooths["sex"].tolist() == ["female"]
    assert set(fit.curves["sex"]) == {"female"}
    assert any("All rows have sex = female" in note for note in fit.notes)


@pytest.mark.r
def test_a_linear_marker_has_one_slope_for_each_sex(worker):
    rows = cohort()
    rows["voiced"] = (rows["x2"] > 0).astype(float)
    fit = fit_gamm(rows, ["x1", "voiced"], GammModel(k=5, linear=["voiced"]), worker=worker)
    assert fit.terms["term"].tolist() == ["(Intercept)", "sexmale", "sexfemale:voiced", "sexmale:voiced"]
    assert set(fit.smooths["marker"]) == {"x1"}
    assert any("Linear, with one slope for each sex: voiced" in note for note in fit.notes)
    only = fit_gamm(rows, ["voiced"], GammModel(random=(), linear=["voiced"]), worker=worker)
    assert len(only.smooths) == 0
    assert len(only.curves) == 0
    tested = fit_gamm(rows, ["x1", "voiced"], GammModel(k=5, drop=True, linear=["voiced"]), worker=worker)
    assert ("voiced" in tested.kept) == (tested.terms["p_value"].iloc[2:].min() <= 0.05)


@pytest.mark.r
def test_missing_values_are_counted(worker):
    rows = cohort()
    rows.loc[:4, "x1"] = np.nan
    rows.loc[3:9, "x2"] = np.nan
    fit = fit_gamm(rows, ["x1", "x2"], GammSettings(k=5), worker=worker)
    assert fit.fit["rows_missing"].iloc[0] == 10
    assert fit.fit["rows"].iloc[0] == len(rows) - 10
    missing = fit.missing.set_index("variable")["missing"]
    assert (missing["x1"], missing["x2"], missing["outcome"]) == (5, 7, 0)
    assert any("10 of 240 rows have a missing value" in note for note in fit.notes)


@pytest.mark.r
def test_k_is_lowered_and_said(worker):
    rows = cohort(callers=10, segments=6)
    fit = fit_gamm(rows, ["x1", "x2"], GammSettings(), worker=worker)
    assert fit.fit["k"].iloc[0] == 8
    assert any("k was lowered from 10 to 8" in note for note in fit.notes)


@pytest.mark.r
def test_levels_frame_with_call_and_segment_intercepts(worker):
    rows = cohort(callers=12, segments=6)
    frames = rows.loc[rows.index.repeat(10)].reset_index(drop=True)
    frames["call_id"] = frames["caller_id"] + np.where(frames["segment"] < 3, "a", "b")
    rng = np.random.default_rng(5)
    frames["x1"] += rng.normal(size=len(frames))
    frames["outcome"] = rng.integers(0, 2, len(frames))
    settings = GammSettings(level="frame", k=5, random=("caller", "call", "segment"))
    fit = fit_gamm(frames, ["x1"], settings, worker=worker)
    assert fit.variance["group"].tolist() == ["caller", "call", "segment"]
    assert fit.variance["groups"].tolist() == [12, 24, 72]
    assert bool(fit.fit["discrete"].iloc[0])
    assert fit.notes == ()


@pytest.mark.r
def test_rounding_is_said_and_done_only_where_it_is_free_or_asked_for(worker):
    rows = cohort(callers=40, segments=30)
    exact = fit_gamm(rows, ["x1"], GammSettings(k=5), worker=worker)
    assert not exact.fit["discrete"].iloc[0]
    rounded = fit_gamm(rows, ["x1"], GammSettings(k=5, level="frame"), worker=worker)
    assert rounded.fit["discrete"].iloc[0]
    assert rounded.notes == ("bam rounded each marker to 1,000 values (discrete = TRUE).",)
    assert rounded.specification != exact.specification


@pytest.mark.r
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign(outcome=1), r'outcome "outcome" has a single value in the 240 complete rows'),
        (lambda d: d.assign(outcome=d["outcome"] * 2), r'outcome "outcome" has values other than 0 and 1'),
        (
            lambda d: d.assign(x1=np.where(d["segment"] == 0, np.inf, d["x1"])),
            r'marker "x1" has infinite values',
        ),
        (lambda d: d.assign(x1=1.0), r'marker "x1" has fewer than 3 distinct values for one sex'),
        (lambda d: d.assign(x1="a"), r'marker "x1" is not numeric'),
        (lambda d: d.assign(caller_id="c"), r"random intercept per caller needs at least two"),
        (lambda d: d.assign(caller_id=[f"c{i}" for i in range(len(d))]), r"needs several rows a caller"),
    ],
)
def test_tables_that_r_refuses(worker, change, message):
    with pytest.raises(RBridgeError, match=message) as caught:
        fit_gamm(change(cohort()), ["x1"], GammSettings(k=5), worker=worker)
    assert "traceback" not in str(caught.value)


def test_tables_refused_before_r():
    with pytest.raises(ModelError, match="at least one marker"):
        fit_gamm(cohort(), [], GammSettings())
    with pytest.raises(ModelError, match="no column 'loudness'"):
        fit_gamm(cohort(), ["loudness"], GammSettings())
    with pytest.raises(ModelError, match="no column 'service'"):
        fit_gamm(cohort(), ["x1"], GammModel(sex="service"))


@pytest.mark.r
def test_gam_refuses_many_rows_and_names_bam(worker):
    rows = cohort(callers=101, segments=100)
    with pytest.raises(RBridgeError, match=r'engine "gam" is refused above 10,000 rows.*use engine "bam"'):
        fit_gamm(rows, ["x1"], GammSettings(engine="gam"), worker=worker)


@pytest.mark.r
def test_drop_keeps_what_is_significant_or_explains(worker):
    rows = cohort(mixed=False)
    with pytest.raises(ModelError, match=r"drop = true leaves no marker of 2\. Every caller has one outcome"):
        fit_gamm(rows, ["x1", "x2"], GammSettings(k=5, drop=True), worker=worker)
    fit = fit_gamm(cohort(effect=2.0), ["x1", "x2"], GammSettings(k=5, drop=True), worker=worker)
    assert "x1" in fit.kept


@pytest.mark.r
def test_time_limit_explains_separation():
    with pytest.raises(RBridgeError, match=r"stopped after its time limit(.|\n)*Every caller has one"):
        fit_gamm(cohort(mixed=False), ["x1"], GammModel(time_limit=0.01))


@pytest.mark.r
def test_what_a_statistician_would_do_instead(worker):
    rows = cohort(mixed=False)
    rows["w"] = 1 / rows.groupby("caller_id")["caller_id"].transform("size")
    free = fit_gamm(rows, ["x1"], GammSettings(k=5), worker=worker)
    fixed = fit_gamm(rows, ["x1"], GammModel(k=5, random_sd=0.5), worker=worker)
    assert fixed.variance["sd"].tolist() == pytest.approx([0.5])
    assert free.variance["sd"].iloc[0] > 2
    # Where callers separate the outcomes no P is printed; the statistic shows what the intercepts leave.
    tests = [fit.smooths.set_index(["marker", "sex"]).loc[("x1", "female")] for fit in (free, fixed)]
    assert all(np.isnan(test["p_value"]) for test in tests)
    assert tests[1]["statistic"] > 6.63 > tests[0]["statistic"]  # chi-squared, 1 df, 1%
    # Weights that are the same for every row change no estimate, only mgcv's own standard errors.
    weighted = fit_gamm(rows, ["x1"], GammModel(k=3, random=(), weights="w"), worker=worker)
    plain = fit_gamm(rows, ["x1"], GammSettings(k=3, random=()), worker=worker)
    np.testing.assert_allclose(weighted.terms["se"], plain.terms["se"], rtol=0.1)
    with pytest.raises(ModelError, match="weights = 'v' must name a column"):
        fit_gamm(rows, ["x1"], GammModel(weights="v"), worker=worker)
    with pytest.raises(ModelError, match="random_sd is 0"):
        fit_gamm(rows, ["x1"], GammModel(random_sd=0), worker=worker)
    assert set(free.versions) == {"r", "mgcv"}
