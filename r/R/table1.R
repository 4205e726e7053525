# Table 1 of the paper: the linear part of every smooth beside its EDF, F and p.

#' The published table of smooths, with right intervals
#'
#' mgcv prints no coefficient for a smooth. What such tables show is the coefficient of the smooth's unpenalised
#' linear part (in `gamm` the fixed effect `Xs(x):sexFx1`), on mgcv's own scaling of that part, so its size cannot be
#' compared between markers; its sign is that of the slope. Its Wald interval is estimate -+ quantile x SE. With `paper_interval` the table
#' also shows estimate -+ 1.96 x SE / sqrt(rows), the formula that the printed intervals of the paper must have used:
#' too narrow by a factor of the square root of the number of rows.
#'
#' @param fit A `vr_gamm`.
#' @param paper_interval Whether the wrong interval stands beside the right one.
#' @param level Confidence level of the right interval.
#' @return Data frame: sex, marker, beta, se, lower, upper, edf, statistic, statistic_name, p_value, p_linear (Wald test
#'   of beta, which is the test of the smooth only where the EDF is 1), and with `paper_interval` lower_paper,
#'   upper_paper, rows.
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' vr_table1(fit)
vr_table1 <- function(fit, paper_interval = FALSE, level = 0.95) {
  gam <- gam_of(fit)
  smooths <- vr_tables(fit, level)$smooths
  index <- smooth_index(fit)
  rows <- lapply(which(!index$random & index$term %in% fit$spec$markers), function(i) {
    smooth <- gam$smooth[[i]]
    columns <- index$first[i]:index$last[i]
    direction <- linear_direction(fit, smooth, index$term[i], index$sex[i])
    beta <- sum(direction * stats::coef(gam)[columns])
    se <- sqrt(drop(direction %*% fit$V[columns, columns] %*% direction))
    if (fit$spec$engine == "gamm" && fit$spec$covariance == "model") {
      # What summary() of the lme part prints, and so what a reader of a gamm has before them.
      printed <- summary(fit$model$lme)$tTable[paste0("X", smooth$label, "Fx1"), ]
      beta <- sign(beta) * abs(printed[["Value"]])
      se <- printed[["Std.Error"]]
    }
    data.frame(marker = said(fit, index$term[i]), sex = curve_sex(fit, index$term[i], index$sex[i]), beta = beta, se = se)
  })
  out <- do.call(rbind, rows)
  out <- merge(out, smooths, by = c("marker", "sex"), sort = FALSE)
  out <- out[order(match(out$sex, rev(sort(unique(out$sex)))), match(out$marker, said(fit, fit$spec$markers))), ]
  df <- ifelse(is.na(out$residual_df), Inf, out$residual_df)
  half <- stats::qt(0.5 + level / 2, df) * out$se
  table <- data.frame(
    sex = out$sex, marker = out$marker, beta = out$beta, se = out$se, lower = out$beta - half, upper = out$beta + half,
    edf = out$edf, statistic = out$statistic, statistic_name = out$statistic_name, p_value = out$p_value,
    p_linear = 2 * stats::pt(-abs(out$beta / out$se), df)
  )
  if (isTRUE(fit$separated)) table$p_linear <- NA_real_
  if (paper_interval) {
    n <- fit$counts$rows_used
    wrong <- stats::qnorm(0.975) * table$se / sqrt(n)
    table$lower_paper <- table$beta - wrong
    table$upper_paper <- table$beta + wrong
    table$rows <- n
  }
  rownames(table) <- NULL
  table
}

# Unit vector of the coefficients along the smooth's unpenalised (linear) part, upwards in the marker.
linear_direction <- function(fit, smooth, marker, sex) {
  roots <- eigen(smooth$S[[1L]], symmetric = TRUE)
  vector <- roots$vectors[, length(roots$values)]
  if (roots$values[length(roots$values)] > 1e-6 * roots$values[1L]) {
    refuse(smooth$label, " has no unpenalised linear part, so the table has no coefficient for it.")
  }
  ends <- mgcv::PredictMat(smooth, curve_rows(fit, marker, sex, curve_grid(fit, marker, sex, 2L)))
  vector * sign(sum((ends[2L, ] - ends[1L, ]) * vector))
}
