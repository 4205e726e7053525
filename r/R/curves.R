# Curves of a fitted GAMM, their intervals, differences and derivatives. All in log-odds.

#' Curves by sex with pointwise and simultaneous intervals
#'
#' Each curve is the centred smooth of mgcv (its mean over the rows of the fit is zero), over the range observed
#' for that sex. Simultaneous intervals hold the whole curve with the stated probability: the critical value is the
#' quantile of the largest standardised deviation in draws from the covariance of the coefficients.
#'
#' @param fit A `vr_gamm`.
#' @param points Number of grid points a curve.
#' @param level Confidence level.
#' @param draws Number of draws for the simultaneous intervals; 0 leaves them NA.
#' @return Data frame: marker, sex, x, estimate, se, lower, upper, lower_simultaneous, upper_simultaneous, level, scale.
#' @references Ruppert, D., Wand, M. P., Carroll, R. J. (2003). Semiparametric Regression, section 6.5.
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' head(vr_curves(fit, points = 20, draws = 1000))
vr_curves <- function(fit, points = 100L, level = 0.95, draws = 10000L) {
  each_curve(fit, function(smooth, marker, sex) {
    x <- curve_grid(fit, marker, sex, points)
    X <- mgcv::PredictMat(smooth, curve_rows(fit, marker, sex, x))
    columns <- smooth$first.para:smooth$last.para
    band <- band_of(X, stats::coef(gam_of(fit))[columns], fit$V[columns, columns, drop = FALSE], level, draws,
      df_of(fit, sex))
    curve_frame(fit, marker, sex, x, band, level)
  })
}

# Apply `make` to every smooth of a marker and bind the rows.
each_curve <- function(fit, make) {
  gam <- gam_of(fit)
  parts <- lapply(gam$smooth, function(smooth) {
    if (inherits(smooth, "random.effect") || !smooth$term[1L] %in% c(fit$spec$markers, fit$spec$covariates)) return(NULL)
    make(smooth, smooth$term[1L], if (is.null(smooth$by.level)) "all" else smooth$by.level)
  })
  out <- do.call(rbind, parts)
  if (is.null(out)) refuse("the model has no smooth of a marker or covariate to draw.")
  rownames(out) <- NULL
  out
}

has_curves <- function(fit) any(!smooth_index(fit)$random)

curve_grid <- function(fit, marker, sex, points) {
  data <- gam_of(fit)$model
  rows <- if (sex == "all") rep(TRUE, nrow(data)) else data[[fit$spec$sex]] == sex
  range <- range(data[[marker]][rows])
  seq(range[1L], range[2L], length.out = points)
}

curve_rows <- function(fit, marker, sex, x) {
  rows <- stats::setNames(data.frame(x), marker)
  if (sex != "all") rows[[fit$spec$sex]] <- factor(rep(sex, length(x)), levels = fit$spec$sexes)
  rows
}

curve_sex <- function(fit, marker, sex) {
  if (sex == "all" && marker %in% fit$spec$markers && !fit$spec$moderated) fit$spec$sexes else sex
}

curve_frame <- function(fit, marker, sex, x, band, level) {
  data.frame(
    marker = said(fit, marker), sex = curve_sex(fit, marker, sex), x = x, estimate = band$estimate, se = band$se,
    lower = band$estimate - band$pointwise * band$se, upper = band$estimate + band$pointwise * band$se,
    lower_simultaneous = band$estimate - band$simultaneous * band$se,
    upper_simultaneous = band$estimate + band$simultaneous * band$se, level = level, scale = "log-odds"
  )
}

# Estimate, standard error and critical values of the linear combinations X b, b ~ (beta, V), t with df.
band_of <- function(X, beta, V, level, draws, df) {
  se <- sqrt(pmax(rowSums((X %*% V) * X), 0))
  simultaneous <- NA_real_
  if (draws > 0L && any(se > 0)) {
    roots <- eigen(V, symmetric = TRUE)
    keep <- roots$values > max(roots$values) * 1e-12
    half <- t(roots$vectors[, keep, drop = FALSE]) * sqrt(roots$values[keep])
    noise <- matrix(stats::rnorm(sum(keep) * draws), draws)
    deviation <- abs(noise %*% (half %*% t(X[se > 0, , drop = FALSE] / se[se > 0])))
    largest <- deviation[cbind(seq_len(draws), max.col(deviation, "first"))]
    if (is.finite(df)) largest <- largest / sqrt(stats::rchisq(draws, df) / df)
    # Never narrower than the pointwise interval, which a finite number of draws could give.
    simultaneous <- max(stats::quantile(largest, level, names = FALSE, type = 8L), stats::qt(0.5 + level / 2, df))
  }
  list(estimate = drop(X %*% beta), se = se, pointwise = stats::qt(0.5 + level / 2, df), simultaneous = simultaneous)
}
