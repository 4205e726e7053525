# What validated scores are worth: metrics of calls with intervals over callers.

cv_result <- function(finished, plan, calls, spec) {
  nested <- spec$protocol == "nested"
  parts <- Map(function(one, of) {
    mine <- calls[one$rows, ]
    data.frame(
      protocol = spec$protocol, design = spec$design, `repeat` = of$`repeat`, fold = of$fold, call_id = mine$call_id,
      caller_id = mine$caller_id, y = mine$y, p_raw = unname(one$score),
      p = if (nested) stats::plogis(one$intercept + one$slope * stats::qlogis(pmin(pmax(one$score, 1e-6), 1 - 1e-6))) else unname(one$score),
      threshold = if (nested) one$cut$threshold else NA_real_, check.names = FALSE
    )
  }, finished, plan)
  predictions <- do.call(rbind, parts)
  cut_row <- function(fold, `repeat`, cut, one) {
    data.frame(
      protocol = spec$protocol, design = spec$design, `repeat` = `repeat`, fold = fold, cut, slope = one$slope, intercept = one$intercept,
      mstop = one$steps, n_selected = length(one$selected), selected = paste(one$selected, collapse = " "), check.names = FALSE
    )
  }
  if (nested) {
    thresholds <- do.call(rbind, Map(function(one, of) cut_row(of$fold, of$`repeat`, one$cut, one), finished, plan))
  } else {
    # One cut for all calls, learned from the scores that it judges.
    thresholds <- do.call(rbind, lapply(unique(predictions$`repeat`), function(one) {
      mine <- predictions$`repeat` == one
      rows <- predictions[mine, ]
      cut <- learn_cut(rows$p_raw, rows$y, rows$caller_id, spec, FALSE)
      predictions$threshold[mine] <<- cut$threshold
      cut_row(NA, one, cut, finished[[1L]])
    }))
  }
  inner <- do.call(rbind, lapply(plan, function(of) if (nested) data.frame(
    `repeat` = of$`repeat`, fold = of$fold, caller = names(of$inner), inner = unname(of$inner), check.names = FALSE
  )))
  outer <- unique(predictions[c("repeat", "fold", "caller_id")])
  rownames(predictions) <- rownames(outer) <- NULL
  structure(
    list(
      predictions = predictions, thresholds = thresholds, metrics = cv_metrics(predictions, spec), folds = list(outer = outer, inner = inner),
      spec = spec
    ), class = "vr_cv"
  )
}

# Metrics of calls, the mean over repeats, with percentiles over a bootstrap of callers, the scores taken as given.
cv_metrics <- function(predictions, spec, level = 0.95) {
  first <- predictions[predictions$`repeat` == predictions$`repeat`[1L], ]
  counts <- rbind(1, draw_callers(first$caller_id, first$y, spec$bootstraps))
  ids <- colnames(counts)
  each <- lapply(split(predictions, predictions$`repeat`), function(rows) {
    call_metrics(rows, t(counts[, match(rows$caller_id, ids), drop = FALSE]))
  })
  values <- Reduce(`+`, each) / length(each)
  tails <- c((1 - level) / 2, (1 + level) / 2)
  limits <- apply(values[-1L, , drop = FALSE], 2L, function(drawn) {
    known <- drawn[is.finite(drawn)]
    # Too few resamples with a value, or all alike: no interval.
    if (length(known) < 0.95 * length(drawn) || diff(range(known)) < 1e-12) return(c(NA_real_, NA_real_))
    stats::quantile(known, tails, names = FALSE)
  })
  data.frame(
    protocol = spec$protocol, design = spec$design, unit = "call", metric = colnames(values), estimate = values[1L, ],
    lower = limits[1L, ], upper = limits[2L, ], level = level, method = "caller_bootstrap_percentile_given_scores",
    n = nrow(first), n_events = sum(first$y == 1), n_callers = length(ids), row.names = NULL
  )
}

# One row a set of weights of the rows (columns of W).
call_metrics <- function(rows, W) {
  ranks <- rank_metrics(rows$p_raw, rows$y, W)
  # A call without a cut is not flagged, and counts.
  flagged <- !is.na(rows$threshold) & rows$p_raw >= rows$threshold
  event <- rows$y == 1
  share <- function(which, of) colSums(W * (which & of)) / colSums(W * of)
  sensitivity <- share(flagged, event)
  specificity <- share(!flagged, !event)
  lines <- apply(W, 2L, function(w) calibration_line(rows$p, rows$y, w))
  cbind(
    ranks, accuracy = share(flagged == event, rep(TRUE, length(event))), sensitivity = sensitivity, specificity = specificity,
    youden_j = sensitivity + specificity - 1, brier = colSums(W * (rows$p - rows$y)^2) / colSums(W),
    calibration_intercept = lines[1L, ], calibration_slope = lines[2L, ]
  )
}

# AUROC (ties count half) and average precision under each set of weights.
rank_metrics <- function(score, y, W) {
  cell <- match(score, sort(unique(score), decreasing = TRUE))
  new_positive <- rowsum(W * (y == 1), cell)
  new_negative <- rowsum(W * (y == 0), cell)
  positive <- apply(new_positive, 2L, cumsum)
  negative <- apply(new_negative, 2L, cumsum)
  dim(positive) <- dim(negative) <- dim(new_positive)
  total <- positive[nrow(positive), ]
  pairs <- colSums(new_negative * (positive - 0.5 * new_positive))
  precision <- ifelse(new_positive > 0, positive / (positive + negative), 0)
  cbind(auroc = pairs / (total * negative[nrow(negative), ]), average_precision = colSums(new_positive * precision) / total)
}

# Intercept and slope of the outcome on the log-odds of the risk; missing where the risks separate the classes.
calibration_line <- function(p, y, weights) {
  x <- stats::qlogis(pmin(pmax(p, 1e-3), 1 - 1e-3))
  used <- weights > 0
  one <- x[used & y == 1]
  zero <- x[used & y == 0]
  if (!length(one) || !length(zero) || max(x[used]) == min(x[used]) || min(zero) >= max(one) || min(one) >= max(zero)) return(c(NA_real_, NA_real_))
  fit_line(x, y, weights)
}
