# The mgcv object that leaves this package carries the covariance that the tables use, so that summary(), predict(),
# vcov() and every package that asks an mgcv model for its covariance say what vr_tables() says.

# The model of a fit under the covariance V of its callers. `gam` is the model as mgcv fitted it.
clustered_model <- function(fit, gam) {
  gam$Vp <- gam$Ve <- gam$Vc <- structure(fit$V, dimnames = dimnames(gam$Vp))
  index <- smooth_index(fit)
  gam$callers <- list(
    number = fit$df + 1, separated = isTRUE(fit$separated), smooths = stats::setNames(vapply(index$sex, df_of, 0, fit = fit), index$label),
    terms = df_of_terms(fit, names(stats::coef(gam))[seq_len(sum(gam$nsdf))])
  )
  # For packages that ask for one number: that of the level with fewest callers.
  gam$df.residual <- df_between(fit)
  class(gam) <- c("vr_clustered_gam", class(gam))
  gam
}

#' @export
#' @noRd
summary.vr_clustered_gam <- function(object, dispersion = NULL, freq = FALSE, re.test = TRUE, ...) {
  out <- mgcv::summary.gam(object, dispersion = dispersion, freq = freq, re.test = re.test, ...)
  callers <- object$callers
  if (length(out$p.coeff)) {
    out$p.pv[] <- out$p.table[, 4L] <- 2 * stats::pt(-abs(out$p.t), callers$terms)
    colnames(out$p.table)[3:4] <- c("t value", "Pr(>|t|)")
  }
  if (length(out$pTerms.df) && !is.null(out$pTerms.table)) {
    of_term <- object$assign[object$assign > 0L]
    df <- vapply(seq_along(out$pTerms.df), function(i) min(callers$terms[object$assign == i]), 0)
    stopifnot(length(unique(of_term)) == length(df))
    statistic <- out$pTerms.chi.sq / out$pTerms.df
    out$pTerms.pv[] <- stats::pf(statistic, out$pTerms.df, df, lower.tail = FALSE)
    out$pTerms.table[, 2:3] <- cbind(statistic, out$pTerms.pv)
    colnames(out$pTerms.table)[2L] <- "F"
  }
  if (!is.null(out$s.table)) {
    df <- callers$smooths[rownames(out$s.table)]
    if (colnames(out$s.table)[3L] == "Chi.sq") out$s.table[, 3L] <- out$s.table[, 3L] / out$s.table[, 2L]
    # With few callers the chi-square of a clustered Wald test rejects too often.
    out$s.pv[] <- out$s.table[, 4L] <- stats::pf(out$s.table[, 3L], out$s.table[, 2L], df, lower.tail = FALSE)
    colnames(out$s.table)[3L] <- "F"
  }
  # Where the markers separate the outcomes no test says anything.
  if (callers$separated) out <- without_p(out)
  out$residual.df <- object$df.residual
  out$callers <- callers
  class(out) <- c("summary.vr_clustered_gam", class(out))
  out
}

without_p <- function(summary) {
  for (name in c("p.table", "pTerms.table", "s.table")) {
    table <- summary[[name]]
    if (length(table)) summary[[name]][, ncol(table)] <- NA_real_
  }
  for (name in c("p.pv", "pTerms.pv", "s.pv")) summary[[name]][] <- NA_real_
  summary
}

#' @export
#' @noRd
print.summary.vr_clustered_gam <- function(x, ...) {
  NextMethod()
  cat(
    "\nStandard errors and tests take the caller as the unit (leave-one-caller-out jackknife over ", x$callers$number,
    " callers);\nF and t have as many residual degrees of freedom as callers that inform the term, less one.\n", sep = ""
  )
  if (x$callers$separated) cat("The markers separate the outcomes, so there are no P values.\n")
  invisible(x)
}

#' @export
#' @noRd
vcov.vr_clustered_gam <- function(object, sandwich = FALSE, ...) {
  if (sandwich) refuse("this model has a caller-clustered covariance already; sandwich = TRUE takes rows as the unit.")
  mgcv::vcov.gam(object, ...)
}

#' @export
#' @noRd
confint.vr_clustered_gam <- function(object, parm, level = 0.95, ...) {
  terms <- seq_along(object$callers$terms)
  estimate <- stats::coef(object)[terms]
  half <- stats::qt(0.5 + level / 2, object$callers$terms) * sqrt(diag(object$Vp)[terms])
  out <- cbind(estimate - half, estimate + half)
  dimnames(out) <- list(names(estimate), paste(format(100 * c(0.5 - level / 2, 0.5 + level / 2), trim = TRUE), "%"))
  if (missing(parm)) out else out[parm, , drop = FALSE]
}

#' @export
#' @noRd
anova.vr_clustered_gam <- function(object, ...) {
  others <- vapply(list(...), inherits, TRUE, what = "glm")
  if (any(others)) {
    refuse("deviances of two models take rows as the unit; compare caller-clustered models by their tests and curves.")
  }
  NextMethod()
}

#' @export
#' @noRd
update.vr_clustered_gam <- function(object, ...) {
  refuse(
    "an update would lose the caller-clustered covariance; call vr_gamm() again with what shall change, ",
    "or update the model that takes rows as the unit (model_row_level of the fit)."
  )
}

#' @export
#' @noRd
update.vr_gam <- function(object, formula., ..., evaluate = TRUE) {
  changes <- match.call(expand.dots = FALSE)$...
  call <- object$call
  if (!missing(formula.)) {
    call$formula <- stats::update.formula(object$formula, formula.)
    absent <- setdiff(all.vars(call$formula), names(object$model))
    if (length(absent) && !"data" %in% names(changes)) {
      refuse("the model keeps its own columns alone; update it with data = your table, which holds \"", absent[1L], "\".")
    }
  }
  for (name in names(changes)) call[[name]] <- changes[[name]]
  # The call was made inside vr_gamm(); the rows that it used are kept in the model.
  if (!"data" %in% names(changes)) {
    call$data <- object$model
    if (!is.null(call$weights) && !"weights" %in% names(changes)) call$data[[as.character(call$weights)]] <- object$model[["(weights)"]]
  }
  if (evaluate) eval(call, parent.frame()) else call
}
