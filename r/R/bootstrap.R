# Caller-bootstrap intervals: whole callers are drawn, and the model is fitted again.

#' Curves with caller-bootstrap intervals
#'
#' Callers are drawn with replacement, their rows weighted by how often they were drawn, and the model is fitted
#' again each time. Pointwise limits are percentiles; simultaneous ones scale them by
#' the quantile of the largest standardised deviation of a bootstrapped curve. Curves are centred alike, on the rows of
#' the original data.
#'
#' @param fit A `vr_gamm` without random intercepts.
#' @param resamples Number of bootstrap resamples, at least 50.
#' @param smoothing "fixed" keeps the smoothing parameters of the fit; "again" selects them in every resample, which
#'   takes longer and undersmooths, since copies of a caller look like new evidence.
#' @inheritParams vr_curves
#' @return As [vr_curves()], with attribute "failed", the number of resamples that could not be fitted (for lack of
#'   one sex, one outcome, or convergence) and were drawn again.
#' @export
#' @examples
#' some <- calls_example[1:120, ] # 20 callers
#' fit <- vr_gamm(some, "dom", random = character(), engine = "gam", k = 3)
#' set.seed(1)
#' head(vr_boot_curves(fit, resamples = 50, points = 10))
vr_boot_curves <- function(fit, resamples = 200L, points = 100L, level = 0.95, smoothing = c("fixed", "again")) {
  smoothing <- match.arg(smoothing)
  if (length(fit$spec$random)) refuse("the caller bootstrap is for models without random intercepts.")
  if (resamples < 50L) refuse("a bootstrap interval needs at least 50 resamples, not ", resamples, ".")
  if (fit$spec$engine == "gamm") refuse("the caller bootstrap is for engines \"bam\" and \"gam\".")
  if (!is.null(fit$spec$weights)) refuse("the caller bootstrap is for fits without prior weights.")
  gam <- gam_of(fit)
  data <- gam$model
  formula <- gam$formula
  curves <- vr_curves(fit, points, level, draws = 0L, seed = NULL)
  sp <- if (smoothing == "fixed") gam$sp
  callers <- levels(droplevels(fit$caller))
  rows_of <- split(seq_len(nrow(data)), factor(fit$caller, callers))
  drawn <- matrix(NA_real_, nrow(curves), resamples)
  failed <- 0L
  done <- 0L
  while (done < resamples) {
    times <- tabulate(sample.int(length(callers), replace = TRUE), length(callers))
    rows <- unlist(rep(rows_of, times), use.names = FALSE)
    again <- refit_curves(fit, formula, data[rows, , drop = FALSE], curves, sp)
    if (is.null(again)) {
      failed <- failed + 1L
      if (failed > resamples) refuse("more than half of the bootstrap resamples could not be fitted.")
      next
    }
    done <- done + 1L
    drawn[, done] <- again
  }
  tails <- c((1 - level) / 2, (1 + level) / 2)
  limits <- apply(drawn, 1L, stats::quantile, tails, names = FALSE)
  se <- apply(drawn, 1L, stats::sd)
  curve <- paste(curves$marker, curves$sex)
  for (one in unique(curve)) {
    mine <- which(curve == one)
    deviation <- abs(drawn[mine, ] - rowMeans(drawn[mine, ])) / pmax(se[mine], .Machine$double.eps)
    stretch <- max(1, stats::quantile(apply(deviation, 2L, max), level, names = FALSE) / stats::qnorm(tails[2L]))
    middle <- curves$estimate[mine]
    curves$lower_simultaneous[mine] <- middle - stretch * (middle - pmin(limits[1L, mine], middle))
    curves$upper_simultaneous[mine] <- middle + stretch * (pmax(limits[2L, mine], middle) - middle)
  }
  curves$se <- se
  curves$lower <- limits[1L, ]
  curves$upper <- limits[2L, ]
  attr(curves, "failed") <- failed
  curves
}

# The curves of a refit at the points of the original ones, or NULL where this resample cannot be fitted.
refit_curves <- function(fit, formula, frame, curves, sp) {
  spec <- fit$spec
  if (length(unique(frame[[spec$y]])) < 2L || any(table(frame[[spec$sex]]) == 0L)) return(NULL)
  model <- tryCatch(
    gamm_fit(formula, frame, spec$engine, spec$method, spec$discrete, character(), NULL, sp),
    error = function(e) NULL
  )
  if (is.null(model) || !gamm_converged(model, spec$engine)) return(NULL)
  rows <- gam_of(fit)$model
  estimate <- numeric(nrow(curves))
  for (smooth in model$smooth) {
    marker <- smooth$term[1L]
    sex <- if (is.null(smooth$by.level)) "all" else smooth$by.level
    mine <- which(curves$marker == said(fit, marker) & curves$sex == curve_sex(fit, marker, sex))
    columns <- smooth$first.para:smooth$last.para
    beta <- stats::coef(model)[columns]
    # mgcv centres a smooth on the rows it was fitted to; these are other rows, so centre again on the original ones
    # of that level.
    own <- if (sex == "all") rep(TRUE, nrow(rows)) else rows[[spec$sex]] == sex
    centre <- stats::quantile(rows[[marker]][own], stats::ppoints(400L), names = FALSE)
    at <- mgcv::PredictMat(smooth, curve_rows(fit, marker, sex, curves$x[mine]))
    middle <- colMeans(mgcv::PredictMat(smooth, curve_rows(fit, marker, sex, centre)))
    estimate[mine] <- drop(sweep(at, 2L, middle) %*% beta)
  }
  estimate
}
