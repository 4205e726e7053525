# Predictions for rows the model has not seen.

#' Predict with a GAMM
#'
#' "fixed" sets every random intercept to zero: the prediction for a caller at the middle of the callers, not an
#' average over them. "marginal" averages the probability over the normal distribution of the random intercepts.
#' Callers of the new rows need not be known. Missing values give missing predictions; a sex or a level of a covariate
#' that the fit has not seen is an error.
#'
#' @param fit A `vr_gamm`.
#' @param newdata Data frame with the moderator, the markers and the covariates.
#' @param type "fixed" or "marginal".
#' @param level Confidence level; for "marginal" the intervals are missing.
#' @return Data frame, one row a row of `newdata`: link (log-odds of the fixed part), se, probability, lower, upper
#'   (of the probability).
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' vr_predict(fit, data.frame(sex = c("female", "male"), dom = 450, loudness = c(5, 8)))
vr_predict <- function(fit, newdata, type = c("fixed", "marginal"), level = 0.95) {
  type <- match.arg(type)
  gam <- gam_of(fit)
  spec <- fit$spec
  needed <- c(if (spec$moderated) spec$sex, spec$markers, spec$covariates)
  rows <- new_columns(fit, newdata, needed)
  if (spec$moderated) {
    strange <- setdiff(unique(as.character(rows[[spec$sex]])), c(spec$sexes, NA))
    if (length(strange)) {
      refuse("the new rows have ", said(fit, spec$sex), " = \"", strange[1L], "\"; the model knows ", paste(spec$sexes, collapse = " and "), ".")
    }
    rows[[spec$sex]] <- factor(as.character(rows[[spec$sex]]), levels = spec$sexes)
  } else if (said(fit, spec$sex) %in% names(newdata)) {
    # A model of one sex says nothing about the other.
    strange <- setdiff(unique(as.character(newdata[[said(fit, spec$sex)]])), c(spec$sexes, NA))
    if (length(strange)) {
      refuse("the new rows have ", said(fit, spec$sex), " = \"", strange[1L], "\"; the model was fitted to ", spec$sexes, " rows alone.")
    }
  }
  for (name in spec$covariates) {
    if (!is.factor(gam$model[[name]])) next
    known <- levels(gam$model[[name]])
    strange <- setdiff(unique(as.character(rows[[name]])), c(known, NA))
    if (length(strange)) {
      refuse("the new rows have ", said(fit, name), " = \"", strange[1L], "\"; the model knows ", paste(known, collapse = ", "), ".")
    }
    rows[[name]] <- factor(as.character(rows[[name]]), levels = known)
  }
  complete <- stats::complete.cases(rows)
  link <- se <- rep(NA_real_, nrow(rows))
  if (any(complete)) {
    X <- fixed_design(fit, rows[complete, , drop = FALSE])
    link[complete] <- drop(X %*% stats::coef(gam))
    se[complete] <- sqrt(pmax(rowSums((X %*% fit$V) * X), 0))
  }
  df <- if (is.null(fit$df_sex)) fit$df else fit$df_sex[as.character(rows[[spec$sex]])]
  half <- unname(stats::qt(0.5 + level / 2, df)) * se
  out <- data.frame(
    link = link, se = se, probability = stats::plogis(link), lower = stats::plogis(link - half),
    upper = stats::plogis(link + half)
  )
  if (type == "marginal") {
    sd <- sqrt(sum(variance_table(fit)$sd^2))
    out$probability <- marginal_probability(link, sd)
    out$lower <- out$upper <- NA_real_
  }
  out
}

# Columns of new rows under the names of the model; they come under the user's names or under those.
new_columns <- function(fit, newdata, needed) {
  given <- said(fit, needed)
  given <- ifelse(given %in% names(newdata), given, needed)
  absent <- which(!given %in% names(newdata))
  if (length(absent)) refuse("the new rows have no column \"", said(fit, needed[absent[1L]]), "\".")
  once(newdata, given)
  rows <- stats::setNames(as.data.frame(newdata)[given], needed)
  for (name in needed) {
    if (is.numeric(gam_of(fit)$model[[name]])) finite(rows[[name]], said(fit, name))
  }
  rows
}

# Refuse a name that is absent or stands over two columns, of which R would take the first.
once <- function(newdata, names) {
  absent <- setdiff(names, names(newdata))
  if (length(absent)) refuse("the new rows have no column \"", absent[1L], "\".")
  twice <- intersect(names, names(newdata)[duplicated(names(newdata))])
  if (length(twice)) refuse("the new rows have two columns \"", twice[1L], "\"; rename or drop one.")
}

# Refuse what would be read as other numbers (text, the number of a factor's level) or as none.
finite <- function(x, name) {
  if (!is.numeric(x) && !all(is.na(x))) refuse("\"", name, "\" of the new rows is of class ", class(x)[1L], "; give numbers.")
  wrong <- which(is.infinite(x))
  if (length(wrong)) refuse("\"", name, "\" is infinite in row ", wrong[1L], "; use NA for a missing value.")
}

# The model matrix of new rows with the columns of the random intercepts at zero.
fixed_design <- function(fit, rows) {
  gam <- gam_of(fit)
  terms <- stats::delete.response(gam$pterms)
  X <- matrix(0, nrow(rows), length(stats::coef(gam)))
  frame <- stats::model.frame(terms, rows, xlev = gam$xlevels)
  parametric <- stats::model.matrix(terms, frame, contrasts.arg = gam$contrasts)
  X[, seq_len(ncol(parametric))] <- parametric
  for (smooth in gam$smooth) {
    if (inherits(smooth, "random.effect")) next
    X[, smooth$first.para:smooth$last.para] <- mgcv::PredictMat(smooth, rows)
  }
  X
}

# Mean of plogis(link + b), b ~ N(0, sd^2), by the trapezoid rule, which converges geometrically here.
marginal_probability <- function(link, sd) {
  if (sd == 0) return(stats::plogis(link))
  z <- seq(-8.5, 8.5, length.out = 401L)
  w <- stats::dnorm(z) / sum(stats::dnorm(z))
  drop(stats::plogis(outer(link, sd * z, "+")) %*% w)
}
