# What R's own verbs say of a boosted model.

#' Methods for a boosted model
#'
#' @param x,object A `vr_gamboost`.
#' @param ... Not used.
#' @param newdata Data frame with the markers and the moderator.
#' @param type "link" (log-odds; of a number its mean) or "response" (probability; of grades a matrix with a column
#'   `at_least_<grade>` for each but the lowest).
#' @param what Which table of [vr_boost_tables()]: "learners", "path" or "partial_effects".
#' @param points Grid points a curve.
#' @param row.names,optional As in [as.data.frame()].
#' @param parm,level Not used: a boosted model has no interval.
#' @return `print` shows one screen; `summary` returns the tables of [vr_boost_tables()] with formula and counts; `coef`
#'   a list of the coefficients of each chosen learner, in log-odds; `predict` numbers; `formula`, `nobs` and `fitted`
#'   what R users know; `tidy`, `glance` and `augment` data frames with broom's column names. `vcov` and `confint` stop and say
#'   what to do instead, since a boosted model has no covariance.
#' @name vr_gamboost-methods
#' @examples
#' if (requireNamespace("mboost", quietly = TRUE)) {
#'   boosted <- vr_gamboost(calls_example, c("dom", "loudness"), mstop = 30)
#'   print(boosted)
#'   head(predict(boosted, calls_example, type = "response"))
#' }
NULL

#' @rdname vr_gamboost-methods
#' @export
print.vr_gamboost <- function(x, ...) {
  learners <- vr_boost_tables(x, 2L)$learners
  cat(
    "Boosted P-splines by mboost (", x$family, "): ", nobs.vr_gamboost(x), " rows, ", x$mstop, " steps of length ", x$nu,
    "\nOffset ", format(x$offset, digits = 3L), boost_unit(x), "; risk ", format(x$risk[1L], digits = 5L), " before and ",
    format(x$risk[length(x$risk)], digits = 5L), " after the last step\n\n", sep = ""
  )
  if (x$family == "propodds") {
    cat("logit P(y >= grade) = link - threshold; ",
      paste0("grade ", x$grades[-1L], ": ", trimws(format(x$thresholds, digits = 3L)), collapse = ", "), "\n\n", sep = "")
  }
  shown <- learners[order(-learners$importance), ]
  shown <- data.frame(
    marker = shown$marker, by = shown$by, "share of steps" = format(round(shown$frequency, 3L)),
    "fall of risk a row" = format(signif(shown$importance, 3L)), check.names = FALSE
  )[shown$left_out == "", ]
  print_few(shown, 14L, "vr_boost_tables(fit)$learners")
  gone <- learners[learners$left_out != "", ]
  print_notes(sprintf("%s %s was left out: %s.", gone$marker, gone$by, gone$left_out))
  invisible(x)
}

boost_unit <- function(fit) if (fit$family == "gaussian") "" else " log-odds"

#' @rdname vr_gamboost-methods
#' @export
summary.vr_gamboost <- function(object, points = 100L, ...) {
  out <- c(vr_boost_tables(object, points), list(formula = object$formula, offset = object$offset, unit = boost_unit(object),
    nobs = nobs.vr_gamboost(object)))
  class(out) <- "summary.vr_gamboost"
  out
}

#' @rdname vr_gamboost-methods
#' @export
print.summary.vr_gamboost <- function(x, ...) {
  cat(strwrap(x$formula, exdent = 2L), sep = "\n")
  cat("\n", x$nobs, " rows, ", max(x$path$step), " steps, offset ", format(x$offset, digits = 4L), x$unit, "\n\n", sep = "")
  print(rounded(x$learners[c("marker", "by", "df", "lambda", "frequency", "importance", "left_out")]), row.names = FALSE)
  invisible(x)
}

#' @rdname vr_gamboost-methods
#' @export
coef.vr_gamboost <- function(object, ...) {
  if (object$mstop == 0L) return(list())
  lapply(stats::coef(object$model), function(values) object$scale * values)
}

#' @rdname vr_gamboost-methods
#' @export
formula.vr_gamboost <- function(x, ...) stats::as.formula(x$formula, env = asNamespace("mboost"))

#' @rdname vr_gamboost-methods
#' @export
nobs.vr_gamboost <- function(object, ...) as.integer(sum(stats::model.weights(object$model) > 0))

#' @rdname vr_gamboost-methods
#' @export
fitted.vr_gamboost <- function(object, ...) {
  link <- rep(object$offset, NROW(object$model$response))
  if (object$mstop > 0L) link <- object$scale * unname(drop(stats::fitted(object$model)))
  boost_response(object, link)
}

#' @rdname vr_gamboost-methods
#' @export
predict.vr_gamboost <- function(object, newdata, type = c("link", "response"), ...) {
  type <- match.arg(type)
  if (missing(newdata)) refuse("give newdata: the fit keeps no table of its own rows (fitted() gives their probabilities).")
  link <- drop(boost_links(object, newdata))
  if (type == "link") link else boost_response(object, link)
}

#' @rdname vr_gamboost-methods
#' @export
vcov.vr_gamboost <- function(object, ...) no_covariance("A boosted model")

#' @rdname vr_gamboost-methods
#' @export
confint.vr_gamboost <- function(object, parm, level = 0.95, ...) no_covariance("A boosted model")

no_covariance <- function(what) {
  refuse(
    what, " has no covariance of its coefficients, so it has no standard errors and intervals; fit the markers with ",
    "vr_gamm, or bootstrap whole callers."
  )
}

#' @rdname vr_gamboost-methods
#' @export
as.data.frame.vr_gamboost <- function(x, row.names = NULL, optional = FALSE,
                                      what = c("learners", "path", "partial_effects"), points = 100L, ...) {
  vr_boost_tables(x, points)[[match.arg(what)]]
}

#' @rdname vr_gamboost-methods
#' @exportS3Method generics::tidy
tidy.vr_gamboost <- function(x, ...) {
  learners <- vr_boost_tables(x, 2L)$learners
  data.frame(
    term = learners$learner, marker = learners$marker, by = learners$by, frequency = learners$frequency,
    importance = learners$importance
  )
}

#' @rdname vr_gamboost-methods
#' @exportS3Method generics::glance
glance.vr_gamboost <- function(x, ...) {
  data.frame(
    nobs = nobs.vr_gamboost(x), mstop = x$mstop, nu = x$nu, family = x$family, offset = x$offset, risk = x$risk[length(x$risk)],
    learners = length(unique(x$selected))
  )
}

#' @rdname vr_gamboost-methods
#' @exportS3Method generics::augment
augment.vr_gamboost <- function(x, newdata, ...) {
  out <- vr_boost_predict(x, newdata)
  names(out) <- c(".fitted", sprintf(".%s", names(out)[-1L]))
  cbind(newdata, out)
}
