# Component-wise boosting of moderated P-splines by mboost.

#' Boost moderated P-splines with mboost
#'
#' The formula has `bols(sex)`, then one learner a marker for each level of the moderator, `bbs(marker, by = female)` and
#' `bbs(marker, by = male)` with numeric 0/1 columns, since mboost's own `by = sex` leaves the first level out. A missing
#' value contributes nothing to its own learner: it is set to the training median and the learner is taken by
#' (available x level). All results are in log-odds, twice mboost's half log-odds; those of a number are in its unit.
#'
#' With `family = "propodds"` the outcome is a grade: an ordered factor, or whole numbers, of which the larger is the higher
#' grade. logit P(y >= grade) = link - threshold of the grade. With `family = "gaussian"` it is a number, and the link is its mean.
#'
#' Levels named in `shared` have too few callers for a curve of their own. There is then a common `bbs(marker)`, from which
#' the curves of the other levels deviate, and an intercept for each of those levels instead of `bols(sex)`.
#'
#' @param data Data frame, one row a frame or segment.
#' @param markers Names of the markers.
#' @param y,sex,caller Names of the outcome (0/1, a grade or a number, by `family`), of the moderator, and of the caller.
#' @param weights NULL or a numeric vector of row weights; rows of weight 0 are held out.
#' @param mstop,nu,df,knots Steps, step length, degrees of freedom and inner knots of each learner.
#' @param brandom Whether callers get a ridge-penalised effect, which is 0 for a new caller.
#' @param by_sex mboost's own `by = sex`: smooths for the second of two levels only.
#' @param family "adaboost" (mboost's default for Binomial) or "glm" for 0/1, "propodds" for grades (mboost's `PropOdds()`),
#'   "gaussian" for a number.
#' @param boundary Rows whose range sets the knots: "all", or "train", those with weight.
#' @param linear Names of 0/1 markers, which enter linearly.
#' @param shared Levels without a curve of their own.
#' @param common Whether there is a common curve a marker besides those of the levels.
#' @param moderator Another name for `sex`.
#' @return A list of class `vr_gamboost`: `model` (the mboost object), `learners`, `left_out`, `offset`, `selected`,
#'   `risk`, and of grades `grades` and `thresholds`; see [vr_boost_tables()].
#' @export
#' @examples
#' if (requireNamespace("mboost", quietly = TRUE)) {
#'   boosted <- vr_gamboost(calls_example, c("dom", "loudness"), mstop = 30)
#'   boosted
#'
#'   # Grades: 0, 1, 2
#'   calls_example$grade <- calls_example$outcome + (calls_example$loudness > median(calls_example$loudness))
#'   vr_gamboost(calls_example, c("dom", "loudness"), y = "grade", mstop = 30, family = "propodds")
#' }
vr_gamboost <- function(data, markers, y = "outcome", sex = "sex", caller = "caller_id", weights = NULL, mstop = 100L,
                        nu = 0.1, df = 4, knots = 20L, brandom = FALSE, by_sex = FALSE,
                        family = c("adaboost", "glm", "propodds", "gaussian"), boundary = c("all", "train"), linear = "voiced",
                        shared = character(), common = FALSE,
                        moderator = sex) {
  sex <- moderator
  need_package("mboost")
  absent <- setdiff(c(markers, y, sex, if (brandom) caller), names(data))
  if (length(absent)) refuse("the table has no column \"", absent[1L], "\".")
  frame <- used_columns(data, c(markers, y, sex, if (brandom) caller))
  refuse_odd_names(names(frame))
  for (marker in markers) frame[[marker]] <- marker_column(frame[[marker]], marker)
  family <- match.arg(family)
  frame[[y]] <- boost_outcome(frame[[y]], y, family)
  frame[[sex]] <- plain_factor(frame[[sex]])
  sexes <- levels(frame[[sex]])
  available <- vapply(markers, function(name) anyNA(frame[[name]]), TRUE)
  learners <- moderated_learners(markers, available, sex, sexes, linear, df, knots, shared, common, by_sex)
  if (brandom) learners <- rbind(learners, boost_learner("brandom", caller, df = 4))
  if (is.null(weights)) weights <- rep(1, nrow(frame))
  boost_fit(frame, y, sex, caller, learners, weights, mstop, nu, family, match.arg(boundary), NULL)
}

