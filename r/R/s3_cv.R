# What R's own verbs say of a validation.

#' Methods for a validation
#'
#' @param x,object A `vr_cv`.
#' @param ... Not used.
#' @param what "predictions", "thresholds" or "metrics".
#' @param row.names,optional As in [as.data.frame()].
#' @return `print` shows one screen; `summary` and `as.data.frame` tables; `tidy` the metrics and `glance` one row, with
#'   broom's column names; `nobs` the number of calls. [Figures][vr_figures]: "roc", "calibration", "decision", "dots".
#' @name vr_cv-methods
NULL

#' @rdname vr_cv-methods
#' @export
print.vr_cv <- function(x, ...) {
  spec <- x$spec
  cat(
    "Validation of boosted P-splines, ", in_words(spec$protocol), ", ", in_words(spec$design), "\n", x$metrics$n[1L], " calls of ",
    x$metrics$n_callers[1L], " callers, ", x$metrics$n_events[1L], " with outcome 1; ", length(spec$markers), " markers",
    if (spec$screen) ", screened by a Lasso", "\n\n", sep = ""
  )
  print(rounded(x$metrics[c("metric", "estimate", "lower", "upper")]), row.names = FALSE)
  cuts <- x$thresholds$threshold
  cat("\nCut on the call score: ", if (length(cuts) == 1L) format(cuts, digits = 3L) else
    paste(format(range(cuts, na.rm = TRUE), digits = 3L), collapse = " to "), "; steps: ", paste(unique(range(x$thresholds$mstop)), collapse = " to "), "\n", sep = "")
  print_notes(c(
    "Intervals take the scores as given and leave out the variance of refitting: they cover less than they say.",
    if (spec$protocol == "published") "Screening, knots and the cut have seen the caller that is scored: not to be believed, but to be compared."
  ))
  invisible(x)
}

#' @rdname vr_cv-methods
#' @export
summary.vr_cv <- function(object, ...) object$metrics

#' @rdname vr_cv-methods
#' @export
nobs.vr_cv <- function(object, ...) object$metrics$n[1L]

#' @rdname vr_cv-methods
#' @export
as.data.frame.vr_cv <- function(x, row.names = NULL, optional = FALSE, what = c("predictions", "thresholds", "metrics"), ...) {
  x[[match.arg(what)]]
}

#' @rdname vr_cv-methods
#' @exportS3Method generics::tidy
tidy.vr_cv <- function(x, ...) {
  data.frame(term = x$metrics$metric, estimate = x$metrics$estimate, conf.low = x$metrics$lower, conf.high = x$metrics$upper)
}

#' @rdname vr_cv-methods
#' @exportS3Method generics::glance
glance.vr_cv <- function(x, ...) {
  of <- stats::setNames(x$metrics$estimate, x$metrics$metric)
  data.frame(
    calls = x$metrics$n[1L], events = x$metrics$n_events[1L], callers = x$metrics$n_callers[1L], protocol = x$spec$protocol,
    design = x$spec$design, auroc = of[["auroc"]], average_precision = of[["average_precision"]], brier = of[["brier"]]
  )
}
