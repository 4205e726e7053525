# Validation of a boosted model by leaving whole callers out, for a data frame that fits in memory.

#' Validate a boosted model by leaving callers out
#'
#' Two recipes, as the Python package has them, for a data frame of markers and small data (a model is fitted by mboost
#' for every fold). For the paper's size, for all frames of many calls and for the audit, see [vr_run()].
#'
#' * "published": the markers are screened, and the knots laid, on all rows; no weights; `mstop` steps; one cut for all
#'   calls, learned from the very scores that it then judges. It looks better than it is.
#' * "nested": everything learned sits inside the fold. Inner folds of whole callers choose the number of steps (at most
#'   `mstop`), recalibrate the scores and learn the cut; markers are screened in each training set; rows are weighted so that every
#'   caller counts the same and positives carry the share `prior`; values beyond the training range are set to its ends.
#'
#' A call's score `p_raw` is the mean probability of its rows. By default the cut is the mean of the Youden cuts of bootstrapped callers;
#' `p` is the recalibrated risk (published: `p_raw`). Intervals are percentiles over a bootstrap of callers with the
#' scores taken as given, and leave out the variance of refitting.
#'
#' @param data Data frame, one row a segment or frame.
#' @param markers Names of the markers.
#' @param y,sex,caller,call Names of the outcome (one value a call), the moderator, the caller and the call.
#' @param protocol "published" or "nested".
#' @param design "loco" (leave one caller out) or "grouped_kfold" (K = 10, or as many as the smaller class has callers).
#' @param screen Whether a Lasso ([vr_lasso()], rule "min") chooses the markers.
#' @param mstop Steps: 100 (published) or at most 300 (nested) by default.
#' @param nu,df,knots As in [vr_gamboost()].
#' @param fold NULL, or the outer fold of each row; no caller may stand in two.
#' @param inner NULL, or a data frame with columns fold, caller and inner: the inner fold of every training caller of every
#'   outer fold (`folds$inner` of an earlier result).
#' @param inner_folds Largest number of inner folds.
#' @param prior Share of the weight of positives in training; by default the share of positive calls.
#' @param repeats Repeats of the grouped folds.
#' @param bootstraps Bootstraps of callers, for cuts and for intervals.
#' @param threshold How the cut is learned: "bootstrap_youden" (the mean of the Youden cuts of bootstrapped callers), "youden", or the
#'   rule of a service, one of `list(sensitivity = 0.95)` (the highest cut that flags at least this share of the calls with
#'   the outcome), `list(cost = 10)` (a missed call costs as much as so many false alarms), `list(capacity = 20)` (at most so
#'   many flags in 100 calls) and `list(risk = 0.3)` (flags calls whose recalibrated risk is at least this).
#' @param progress Whether to print each outer fold.
#' @param linear Names of the markers that enter as straight lines.
#' @param shared Levels of the moderator that share the common curve.
#' @param moderator Name of the moderator: another word for `sex`.
#' @return A list of class `vr_cv` with [R's usual verbs][vr_cv-methods]: `predictions` (one row a call: protocol, design,
#'   repeat, fold, call_id, caller_id, y, p_raw, p, threshold), `thresholds` (one row a cut, with steps, slope and intercept of the
#'   recalibration, markers selected), `metrics`, `folds`, `spec`. Column names are those of the Python package.
#' @export
#' @examples
#' if (requireNamespace("mboost", quietly = TRUE)) {
#'   set.seed(1)
#'   fold <- as.integer(factor(calls_example$caller_id)) %% 4
#'   validated <- vr_cv(calls_example, c("dom", "loudness"), design = "grouped_kfold", fold = fold,
#'     screen = FALSE, mstop = 10, bootstraps = 100)
#'   print(validated)
#'   plot(validated, "dots")
#' }
vr_cv <- function(data, markers, y = "outcome", sex = "sex", caller = "caller_id", call = "call_id",
                  protocol = c("published", "nested"), design = c("loco", "grouped_kfold"), screen = TRUE, mstop = NULL,
                  nu = 0.1, df = 4, knots = 20L, fold = NULL, inner = NULL, inner_folds = 10L, prior = NULL, repeats = 1L,
                  bootstraps = 1000L, threshold = "bootstrap_youden", progress = FALSE, linear = "voiced", shared = character(), moderator = sex) {
  sex <- moderator
  need_package("mboost")
  if (screen) need_package("glmnet")
  protocol <- match.arg(protocol)
  design <- match.arg(design)
  nested <- protocol == "nested"
  rows <- cv_rows(data, markers, y, sex, caller, call)
  calls <- cv_calls(rows)
  callers <- cv_callers(calls)
  require_callers(callers, if (nested) 4L else 2L, protocol)
  if (is.null(prior)) prior <- mean(calls$y)
  if (!(prior > 0 && prior < 1)) refuse("prior must lie strictly between 0 and 1, not ", prior, ".")
  if (is.null(mstop)) mstop <- if (nested) 300L else 100L
  spec <- list(
    markers = markers, protocol = protocol, design = design, screen = screen, mstop = as.integer(mstop), nu = nu, df = df,
    knots = knots, prior = prior, bootstraps = as.integer(bootstraps), inner_folds = as.integer(inner_folds), linear = linear,
    shared = shared, threshold = threshold_rule(threshold)
  )
  plan <- cv_plan(callers, spec, fold, rows, inner, if (design == "loco") 1L else as.integer(repeats))
  everywhere <- if (!nested) cv_markers(rows, spec, NULL)
  finished <- lapply(seq_along(plan), function(i) {
    if (progress) message("fold ", i, " of ", length(plan))
    cv_fold(rows, calls, plan[[i]], spec, everywhere)
  })
  cv_result(finished, plan, calls, spec)
}

