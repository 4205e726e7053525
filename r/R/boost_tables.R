# Tables of a boosted model, its predictions, and its caller-grouped cross-validation. All in log-odds.

#' Tables of a boosted model
#'
#' @param fit A `vr_gamboost`.
#' @param points Grid points a curve.
#' @return A list of data frames: `path` (step, learner, risk), `learners` (learner, marker, by, df, lambda, frequency
#'   of selection, fall of the risk a row, why it was left out), `partial_effects` (marker, sex, x, estimate: log-odds
#'   centred over the available rows of that learner).
#' @export
#' @examples
#' if (requireNamespace("mboost", quietly = TRUE)) {
#'   boosted <- vr_gamboost(calls_example, c("dom", "loudness"), mstop = 30)
#'   vr_boost_tables(boosted)$learners
#' }
vr_boost_tables <- function(fit, points = 100L) {
  model <- fit$model
  learners <- fit$learners
  active <- which(fit$status == "")
  name <- boost_term(learners, fit$columns, fit$sex, fit$caller)
  steps <- seq_len(fit$mstop)
  fall <- -diff(fit$risk)
  lambda <- rep(NA_real_, nrow(learners))
  found <- mboost::extract(model, what = "lambda", which = seq_along(active))
  lambda[active] <- vapply(found, function(value) if (length(value)) as.numeric(value[1L]) else 0, 0)
  sum_by <- function(values) as.vector(tapply(values, factor(fit$selected, seq_len(nrow(learners))), sum, default = 0))
  list(
    path = data.frame(step = c(0L, steps), learner = c("", name[fit$selected]), risk = fit$risk),
    learners = data.frame(
      learner = name, marker = learners$variable, by = learners$by, df = learners$df, lambda = lambda,
      frequency = sum_by(rep(1, fit$mstop)) / max(fit$mstop, 1L),
      importance = sum_by(fall) / length(model$response), left_out = fit$status
    ),
    partial_effects = boost_effects(fit, points)
  )
}

boost_effects <- function(fit, points) {
  active <- which(fit$status == "")
  smooth <- active[fit$learners$kind[active] == "bbs"]
  parts <- lapply(smooth, function(i) {
    learner <- fit$learners[i, ]
    rows <- fit$model$model.frame(which = match(i, active))[[1L]]
    x <- rows[[learner$variable]]
    mask <- if (fit$columns[i] == "") rep(TRUE, length(x)) else rows[[fit$columns[i]]] == 1
    if (!any(mask)) return(NULL)
    grid <- seq(min(x[mask]), max(x[mask]), length.out = points)
    at <- c(grid, x[mask])
    new <- stats::setNames(data.frame(at), learner$variable)
    if (fit$columns[i] != "") new[[fit$columns[i]]] <- 1
    if (fit$mstop == 0L) {
      values <- rep(0, length(at))
    } else {
      values <- fit$scale * drop(stats::predict(fit$model, new, which = match(i, active)))
    }
    data.frame(
      marker = learner$variable, sex = if (learner$by == "") "all" else learner$by, x = grid,
      estimate = unname(values[seq_len(points)] - mean(values[-seq_len(points)]))
    )
  })
  do.call(rbind, parts)
}

#' Predict with a boosted model
#'
#' The caller effect (`brandom`) never enters: a new caller's is 0, and mboost's own `predict` would match levels by
#' position without a word.
#'
#' @param fit A `vr_gamboost`.
#' @param newdata Data frame with the markers and the moderator.
#' @return Data frame: link (log-odds; of a number its mean), and probability for a 0/1 outcome, or `at_least_<grade>`, the
#'   probability of that grade or a higher one.
#' @export
#' @examples
#' if (requireNamespace("mboost", quietly = TRUE)) {
#'   boosted <- vr_gamboost(calls_example, c("dom", "loudness"), mstop = 30)
#'   head(vr_boost_predict(boosted, calls_example))
#' }
vr_boost_predict <- function(fit, newdata) {
  link <- drop(boost_links(fit, newdata))
  out <- data.frame(link = link)
  if (is_two_class(fit$family)) out$probability <- boost_response(fit, link)
  if (fit$family == "propodds") out[paste0("at_least_", fit$grades[-1L])] <- boost_response(fit, link)
  out
}

# What a link says: a probability, of grades a column for each but the lowest, or the number itself.
boost_response <- function(fit, link) {
  if (fit$family == "gaussian") return(link)
  if (fit$family != "propodds") return(stats::plogis(link))
  above <- stats::plogis(outer(link, fit$thresholds, `-`))
  colnames(above) <- paste0("at_least_", fit$grades[-1L])
  above
}

