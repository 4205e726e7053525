# Tidy tables of a fitted GAMM.

#' Tables of a GAMM
#'
#' Where the markers separate the outcomes (`notes` of the fit say so) there are no P values: no test says anything
#' then. EDF are those that mgcv chose with the rows of a caller as if independent: under clustering they rise above
#' what a curve is worth. `edf_clustered` is what a second fit takes whose smoothness is chosen as if each caller gave one row
#' (mgcv's `gamma` = rows / callers): it says how bent a curve is. It is given where the covariance is the caller jackknife.
#'
#' @param fit A `vr_gamm`.
#' @param level Confidence level of the intervals of the parametric terms.
#' @return A list of data frames: `smooths` (EDF, reference df, residual df of an F statistic, statistic, p a marker and
#'   sex), `terms` (parametric terms with Wald intervals, estimate -+ quantile x SE), `variance` (standard deviation of each random
#'   intercept, in logits), `fit` (one row: counts, adjusted R-squared and deviance explained with and without the
#'   random intercepts).
#' @export
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' vr_tables(fit)$smooths
#' vr_tables(fit)$terms
vr_tables <- function(fit, level = 0.95) {
  summary <- gam_summary(fit)
  list(
    smooths = smooth_table(fit, summary), terms = term_table(fit, summary, level), variance = variance_table(fit),
    fit = fit_table(fit, summary), counts = fit$counts, missing = fit$missing
  )
}

# summary() under the covariance of the fit, which the model carries.
gam_summary <- function(fit) {
  out <- summary(gam_of(fit), re.test = FALSE)
  if (isTRUE(fit$separated)) without_p(out) else out
}

# One row a smooth of the model: label, term, marker or covariate, sex ("all" without moderator), first, last.
smooth_index <- function(fit) {
  gam <- gam_of(fit)
  rows <- lapply(gam$smooth, function(smooth) {
    random <- inherits(smooth, "random.effect")
    data.frame(
      label = smooth$label, term = smooth$term[1L], random = random,
      sex = if (is.null(smooth$by.level)) "all" else smooth$by.level,
      first = smooth$first.para, last = smooth$last.para
    )
  })
  if (length(rows)) return(do.call(rbind, rows))
  data.frame(
    label = character(), term = character(), random = logical(), sex = character(), first = integer(), last = integer()
  )
}

smooth_table <- function(fit, summary) {
  table <- summary$s.table
  index <- smooth_index(fit)
  index <- index[!index$random, , drop = FALSE]
  if (!nrow(index)) {
    return(data.frame(
      marker = character(), sex = character(), edf = numeric(), edf_clustered = numeric(), ref_df = numeric(), residual_df = numeric(),
      statistic = numeric(), statistic_name = character(), p_value = numeric()
    ))
  }
  found <- table[index$label, , drop = FALSE]
  if (anyNA(rownames(found))) {
    stop("mgcv's summary lacks the smooth ", index$label[is.na(rownames(found))][1L])
  }
  edf <- found[, 1L]
  of_callers <- if (is.null(fit$edf_clustered)) rep(NA_real_, nrow(index)) else unname(fit$edf_clustered[index$label])
  ref_df <- found[, 2L]
  statistic <- found[, 3L]
  # The numerical inversion behind mgcv's p can end a rounding error below zero.
  p_value <- pmax(found[, 4L], 0)
  name <- colnames(table)[3L]
  clustered <- summary$callers$smooths[index$label]
  residual_df <- if (!is.null(clustered)) clustered else rep(if (name == "F") summary$residual.df else NA_real_, nrow(index))
  one <- if (fit$spec$moderated) NULL else fit$spec$sexes
  out <- data.frame(
    marker = said(fit, index$term), sex = if (is.null(one)) index$sex else one, edf = edf,
    edf_clustered = of_callers, ref_df = ref_df,
    residual_df = unname(residual_df), statistic = statistic, statistic_name = name, p_value = p_value
  )
  out$sex[index$term %in% fit$spec$covariates] <- "all"
  rownames(out) <- NULL
  out
}

term_table <- function(fit, summary, level) {
  table <- summary$p.table
  name <- substr(colnames(table)[3L], 1L, 1L)
  df <- if (!is.null(summary$callers)) summary$callers$terms else if (name == "t") summary$residual.df else Inf
  statistic <- table[, 3L]
  half <- stats::qt(0.5 + level / 2, df) * table[, 2L]
  out <- data.frame(
    term = said_terms(fit, rownames(table)), estimate = table[, 1L], se = table[, 2L], lower = table[, 1L] - half,
    upper = table[, 1L] + half, statistic = statistic,
    statistic_name = if (all(is.finite(df))) "t" else "z", p_value = if (isTRUE(fit$separated)) NA_real_ else 2 * stats::pt(-abs(statistic), df)
  )
  rownames(out) <- NULL
  out
}