# Rows as the models need them: y, sex, caller, call and the markers, in an order that the table's does not change.
cv_rows <- function(data, markers, y, sex, caller, call) {
  if (!length(markers)) refuse("no marker was given.")
  frame <- used_columns(data, unique(c(markers, y, sex, caller, call)))
  refuse_odd_names(markers)
  taken <- intersect(markers, c("y", "sex", "caller", "call", "place"))
  if (length(taken)) refuse("a marker cannot be named \"", taken[1L], "\"; rename the column.")
  for (marker in markers) frame[[marker]] <- marker_column(frame[[marker]], marker)
  for (name in c(y, sex, caller, call)) {
    if (anyNA(frame[[name]])) refuse("column \"", name, "\" is missing in row ", which(is.na(frame[[name]]))[1L], ".")
  }
  out <- data.frame(
    y = outcome_column(frame[[y]], y), sex = plain_factor(frame[[sex]]), caller = as.character(frame[[caller]]),
    call = as.character(frame[[call]]), frame[markers], check.names = FALSE
  )
  out$place <- seq_len(nrow(out))
  values <- unname(as.list(out[c("caller", "call", markers)]))
  out[do.call(order, c(values, list(method = "radix"))), ]
}

# One row a call.
cv_calls <- function(rows) {
  parts <- split(seq_len(nrow(rows)), rows$call)
  first <- vapply(parts, `[`, 0L, 1L)
  words <- c(y = "the outcome", caller = "the caller", sex = "the moderator")
  for (name in names(words)) {
    split <- vapply(parts, function(part) length(unique(rows[[name]][part])) > 1L, TRUE)
    if (any(split)) refuse("call ", names(parts)[split][1L], " has more than one value of ", words[[name]], ".")
  }
  calls <- data.frame(
    call_id = names(parts), caller_id = rows$caller[first], y = rows$y[first], sex = rows$sex[first], rows = lengths(parts)
  )
  calls[order(calls$caller_id, calls$call_id, method = "radix"), ]
}

# One row a caller: its outcome pattern ("0", "both", "1") and its sex.
cv_callers <- function(calls) {
  share <- tapply(calls$y, calls$caller_id, mean)
  ids <- sort(names(share), method = "radix")
  share <- share[ids]
  sex <- tapply(as.character(calls$sex), calls$caller_id, function(s) paste(sort(unique(s), method = "radix"), collapse = "+"))[ids]
  data.frame(
    caller_id = ids, pattern = factor(ifelse(share == 0, "0", ifelse(share == 1, "1", "both")), c("0", "both", "1")),
    sex = unname(as.vector(sex))
  )
}

callers_in_classes <- function(callers) c(sum(callers$pattern != "1"), sum(callers$pattern != "0"))

require_callers <- function(callers, least, protocol) {
  n <- callers_in_classes(callers)
  for (label in 1:2) if (n[label] < least) {
    refuse("the ", protocol, " protocol needs at least ", least, " callers in each class; ", n[label], " have a call with outcome ", label - 1L, ".")
  }
}

# The outer folds: who is held out, and the inner fold of every training caller.
cv_plan <- function(callers, spec, fold, rows, inner, repeats) {
  ids <- callers$caller_id
  nested <- spec$protocol == "nested"
  plan <- list()
  for (one in seq_len(repeats)) {
    outer <- if (!is.null(fold)) given_folds(fold, rows, ids) else if (spec$design == "loco") seq_along(ids) else
      deal_callers(callers, min(10L, callers_in_classes(callers)))
    for (k in sort(unique(outer))) {
      training <- callers[outer != k, ]
      if (any(callers_in_classes(training) < 1L)) refuse("without fold ", k, " the callers are of one class.")
      of_caller <- NULL
      if (nested && is.null(inner)) {
        size <- max(3L, min(spec$inner_folds, callers_in_classes(training)))
        of_caller <- stats::setNames(deal_callers(training, size), training$caller_id)
      } else if (nested) {
        mine <- inner[inner$fold == k, ]
        of_caller <- mine$inner[match(training$caller_id, as.character(mine$caller))]
        if (anyNA(of_caller)) refuse("inner has no fold for caller ", training$caller_id[is.na(of_caller)][1L], " in outer fold ", k, ".")
        of_caller <- stats::setNames(of_caller, training$caller_id)
      }
      plan[[length(plan) + 1L]] <- list(`repeat` = one - 1L, fold = k, assess = ids[outer == k], inner = of_caller)
    }
  }
  plan
}

given_folds <- function(fold, rows, ids) {
  if (length(fold) != nrow(rows)) refuse("there are ", length(fold), " values of fold for ", nrow(rows), " rows.")
  fold <- fold[rows$place]
  if (anyNA(fold)) refuse("fold is missing in row ", rows$place[is.na(fold)][1L], ".")
  each <- split(fold, rows$caller)
  several <- lengths(lapply(each, unique)) > 1L
  if (any(several)) refuse("caller ", names(each)[several][1L], " stands in several folds.")
  vapply(each[ids], `[[`, fold[1L], 1L, USE.NAMES = FALSE)
}

# Folds 1..k of whole callers: shuffled, sorted by outcome pattern and sex, and dealt in turn.
deal_callers <- function(callers, k) {
  k <- min(k)
  if (k < 2L) refuse("the smaller class has ", k, " caller(s), too few for folds of whole callers.")
  shuffled <- sample(nrow(callers))
  turn <- shuffled[order(callers$pattern[shuffled], callers$sex[shuffled], method = "radix")]
  fold <- integer(nrow(callers))
  fold[turn] <- sample(k)[(seq_along(turn) - 1L) %% k + 1L]
  fold
}
