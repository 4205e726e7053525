# What differs between the sexes, where a curve rises or falls, and what the rows say around it.

#' Difference between the curves of the two sexes
#'
#' The second sex minus the first (levels in alphabetical order: male minus female), for each marker, over the range
#' observed for both. The curves are the centred smooths, so the difference is one of shape; the main effect of sex
#' is added where `level_too`.
#'
#' @inheritParams vr_curves
#' @param level_too Whether the main effect of sex is part of the difference.
#' @return Data frame: marker, contrast, x, estimate, se, lower, upper, lower_simultaneous, upper_simultaneous, level,
#'   scale ("log-odds").
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' differences <- vr_differences(fit, draws = 1000)
#' subset(differences, lower_simultaneous > 0 | upper_simultaneous < 0)
vr_differences <- function(fit, points = 100L, level = 0.95, draws = 10000L, level_too = FALSE) {
  if (!fit$spec$moderated) refuse("there is one sex only (", fit$spec$sexes, "), so there is no difference.")
  gam <- gam_of(fit)
  index <- smooth_index(fit)
  data <- gam$model
  sexes <- fit$spec$sexes
  smooths <- gam$smooth
  parts <- lapply(intersect(fit$spec$markers, index$term), function(marker) {
    both <- lapply(sexes, function(sex) smooths[[which(index$term == marker & index$sex == sex)]])
    ranges <- vapply(sexes, function(sex) range(data[[marker]][data[[fit$spec$sex]] == sex]), c(0, 0))
    low <- max(ranges[1L, ])
    high <- min(ranges[2L, ])
    if (low >= high) {
      warning("marker ", marker, " has no range common to both sexes; it has no difference.", call. = FALSE)
      return(NULL)
    }
    x <- seq(low, high, length.out = points)
    columns <- unlist(lapply(both, function(s) s$first.para:s$last.para))
    X <- cbind(
      -mgcv::PredictMat(both[[1L]], curve_rows(fit, marker, sexes[1L], x)),
      mgcv::PredictMat(both[[2L]], curve_rows(fit, marker, sexes[2L], x))
    )
    if (level_too) {
      columns <- c(columns, match(paste0(fit$spec$sex, sexes[2L]), names(stats::coef(gam))))
      X <- cbind(X, 1)
    }
    band <- band_of(X, stats::coef(gam)[columns], fit$V[columns, columns], level, draws, df_between(fit))
    out <- curve_frame(fit, marker, "all", x, band, level)
    names(out)[2L] <- "contrast"
    out$contrast <- paste(sexes[2L], "-", sexes[1L])
    out
  })
  out <- do.call(rbind, parts)
  rownames(out) <- NULL
  out
}

#' First derivatives of the curves
#'
#' Central differences of the smooth, in log-odds per unit of the marker.
#'
#' @inheritParams vr_curves
#' @return Data frame as [vr_curves()] with `scale` "log-odds per unit", and `direction`: "rises" or "falls" where the
#'   simultaneous interval excludes zero, else "".
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' table(vr_derivatives(fit, draws = 1000)$direction)
vr_derivatives <- function(fit, points = 100L, level = 0.95, draws = 10000L) {
  each_curve(fit, function(smooth, marker, sex) {
    x <- curve_grid(fit, marker, sex, points)
    step <- (x[points] - x[1L]) * 1e-4
    X <- (mgcv::PredictMat(smooth, curve_rows(fit, marker, sex, x + step)) -
      mgcv::PredictMat(smooth, curve_rows(fit, marker, sex, x - step))) / (2 * step)
    columns <- smooth$first.para:smooth$last.para
    band <- band_of(X, stats::coef(gam_of(fit))[columns], fit$V[columns, columns, drop = FALSE], level, draws,
      df_of(fit, sex))
    out <- curve_frame(fit, marker, sex, x, band, level)
    out$scale <- "log-odds per unit"
    lower <- if (draws > 0L) out$lower_simultaneous else out$lower
    upper <- if (draws > 0L) out$upper_simultaneous else out$upper
    out$direction <- ifelse(lower > 0, "rises", ifelse(upper < 0, "falls", ""))
    out
  })
}

#' Partial residuals of each smooth
#'
#' Working residual plus the smooth at each row of the fit, in log-odds.
#'
#' @param fit A `vr_gamm`.
#' @return Data frame: row (of the complete rows), marker, sex, x, fitted, residual (working), partial.
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' head(vr_partial_residuals(fit))
vr_partial_residuals <- function(fit) {
  gam <- gam_of(fit)
  mu <- gam$fitted.values
  working <- (gam$y - mu) / (mu * (1 - mu))
  design <- design_parts(fit)
  index <- smooth_index(fit)
  parts <- lapply(which(!index$random), function(i) {
    part <- design$smooths[[i]]
    rows <- which(part$rows)
    fitted <- drop(part$X[part$index[rows], , drop = FALSE] %*% stats::coef(gam)[part$columns])
    data.frame(
      row = rows, marker = said(fit, index$term[i]), sex = curve_sex(fit, index$term[i], index$sex[i]),
      x = gam$model[[index$term[i]]][rows], fitted = fitted, residual = working[rows], partial = fitted + working[rows]
    )
  })
  do.call(rbind, parts)
}
