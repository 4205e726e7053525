# Is the fit to be trusted?

#' Checks of a GAMM
#'
#' @param fit A `vr_gamm`.
#' @param bins Number of bins of fitted probability for the residual check.
#' @return A list of data frames: `k` (basis dimension, EDF, k-index and its permutation p a smooth: a low p with EDF
#'   close to k' says that k is too small), `concurvity` (worst, observed, estimate a smooth; near 1 = the smooth can
#'   be made of the others), `residuals` (by bin of fitted probability: rows, mean fitted, observed share, z),
#'   `convergence` (one row).
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' vr_check(fit)$k
vr_check <- function(fit, bins = 10L) {
  gam <- gam_of(fit)
  k <- mgcv::k.check(gam)
  concurvity <- mgcv::concurvity(gam, full = TRUE)
  list(
    k = if (is.null(k)) NULL else label_frame(fit, k, c("k", "edf", "k_index", "p_value")),
    concurvity = label_frame(fit, t(concurvity), rownames(concurvity)),
    residuals = residual_bins(gam, bins), convergence = convergence_table(fit)
  )
}

# A matrix with one row a smooth as a data frame with marker and sex in front.
label_frame <- function(fit, values, names) {
  index <- smooth_index(fit)
  place <- match(rownames(values), index$label)
  out <- data.frame(
    marker = ifelse(is.na(place), rownames(values), said(fit, index$term[place])), sex = ifelse(is.na(place), "all", index$sex[place])
  )
  values <- as.data.frame(unname(values))
  names(values) <- names
  cbind(out, values)
}

residual_bins <- function(gam, bins) {
  mu <- gam$fitted.values
  edges <- unique(stats::quantile(mu, seq(0, 1, length.out = bins + 1L), type = 7L))
  if (length(edges) < 2L) edges <- c(edges - 1, edges + 1)
  bin <- findInterval(mu, edges, rightmost.closed = TRUE, all.inside = TRUE)
  rows <- as.vector(table(bin))
  fitted <- as.vector(tapply(mu, bin, mean))
  observed <- as.vector(tapply(gam$y, bin, mean))
  spread <- as.vector(tapply(mu * (1 - mu), bin, sum))
  data.frame(
    bin = sort(unique(bin)), rows = rows, fitted = fitted, observed = observed,
    z = (observed - fitted) * rows / sqrt(spread)
  )
}

convergence_table <- function(fit) {
  gam <- gam_of(fit)
  text <- function(value) if (is.null(value) || !length(value)) "" else as.character(value[1L])
  data.frame(
    engine = fit$spec$engine, method = fit$spec$method, converged = fit$converged,
    iterations = if (is.null(gam$iter)) NA_integer_ else as.integer(gam$iter[1L]), told = text(gam$outer.info$conv),
    largest_gradient = if (is.null(gam$outer.info$grad)) NA_real_ else max(abs(gam$outer.info$grad))
  )
}
