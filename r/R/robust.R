# Uncertainty when rows of one caller belong together and the model has no intercept per caller.

#' Caller-clustered covariance of a GAMM
#'
#' Replaces the model's covariance by the one-step leave-one-caller-out jackknife at fixed smoothing parameters:
#' with B the inverse penalised information, s_g the score of caller g and A_g its information, leaving g out moves
#' the coefficients by d_g = B (I - A_g B)^-1 s_g, and the covariance is (G-1)/G sum d_g d_g'. To it comes mgcv's own
#' allowance for smoothing bias, Vp - Ve, without which the intervals of a penalised curve are too short. Tests and
#' intervals then refer to the number of callers less one; where only the callers of one sex inform a coefficient (a
#' smooth by sex, a slope of one sex), to the number of that sex's callers less one; for what compares the sexes, to
#' the smaller of the two.
#'
#' @param fit A `vr_gamm` without random intercepts.
#' @return The same fit with `V` (covariance), `df` (callers - 1) and `df_sex` (the same for each sex) replaced and
#'   `spec$covariance` set to "caller_jackknife". `model` carries that covariance and those degrees of freedom, so that
#'   `summary()`, `predict()`, `vcov()` and packages that read mgcv models agree with [vr_tables()]; the model as mgcv
#'   fitted it, with rows as the unit, is `model_row_level`. Where this package is not loaded, `summary()` of a saved
#'   model has the same standard errors and chi-square tests of the same statistics, without the degrees of freedom.
#' @references Bell, R. M., McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with
#'   multi-stage samples. Survey Methodology, 28. Wood, S. N. (2017). Generalized Additive Models, section 6.10.
#' @export
#' @examples
#' fit <- vr_gamm(calls_example, "dom", random = character(), engine = "gam", k = 5)
#' vr_tables(fit)$terms          # rows as the unit
#' vr_tables(vr_robust(fit))$terms # callers as the unit
vr_robust <- function(fit) {
  if (length(fit$spec$random)) {
    refuse("the caller jackknife is for models without random intercepts; fit with random = character().")
  }
  if (is.null(fit$caller)) {
    refuse("the fit does not say which rows belong to which caller; give vr_adopt(model, caller = ...).")
  }
  # Again on a clustered fit: from the model that takes rows as the unit.
  if (!is.null(fit$model_row_level)) fit$model <- fit$model_row_level
  gam <- gam_of(fit)
  B <- gam$Vp / gam$sig2
  shifts <- caller_shifts(fit, B)
  G <- ncol(shifts)
  V <- (G - 1) / G * tcrossprod(shifts) + (gam$Vp - gam$Ve)
  fit$V <- (V + t(V)) / 2
  fit$df <- G - 1
  fit$df_sex <- if (fit$spec$moderated) {
    tapply(fit$caller, gam$model[[fit$spec$sex]], function(caller) length(unique(caller))) - 1
  }
  fit$spec$covariance <- "caller_jackknife"
  fit$model_row_level <- fit$model
  clustered <- clustered_model(fit, gam)
  if (fit$spec$engine == "gamm") fit$model$gam <- clustered else fit$model <- clustered
  fit
}

# Degrees of freedom of a test or interval of one sex's curve ("all": of both sexes together).
df_of <- function(fit, sex) {
  if (sex %in% names(fit$df_sex)) fit$df_sex[[sex]] else fit$df
}

# Of what compares the sexes: those of the sex with fewer callers.
df_between <- function(fit) {
  if (is.null(fit$df_sex)) fit$df else min(fit$df_sex)
}