# The outcome as its family takes it: 0/1, an ordered factor, or a number.
boost_outcome <- function(x, name, family) {
  if (is_two_class(family)) return(outcome_column(x, name))
  if (is.ordered(x) && family == "propodds") return(droplevels(x))
  if (!is.numeric(x)) {
    refuse("outcome \"", name, "\" is ", class(x)[1L], "; family \"", family, "\" needs ",
      if (family == "propodds") "an ordered factor or whole numbers." else "numbers.")
  }
  if (family == "gaussian") return(as.numeric(x))
  strange <- x[!is.na(x) & x != round(x)]
  if (length(strange)) refuse("outcome \"", name, "\" holds ", strange[1L], "; grades are whole numbers or an ordered factor.")
  factor(x, levels = sort(unique(x)), ordered = TRUE)
}

is_two_class <- function(family) family %in% c("adaboost", "glm")

# The learners of a model: an intercept for each level of the moderator, then one learner a marker for each level.
moderated_learners <- function(markers, available, sex, sexes, linear, df, knots, shared = character(), common = FALSE,
                               by_sex = FALSE) {
  strange <- setdiff(shared, sexes)
  if (length(strange)) refuse("\"", sex, "\" has no level \"", strange[1L], "\" that could be shared.")
  own <- setdiff(sexes, shared)
  moderated <- length(own) > 1L
  common <- common || length(shared) > 0L
  if (moderated && by_sex && (length(own) > 2L || common)) {
    refuse("by_sex needs a moderator of two levels that share no curve; \"", sex, "\" has ", paste(sexes, collapse = ", "), ".")
  }
  groups <- if (!moderated) "" else c(if (common) "", if (by_sex) own[2L] else own)
  smooth <- expand.grid(variable = markers, by = groups, stringsAsFactors = FALSE)
  # Without a marker (a Lasso may choose none) the intercepts alone are left.
  learners <- if (length(markers)) boost_learner(
    kind = ifelse(smooth$variable %in% linear, "bols", "bbs"), variable = smooth$variable, by = smooth$by,
    available = rep(available, length(groups)), df = df, knots = knots
  )
  if (length(markers)) learners$df[learners$kind == "bols"] <- NA
  if (moderated && length(shared)) {
    learners <- rbind(boost_learner("bols", "1", own, df = NA), learners)
  } else if (moderated) {
    learners <- rbind(boost_learner("bols", sex, df = NA), learners)
  }
  learners
}

# Table of learners, one row each; by = "" for none.
boost_learner <- function(kind, variable, by = "", available = FALSE, df = 4, penalty = NA_real_, knots = 20L,
                          degree = 3L, differences = 2L, center = FALSE, intercept = TRUE) {
  data.frame(
    kind = kind, variable = variable, by = by, available = unname(available), df = as.numeric(df), penalty = penalty,
    knots = knots, degree = degree, differences = differences, center = center, intercept = intercept
  )
}

# One fit by mboost. `learners` is a table as `boost_learner` makes it.
boost_fit <- function(frame, y, sex, caller, learners, weights, mstop, nu, family, boundary, offset) {
  need_package("mboost")
  if (length(weights) != nrow(frame)) refuse("there are ", length(weights), " weights for ", nrow(frame), " rows.")
  two_class <- is_two_class(family)
  if (!two_class && any(learners$kind == "brandom")) refuse("brandom is for 0/1 outcomes; leave it out of a model of grades or numbers.")
  check_boost_outcome(frame[[y]], y, weights > 0, family)
  # On the training rows alone the knots are theirs, and nothing else of the fit changes.
  kept <- if (boundary == "train") which(weights > 0) else seq_len(nrow(frame))
  frame <- frame[kept, , drop = FALSE]
  weights <- weights[kept]
  # All levels of the caller stay: a new level would be matched by position, silently.
  if (any(learners$kind == "brandom")) frame[[caller]] <- factor(frame[[caller]])
  rows <- frame
  if (two_class) rows[[y]] <- factor(frame[[y]], levels = c(0, 1))
  built <- boost_columns(rows, learners, sex, weights)
  rows <- built$rows
  status <- built$status
  fitted <- list(
    learners = learners, status = status, y = y, sex = sex, caller = caller, mstop = mstop, nu = nu, family = family,
    boundary = boundary, fill = built$fill, columns = built$columns, sexes = levels(frame[[sex]])
  )
  active <- which(status == "")
  if (!length(active)) refuse("no learner can be fitted: ", learners$variable[1L], " ", status[1L], ".")
  terms <- boost_calls(learners, built$columns, sex, caller)[active]
  right <- Reduce(function(left, term) call("+", left, term), terms)
  formula <- stats::as.formula(call("~", as.name(y), right), env = asNamespace("mboost"))
  scale <- if (family == "adaboost") 2 else 1
  model <- mboost::gamboost(
    formula, data = rows, baselearner = mboost::bbs, weights = weights,
    offset = if (is.null(offset)) NULL else offset / scale,
    family = switch(family, propodds = mboost::PropOdds(), gaussian = mboost::Gaussian(), mboost::Binomial(type = family)),
    control = mboost::boost_control(mstop = max(mstop, 1L), nu = nu)
  )
  fitted$model <- model
  if (any(learners$kind == "brandom")) fitted$callers <- levels(frame[[caller]])
  fitted$formula <- paste(deparse(formula, width.cutoff = 500L), collapse = " ")
  fitted$scale <- scale
  fitted$offset <- scale * unname(model$offset[1L])
  if (family == "propodds") {
    fitted$grades <- levels(rows[[y]])
    fitted$thresholds <- boost_thresholds(model)
  }
  fitted$selected <- active[model$xselect()][seq_len(mstop)]
  fitted$risk <- unname(model$risk())[seq_len(mstop + 1L)]
  class(fitted) <- "vr_gamboost"
  fitted
}

