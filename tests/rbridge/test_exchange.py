"""A study taken home to R gives the study's numbers; a model of R's gives the tables of ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import voicerisk
from voicerisk.cli import app
from voicerisk.errors import RBridgeError
from voicerisk.models import GamBoost, GammModel, Procedure, fit_gamm, scoring_model, write_model
from voicerisk.rbridge import Worker, export_r, import_rds
from voicerisk.study.saved_model.scoring import score

pytestmark = pytest.mark.r
MARKERS = ["dom", "loudness", "entropy"]
SETTINGS = {
    "cohort": {"covariates": []},
    "biomarkers": {"levels": "frame"},
    "gamm": {"level": "segment"},
    "screening": {"unit": "none"},
    "boost": {"brandom": False, "by_sex": False, "mstop": 20, "nu": 0.1, "df": 4.0, "knots": 20},
}


def study(folder: Path, worker: Worker, level: str = "segment", moderator: str = "sex") -> Path:
    """Write what a finished run leaves: tables, the GAMM's files and the boosted model's risk."""
    rng = np.random.default_rng(4)
    caller = np.arange(24)
    calls = pd.DataFrame(
        {
            "call_id": [f"{i:03d}" for i in rng.permutation(24)],
            "caller_id": [f"{i:02d}" for i in caller],
            "sex": np.where(caller % 2, "male", "female"),
            "service": np.array(["by phone", "clinic", "post"])[caller % 3],
            "outcome": (caller // 2) % 2,
        }
    )
    frames = calls.loc[calls.index.repeat(40), ["call_id", "caller_id"]].reset_index(drop=True)
    frames["segment"] = np.tile(np.repeat(np.arange(5), 8), 24)
    frames["frame"] = np.tile(np.arange(8), 120)
    frames["time_s"] = frames["frame"] * 0.02
    outcome = frames["call_id"].map(calls.set_index("call_id")["outcome"]).to_numpy()
    for marker in MARKERS:
        of_segment = np.repeat(rng.normal(size=120), 8)
        frames[marker] = of_segment + rng.normal(size=960) + 0.8 * outcome * (marker == "dom")
    segments = frames.groupby(["call_id", "caller_id", "segment"], sort=False, as_index=False)[MARKERS].mean()
    segments["n_frames"] = 8
    frames.loc[rng.random(960) < 0.1, "entropy"] = np.nan
    (folder / "gamm").mkdir(parents=True)
    (folder / "boost").mkdir()
    calls.to_csv(folder / "calls.csv", index=False)
    frames.sample(frac=1, random_state=1).to_parquet(folder / "frames.parquet")
    segments.to_parquet(folder / "segments.parquet")
    settings = {**SETTINGS, "gamm": {"level": level}, "cohort": {"covariates": [], "moderator": [moderator]}}
    (folder / "manifest.json").write_text(json.dumps({"settings": settings}))
    rows = frames if level == "frame" else segments
    # As a run does: in the order of the calls.
    joined = calls[["call_id", moderator, "outcome"]].merge(rows, on="call_id", sort=False)
    path = folder / "gamm" / "model.rds"
    fit = fit_gamm(joined, MARKERS, GammModel(level=level, k=5, sex=moderator), path, worker)
    for name in ("smooths", "terms"):
        fit.table(name).to_csv(folder / "gamm" / f"{name}.csv", index=False)
    (folder / "gamm" / "notes.json").write_text(json.dumps({"kept": MARKERS}))
    known = frames.merge(calls, on=["call_id", "caller_id"])
    model = GamBoost(mstop=20, moderator=moderator).fit(known[[*MARKERS, moderator]], known["outcome"])
    risk = pd.DataFrame({"step": np.arange(21), "risk": model.path_.risk})
    risk.to_csv(folder / "boost" / "risk_path_published.csv", index=False)
    saved = scoring_model(model.path_, 20, {}, Procedure("nested", 0.1, 1.3, cut=0.5, prevalence=0.4))
    write_model(folder / "boost" / "model.json", saved)
    return folder


def rscript(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["Rscript", "--vanilla", str(folder / "fit.R")],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory, worker):
    return export_r(study(tmp_path_factory.mktemp("home") / "results", worker), worker=worker)


def test_fit_r_gives_the_numbers_of_the_study(exported):
    ran = rscript(exported)
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = [line for line in ran.stdout.splitlines() if "largest difference from the study" in line]
    assert {line.split(":")[0] for line in told} >= {
        "GAMM with random intercepts",
        "GAMM without random intercepts",
    }
    assert len(told) >= 6
    [of_model] = [line for line in ran.stdout.splitlines() if line.startswith("model.json on the calls")]
    known = pd.read_parquet(exported.parent / "frames.parquet").drop(columns="time_s")
    known = known.merge(pd.read_csv(exported.parent / "calls.csv", dtype=str)[["call_id", "sex"]])
    known.to_parquet(exported / "again.parquet")
    ours = score(exported / "model.json", exported / "again.parquet").calls
    assert f"24 calls, mean risk {ours['risk'].mean():.6f}, {ours['flagged'].sum()} flagged" in of_model
    if "mboost is not installed" not in ran.stdout:
        assert any(line.startswith("Boosting") for line in told)


def test_fit_r_refits_a_gamm_of_frames(tmp_path, worker):
    source = study(tmp_path / "results", worker, level="frame")
    ran = CliRunner().invoke(app, ["export-r", str(source), "--out", str(tmp_path / "home")])
    assert ran.exit_code == 0, ran.output
    assert "Rscript" in ran.output
    script = (tmp_path / "home" / "fit.R").read_text()
    assert "rows <- frames[complete.cases(frames[used]), used]" in script
    assert "discrete = TRUE" in script
    assert "reticulate" not in script
    ran = rscript(tmp_path / "home")
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = [line for line in ran.stdout.splitlines() if "largest difference from the study" in line]
    assert sum(line.startswith("GAMM") for line in told) >= 6
    assert any(line.startswith("Boosting") for line in told) != ("mboost is not installed" in ran.stdout)


def test_fit_r_refits_gamm_and_boosting_with_three_levels_of_a_service(tmp_path, worker):
    source = study(tmp_path / "results", worker, moderator="service")
    ran = rscript(export_r(source, worker=worker))
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = [line for line in ran.stdout.splitlines() if "largest difference from the study" in line]
    assert sum(line.startswith("GAMM") for line in told) >= 6
    assert any(line.startswith("Boosting") for line in told) != ("mboost is not installed" in ran.stdout)


@pytest.mark.parametrize("chosen", [{"common": True}, {"covariates": ["age"]}])
def test_fit_r_does_not_refit_another_boosted_model_than_the_studys(tmp_path, worker, chosen):
    source = study(tmp_path / "results", worker)
    settings = json.loads((source / "manifest.json").read_text())
    settings["settings"]["boost"] |= chosen
    (source / "manifest.json").write_text(json.dumps(settings))
    script = (export_r(source, worker=worker) / "fit.R").read_text()
    assert "it has common curves or covariates" in " ".join(script.split())
    assert "gamboost(\n" not in script


def test_export_r_of_no_study_is_one_sentence(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "voicerisk", "export-r", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert "holds no manifest.json" in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr


def test_fit_r_stops_where_a_number_differs(exported):
    smooths = pd.read_csv(exported / "study_smooths.csv")
    smooths["edf"] += 0.01
    smooths.to_csv(exported / "study_smooths.csv", index=False)
    ran = rscript(exported)
    assert ran.returncode != 0
    assert "EDF differs from the study" in ran.stderr


def test_tables_are_private_and_in_the_order_of_the_calls(exported, worker):
    assert (exported / "frames.rds").stat().st_mode & 0o777 == 0o600
    assert exported.stat().st_mode & 0o777 == 0o700
    calls = pd.read_csv(exported.parent / "calls.csv", dtype=str)
    from voicerisk.rbridge import Rds

    frames = worker.call("bridge_echo", value=Rds(exported / "frames.rds")).value
    assert frames["call_id"].drop_duplicates().tolist() == calls["call_id"].tolist()
    assert frames["frame"].iloc[:8].tolist() == list(range(8))
    assert set(frames["outcome"].unique()) == {0, 1}


def test_an_unfinished_study_is_named(tmp_path):
    with pytest.raises(RBridgeError, match=r"holds no manifest\.json; export_r needs"):
        export_r(tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Models that R itself fitted and saved."""
    folder = tmp_path_factory.mktemp("saved")
    script = """
        suppressMessages(library(mgcv)); set.seed(1); n <- 300
        d <- data.frame(x = rnorm(n), z = rnorm(n), sex = factor(rep(c("f", "m"), n / 2)),
          g = factor(rep(1:30, each = 10)))
        d$y <- rbinom(n, 1, plogis(d$x + 2 * (d$sex == "m")))
        b <- binomial()
        m <- gam(y ~ sex + s(x, by = sex) + s(z) + s(g, bs = "re"), data = d, family = b, method = "REML")
        write.csv(summary(m, re.test = FALSE)$s.table, "gam.csv")
        saveRDS(m, "gam.rds")
        m <- bam(y ~ sex + s(x, by = sex) + s(g, bs = "re"), data = d, family = b, discrete = TRUE)
        write.csv(summary(m, re.test = FALSE)$s.table, "bam.csv")
        saveRDS(m, "bam.rds")
        m <- gamm(y ~ sex + s(x, by = sex), data = d, family = b, random = list(g = ~1), verbosePQL = FALSE)
        write.csv(summary(m$gam)$s.table, "gamm.csv")
        saveRDS(m, "gamm.rds")
        saveRDS(gam(x ~ s(z), data = d), "gaussian.rds")
        saveRDS(gam(y ~ te(x, z), data = d, family = b), "surface.rds")
        saveRDS(glm(y ~ x, data = d, family = b), "glm.rds")
        saveRDS(gam(y ~ s(x, by = z), data = d, family = b), "numeric_by.rds")
        if (requireNamespace("mboost", quietly = TRUE)) {
          suppressMessages(library(mboost)); d$y <- factor(d$y); d$m <- as.numeric(d$sex == "m")
          m <- gamboost(y ~ bols(sex) + bbs(x) + bbs(z, by = m), data = d, family = Binomial())
          write.csv(data.frame(risk = m$risk()), "risk.csv")
          o <- order(d$x)
          write.csv(data.frame(x = d$x[o], half = as.numeric(predict(m, which = 2))[o]), "effect.csv")
          saveRDS(m, "mboost.rds")
        }
    """
    subprocess.run(["Rscript", "-e", script], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("engine", ["gam", "bam", "gamm"])
def test_a_gam_fitted_in_r_gives_our_tables_and_figures(saved, worker, engine):
    model = voicerisk.import_rds(saved / f"{engine}.rds", points=20, worker=worker)
    assert model.kind == "mgcv"
    expected = pd.read_csv(saved / f"{engine}.csv")
    smooths = model.tables["smooths"]
    n = 3 if engine == "gam" else 2
    assert smooths["marker"].tolist() == ["x", "x", "z"][:n]
    assert smooths["sex"].tolist() == ["female", "male", "all"][:n]  # f and m in the model
    np.testing.assert_allclose(smooths["edf"], expected["edf"][:n], rtol=1e-10)
    np.testing.assert_allclose(np.log(smooths["p_value"]), np.log(expected["p-value"][:n]), atol=1e-6)
    assert len(model.tables["curves"]) == 20 * n
    if engine != "gamm":  # adopted without the names of its groups
        assert model.tables["variance"]["group"].tolist() == ["g"]
    from voicerisk.figures import gamm_curves

    figure = gamm_curves(model.tables["curves"], smooths=smooths)
    assert len(figure.axes) >= len(set(smooths["marker"]))


def test_import_rds_stands_at_the_top_and_loads_no_r():
    code = (
        "import sys, voicerisk; assert voicerisk.import_rds; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('rpy2', 'numba', 'matplotlib')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gaussian", "the model is gaussian with link identity"),
        ("surface", "te.* has several variables"),
        ("glm", "class glm is no model of mgcv"),
        ("numeric_by", "has a numeric by"),
    ],
)
def test_what_cannot_be_taken_in_is_named(saved, worker, name, message):
    with pytest.raises(RBridgeError, match=message):
        import_rds(saved / f"{name}.rds", worker=worker)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(RBridgeError, match=r"There is no file .*m\.rds"):
        import_rds(tmp_path / "m.rds")


