# What R's own verbs say of a GAMM: print, summary, coef, vcov, confint, predict and the verbs of broom.

#' Methods for a fitted GAMM
#'
#' A `vr_gamm` answers R's usual verbs. All of them use the covariance of the fit, so that `vcov`, `confint`, `predict`
#' and `summary` agree with [vr_tables()]: with `covariance = "caller_jackknife"` the caller is the unit of all of them.
#'
#' @param x,object,formula A `vr_gamm`.
#' @param ... Not used.
#' @param level,conf.level Confidence level.
#' @param parm Names of parametric terms; all of them by default. A coefficient of a smooth means nothing by itself, so
#'   it has no interval here; see [vr_curves()].
#' @param newdata,data Data frame of rows to predict; by default the rows of the fit.
#' @param type For `predict`, "link" (log-odds) or "response" (probability). For `residuals`, as in mgcv.
#' @param se.fit Whether standard errors are returned as well (of log-odds, or by the delta method of probabilities).
#' @param caller "fixed" sets the random intercepts to zero; "marginal" averages the probability over them.
#' @param what Which table: "smooths", "terms", "variance", "fit", "counts", "missing", "curves", "differences" or
#'   "derivatives".
#' @param row.names,optional As in [as.data.frame()].
#' @param parametric Whether `tidy` gives the parametric terms in place of the smooths.
#' @param conf.int Whether `tidy` adds the interval of the parametric terms.
#' @return `print` shows one screen and returns the fit; `summary` returns the tables of [vr_tables()] with formula and
#'   notes; `coef`, `vcov`, `confint`, `formula`, `nobs`, `fitted`, `residuals`, `model.frame` and `predict` return what
#'   R users know from them; `tidy`, `glance` and `augment` return data frames with broom's column names. They are
#'   found once the package generics (or broom) is loaded.
#' @name vr_gamm-methods
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' fit
#' confint(fit)
#' head(predict(fit, type = "response"))
#' as.data.frame(fit, what = "terms")
NULL

#' @rdname vr_gamm-methods
#' @export
print.vr_gamm <- function(x, ...) {
  counts <- x$counts
  cat(
    "GAMM by mgcv's ", x$spec$engine, " (", x$spec$method, "): ", counts$rows_used, " rows",
    if (!is.na(counts$callers)) paste0(" of ", counts$callers, " callers"), ", ", counts$events, " with outcome 1\n",
    sep = ""
  )
  cat(strwrap(x$spec$formula, exdent = 2L), sep = "\n")
  cat("Uncertainty: ", covariance_words(x), "\n", sep = "")
  tables <- vr_tables(x)
  if (nrow(tables$smooths)) {
    cat("\nSmooths: EDF and P", if (is.null(reason <- not_believable(x))) "" else " (P is left out, see below)", "\n", sep = "")
    print_few(wide_smooths(tables$smooths, is.null(not_believable(x))), 12L, "vr_tables(fit)$smooths")
  }
  if (nrow(tables$terms)) {
    cat("\nParametric terms, log-odds\n")
    shown <- tables$terms[c("term", "estimate", "lower", "upper")]
    print_few(rounded(shown), 6L, "vr_tables(fit)$terms")
  }
  if (nrow(tables$variance)) {
    cat("\nRandom intercepts, SD in logits: ", paste0(tables$variance$group, " ", format(tables$variance$sd, digits = 3L),
      collapse = ", "), "\n", sep = "")
  }
  cat(sprintf(
    "\nDeviance explained by the fixed part %.3f, adjusted R-squared %.3f\n", tables$fit$deviance_explained_fixed,
    tables$fit$r2_adjusted_fixed
  ))
  print_notes(c(x$notes, not_believable(x)))
  invisible(x)
}

# One line on the covariance that every number of the fit uses.
covariance_words <- function(fit) {
  if (fit$spec$covariance == "model") return("mgcv's covariance of rows (rows of a caller count as independent)")
  sprintf("caller jackknife, %d callers", as.integer(fit$df) + 1L)
}

# Why P values of this fit say nothing, or NULL.
not_believable <- function(fit) {
  if (!isTRUE(fit$converged)) return("The fit did not converge: its numbers are not to be believed.")
  if (any(grepl("not to be believed", fit$notes, fixed = TRUE))) return("Curves, tests and intervals are not to be believed.")
  if (!"caller" %in% fit$spec$random || is.null(fit$caller)) return(NULL)
  constant <- tapply(gam_of(fit)$y, as.character(fit$caller), function(y) min(y) == max(y))
  if (!all(constant)) return(NULL)
  paste(
    "No caller has both outcomes, so the caller intercept explains the outcome by itself and P values say nothing;",
    "fit with random = character() and covariance = \"caller_jackknife\"."
  )
}

