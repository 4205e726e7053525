"""The estimator `Gamm`: three levels, covariates, predictions for unseen rows, remedies for separation."""

import subprocess

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ModelError, RBridgeError
from voicerisk.models import Gamm, GammModel, GammSettings, remedies, split_levels
from voicerisk.models.gamm.fit import WITH, WITHOUT


def frames(callers=14, calls=2, segments=3, size=8, seed=1):
    """Draw frames in segments in calls in callers; the outcome varies from frame to frame."""
    rng = np.random.default_rng(seed)
    shape = (callers, calls, segments, size)
    caller, call, segment, _ = (part.ravel() for part in np.indices(shape))
    n = caller.size
    male = caller % 2 == 1
    own = rng.normal(size=(callers, 1, 1, 1)) + 0.7 * rng.normal(size=(callers, calls, 1, 1))
    level = rng.normal(size=(callers, calls, segments, 1))
    x = level + rng.normal(size=shape)
    link = 0.9 * level + 0.5 * (x - level) + own
    y = (rng.random(shape) < 1 / (1 + np.exp(-link))).ravel().astype(int)
    return pd.DataFrame(
        {
            "caller_id": [f"c{i:02d}" for i in caller],
            "call_id": [f"k{i}" for i in call],  # called alike in every caller
            "segment": segment,
            "sex": np.where(male, "M", "f"),
            "age": rng.integers(18, 80, callers)[caller].astype(float),
            "service": np.where(caller % 3 == 0, "on_the_line", "suicide_line"),
            "outcome": y,
            "x": x.ravel(),
            "z": rng.normal(size=n),
        }
    )


THREE_LEVELS = """
suppressMessages(library(mgcv))
d <- read.csv("rows.csv")
d$sex <- factor(ifelse(d$sex == "M", "male", "female"))
g <- with(d, paste(caller_id, call_id, segment))
d$x2 <- ave(d$x, g); d$x1 <- d$x - d$x2
d$a <- factor(d$caller_id); d$b <- factor(paste(d$caller_id, d$call_id)); d$c <- factor(g)
d$service <- factor(d$service)
m <- bam(outcome ~ sex + s(x2, by = sex, k = 5) + s(x1, by = sex, k = 5) + s(age) + service +
  s(a, bs = "re") + s(b, bs = "re") + s(c, bs = "re"), data = d, family = binomial, method = "fREML",
  discrete = TRUE)
s <- summary(m, re.test = FALSE)
write.csv(s$s.table, "smooths.csv")
write.csv(s$p.table, "terms.csv")
capture.output(v <- gam.vcomp(m))
write.csv(data.frame(sd = tail(v[, "std.dev"], 3)), "sd.csv")
p <- predict(m, d[1:6, ], exclude = c("s(a)", "s(b)", "s(c)"), discrete = FALSE)
write.csv(data.frame(link = p), "link.csv")
l <- gamm(outcome ~ sex + s(x2, by = sex, k = 5), data = d, family = binomial, method = "REML",
  random = list(a = ~1, b = ~1), verbosePQL = FALSE)
write.csv(summary(l$gam)$s.table, "gamm.csv")
v <- VarCorr(l$lme)
write.csv(data.frame(sd = as.numeric(v[nrow(v) - c(3, 1), 2])), "gamm_sd.csv")
"""


