"""The text of `fit.R`: every fit of a study as calls that a reader would write, in plain R.

A results folder may come from elsewhere. What stands in its files enters the script as an R string, as a
number or as a name that R takes without quotes, never as text that R would run.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from voicerisk.errors import RBridgeError

HEAD = """\
# Refits the models of this study from plain R and compares them with the study's numbers.
# Written by voicerisk {version}. Run it from anywhere: Rscript path/to/fit.R
# It needs mgcv, and glmnet and mboost where they are installed; it does not need Python.
options(contrasts = c("contr.treatment", "contr.poly"))

# The files lie beside this script.
here <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
if (length(here) == 1L) setwd(dirname(gsub("~+~", " ", here, fixed = TRUE)))

# The functions of the R package 'voicerisk' (tables, caller-clustered tests), as this study used them.
voicerisk <- new.env(parent = baseenv())
sys.source("voicerisk.R", voicerisk)

segments <- readRDS("segments.rds")
frames <- readRDS("frames.rds")

compare <- function(what, new, old, tolerance) {{
  stopifnot(length(new) == length(old))
  # The study prints no P where the same outcomes selected the markers, or where none can be believed.
  new <- new[!is.na(old)]
  old <- old[!is.na(old)]
  if (!length(old)) return(invisible())
  difference <- max(abs(new - old))
  cat(sprintf("%-58s largest difference from the study %.1e\\n", what, difference))
  if (!isTRUE(difference <= tolerance)) stop(what, " differs from the study.", call. = FALSE)
}}
"""

SAVED = """
## The model that is handed out: the nested procedure run once on all callers --------------------------------
saved <- voicerisk$vr_read_model("model.json")
risk <- voicerisk$vr_risk(saved, frames)
cat(sprintf(
  "model.json on the calls it was learned from: %d calls, mean risk %.6f, %d flagged\\n",
  nrow(risk), mean(risk$risk), sum(risk$flagged)
))
"""

ROWS = """
## The GAMM ------------------------------------------------------------------------------------------------
library(mgcv)
# Each column of the model, and what it is called in the table.
used <- c(
  {used}
)
rows <- {table}[complete.cases({table}[used]), used]
names(rows) <- names(used)
for (name in names(rows)[vapply(rows, is.character, TRUE)]) {{
  rows[[name]] <- factor(rows[[name]], levels = sort(unique(rows[[name]]), method = "radix"))
}}
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
compare("{title}: statistic", ours[, 3], study$statistic, 1e-4)
compare("{title}: p", pmax(ours[, 4], 0), study$p_value, 1e-6)
study <- read.csv("study_terms.csv")
study <- study[study$model == "{model}", ]
compare("{title}: parametric terms", model_summary$p.table[, 1], study$estimate, 1e-6)
"""

CLUSTERED = """
# Tests and intervals of that model with the caller as the unit.
clustered <- voicerisk$vr_gamm(
  {table}, markers = c({markers}),
  y = {y_name}, sex = {sex_name}, caller = {caller_name},
  random = character(), covariates = c({covariates}), linear = c({linear}),
  engine = "{engine}", discrete = {discrete}, method = "{method}", k = c({k}),
  covariance = "caller_jackknife"
)
tables <- voicerisk$vr_tables(clustered)
print(tables$smooths)
print(tables$terms)
compare("{title}: clustered F", tables$smooths$statistic, study$statistic, 1e-6)
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
  rows$caller_id <- factor(rows$caller_id)
{levels}\
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


_R_NAME = re.compile(r"(?:[^\W\d_]|\.(?![0-9]))[\w.]*")
_RESERVED = frozenset(
    (
        *("if", "else", "repeat", "while", "function", "for", "next", "break", "in", ".", "..."),
        *("TRUE", "FALSE", "NULL", "Inf", "NaN"),
        *("NA", "NA_integer_", "NA_real_", "NA_complex_", "NA_character_"),
    )
)


def r_text(text: str) -> str:
    r"""Return a text as R code for the same string; only ASCII, so that no locale reads it otherwise.

    Examples
    --------
    >>> print(r_text('say "ü"'))
    "say \"\u{fc}\""
    """
    out = []
    for sign in str(text):
        if sign in '"\\':
            out.append("\\" + sign)
        elif " " <= sign <= "~":
            out.append(sign)
        elif sign == "\0":
            raise RBridgeError(f"The name {text!r} holds a zero byte, which R cannot take.")
        else:
            out.append(f"\\u{{{ord(sign):x}}}" if ord(sign) <= 0xFFFF else f"\\U{{{ord(sign):x}}}")
    return '"' + "".join(out) + '"'


def r_name(name: str) -> str:
    """Return a name that R takes without quotes as it stands.

    Raises
    ------
    RBridgeError
        For any other text, which R might run.
    """
    if not isinstance(name, str) or not _R_NAME.fullmatch(name) or name in _RESERVED:
        raise RBridgeError(f"{name!r} in this results folder is not a name in R, so it goes into no script.")
    return name


