# What R's own verbs say of a study's results.

#' Methods for the results of a study
#'
#' @param x,object A `vr_study`.
#' @param ... Not used.
#' @param what Name of a table, for example "metrics" or "gamm/smooths".
#' @param row.names,optional As in [as.data.frame()].
#' @return `print` shows one screen; `summary` a data frame: how well calls were told apart, one row a protocol, design
#'   and metric (AUROC, average precision, sensitivity, specificity, calibration slope, Brier score) with the interval of
#'   the caller bootstrap (of a study of grades or of a number the metrics of `scale/metrics`); `as.data.frame` one table; `tidy` all metrics with broom's column names; `glance` one row.
#' @name vr_study-methods
#' @examples
#' study <- vr_read_study(system.file("extdata", "study", package = "voicerisk"))
#' summary(study)
NULL

#' @rdname vr_study-methods
#' @export
print.vr_study <- function(x, ...) {
  cat("Results of a study in ", attr(x, "path"), "\n", sep = "")
  headline <- if (!is_graded(x) && is.data.frame(unclass(x)[[metrics_of(x)]])) summary.vr_study(x)
  headline <- headline[headline$metric == "auroc", ]
  if (!is.null(headline) && nrow(headline)) {
    cat("\nAUROC of calls (", headline$n[1L], " calls, ", headline$n_events[1L], " with outcome 1, ", headline$n_callers[1L], " callers)\n", sep = "")
    print_few(rounded(headline[c("protocol", "design", "estimate", "lower", "upper")]), 6L, "summary(study)")
  }
  if (is_graded(x)) {
    metrics <- summary.vr_study(x)
    cat("\nPredictions of grades or of a number (", metrics$n[1L], " calls, ", metrics$n_callers[1L], " callers held out in turn)\n", sep = "")
    print_few(rounded(metrics[c("design", "metric", "estimate", "lower", "upper")]), 12L, "summary(study)")
  }
  is_table <- vapply(unclass(x), is.data.frame, TRUE)
  at_top <- is_table & !grepl("/", names(x))
  cat("\nTables: ", sep = "")
  sizes <- sprintf("%s (%d x %d)", names(x)[at_top], vapply(x[at_top], nrow, 0L), vapply(x[at_top], ncol, 0L))
  cat(strwrap(paste(sizes, collapse = ", "), exdent = 2L), sep = "\n")
  folders <- table(dirname(names(x)[is_table & !at_top]))
  if (length(folders)) cat("In folders: ", paste0(names(folders), " (", folders, ")", collapse = ", "), "; names(study) lists them\n", sep = "")
  models <- names(x)[!is_table]
  if (length(models)) cat("Models: ", paste0(models, " <", vapply(unclass(x)[models], function(m) class(m)[1L], ""), ">", collapse = ", "), "\n", sep = "")
  skipped <- attr(x, "skipped")
  if (length(skipped)) {
    text <- paste0(
      "Not read: ", paste(skipped, collapse = ", "), ". Install the package nanoparquet or arrow, or let ",
      "`voicerisk export-r` write them as RDS."
    )
    cat(strwrap(text, exdent = 2L), sep = "\n")
  }
  invisible(x)
}

# A part of a study keeps its class, or it is a single table.
#' @export
`[.vr_study` <- function(x, i) {
  structure(unclass(x)[i], class = "vr_study", path = attr(x, "path"), skipped = attr(x, "skipped"))
}

#' @rdname vr_study-methods
#' @export
summary.vr_study <- function(object, ...) {
  metrics <- study_table(object, metrics_of(object))
  if (is_graded(object)) return(metrics)
  wanted <- c("auroc", "average_precision", "sensitivity", "specificity", "calibration_slope", "brier")
  rows <- metrics$unit == "call" & metrics$metric %in% wanted
  if ("subgroup" %in% names(metrics)) rows <- rows & metrics$subgroup %in% c("all", "", NA)
  metrics <- metrics[rows, ]
  # Simple models on the nested protocol's folds go by their own names.
  rival <- metrics$protocol == "rival"
  if (any(rival)) metrics$protocol[rival] <- metrics$model[rival]
  # One interval a metric: that of the caller bootstrap, widened for what learning adds where the study has it.
  key <- do.call(paste, metrics[intersect(c("protocol", "model", "target", "design", "class", "metric"), names(metrics))])
  preferred <- paste0("caller_bootstrap_", c("widened", "percentile"), "_given_scores")
  first <- order(key, match(metrics$method, preferred, nomatch = 3L), method = "radix")
  metrics <- metrics[sort(first[!duplicated(key[first])]), ]
  columns <- c("protocol", "design", "metric", "estimate", "lower", "upper", "method", "n", "n_events", "n_callers")
  # The study's own protocols first, and of designs grouped k-fold, as in every table.
  own <- match(metrics$protocol, c("nested", "published", "saved"), nomatch = 4L)
  first <- metrics$design != "grouped_kfold"
  out <- metrics[order(match(metrics$metric, wanted), own, metrics$protocol, first, metrics$design), columns]
  rownames(out) <- NULL
  out
}

# Which table says what the scores are worth: also of grades, or of a model judged on another study.
metrics_of <- function(study) {
  names <- c("scale/metrics", "metrics", "external/metrics")
  found <- names[vapply(names, function(name) is.data.frame(unclass(study)[[name]]), TRUE)]
  if (length(found)) found[1L] else "metrics"
}

# Whether a study is of grades or of a number, which has metrics of its own.
is_graded <- function(study) metrics_of(study) == "scale/metrics"

study_table <- function(study, name) {
  table <- unclass(study)[[name]]
  if (is.data.frame(table)) return(table)
  tables <- names(study)[vapply(unclass(study), is.data.frame, TRUE)]
  refuse("the study in ", attr(study, "path"), " has no table \"", name, "\"; it has ", paste(tables, collapse = ", "), ".")
}

#' @rdname vr_study-methods
#' @export
as.data.frame.vr_study <- function(x, row.names = NULL, optional = FALSE, what = "metrics", ...) study_table(x, what)

#' @rdname vr_study-methods
#' @exportS3Method generics::tidy
tidy.vr_study <- function(x, ...) {
  metrics <- study_table(x, metrics_of(x))
  names <- c(metric = "term", lower = "conf.low", upper = "conf.high")
  found <- names(metrics) %in% names(names)
  names(metrics)[found] <- names[names(metrics)[found]]
  metrics
}

#' @rdname vr_study-methods
#' @exportS3Method generics::glance
glance.vr_study <- function(x, ...) {
  headline <- summary.vr_study(x)
  if (!is_graded(x)) headline <- headline[headline$metric == "auroc", ]
  data.frame(
    calls = headline$n[1L], events = if (is_graded(x)) NA_integer_ else headline$n_events[1L], callers = headline$n_callers[1L],
    tables = sum(vapply(unclass(x), is.data.frame, TRUE)), skipped = length(attr(x, "skipped"))
  )
}