# Parametric terms under the names of the user's columns: sexmale, age, sexfemale:voiced.
said_terms <- function(fit, terms) {
  if (is.null(fit$spec$names) || all(fit$spec$names == names(fit$spec$names))) return(terms)
  gam <- gam_of(fit)
  labels <- attr(gam$pterms, "term.labels")
  for (i in seq_along(terms)) {
    place <- gam$assign[i]
    if (place == 0L) next
    variables <- strsplit(labels[place], ":", fixed = TRUE)[[1L]]
    parts <- strsplit(terms[i], ":", fixed = TRUE)[[1L]]
    if (length(parts) != length(variables)) next
    rest <- substring(parts, nchar(variables) + 1L)
    terms[i] <- paste0(said(fit, variables), rest, collapse = ":")
  }
  terms
}

variance_table <- function(fit) {
  empty <- data.frame(group = character(), sd = numeric(), groups = integer())
  if (!length(fit$spec$random)) return(empty)
  groups <- fit$spec$groups[fit$spec$random]
  if (fit$spec$engine == "gamm") {
    lme <- fit$model$lme
    sd <- vapply(groups, function(group) {
      # Nested groupings are named by lme as a/b/c in the innermost columns.
      structures <- lme$modelStruct$reStruct
      name <- names(structures)[names(structures) == group]
      sqrt(as.matrix(structures[[name]])[1L, 1L]) * lme$sigma
    }, 0)
    n <- vapply(groups, function(group) lme$dims$ngrps[[group]], 0)
    return(data.frame(group = names(groups), sd = unname(sd), groups = as.integer(n)))
  }
  gam <- fit$model
  rows <- Map(function(name, group) {
    smooth <- Filter(function(s) inherits(s, "random.effect") && s$term[1L] == group, gam$smooth)[[1L]]
    estimated <- gam$sp[smooth$label]
    sp <- if (is.na(estimated)) smooth$sp else unname(estimated)
    data.frame(
      group = name, sd = sqrt(gam$sig2 * smooth$S.scale / sp), groups = smooth$last.para - smooth$first.para + 1L
    )
  }, names(groups), groups)
  out <- do.call(rbind, rows)
  rownames(out) <- NULL
  out
}

# Linear predictor without the random intercepts, which are one coefficient a group.
fixed_link <- function(fit) {
  gam <- gam_of(fit)
  link <- gam$linear.predictors
  if (fit$spec$engine == "gamm") return(link)
  for (smooth in gam$smooth) {
    if (!inherits(smooth, "random.effect")) next
    intercepts <- stats::coef(gam)[smooth$first.para:smooth$last.para]
    link <- link - intercepts[as.integer(gam$model[[smooth$term]])]
  }
  unname(link)
}

fit_table <- function(fit, summary) {
  gam <- gam_of(fit)
  y <- gam$y
  w <- gam$prior.weights
  index <- smooth_index(fit)
  drop_edf <- sum(unlist(Map(function(a, b) gam$edf[a:b], index$first[index$random], index$last[index$random])))
  mu <- stats::plogis(fixed_link(fit))
  fixed_df <- length(y) - (sum(gam$edf) - drop_edf)
  r2_fixed <- adjusted_r2(y, mu, w, fixed_df)
  null <- gam$null.deviance
  if (is.null(null)) null <- binomial_deviance(y, rep(stats::weighted.mean(y, w), length(y)), w)
  explained_fixed <- 1 - binomial_deviance(y, mu, w) / null
  has_random <- length(fit$spec$random) > 0L && fit$spec$engine != "gamm"
  data.frame(
    engine = fit$spec$engine, discrete = fit$spec$discrete, method = fit$spec$method, rows = fit$counts$rows_used,
    rows_missing = fit$counts$rows_missing, callers = fit$counts$callers, events = fit$counts$events,
    k = max(fit$spec$k, 0L), edf = sum(gam$edf), edf_random = drop_edf,
    r2_adjusted = if (has_random || !length(fit$spec$random)) summary$r.sq else NA_real_,
    r2_adjusted_fixed = r2_fixed,
    deviance_explained = if (has_random || !length(fit$spec$random)) 1 - binomial_deviance(y, gam$fitted.values, w) / null else NA_real_,
    deviance_explained_fixed = explained_fixed, covariance = fit$spec$covariance,
    converged = fit$converged, seconds = fit$seconds, formula = fit$spec$formula
  )
}

# mgcv's adjusted R-squared, for any fitted values.
adjusted_r2 <- function(y, mu, w, residual_df) {
  mean_y <- sum(w * y) / sum(w)
  root <- sqrt(w)
  1 - stats::var(root * (y - mu)) * (length(y) - 1) / (stats::var(root * (y - mean_y)) * residual_df)
}

binomial_deviance <- function(y, mu, w) {
  sum(stats::binomial()$dev.resids(y, mu, w))
}
