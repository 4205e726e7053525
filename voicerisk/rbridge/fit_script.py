"""The text of `fit.R`: every fit of a study as calls that a reader would write, in plain R."""

from collections.abc import Mapping, Sequence
from typing import Any

HEAD = """\
# Refits the models of this study from plain R and compares them with the study's numbers.
# Written by voicerisk {version}. Run it in this folder: Rscript fit.R
# It needs mgcv, and glmnet and mboost where they are installed; it does not need Python.
options(contrasts = c("contr.treatment", "contr.poly"))

# The functions of the R package 'voicerisk' (tables, caller-clustered tests), as this study used them.
voicerisk <- new.env(parent = baseenv())
sys.source("voicerisk.R", voicerisk)

segments <- readRDS("segments.rds")
frames <- readRDS("frames.rds")

compare <- function(what, new, old, tolerance) {{
  stopifnot(length(new) == length(old))
  difference <- max(abs(new - old))
  cat(sprintf("%-58s largest difference from the study %.1e\\n", what, difference))
  if (!isTRUE(difference <= tolerance)) stop(what, " differs from the study.", call. = FALSE)
}}
"""

ROWS = """
## The GAMM ------------------------------------------------------------------------------------------------
library(mgcv)
used <- c(
  {used}
)
rows <- {table}[complete.cases({table}[used]), ]
rows${sex} <- factor(rows${sex})
rows${caller} <- factor(rows${caller})
"""

NESTED = {
    "call": 'rows${call} <- factor(paste(rows${caller}, rows${call}, sep = ":"))\n',
    "segment": 'rows${segment} <- factor(paste(rows${call}, rows${segment}, sep = ":"))\n',
}

MODEL = """
# {title}
model <- {engine}(
  {formula},
  data = rows, family = binomial(), method = "{method}"{extra}
)
model_summary <- summary({gam}, re.test = FALSE)
print(model_summary)
study <- read.csv("study_smooths.csv")
study <- study[study$model == "{model}", ]
ours <- model_summary$s.table[seq_len(nrow(study)), , drop = FALSE]
compare("{title}: EDF", ours[, "edf"], study$edf, 1e-4)
"""

MODEL_P = """\
compare("{title}: p", pmax(ours[, 4], 0), study$p_value, 1e-6)
study <- read.csv("study_terms.csv")
study <- study[study$model == "{model}", ]
compare("{title}: parametric terms", model_summary$p.table[, 1], study$estimate, 1e-6)
"""

CLUSTERED = """
# Tests and intervals of that model with the caller as the unit.
clustered <- voicerisk$vr_gamm(
  {table}, markers = c({markers}),
  sex = "{sex}", random = character(), covariates = c({covariates}), linear = c({linear}),
  engine = "{engine}", discrete = {discrete}, method = "{method}", k = c({k}),
  covariance = "caller_jackknife"
)
tables <- voicerisk$vr_tables(clustered)
print(tables$smooths)
print(tables$terms)
compare("{title}: clustered p", tables$smooths$p_value, study$p_value, 1e-6)
study <- read.csv("study_terms.csv")
study <- study[study$model == "{model}", ]
compare("{title}: clustered SE", tables$terms$se, study$se, 1e-6)
"""

LASSO = """
## The Lasso -----------------------------------------------------------------------------------------------
if (requireNamespace("glmnet", quietly = TRUE)) {{
  path <- read.csv("study_lasso_path.csv", check.names = FALSE)
  study <- read.csv("study_screening.csv")
  rows <- segments
  X <- as.matrix(rows[study$term])
  lasso <- glmnet::glmnet(
    X, rows$outcome, family = "binomial", lambda = path$lambda, thresh = 1e-14, maxit = 1e6
  )
  ours <- as.numeric(lasso$beta[, which(path$is_min == "True")])
  print(data.frame(term = study$term, coefficient = ours))
  # Two generations of glmnet's code, which stop iterating at slightly different points.
  compare("Lasso at lambda.min: coefficient x sd", ours * study$sd, study$coefficient_min * study$sd, 1e-3)
}} else {{
  cat("glmnet is not installed: the Lasso is not refitted.\\n")
}}
"""