@pytest.mark.r
def test_the_papers_three_levels_are_the_mgcv_call_a_reader_would_write(worker, tmp_path):
    rows = frames()
    rows.to_csv(tmp_path / "rows.csv", index=False)
    script = tmp_path / "three.R"
    script.write_text(THREE_LEVELS)
    subprocess.run(["Rscript", "--vanilla", script], cwd=tmp_path, check=True, capture_output=True)
    gamm = Gamm(
        ["x"],
        level="frame",
        two_levels=True,
        k=5,
        random=["caller", "call", "segment"],
        covariates=["age", "service"],
        worker=worker,
    ).fit(rows)
    assert gamm.markers_ == ("x_segment", "x_deviation")
    assert gamm.sexes_ == ("female", "male")
    by_hand = pd.read_csv(tmp_path / "smooths.csv", index_col=0)
    ours = gamm.smooths(WITH)
    assert ours["marker"].tolist() == ["x_segment"] * 2 + ["x_deviation"] * 2 + ["age"]
    assert ours["sex"].tolist() == ["female", "male", "female", "male", "all"]
    np.testing.assert_allclose(ours["edf"], by_hand["edf"], atol=1e-6)
    np.testing.assert_allclose(np.log(ours["p_value"] + 1e-12), np.log(by_hand["p-value"] + 1e-12), atol=1e-6)
    # Holm and Benjamini-Hochberg run over the markers; a covariate is none.
    assert ours["p_holm"].isna().tolist() == [False] * 4 + [True]
    terms = pd.read_csv(tmp_path / "terms.csv", index_col=0)
    assert gamm.terms(WITH)["term"].tolist() == list(terms.index)
    np.testing.assert_allclose(gamm.terms(WITH)["estimate"], terms["Estimate"], atol=1e-8)
    variance = gamm.variance(WITH)
    assert variance["group"].tolist() == ["caller", "call", "segment"]
    assert variance["groups"].tolist() == [14, 28, 84]
    np.testing.assert_allclose(variance["sd"], pd.read_csv(tmp_path / "sd.csv")["sd"], rtol=1e-4)
    found = gamm.predict(rows, model=WITH)
    np.testing.assert_allclose(found["link"].head(6), pd.read_csv(tmp_path / "link.csv")["link"], atol=1e-8)

    nested = Gamm(["x_segment"], engine="gamm", level="frame", k=5, random=["caller", "call"], worker=worker)
    nested.fit(split_levels(rows, ["x"])[0])
    by_hand = pd.read_csv(tmp_path / "gamm.csv")
    # nlme's optimiser stops a little elsewhere when the groups are called otherwise.
    np.testing.assert_allclose(nested.smooths(WITH)["edf"], by_hand["edf"], atol=1e-4)
    sd = pd.read_csv(tmp_path / "gamm_sd.csv")["sd"]
    np.testing.assert_allclose(nested.variance(WITH)["sd"], sd, rtol=1e-3)


def test_segment_means_and_deviations_add_up_and_leave_gaps_alone():
    rows = frames(callers=3)
    rows.loc[:2, "x"] = np.nan
    split, names = split_levels(rows, ["x", "z"])
    assert names == ("x_segment", "z_segment", "x_deviation", "z_deviation")
    np.testing.assert_allclose(split["x_segment"] + split["x_deviation"], rows["x"])
    assert split["x_segment"].notna().all()
    sums = split.groupby(["caller_id", "call_id", "segment"])["x_deviation"].sum()
    # Calls are called alike in every caller here, and still each segment has a mean of its own.
    assert split.groupby(["caller_id", "call_id", "segment"])["x_segment"].nunique().max() == 1
    np.testing.assert_allclose(sums, 0.0, atol=1e-12)


@pytest.fixture(scope="module")
def fitted(worker):
    rows = frames(callers=24, size=2, seed=3)
    rows["outcome"] = np.random.default_rng(3).integers(0, 2, len(rows))
    rows.loc[:3, "z"] = np.nan
    gamm = Gamm(["x", "z"], k=4, points=5, linear=["age"], covariates=["age", "service"], worker=worker)
    return gamm.fit(rows), rows