# Of each parametric term, by its name. Under treatment contrasts the intercept is that of the first level and
# `sexfemale:dom` beside `sexmale:dom` is one level's slope; whatever else holds the moderator compares levels.
df_of_terms <- function(fit, terms) {
  spec <- fit$spec
  df <- rep(fit$df, length(terms))
  if (is.null(fit$df_sex)) return(df)
  gam <- gam_of(fit)
  variables <- strsplit(c("(Intercept)", attr(gam$pterms, "term.labels"))[gam$assign[seq_along(terms)] + 1L], ":", fixed = TRUE)
  moderated <- vapply(variables, function(names) spec$sex %in% names, TRUE)
  if (!any(moderated)) return(df)
  treated <- identical(unname(gam$contrasts[[spec$sex]]), "contr.treatment")
  beside <- vapply(variables, function(names) {
    any(vapply(variables[moderated], function(other) setequal(names, setdiff(other, spec$sex)), TRUE))
  }, TRUE)
  df[terms == "(Intercept)" | beside] <- if (treated) df_of(fit, spec$sexes[1L]) else df_between(fit)
  df[moderated] <- df_between(fit)
  if (!treated) return(df)
  for (sex in spec$sexes) {
    mine <- which(startsWith(terms, paste0(spec$sex, sex, ":")))
    rest <- substring(terms[mine], nchar(spec$sex) + nchar(sex) + 2L)
    whole <- vapply(rest, function(one) all(paste0(spec$sex, spec$sexes, ":", one) %in% terms), TRUE)
    df[mine[whole]] <- df_of(fit, sex)
  }
  df
}

# Movement of the coefficients when each caller is left out (columns = callers).
caller_shifts <- function(fit, B) {
  gam <- gam_of(fit)
  beta <- stats::coef(gam)
  identity <- diag(length(beta))
  design <- design_parts(fit)
  offset <- if (is.numeric(gam$offset)) rep_len(gam$offset, length(gam$y)) else numeric(length(gam$y))
  blocks <- split(seq_along(gam$y), fit$caller, drop = TRUE)
  vapply(names(blocks), function(name) {
    rows <- blocks[[name]]
    X <- design_rows(design, rows)
    mu <- stats::plogis(drop(X %*% beta) + offset[rows])
    w <- gam$prior.weights[rows]
    residual <- w * (gam$y[rows] - mu)
    weight <- w * mu * (1 - mu)
    # The same by the smaller of two systems: one of the caller's rows, one of the coefficients.
    left <- tryCatch(
      if (length(rows) < length(beta)) {
        drop(crossprod(X, solve(diag(length(rows)) - weight * tcrossprod(X %*% B, X), residual)))
      } else {
        solve(identity - crossprod(X, weight * X) %*% B, crossprod(X, residual))
      },
      error = function(e) NULL
    )
    if (is.null(left)) {
      refuse("without caller ", name, " the model cannot be fitted, so there is no caller-clustered interval.")
    }
    drop(B %*% left)
  }, numeric(length(beta)))
}

# The model matrix in parts: a thin-plate basis costs 2,000 numbers a row, so each smooth is evaluated once at its
# distinct values (at bam's own 1,000 discrete values where the fit was discretised) and rows are looked up.
design_parts <- function(fit) {
  gam <- gam_of(fit)
  data <- gam$model
  smooths <- lapply(gam$smooth, function(smooth) {
    x <- data[[smooth$term[1L]]]
    if (is.null(smooth$by.level)) {
      rows <- rep(TRUE, length(x))
    } else {
      rows <- as.character(data[[smooth$by]]) == smooth$by.level
    }
    values <- unique(x)
    index <- match(x, values)
    if (fit$spec$discrete && is.numeric(x) && length(values) > 1000L) {
      values <- seq(min(x), max(x), length.out = 1000L)
      index <- as.integer(round((x - min(x)) / (max(x) - min(x)) * 999)) + 1L
    }
    at <- stats::setNames(data.frame(values), smooth$term[1L])
    if (!is.null(smooth$by.level)) {
      at[[smooth$by]] <- factor(rep(smooth$by.level, length(values)), levels = levels(data[[smooth$by]]))
    }
    list(
      X = mgcv::PredictMat(smooth, at), index = index, rows = rows, columns = smooth$first.para:smooth$last.para
    )
  })
  parametric <- stats::model.matrix(stats::delete.response(gam$pterms), data, contrasts.arg = gam$contrasts)
  list(parametric = parametric, smooths = smooths, p = length(stats::coef(gam)))
}

design_rows <- function(design, rows) {
  X <- matrix(0, length(rows), design$p)
  X[, seq_len(ncol(design$parametric))] <- design$parametric[rows, , drop = FALSE]
  for (part in design$smooths) {
    mine <- part$rows[rows]
    X[mine, part$columns] <- part$X[part$index[rows[mine]], , drop = FALSE]
  }
  X
}