BOOST = """
## Boosting, all calls ---------------------------------------------------------------------------------------
if (requireNamespace("mboost", quietly = TRUE)) {{
  library(mboost)
  rows <- frames
  rows$outcome <- factor(rows$outcome, levels = c(0, 1))
  rows$sex <- factor(rows$sex)
  rows$caller_id <- factor(rows$caller_id)
  rows$female <- as.numeric(rows$sex == "female")
  rows$male <- as.numeric(rows$sex == "male")
{masks}\
  boosted <- gamboost(
    outcome ~ {terms},
    data = rows, family = Binomial(), control = boost_control(mstop = {mstop}, nu = {nu})
  )
  print(table(names(boosted$baselearner)[boosted$xselect()]) / {mstop})
  study <- read.csv("study_risk_path.csv")
  compare("Boosting: risk after each step, a row", boosted$risk() / nrow(rows), study$risk / nrow(rows), 1e-8)
}} else {{
  cat("mboost is not installed: the boosted model is not refitted.\\n")
}}
"""

MASK = """\
  # {marker} is missing in some frames: it contributes nothing there.
  available <- !is.na(rows${marker})
  rows${marker}[!available] <- median(rows${marker}[available])
"""


def quoted(names: Sequence[str]) -> str:
    """Return names as R strings between commas."""
    return ", ".join(f'"{name}"' for name in names)


def gamm_part(spec: Mapping[str, Any], model: str, table: str, first: bool) -> str:
    """Return the lines that refit one GAMM; `spec` is what R saved with it."""
    groups = spec["groups"]
    used = [spec["y"], spec["sex"], groups["caller"], *(groups[name] for name in spec["random"])]
    used += [*spec["covariates"], *spec["markers"]]
    names = {"table": table, "sex": spec["sex"], **groups}
    text = ""
    if first:
        text = ROWS.format(used=quoted(list(dict.fromkeys(used))), **names)
        for level in ("call", "segment"):
            if level in spec["random"] or (level == "call" and "segment" in spec["random"]):
                text += NESTED[level].format(**names)
    engine = spec["engine"]
    extra = ", discrete = TRUE" if spec["discrete"] else ""
    if engine == "gamm" and spec["random"]:
        lists = ", ".join(f"{groups[name]} = ~1" for name in spec["random"])
        extra = f", random = list({lists}), verbosePQL = FALSE"
    title = "GAMM " + model.replace("_", " ")
    words = {
        **names,
        "title": title,
        "engine": engine,
        "formula": spec["formula"].replace(" + ", " +\n    "),
        "method": spec["method"],
        "extra": extra,
        "gam": "model$gam" if engine == "gamm" else "model",
        "model": model,
    }
    text += MODEL.format(**words)
    if spec["covariance"] == "model":
        return text + MODEL_P.format(**words)
    return text + CLUSTERED.format(
        **words,
        markers=quoted(spec["markers"]),
        covariates=quoted(spec["covariates"]),
        linear=quoted(spec["linear"]),
        discrete="TRUE" if spec["discrete"] else "FALSE",
        k=", ".join(map(str, spec["k"])),
    )


def boost_part(
    settings: Mapping[str, Any], markers: Sequence[str], gaps: Sequence[str], sexes: Sequence[str]
) -> str:
    """Return the lines that refit the boosted model of all calls."""
    two = len(sexes) == 2
    by = [""] if not two else (["male"] if settings["by_sex"] else ["female", "male"])
    masks = ""
    for marker in [name for name in markers if name in gaps]:
        masks += MASK.format(marker=marker)
        for sex in by:
            column = f"{marker}_{sex or 'available'}"
            masks += f"  rows${column} <- available * {f'rows${sex}' if sex else '1'}\n"
    terms = ["bols(sex)"] if two else []
    for sex in by:
        for marker in markers:
            column = f"{marker}_{sex or 'available'}" if marker in gaps else sex
            inside = [marker] + ([f"by = {column}"] if column else [])
            if marker == "voiced":
                terms.append(f"bols({', '.join(inside)})")
                continue
            inside += [f"df = {settings['df']:g}", f"knots = {settings['knots']}"]
            terms.append(f"bbs({', '.join(inside)})")
    if settings["brandom"]:
        terms.append("brandom(caller_id, df = 4)")
    joined = " +\n      ".join(terms)
    return BOOST.format(masks=masks, terms=joined, mstop=settings["mstop"], nu=settings["nu"])
