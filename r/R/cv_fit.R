# One outer fold of a validation: inner models tune it, the outer one scores whom it never saw.

cv_fold <- function(rows, calls, plan, spec, everywhere) {
  training <- !rows$caller %in% plan$assess
  out <- list(steps = spec$mstop, slope = NA_real_, intercept = NA_real_, cut = NULL)
  if (spec$protocol == "nested") out <- c_inner(rows[training, ], calls[!calls$caller_id %in% plan$assess, ], plan, spec)
  selected <- if (is.null(everywhere)) cv_markers(rows[training, ], spec, spec$prior) else everywhere
  held <- calls$caller_id %in% plan$assess
  path <- cv_path(rows, training, selected, spec, out$steps)
  out$score <- round(cv_scores(path, rows[!training, ], calls[held, ])$score[, out$steps + 1L], 12L)
  out$rows <- which(held)
  out$selected <- selected
  out
}

# Steps, recalibration and cut from the out-of-fold scores of the training callers.
c_inner <- function(rows, calls, plan, spec) {
  parts <- lapply(sort(unique(plan$inner)), function(k) {
    assess <- names(plan$inner)[plan$inner == k]
    train <- !rows$caller %in% assess
    chosen <- cv_markers(rows[train, ], spec, spec$prior)
    path <- cv_path(rows, train, chosen, spec, spec$mstop)
    mine <- calls$caller_id %in% assess
    c(list(rows = which(mine)), cv_scores(path, rows[!train, ], calls[mine, ]))
  })
  place <- order(unlist(lapply(parts, `[[`, "rows")))
  score <- do.call(rbind, lapply(parts, `[[`, "score"))[place, , drop = FALSE]
  deviance <- do.call(rbind, lapply(parts, `[[`, "deviance"))[place, , drop = FALSE]
  weight <- training_weights(calls$caller_id, calls$y, spec$prior, calls$rows)
  steps <- which.min(colSums(weight * deviance)) - 1L
  chosen <- round(score[, steps + 1L], 12L)
  line <- recalibrate(chosen, calls$y, training_weights(calls$caller_id, calls$y, spec$prior), spec$prior)
  cut <- learn_cut(chosen, calls$y, calls$caller_id, spec, TRUE, line)
  list(steps = steps, slope = line[["slope"]], intercept = line[["intercept"]], cut = cut)
}

# Markers that the Lasso keeps; with a prior, rows are weighted as in the nested protocol.
cv_markers <- function(rows, spec, prior) {
  if (!spec$screen || length(spec$markers) < 2L) return(spec$markers)
  calls <- cv_calls(rows)
  callers <- cv_callers(calls)
  dealt <- deal_callers(callers, max(3L, min(spec$inner_folds, callers_in_classes(callers))))
  weights <- if (!is.null(prior)) training_weights(rows$caller, rows$y, prior)
  fitted <- vr_lasso(rows, spec$markers, "y", "caller", fold = dealt[match(rows$caller, callers$caller_id)], weights = weights)
  fitted$selected
}

# A boosted model of the training rows, and what held-out rows need: their values brought inside its range (nested).
cv_path <- function(rows, training, selected, spec, mstop) {
  nested <- spec$protocol == "nested"
  weights <- as.numeric(training)
  if (nested) weights[training] <- training_weights(rows$caller[training], rows$y[training], spec$prior)
  known <- selected[vapply(selected, function(marker) any(!is.na(rows[[marker]][training])), TRUE)]
  available <- vapply(known, function(name) anyNA(rows[[name]]), TRUE)
  learners <- moderated_learners(known, available, "sex", levels(rows$sex), spec$linear, spec$df, spec$knots, spec$shared)
  if (is.null(learners)) return(list(fit = NULL, link = stats::qlogis(stats::weighted.mean(rows$y, weights)), mstop = mstop))
  fit <- boost_fit(rows, "y", "sex", "caller", learners, weights, mstop, spec$nu, "adaboost", if (nested) "train" else "all", NULL)
  list(fit = fit, mstop = mstop, clamp = if (nested) lapply(stats::setNames(known, known), function(marker) range(rows[[marker]][training], na.rm = TRUE)))
}

# Mean probability and mean deviance of each call's rows after 0, 1, ... steps.
cv_scores <- function(path, rows, calls) {
  for (marker in names(path$clamp)) rows[[marker]] <- pmin(pmax(rows[[marker]], path$clamp[[marker]][1L]), path$clamp[[marker]][2L])
  # That published knots end before a held-out value is the recipe, and needs no warning.
  link <- if (is.null(path$fit)) matrix(path$link, nrow(rows), path$mstop + 1L) else withCallingHandlers(
    boost_links(path$fit, rows, path = TRUE),
    warning = function(w) if (grepl("boundary.knots", conditionMessage(w), fixed = TRUE)) invokeRestart("muffleWarning")
  )
  call <- factor(rows$call, calls$call_id)
  size <- as.vector(table(call))
  mean_of <- function(values) rowsum(values, as.integer(call)) / size
  sign <- ifelse(rows$y == 1, 1, -1)
  list(score = mean_of(stats::plogis(link)), deviance = mean_of(-2 * stats::plogis(sign * link, log.p = TRUE)))
}

# Class factor x 1 / (rows of the caller): positives carry `prior` of the weight, and each caller counts the same.
training_weights <- function(caller, y, prior, size = rep(1, length(y))) {
  share <- size / as.vector(rowsum(size, caller)[caller, ])
  positive <- sum(share[y == 1])
  negative <- sum(share[y == 0])
  if (positive == 0 || negative == 0) refuse("training weights need rows of both classes; one class is absent.")
  share * ifelse(y == 1, prior, 1 - prior) * (positive + negative) / ifelse(y == 1, positive, negative)
}

# logit p = intercept + slope logit p_raw; the slope is never below 0, and at 0 every p is the prior.
recalibrate <- function(score, y, weights, prior) {
  x <- stats::qlogis(pmin(pmax(score, 1e-6), 1 - 1e-6))
  flat <- c(intercept = stats::qlogis(prior), slope = 0)
  if (max(x) == min(x) || max(x[y == 1]) <= min(x[y == 0])) return(flat)
  target <- y
  if (min(x[y == 1]) >= max(x[y == 0])) {
    # Separated scores have no maximum of the likelihood: Platt's (1999) targets.
    target <- ifelse(y == 1, (sum(y == 1) + 1) / (sum(y == 1) + 2), 1 / (sum(y == 0) + 2))
  }
  line <- fit_line(x, target, weights)
  if (!isTRUE(line[2L] > 0)) return(flat)
  # The slope is shrunken as if 12 further callers had said nothing: one that was learned errs, and over studies
  # risks would be too extreme. The intercept is fitted anew.
  slope <- line[2L] * sum(weights) / (sum(weights) + 12)
  c(intercept = fit_line(x, y, weights, slope), slope = slope)
}

# Intercept and slope of y on x; only the intercept where the slope is given.
fit_line <- function(x, y, weights, slope = NULL) {
  kept <- weights > 0
  columns <- cbind(rep(1, sum(kept)), if (is.null(slope)) x[kept])
  fitted <- stats::glm.fit(
    columns, y[kept], weights[kept], offset = if (!is.null(slope)) slope * x[kept],
    family = stats::quasibinomial(), control = list(epsilon = 1e-14, maxit = 100L, trace = FALSE)
  )
  unname(fitted$coefficients)
}
