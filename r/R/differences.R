# What differs between the sexes, where a curve rises or falls, and what the rows say around it.

#' Differences between the curves of the levels of the moderator
#'
#' A later level minus an earlier one (with text, in alphabetical order: male minus female), for each marker and each
#' pair of levels, over the range observed for both. Each curve has mean zero over the rows of its own level, so the
#' difference is one of shape. Where `level_too`, it is the standardised difference at that value: the log-odds of
#' all rows with the one level minus those with the other, the other markers and covariates as they were observed; it
#' does not depend on how an engine centres its smooths.
#'
#' @inheritParams vr_curves
#' @param level_too Whether the difference in level is part of the difference.
#' @return Data frame: marker, contrast, x, estimate, se, lower, upper, lower_simultaneous, upper_simultaneous, level,
#'   scale ("log-odds").
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' differences <- vr_differences(fit, draws = 1000)
#' subset(differences, lower_simultaneous > 0 | upper_simultaneous < 0)
vr_differences <- function(fit, points = 100L, level = 0.95, draws = 10000L, level_too = FALSE, seed = 1L) {
  if (!fit$spec$moderated) refuse("there is one sex only (", fit$spec$sexes, "), so there is no difference.")
  gam <- gam_of(fit)
  index <- smooth_index(fit)
  data <- gam$model
  design <- design_parts(fit)
  pairs <- level_pairs(fit)
  parts <- lapply(intersect(fit$spec$markers, index$term), function(marker) lapply(pairs, function(pair) {
    where <- vapply(pair, function(sex) which(index$term == marker & index$sex == sex), 0L)
    ranges <- vapply(pair, function(sex) range(data[[marker]][data[[fit$spec$sex]] == sex]), c(0, 0))
    low <- max(ranges[1L, ])
    high <- min(ranges[2L, ])
    if (low >= high) {
      warning("marker ", said(fit, marker), " has no range common to ", pair[2L], " and ", pair[1L],
        "; it has no difference.", call. = FALSE)
      return(NULL)
    }
    x <- seq(low, high, length.out = points)
    if (level_too) {
      row <- level_contrast(fit, design, pair)
      for (part in design$smooths[where]) row[part$columns] <- 0
      X <- matrix(row, points, design$p, byrow = TRUE)
    } else {
      X <- matrix(0, points, design$p)
    }
    for (side in 1:2) {
      part <- design$smooths[[where[side]]]
      at <- mgcv::PredictMat(gam$smooth[[where[side]]], curve_rows(fit, marker, pair[side], x))
      if (!level_too) at <- sweep(at, 2L, mean_columns(part))
      X[, part$columns] <- if (side == 2L) at else -at
    }
    band <- with_seed(seed, band_of(X, stats::coef(gam), fit$V, level, draws, df_between(fit)))
    out <- curve_frame(fit, marker, "all", x, band, level)
    names(out)[2L] <- "contrast"
    out$contrast <- paste(pair[2L], "-", pair[1L])
    out
  }))
  out <- do.call(rbind, unlist(parts, recursive = FALSE))
  rownames(out) <- NULL
  out
}

# Each pair of levels, the earlier one first.
level_pairs <- function(fit) utils::combn(fit$spec$sexes, 2L, simplify = FALSE)

# Mean over all rows of the design with the later level of a pair minus the design with the earlier one.
level_contrast <- function(fit, design, pair) {
  gam <- gam_of(fit)
  spec <- fit$spec
  data <- gam$model
  out <- numeric(design$p)
  frames <- lapply(pair, function(sex) {
    data[[spec$sex]] <- factor(rep(sex, nrow(data)), levels = spec$sexes)
    stats::model.matrix(stats::delete.response(gam$pterms), data, contrasts.arg = gam$contrasts)
  })
  out[seq_len(ncol(frames[[1L]]))] <- colMeans(frames[[2L]]) - colMeans(frames[[1L]])
  index <- smooth_index(fit)
  for (side in 1:2) {
    for (i in which(!index$random & index$sex == pair[side] & index$term %in% spec$markers)) {
      # The curve of this level at the values of all rows.
      x <- data[[index$term[i]]]
      values <- unique(x)
      at <- mgcv::PredictMat(gam$smooth[[i]], curve_rows(fit, index$term[i], pair[side], values))
      mean <- drop(tabulate(match(x, values), length(values)) %*% at) / length(x)
      out[design$smooths[[i]]$columns] <- if (side == 2L) mean else -mean
    }
  }
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
vr_derivatives <- function(fit, points = 100L, level = 0.95, draws = 10000L, seed = 1L) {
  with_seed(seed, each_curve(fit, function(i, smooth, marker, sex) {
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
  }))
}

#' Partial residuals of each smooth
#'
#' Working residual plus the smooth (centred as in [vr_curves()]) at each row of the fit, in log-odds.
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
    values <- drop(sweep(part$X, 2L, mean_columns(part)) %*% stats::coef(gam)[part$columns])
    fitted <- values[part$index[rows]]
    data.frame(
      row = rows, marker = said(fit, index$term[i]), sex = curve_sex(fit, index$term[i], index$sex[i]),
      x = gam$model[[index$term[i]]][rows], fitted = fitted, residual = working[rows], partial = fitted + working[rows]
    )
  })
  do.call(rbind, parts)
}