# One row a marker, EDF and P of each sex side by side.
wide_smooths <- function(smooths, with_p) {
  markers <- unique(smooths$marker)
  out <- data.frame(marker = markers)
  for (sex in unique(smooths$sex)) {
    mine <- smooths[smooths$sex == sex, ]
    row <- match(markers, mine$marker)
    out[[paste(sex, "EDF")]] <- ifelse(is.na(row), "", format(round(mine$edf[row], 1L), nsmall = 1L))
    if (with_p) out[[paste(sex, "P")]] <- ifelse(is.na(row), "", p_text(mine$p_value[row]))
  }
  out
}

p_text <- function(p) ifelse(is.na(p), "", ifelse(p < 0.001, "<0.001", sprintf("%.3f", p)))

# Numbers of a table in three digits, for the eye only.
rounded <- function(table) {
  numeric <- vapply(table, is.numeric, TRUE)
  table[numeric] <- lapply(table[numeric], function(column) format(signif(column, 3L)))
  table
}

# The first rows of a table, and where the rest is.
print_few <- function(table, most, rest) {
  print(utils::head(table, most), row.names = FALSE, right = TRUE)
  if (nrow(table) > most) cat("... and ", nrow(table) - most, " more: ", rest, "\n", sep = "")
}

print_notes <- function(notes, most = 5L) {
  notes <- unique(notes)
  if (!length(notes)) return(invisible())
  cat("\n")
  shown <- utils::head(notes, most)
  for (note in shown) cat(strwrap(note, initial = "Note: ", exdent = 2L), sep = "\n")
  if (length(notes) > most) cat("... and ", length(notes) - most, " more notes: x$notes\n", sep = "")
}

#' @rdname vr_gamm-methods
#' @export
summary.vr_gamm <- function(object, level = 0.95, ...) {
  out <- vr_tables(object, level)
  out$formula <- object$spec$formula
  out$covariance <- covariance_words(object)
  out$notes <- c(object$notes, not_believable(object))
  class(out) <- "summary.vr_gamm"
  out
}

#' @rdname vr_gamm-methods
#' @export
print.summary.vr_gamm <- function(x, ...) {
  cat(strwrap(x$formula, exdent = 2L), sep = "\n")
  cat("Uncertainty: ", x$covariance, "\n", sep = "")
  heads <- c(terms = "Parametric terms (log-odds)", smooths = "Smooths", variance = "Random intercepts (SD in logits)")
  for (name in names(heads)) {
    if (!nrow(x[[name]])) next
    cat("\n", heads[[name]], "\n", sep = "")
    print(rounded(x[[name]]), row.names = FALSE)
  }
  fit <- x$fit
  cat(sprintf(
    "\n%d rows (%d left out), EDF %.1f; fixed part: deviance explained %.3f, adjusted R-squared %.3f\n", fit$rows,
    fit$rows_missing, fit$edf, fit$deviance_explained_fixed, fit$r2_adjusted_fixed
  ))
  print_notes(x$notes, 20L)
  invisible(x)
}

#' @rdname vr_gamm-methods
#' @export
coef.vr_gamm <- function(object, ...) stats::coef(gam_of(object))

#' @rdname vr_gamm-methods
#' @export
vcov.vr_gamm <- function(object, ...) {
  names <- names(stats::coef(gam_of(object)))
  structure(object$V, dimnames = list(names, names))
}

#' @rdname vr_gamm-methods
#' @export
confint.vr_gamm <- function(object, parm, level = 0.95, ...) {
  terms <- vr_tables(object, level)$terms
  if (missing(parm)) parm <- terms$term
  if (is.numeric(parm)) parm <- terms$term[parm]
  absent <- setdiff(parm, terms$term)
  if (length(absent)) {
    refuse(
      "\"", absent[1L], "\" is no parametric term of the fit (", paste(terms$term, collapse = ", "),
      "); intervals of smooths come from vr_curves."
    )
  }
  limits <- as.matrix(terms[match(parm, terms$term), c("lower", "upper")])
  dimnames(limits) <- list(parm, limit_names(level))
  limits
}