check_boost_outcome <- function(outcome, y, seen, family) {
  if (anyNA(outcome)) refuse("outcome \"", y, "\" is missing in ", sum(is.na(outcome)), " rows; leave them out.")
  if (is_two_class(family) && !all(outcome %in% c(0, 1))) refuse("outcome \"", y, "\" has values other than 0 and 1.")
  if (family == "gaussian" && !all(is.finite(outcome))) refuse("outcome \"", y, "\" has infinite values.")
  if (length(unique(outcome[seen])) < 2L) refuse("the rows with weight have a single outcome.")
  empty <- if (is.factor(outcome)) setdiff(levels(outcome), outcome[seen])
  if (length(empty)) refuse("grade ", empty[1L], " of \"", y, "\" has no row with weight; join it with a neighbour.")
}

# Where the score of grades is cut after all steps; mboost keeps them as the nuisance parameters of PropOdds().
boost_thresholds <- function(model) unname(as.numeric(mboost::nuisance(model)))

# Columns of 0/1 by which learners are taken, markers filled, and why a learner cannot be fitted ("" = it can).
boost_columns <- function(rows, learners, sex, weights) {
  seen <- weights > 0
  by_column <- character(nrow(learners))
  status <- character(nrow(learners))
  fill <- list()
  original <- rows
  for (i in seq_len(nrow(learners))) {
    learner <- learners[i, ]
    if (learner$kind == "brandom" || learner$variable == sex) next
    if (learner$variable == "1") {
      rows[["one"]] <- 1
      if (learner$by != "") {
        by_column[i] <- boost_mask_name(rows, learner$by)
        rows[[by_column[i]]] <- as.numeric(original[[sex]] == learner$by)
      }
      next
    }
    x <- original[[learner$variable]]
    missing <- is.na(x)
    if (any(missing) && !learner$available) {
      refuse(learner$variable, " is missing in ", sum(missing), " rows; take its learner by availability.")
    }
    if (any(missing)) {
      fill[[learner$variable]] <- stats::median(x[seen & !missing])
      rows[[learner$variable]] <- ifelse(missing, fill[[learner$variable]], x)
    }
    mask <- if (learner$by == "") {
      rep(TRUE, nrow(rows))
    } else if (learner$by %in% levels(original[[sex]])) {
      original[[sex]] == learner$by
    } else {
      original[[learner$by]] == 1
    }
    masked <- learner$by != "" || learner$available
    if (learner$available) mask <- mask & !missing
    if (masked) {
      name <- paste(c(if (learner$available) learner$variable, if (learner$by == "") "available" else learner$by),
        collapse = "_")
      name <- boost_mask_name(rows, name, as.numeric(mask))
      rows[[name]] <- as.numeric(mask)
      by_column[i] <- name
    }
    status[i] <- boost_status(learner, x, mask, seen, missing)
  }
  list(rows = rows, columns = by_column, status = status, fill = fill)
}

# A legal name for a 0/1 column, that of no other column with other values.
boost_mask_name <- function(rows, name, mask = NULL) {
  name <- make.names(name)
  same <- !is.null(mask) && name %in% names(rows) && is.numeric(rows[[name]]) && identical(as.numeric(rows[[name]]), mask)
  if (same || !name %in% names(rows)) return(name)
  utils::tail(make.unique(c(names(rows), name), sep = "_"), 1L)
}

