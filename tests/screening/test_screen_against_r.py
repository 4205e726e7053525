"""The Lasso against R's glmnet: committed numbers, and R itself where it is present."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from voicerisk.screening import screen

TIGHT = {"tol": 1e-14, "fold_tol": 1e-14}

R_SCRIPT = """
suppressMessages(library(glmnet))
arguments <- commandArgs(TRUE)
d <- read.csv(arguments[1]); lambda <- scan(arguments[2], quiet = TRUE)
x <- as.matrix(d[grep("^[xz]", names(d))])
paid <- as.numeric(grepl("^x", colnames(x)))
cv <- suppressWarnings(cv.glmnet(x, d$y, weights = d$w, family = "binomial", foldid = d$fold + 1,
                                 lambda = lambda * mean(paid), penalty.factor = paid,
                                 type.measure = "deviance",
                                 thresh = 1e-14, maxit = 1e7))
g <- cv$glmnet.fit
out <- data.frame(lambda = lambda, deviance = cv$cvm, se = cv$cvsd, intercept = g$a0, as.matrix(t(g$beta)))
out$lambda_min <- cv$lambda.min / mean(paid); out$lambda_1se <- cv$lambda.1se / mean(paid)
write.csv(format(out, digits = 17), arguments[3], row.names = FALSE, quote = FALSE)
"""


@pytest.fixture(scope="module")
def glmnet_in_r(tmp_path_factory):
    """Return a function (table with y, w, fold, x...; lambdas) -> what cv.glmnet says of them."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("R is not installed")
    probe = subprocess.run([rscript, "-e", "library(glmnet)"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip("the R package glmnet is not installed")
    folder = tmp_path_factory.mktemp("glmnet")

    def run(table: pd.DataFrame, lambdas: np.ndarray) -> pd.DataFrame:
        table.to_csv(folder / "data.csv", index=False)
        (folder / "lambda.txt").write_text("\n".join(repr(float(value)) for value in lambdas))
        (folder / "cv.R").write_text(R_SCRIPT)
        names = [str(folder / name) for name in ("cv.R", "data.csv", "lambda.txt", "out.csv")]
        done = subprocess.run([rscript, *names], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return pd.read_csv(folder / "out.csv")

    return run


@pytest.fixture(scope="module")
def n300(reference: Path) -> pd.DataFrame:
    d = pd.read_csv(reference / "glmnet" / "n300.csv")
    male = (d["sex"] == "M").astype(float)
    for j in range(1, 5):
        d[f"x{j}_sq"] = d[f"x{j}"] ** 2
        d[f"x{j}_M"] = d[f"x{j}"] * male
    return d


def test_lambdas_and_coefficients_of_the_reference_table(reference):
    d = pd.read_csv(reference / "glmnet" / "segments.csv")
    r = json.loads((reference / "glmnet" / "segments.json").read_text())
    markers = [f"x{j}" for j in range(1, 13)]
    found = screen(d, markers, d["y"], d["foldid"])
    # R prints 13 digits.
    assert found.lambda_min == pytest.approx(r["lambda_min"], rel=1e-12)
    assert found.lambda_1se == pytest.approx(r["lambda_1se"], rel=1e-12)
    assert found.path["lambda"].iloc[0] == pytest.approx(r["lambda_max"], rel=1e-12)
    # R fitted with thresh 1e-7, good to about 1e-4 in a coefficient.
    assert found.coefficients["coefficient_min"].to_numpy() == pytest.approx(r["coef_min"][1:], abs=1e-4)
    assert found.coefficients["coefficient_1se"].to_numpy() == pytest.approx(r["coef_1se"][1:], abs=1e-4)
    assert found.selected == ("x1", "x2", "x3", "x4")
    # R's folds had lambda paths of their own and were interpolated; ours share the path of all rows.
    at_min = found.path.set_index("lambda").loc[found.lambda_min]
    assert at_min["deviance"] == pytest.approx(r["cvm_min"], abs=2e-4)
    assert at_min["se"] == pytest.approx(r["cvsd_at_min"], abs=1e-4)


def test_path_of_the_second_reference_table(reference, n300):
    r = json.loads((reference / "glmnet" / "n300.json").read_text())
    found = screen(n300, r["columns"], n300["y"], n300["fold"], **TIGHT)
    assert found.path["lambda"].to_numpy() == pytest.approx(r["lambda"], rel=1e-13)
    # Both solvers ran to a threshold of 1e-14 on the same lambdas.
    beta = np.array(r["beta_thresh1e14"]).T
    X = n300[r["columns"]].to_numpy()
    assert found.path[r["columns"]].to_numpy() == pytest.approx(beta * X.std(axis=0), abs=1e-10)
    intercepts = np.array(r["a0_thresh1e14"]) + beta @ X.mean(axis=0)
    assert found.path["intercept"].to_numpy() == pytest.approx(intercepts, abs=1e-10)
    assert (found.lambda_min, found.lambda_1se) == pytest.approx(
        (r["lambda_min"], r["lambda_1se"]), rel=1e-12
    )
    # Interpolated fold paths on R's side, as above.
    assert found.path["deviance"].to_numpy() == pytest.approx(r["cvm"], abs=1e-3)
    assert found.path["se"].to_numpy() == pytest.approx(r["cvsd"], abs=5e-4)


@pytest.mark.r
@pytest.mark.parametrize("weighted", [False, True])
def test_everything_agrees_with_r_on_the_same_lambdas(glmnet_in_r, n300, weighted):
    markers = [f"x{j}{end}" for j in range(1, 5) for end in ("", "_sq", "_M")]
    per_caller = n300.groupby("caller")["y"].transform("size")
    factor = np.where(n300["y"] == 1, 0.7, 1.4)
    table = n300[["y", "fold", *markers]].assign(w=factor / per_caller if weighted else 1.0)
    found = screen(table, markers, table["y"], table["fold"], table["w"] if weighted else None, **TIGHT)
    theirs = glmnet_in_r(table, found.path["lambda"].to_numpy())
    # Either solver stops at 1e-14 of the null deviance, good to about 1e-8 in a coefficient.
    share = table["w"].to_numpy() / table["w"].sum()
    X = table[markers].to_numpy()
    centre = share @ X
    sd = np.sqrt(share @ (X - centre) ** 2)
    theirs["intercept"] += theirs[markers].to_numpy() @ centre
    theirs[markers] *= sd
    for name in ("deviance", "se", "intercept", *markers):
        assert found.path[name].to_numpy() == pytest.approx(theirs[name].to_numpy(), abs=1e-7), name
    at_min = theirs[markers].iloc[int(theirs["deviance"].argmin())] / sd
    assert found.coefficients["coefficient_min"].to_numpy() == pytest.approx(at_min.to_numpy(), abs=1e-7)
    assert found.lambda_min == pytest.approx(theirs["lambda_min"].iloc[0], rel=1e-12)
    assert found.lambda_1se == pytest.approx(theirs["lambda_1se"].iloc[0], rel=1e-12)


@pytest.mark.r
def test_more_columns_than_rows_agrees_with_r(glmnet_in_r):
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.normal(size=(40, 60)), columns=[f"x{j}" for j in range(60)])
    markers = list(table)
    table["y"] = (rng.random(40) < 1 / (1 + np.exp(-table["x0"]))).astype(int)
    table["fold"] = np.arange(40) % 4
    table["w"] = 1.0
    found = screen(table, markers, table["y"], table["fold"], n_lambda=40, **TIGHT)
    # The smallest lambda is 0.01 of the largest where n < p.
    assert found.path["lambda"].iloc[-1] >= 0.01 * found.path["lambda"].iloc[0] * (1 - 1e-12)
    upper = found.path["lambda"].to_numpy()[:25]
    theirs = glmnet_in_r(table, upper)
    theirs[markers] *= table[markers].std(ddof=0)
    for name in ("deviance", "se", *markers):
        assert found.path[name].to_numpy()[:25] == pytest.approx(theirs[name].to_numpy(), abs=1e-6), name


@pytest.mark.r
def test_unpenalised_covariates_agree_with_r_s_penalty_factor(glmnet_in_r, n300):
    markers = ["x1", "x2", "x3", "x4", "x1_sq"]
    rng = np.random.default_rng(8)
    table = n300[["y", "fold", *markers]].assign(w=1.0, z_age=n300["x1"] + rng.normal(size=len(n300)))
    table["z_fr"] = (rng.random(len(table)) < 0.3).astype(float)
    named = ["z_age", "z_fr", *markers]
    table = table[["y", "fold", *named, "w"]]
    found = screen(table, markers, table["y"], table["fold"], covariates=named[:2], **TIGHT)
    theirs = glmnet_in_r(table, found.path["lambda"].to_numpy())
    X = table[named].to_numpy()
    theirs["intercept"] += theirs[named].to_numpy() @ X.mean(axis=0)
    theirs[named] *= X.std(axis=0)
    for name in ("deviance", "se", "intercept", *named):
        assert found.path[name].to_numpy() == pytest.approx(theirs[name].to_numpy(), abs=1e-6), name
    assert found.lambda_min == pytest.approx(theirs["lambda_min"].iloc[0], rel=1e-12)
    assert found.lambda_1se == pytest.approx(theirs["lambda_1se"].iloc[0], rel=1e-12)
    assert not set(found.selected) & {"z_age", "z_fr"}