limit_names <- function(level) {
  paste(format(100 * c((1 - level) / 2, (1 + level) / 2), trim = TRUE, digits = 3L), "%")
}

#' @rdname vr_gamm-methods
#' @export
formula.vr_gamm <- function(x, ...) stats::formula(gam_of(x))

#' @rdname vr_gamm-methods
#' @export
nobs.vr_gamm <- function(object, ...) object$counts$rows_used

#' @rdname vr_gamm-methods
#' @export
fitted.vr_gamm <- function(object, ...) stats::fitted(gam_of(object))

#' @rdname vr_gamm-methods
#' @export
residuals.vr_gamm <- function(object, type = "deviance", ...) stats::residuals(gam_of(object), type = type)

#' @rdname vr_gamm-methods
#' @export
model.frame.vr_gamm <- function(formula, ...) gam_of(formula)$model

#' @rdname vr_gamm-methods
#' @export
predict.vr_gamm <- function(object, newdata, type = c("link", "response"), se.fit = FALSE,
                            caller = c("fixed", "marginal"), ...) {
  type <- match.arg(type)
  caller <- match.arg(caller)
  if (caller == "marginal" && (type == "link" || se.fit)) {
    refuse("caller = \"marginal\" averages probabilities: ask for type = \"response\" without se.fit.")
  }
  if (missing(newdata)) newdata <- gam_of(object)$model
  out <- vr_predict(object, newdata, caller)
  fit <- if (type == "link") out$link else out$probability
  if (!se.fit) return(fit)
  list(fit = fit, se.fit = if (type == "link") out$se else out$se * out$probability * (1 - out$probability))
}

#' @rdname vr_gamm-methods
#' @export
as.data.frame.vr_gamm <- function(x, row.names = NULL, optional = FALSE, what = "smooths", ...) {
  curves <- list(curves = vr_curves, differences = vr_differences, derivatives = vr_derivatives)
  what <- match.arg(what, c("smooths", "terms", "variance", "fit", "counts", "missing", names(curves)))
  if (what %in% names(curves)) curves[[what]](x, ...) else vr_tables(x)[[what]]
}

#' @rdname vr_gamm-methods
#' @exportS3Method generics::tidy
tidy.vr_gamm <- function(x, parametric = FALSE, conf.int = FALSE, conf.level = 0.95, ...) {
  tables <- vr_tables(x, conf.level)
  if (parametric) {
    terms <- tables$terms
    out <- data.frame(
      term = terms$term, estimate = terms$estimate, std.error = terms$se, statistic = terms$statistic,
      p.value = terms$p_value
    )
    if (conf.int) out <- cbind(out, conf.low = terms$lower, conf.high = terms$upper)
    return(out)
  }
  smooths <- tables$smooths
  index <- smooth_index(x)
  data.frame(
    term = index$label[!index$random], marker = smooths$marker, sex = smooths$sex, edf = smooths$edf,
    ref.df = smooths$ref_df, statistic = smooths$statistic, p.value = smooths$p_value
  )
}

#' @rdname vr_gamm-methods
#' @exportS3Method generics::glance
glance.vr_gamm <- function(x, ...) {
  fit <- vr_tables(x)$fit
  gam <- gam_of(x)
  data.frame(
    nobs = fit$rows, callers = fit$callers, events = fit$events, df = fit$edf, df.residual = fit$rows - fit$edf,
    adj.r.squared = fit$r2_adjusted_fixed, deviance = binomial_deviance(gam$y, gam$fitted.values, gam$prior.weights),
    deviance.explained = fit$deviance_explained_fixed, covariance = fit$covariance, converged = fit$converged
  )
}

#' @rdname vr_gamm-methods
#' @exportS3Method generics::augment
augment.vr_gamm <- function(x, data = model.frame.vr_gamm(x), newdata = NULL, conf.level = 0.95, ...) {
  rows <- if (is.null(newdata)) data else newdata
  out <- vr_predict(x, rows, level = conf.level)
  added <- data.frame(
    .fitted = out$link, .se.fit = out$se, .probability = out$probability, .lower = out$lower, .upper = out$upper
  )
  # With random intercepts mgcv's residuals are not those of the fixed part that .fitted shows.
  if (is.null(newdata) && nrow(rows) == length(gam_of(x)$y) && !length(x$spec$random)) added$.resid <- residuals.vr_gamm(x)
  cbind(rows, added)
}