@pytest.mark.mboost
def test_a_boosted_model_fitted_in_r_gives_our_tables(saved, worker):
    try:
        worker.call("need_package", package="mboost")
    except RBridgeError as failure:
        if "mboost" in os.environ.get("VOICERISK_REQUIRE", ""):
            pytest.fail(str(failure))
        pytest.skip(str(failure))
    model = import_rds(saved / "mboost.rds", worker=worker)
    assert model.kind == "mboost"
    np.testing.assert_allclose(model.tables["path"]["risk"], pd.read_csv(saved / "risk.csv")["risk"])
    assert model.tables["learners"]["frequency"].sum() == pytest.approx(1.0)
    effects = model.tables["partial_effects"].query("marker == 'x'")
    assert effects["estimate"].iloc[-1] > effects["estimate"].iloc[0]
    assert set(effects["sex"]) == {"all"}
    assert set(model.tables["partial_effects"].query("marker == 'z'")["sex"]) == {"male"}
    assert model.tables["levels"]["level"].tolist() == ["f", "m"]
    by_hand = pd.read_csv(saved / "effect.csv")  # twice mboost's half log-odds
    np.testing.assert_allclose(effects["x"], by_hand["x"], rtol=1e-12)
    np.testing.assert_allclose(
        effects["estimate"], 2 * (by_hand["half"] - by_hand["half"].mean()), atol=1e-10
    )
    from voicerisk.figures import partial_effects

    assert partial_effects(model.tables["partial_effects"]).axes