# Log-odds of new rows: a matrix with one column, or with `path` one column for each number of steps from 0 on.
boost_links <- function(fit, newdata, path = FALSE) {
  learners <- fit$learners
  needed <- setdiff(unique(c(learners$variable[learners$kind != "brandom"])), "1")
  once(newdata, needed)
  for (name in setdiff(needed, fit$sex)) finite(newdata[[name]], name)
  active <- which(fit$status == "")
  link <- matrix(fit$offset, nrow(newdata), if (path) fit$mstop + 1L else 1L)
  if (fit$mstop == 0L) return(link)
  sexes <- fit$sexes
  if (fit$sex %in% needed) {
    strange <- setdiff(unique(as.character(newdata[[fit$sex]])), sexes)
    if (length(strange)) refuse("the new rows have ", fit$sex, " = \"", strange[1L], "\".")
  }
  for (i in intersect(active, unique(fit$selected))) {
    learner <- learners[i, ]
    if (learner$kind == "brandom") next
    new <- newdata[setdiff(learner$variable, "1")]
    if (learner$variable == "1") new <- data.frame(one = rep(1, nrow(newdata)))
    if (learner$variable == fit$sex) new[[fit$sex]] <- factor(as.character(new[[fit$sex]]), levels = sexes)
    there <- rep(TRUE, nrow(newdata))
    if (learner$variable != fit$sex && learner$variable != "1") {
      there <- !is.na(new[[learner$variable]])
      if (any(!there) && !learner$available) {
        refuse(learner$variable, " is missing in ", sum(!there), " new rows, and was never missing in the fit.")
      }
      if (learner$by %in% sexes) there <- there & as.character(newdata[[fit$sex]]) == learner$by
      else if (learner$by != "") there <- there & newdata[[learner$by]] == 1
    }
    if (!any(there)) next
    new <- new[there, , drop = FALSE]
    if (fit$columns[i] != "") new[[fit$columns[i]]] <- 1
    part <- if (path) cumulated(fit$model, new, match(i, active)) else stats::predict(fit$model, new, which = match(i, active))
    steps <- if (path) -1L else 1L
    link[there, steps] <- link[there, steps] + fit$scale * part
  }
  link
}

# What one learner says of rows after each number of steps.
cumulated <- function(model, rows, which) {
  part <- stats::predict(model, rows, which = which, aggregate = "cumsum")
  if (is.list(part)) part[[1L]] else part
}

#' Caller-grouped cross-validation of the number of boosting steps
#'
#' mboost's `cvrisk` over folds of whole callers, one process, so that a fold that fails stops it instead of leaving a
#' warning and a gap.
#'
#' @param fit A `vr_gamboost` fitted with `brandom = FALSE`.
#' @param fold The fold of each row of the fit; rows of one caller must share it.
#' @param caller The caller of each row.
#' @return A list: `risk` (step, fold, risk: mean held-out negative log-likelihood), `mstop` (argmin of the sum over
#'   folds, each fold counting the same, as mboost has it).
#' @export
#' @examples
#' if (requireNamespace("mboost", quietly = TRUE)) {
#'   boosted <- vr_gamboost(calls_example, c("dom", "loudness"), mstop = 30)
#'   fold <- as.integer(factor(calls_example$caller_id)) %% 4
#'   vr_boost_cv(boosted, fold, calls_example$caller_id)$mstop
#' }
vr_boost_cv <- function(fit, fold, caller) {
  split <- tapply(fold, as.character(caller), function(f) length(unique(f)))
  if (any(split > 1L)) refuse("caller ", names(split)[split > 1L][1L], " stands in several folds.")
  weights <- stats::model.weights(fit$model)
  folds <- sort(unique(fold))
  W <- vapply(folds, function(f) as.numeric(fold != f) * weights, numeric(length(fold)))
  risk <- mboost::cvrisk(fit$model, folds = W, grid = 0:fit$mstop, papply = lapply)
  values <- unclass(risk)
  attributes(values) <- list(dim = dim(risk))
  if (anyNA(values)) refuse("fold ", folds[which(rowSums(is.na(values)) > 0L)[1L]], " failed.")
  list(
    risk = data.frame(
      step = rep(0:fit$mstop, each = length(folds)), fold = rep(folds, times = fit$mstop + 1L), risk = as.vector(values)
    ),
    mstop = as.integer(which.min(colSums(values)) - 1L)
  )
}