def quoted(names: Sequence[str]) -> str:
    """Return names as R strings between commas."""
    return ", ".join(map(r_text, names))


def gamm_part(spec: Mapping[str, Any], model: str, table: str, first: bool) -> str:
    """Return the lines that refit one GAMM; `spec` is what R saved with it."""
    used = [spec["y"], spec["sex"], spec["groups"]["caller"]]
    used += [spec["groups"][name] for name in spec["random"]]
    if "segment" in spec["random"]:
        used.append(spec["groups"]["call"])
    used += [*spec["covariates"], *spec["markers"]]
    # Names in the model by names in the table.
    called = {**{name: name for name in [*used, *spec["groups"].values()]}, **spec["names"]}
    groups = {level: r_name(called[name]) for level, name in spec["groups"].items()}
    names = {"table": table, "sex": r_name(called[spec["sex"]]), **groups}
    text = ""
    if first:
        columns = [f"{r_name(called[name])} = {r_text(name)}" for name in dict.fromkeys(used)]
        text = ROWS.format(used=",\n  ".join(columns), **names)
        for level in ("call", "segment"):
            if level in spec["random"] or (level == "call" and "segment" in spec["random"]):
                text += NESTED[level].format(**names)
    engine = spec["engine"]
    if engine not in ("bam", "gam", "gamm") or spec["method"] not in _METHODS:
        raise RBridgeError(f"A GAMM by {engine!r} with method {spec['method']!r} has no script.")
    extra = ", discrete = TRUE" if spec["discrete"] else ""
    if engine == "gamm" and spec["random"]:
        lists = ", ".join(f"{groups[name]} = ~1" for name in spec["random"])
        extra = f", random = list({lists}), verbosePQL = FALSE"
    title = "GAMM " + model.replace("_", " ")
    words = {
        **names,
        "title": title,
        "engine": engine,
        # R made this text from a formula of symbols and numbers alone (bridge_spec).
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
        y_name=r_text(spec["y"]),
        sex_name=r_text(spec["sex"]),
        caller_name=r_text(spec["groups"]["caller"]),
        discrete="TRUE" if spec["discrete"] else "FALSE",
        k=", ".join(str(int(k)) for k in spec["k"]) or "10",
    )


_METHODS = ("fREML", "REML", "ML", "P-REML", "P-ML", "GCV.Cp", "GACV.Cp", "NCV")


def boost_part(
    settings: Mapping[str, Any],
    markers: Sequence[str],
    gaps: Sequence[str],
    levels: Sequence[str],
    moderator: str = "sex",
) -> str:
    """Return the lines that refit the boosted model of all calls, with learners for each level."""
    plain_levels = ("female", "male")
    columns = {level: level if level in plain_levels else f"level_{i + 1}" for i, level in enumerate(levels)}
    several = len(levels) > 1
    by = [""] if not several else ["male"] if settings["by_sex"] else list(columns.values())
    indicators = f"  rows$moderator <- factor(rows[[{r_text(moderator)}]])\n"
    for level, column in columns.items():
        indicators += f"  rows${column} <- as.numeric(rows$moderator == {r_text(level)})\n"
    df, nu, knots, mstop = (_number(settings, name) for name in ("df", "nu", "knots", "mstop"))
    masks = ""
    plain: dict[str, str] = {}
    for i, marker in enumerate(markers):
        taken = _R_NAME.fullmatch(marker) and marker not in _RESERVED
        plain[marker] = marker if taken else f"marker_{i + 1}"
        if not taken:
            masks += f"  names(rows)[names(rows) == {r_text(marker)}] <- {r_text(plain[marker])}\n"
    for marker in [name for name in markers if name in gaps]:
        masks += MASK.format(marker=plain[marker])
        for sex in by:
            column = f"{plain[marker]}_{sex or 'available'}"
            masks += f"  rows${column} <- available * {f'rows${sex}' if sex else '1'}\n"
    terms = ["bols(moderator)"] if several else []
    for sex in by:
        for marker in markers:
            column = f"{plain[marker]}_{sex or 'available'}" if marker in gaps else sex
            inside = [plain[marker]] + ([f"by = {column}"] if column else [])
            if marker == "voiced":
                terms.append(f"bols({', '.join(inside)})")
                continue
            inside += [f"df = {df:g}", f"knots = {int(knots)}"]
            terms.append(f"bbs({', '.join(inside)})")
    if settings["brandom"]:
        terms.append("brandom(caller_id, df = 4)")
    joined = " +\n      ".join(terms)
    return BOOST.format(levels=indicators, masks=masks, terms=joined, mstop=int(mstop), nu=repr(nu))


def _number(settings: Mapping[str, Any], name: str) -> float:
    """Return a number of the manifest as a number."""
    value = settings[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RBridgeError(f"settings.boost.{name} in manifest.json is {value!r}; it must be a number.")
    return value
