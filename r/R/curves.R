# Curves of a fitted GAMM, their intervals, differences and derivatives. All in log-odds.

#' Curves by sex with pointwise and simultaneous intervals
#'
#' Each curve has mean zero over the rows of its level (of all rows where the model has no moderator), whatever the
#' engine: mgcv centres over all rows with `gam` and over distinct values with `discrete = TRUE`. It spans the range
#' observed for that level. Simultaneous intervals hold the whole curve with the stated probability: the critical value
#' is the quantile of the largest standardised deviation in draws from the covariance of the coefficients.
#'
#' @param fit A `vr_gamm`.
#' @param points Number of grid points a curve.
#' @param level Confidence level.
#' @param draws Number of draws for the simultaneous intervals; 0 leaves them NA.
#' @param intercept Whether the intervals include the uncertainty of the level around which the curve runs (the mean
#'   log-odds of its rows), as `overall_uncertainty` of gratia and `seWithMean` of mgcv do. By default they are of the
#'   shape alone.
#' @param seed Seed of the draws, so that bands can be made again; the session's generator stays as it was. NULL draws
#'   from the session's generator.
#' @return Data frame: marker, sex, x, estimate, se, lower, upper, lower_simultaneous, upper_simultaneous, level, scale.
#' @references Ruppert, D., Wand, M. P., Carroll, R. J. (2003). Semiparametric Regression, section 6.5.
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' head(vr_curves(fit, points = 20, draws = 1000))
vr_curves <- function(fit, points = 100L, level = 0.95, draws = 10000L, intercept = FALSE, seed = 1L) {
  design <- design_parts(fit)
  with_seed(seed, each_curve(fit, function(i, smooth, marker, sex) {
    x <- curve_grid(fit, marker, sex, points)
    columns <- smooth$first.para:smooth$last.para
    X <- sweep(mgcv::PredictMat(smooth, curve_rows(fit, marker, sex, x)), 2L, mean_columns(design$smooths[[i]]))
    estimate <- drop(X %*% stats::coef(gam_of(fit))[columns])
    if (intercept) {
      around <- mean_row(design, design$smooths[[i]]$rows)
      whole <- matrix(around, length(x), design$p, byrow = TRUE)
      whole[, columns] <- whole[, columns] + X
      band <- band_of(whole, numeric(design$p), fit$V, level, draws, df_of(fit, sex))
      band$estimate <- estimate
    } else {
      band <- band_of(X, stats::coef(gam_of(fit))[columns], fit$V[columns, columns, drop = FALSE], level, draws,
        df_of(fit, sex))
    }
    curve_frame(fit, marker, sex, x, band, level)
  }))
}

# Column means of one smooth over the rows where it acts, or over `rows`.
mean_columns <- function(part, rows = part$rows) {
  drop(tabulate(part$index[rows], nrow(part$X)) %*% part$X) / sum(rows)
}

# Mean row of the whole design over `rows`, each smooth where it acts.
mean_row <- function(design, rows) {
  out <- numeric(design$p)
  out[seq_len(ncol(design$parametric))] <- colMeans(design$parametric[rows, , drop = FALSE])
  for (part in design$smooths) {
    both <- rows & part$rows
    out[part$columns] <- drop(tabulate(part$index[both], nrow(part$X)) %*% part$X) / sum(rows)
  }
  out
}

# Evaluate with a seed of its own and leave the session's generator as it was.
with_seed <- function(seed, value) {
  if (is.null(seed)) return(value)
  kind <- RNGkind()
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  on.exit({
    do.call(RNGkind, as.list(kind))
    if (!is.null(old)) assign(".Random.seed", old, envir = globalenv())
    else suppressWarnings(rm(".Random.seed", envir = globalenv()))
  })
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  value
}

# Apply `make` to every smooth of a marker and bind the rows.
each_curve <- function(fit, make) {
  gam <- gam_of(fit)
  parts <- lapply(seq_along(gam$smooth), function(i) {
    smooth <- gam$smooth[[i]]
    if (inherits(smooth, "random.effect") || !smooth$term[1L] %in% c(fit$spec$markers, fit$spec$covariates)) return(NULL)
    make(i, smooth, smooth$term[1L], if (is.null(smooth$by.level)) "all" else smooth$by.level)
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