@pytest.mark.r
def test_every_table_is_to_be_had(fitted):
    gamm, rows = fitted
    assert gamm.statistics()["rows"].item() == len(rows) - 4
    assert len(gamm.curves()) == 2 * 2 * 5
    assert len(gamm.differences()) == 2 * 5
    assert set(gamm.derivatives()["direction"]) <= {"rises", "falls", ""}
    assert len(gamm.partial_residuals()) == 2 * (len(rows) - 4)
    assert set(gamm.k_check()["marker"]) == {"x", "z", "caller_id"}
    assert {"worst", "observed", "estimate"} <= set(gamm.concurvity().columns)
    assert gamm.residual_checks()["rows"].sum() == len(rows) - 4
    assert gamm.convergence()["converged"].item()
    assert "lower_paper" in gamm.table1(paper_interval=True)
    assert "age" in set(gamm.terms()["term"])
    with pytest.raises(RBridgeError, match="for models without random intercepts"):
        gamm.boot_curves(50)


@pytest.mark.r
def test_unseen_callers_get_the_fixed_part_by_default(fitted):
    gamm, rows = fitted
    new = rows.head(7).assign(caller_id="unseen").set_index(np.arange(70, 77))
    fixed = gamm.predict(new)
    assert fixed.index.tolist() == list(range(70, 77))
    assert fixed["link"].isna().tolist() == [True] * 4 + [False] * 3
    known = gamm.predict(rows.head(7))
    np.testing.assert_array_equal(fixed["link"], known["link"])
    marginal = gamm.predict(new, "marginal")
    sd = np.sqrt((gamm.variance()["sd"] ** 2).sum())
    b = np.random.default_rng(1).normal(0, sd, 200_000)
    link = fixed["link"].iloc[5]
    # Monte Carlo error of a mean of 200,000 probabilities: below 0.0012 for any spread.
    assert marginal["probability"].iloc[5] == pytest.approx((1 / (1 + np.exp(-link - b))).mean(), abs=5e-3)


@pytest.mark.r
def test_what_the_model_has_not_seen_is_refused_before_r(fitted, monkeypatch):
    gamm, rows = fitted
    with pytest.raises(RBridgeError, match='service = "other"; the model knows on_the_line, suicide_line'):
        gamm.predict(rows.assign(service="other"))

    def no_r(*_, **__):
        raise AssertionError("R was asked")

    monkeypatch.setattr("voicerisk.models.gamm.tables.predict_gamm", no_r)
    with pytest.raises(ModelError, match="new rows have sex = 'diverse'; the model knows female and male"):
        gamm.predict(rows.assign(sex="diverse"))
    with pytest.raises(ModelError, match="new rows have no column 'z'"):
        gamm.predict(rows.drop(columns="z"))
    with pytest.raises(ModelError, match="not fitted yet"):
        Gamm(["x"]).predict(rows)
    with pytest.raises(ModelError, match="There is no fit 'without_random_intercepts' here"):
        gamm.smooths(WITHOUT)


@pytest.mark.r
def test_a_model_of_one_sex_says_nothing_about_the_other(worker, tmp_path):
    rows = frames(callers=24, size=2, seed=3)
    women = rows[rows["sex"] == "f"]
    gamm = Gamm(["x"], k=4, random=(), worker=worker).fit(women, tmp_path / "women.rds")
    assert gamm.sexes_ == ("female",)
    assert gamm.predict(women.drop(columns="sex"))["link"].notna().all()
    with pytest.raises(ModelError, match="sex = 'male'; the model knows female"):
        gamm.predict(rows)
    with pytest.raises(RBridgeError, match='sex = "male"; the model was fitted to female rows alone'):
        worker.call(
            "bridge_of_fit",
            fit=_rds(tmp_path / "women.rds"),
            what="predict",
            args={"newdata": rows.replace({"f": "female", "M": "male"})},
        )
    gamm.save(tmp_path / "copy.rds")
    assert (tmp_path / "copy.rds").read_bytes() == (tmp_path / "women.rds").read_bytes()


def _rds(path):
    from voicerisk.rbridge import Rds

    return Rds(path)