# Why a marker's learner cannot be fitted on these rows, "" where it can.
boost_status <- function(learner, x, mask, seen, missing) {
  available <- x[!missing]
  if (!length(available)) return("no available row")
  if (min(available) == max(available)) return(sprintf("constant (%s)", format(available[1L])))
  if (learner$kind != "bbs" || is.na(learner$df) || !is.na(learner$penalty)) return("")
  used <- x[mask & seen & !missing]
  if (!length(used)) return(sprintf("its rows have rank <= df = %g", learner$df))
  edges <- seq(min(available), max(available), length.out = learner$knots + 2L)
  cells <- length(unique(findInterval(used, edges, rightmost.closed = TRUE)))
  if (cells > learner$df) return("")
  step <- edges[2L] - edges[1L]
  knots <- edges[1L] + step * seq(-learner$degree, learner$knots + 1L + learner$degree)
  # The largest value can lie a rounding error beyond its knot.
  used <- pmin(pmax(used, edges[1L]), edges[length(edges)])
  rank <- qr(splines::splineDesign(knots, used, ord = learner$degree + 1L, outer.ok = TRUE))$rank
  if (rank > learner$df) "" else sprintf("its rows have rank <= df = %g", learner$df)
}

# mboost takes the names of its formula as text in several places, so they must be names that R takes without quotes.
refuse_odd_names <- function(names) {
  odd <- names[safe_names(names) != names]
  if (length(odd)) refuse("column name \"", odd[1L], "\" is not a name in R, which mboost needs; rename the column.")
}

# The learners as calls, of symbols and numbers alone: no text of the table is ever parsed.
boost_calls <- function(learners, columns, sex, caller) {
  lapply(seq_len(nrow(learners)), function(i) {
    learner <- learners[i, ]
    by <- if (columns[i] != "") list(by = as.name(columns[i]))
    strength <- if (!is.na(learner$penalty)) list(lambda = learner$penalty) else if (!is.na(learner$df)) list(df = learner$df)
    variable <- as.name(if (learner$variable == "1") "one" else learner$variable)
    flat <- !learner$intercept || learner$variable == "1"
    parts <- switch(learner$kind,
      brandom = c(as.name(caller), strength),
      bols = c(variable, by, if (flat) list(intercept = FALSE), strength),
      bbs = c(
        variable, by, strength, knots = as.numeric(learner$knots),
        if (learner$degree != 3L) list(degree = as.numeric(learner$degree)),
        if (learner$differences != 2L) list(differences = as.numeric(learner$differences)),
        if (learner$center) list(center = TRUE)
      )
    )
    as.call(c(as.name(learner$kind), parts))
  })
}

# The learners as text, for tables.
boost_term <- function(learners, columns, sex, caller) {
  vapply(boost_calls(learners, columns, sex, caller), function(one) {
    paste(deparse(one, width.cutoff = 500L, control = c("keepInteger", "digits17")), collapse = " ")
  }, "")
}

# What the Python engine needs of one fit: numbers only, on mboost's own scale times `scale` (log-odds).
bridge_boost <- function(data, learners, weights, mstop, nu, family, boundary, offset) {
  fitted <- boost_fit(data, "y", "sex", "caller", learners, weights, mstop, nu, family, boundary, offset)
  model <- fitted$model
  active <- which(fitted$status == "")
  lambda <- rep(NA_real_, nrow(learners))
  found <- mboost::extract(model, what = "lambda", which = seq_along(active))
  lambda[active] <- vapply(found, function(value) if (length(value)) as.numeric(value[1L]) else 0, 0)
  each <- stats::coef(model, which = seq_along(active), aggregate = "none")
  size <- max(vapply(each, NROW, 0L))
  steps <- matrix(0, mstop, size)
  for (step in seq_len(mstop)) {
    part <- each[[match(fitted$selected[step], active)]]
    steps[step, seq_len(nrow(part))] <- fitted$scale * part[, step]
  }
  list(
    status = fitted$status, lambda = lambda, offset = fitted$offset, selected = fitted$selected, risk = fitted$risk,
    steps = steps, sizes = vapply(each, NROW, 0L), formula = fitted$formula,
    callers = fitted$callers, fill = unlist(fitted$fill)
  )
}