@pytest.mark.r
@pytest.mark.parametrize("engine", ["gam", "gamm"])
def test_slow_engines_refuse_many_rows_and_name_the_remedy(worker, engine):
    rows = frames(callers=10, calls=1, segments=101, size=10)
    with pytest.raises(RBridgeError, match=rf'engine "{engine}" is refused above 10,000 rows.*"bam"'):
        Gamm(["x"], engine=engine, worker=worker).fit(rows)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ModelError, match="two_levels = True needs level = 'frame'"):
        Gamm(["x"], two_levels=True)
    with pytest.raises(ModelError, match="markers is the text 'x'"):
        Gamm("x")
    with pytest.raises(ModelError, match="name in `linear` the columns <marker>_segment"):
        Gamm(["x"], two_levels=True, level="frame", linear=["x"])
    segments = frames(callers=2, size=1)
    with pytest.raises(ModelError, match="Every segment has one row"):
        Gamm(["x"], two_levels=True, level="frame").fit(segments)
    with pytest.raises(ModelError, match="no column 'segment'"):
        Gamm(["x"], two_levels=True, level="frame").fit(segments.drop(columns="segment"))


@pytest.mark.r
def test_remedies_are_named_and_each_is_what_it_says(worker):
    rng = np.random.default_rng(2)
    rows = frames(callers=40, calls=1, segments=6, size=1, seed=2).replace(
        {"sex": {"f": "female", "M": "male"}}
    )
    label = (np.arange(40) // 2) % 2
    rows["outcome"] = label[rows["caller_id"].str[1:].astype(int)]
    # A caller's own level is what the outcome moves, so that caller means do not separate it.
    level = rng.normal(size=40) + 0.8 * label
    rows["x"] = level[rows["caller_id"].str[1:].astype(int)] + rng.normal(size=len(rows))
    rows = rows.drop(index=rows.index[1:5])
    found = remedies(rows, ["x"], GammModel(k=4, curve_points=4, draws=0), resamples=50, worker=worker)
    assert found.explained["remedy"].tolist() == [
        "caller_jackknife", "equal_callers", "caller_means", "penalised_intercept", "caller_bootstrap"
    ]  # fmt: skip
    assert set(found.curves["remedy"]) == set(found.explained["remedy"])
    assert set(found.smooths["remedy"]) == set(found.explained["remedy"]) - {"caller_bootstrap"}
    means = rows.groupby("caller_id")["x"].mean()
    at = found.curves.query("remedy == 'caller_means'").groupby("sex")["x"].agg(["min", "max"])
    women = means[[f"c{i:02d}" for i in range(0, 40, 2)]]
    np.testing.assert_allclose(at.loc["female"], [women.min(), women.max()])
    one, boot = (
        found.curves.query("remedy == @name")["estimate"] for name in ("caller_jackknife", "caller_bootstrap")
    )
    np.testing.assert_allclose(one, boot, atol=1e-8)
    df = found.smooths.set_index("remedy")["residual_df"]
    assert (df["caller_jackknife"] == 19).all()
    assert df["penalised_intercept"].isna().all()
    mixed = rows.assign(outcome=np.arange(len(rows)) % 2)
    with pytest.raises(ModelError, match="needs one outcome a caller; caller 'c00' has both"):
        remedies(mixed, ["x"], which=["caller_means"], worker=worker)
    with pytest.raises(ModelError, match="Remedy 'prayer' is unknown"):
        remedies(rows, ["x"], which=["prayer"])
    with pytest.raises(ModelError, match="needs a random intercept in the settings"):
        remedies(rows, ["x"], GammSettings(random=()))


@pytest.mark.r
def test_markers_that_separate_the_outcomes_are_said(worker):
    rows = frames(callers=20, calls=1, segments=6, size=1)
    rows["x"] += 20.0 * rows["outcome"]
    gamm = Gamm(["x"], k=4, random=(), worker=worker).fit(rows)
    assert any(note.startswith("The markers separate the outcomes") for note in gamm.fit_.notes)
