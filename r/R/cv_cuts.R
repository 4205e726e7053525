# Cuts: Youden and the rules of a service; the bootstrap of callers.

# How often each caller is drawn in each bootstrap: a matrix, bootstraps x callers (in the order of sorted callers); each
# bootstrap holds both classes.
draw_callers <- function(caller, y, n) {
  ids <- sort(unique(caller), method = "radix")
  has <- vapply(0:1, function(class) ids %in% caller[y == class], logical(length(ids)))
  if (!all(colSums(has) > 0L)) refuse("the callers to bootstrap are of one class.")
  counts <- matrix(0, n, length(ids), dimnames = list(NULL, ids))
  wanted <- seq_len(n)
  while (length(wanted)) {
    counts[wanted, ] <- t(stats::rmultinom(length(wanted), length(ids), rep(1, length(ids))))
    drawn <- counts[wanted, , drop = FALSE] %*% has
    wanted <- wanted[drawn[, 1L] == 0 | drawn[, 2L] == 0]
  }
  counts
}

# Mean of the optimal Youden cuts of all bootstraps; tied cuts are pooled. `counts` as draw_callers gives them.
bootstrap_youden <- function(score, y, caller, counts, midpoints) {
  none <- list(threshold = NA_real_, n_boot = 0L, spread_sd = NA_real_, q025 = NA_real_, q975 = NA_real_)
  if (min(score) == max(score)) return(none)
  ids <- sort(unique(caller), method = "radix")
  of_caller <- match(caller, ids)
  cuts <- unlist(lapply(seq_len(nrow(counts)), function(b) youden_cuts(score, y, counts[b, of_caller], midpoints)))
  if (!length(cuts)) return(utils::modifyList(none, list(n_boot = nrow(counts))))
  tails <- stats::quantile(cuts, c(0.025, 0.975), names = FALSE)
  # The mean of equal cuts may lie above them by a rounding, and would then flag none of the tied positives.
  cut <- min(max(mean(cuts), min(cuts)), max(cuts))
  list(threshold = cut, n_boot = nrow(counts), spread_sd = if (length(cuts) > 1L) stats::sd(cuts) else 0, q025 = tails[1L], q975 = tails[2L])
}

# All finite cuts (with `nobody` also Inf, that flags no one) whose Youden index is within 1e-6 of the best; score >= cut is
# positive. Rows of weight 0 are absent.
youden_cuts <- function(score, y, weights, midpoints, nobody = FALSE) {
  kept <- weights > 0
  score <- score[kept]
  weights <- weights[kept]
  value <- sort(unique(score))
  cell <- match(score, value)
  at_or_above <- function(mass) rev(cumsum(rev(as.vector(rowsum(mass, cell, reorder = TRUE)))))
  positive <- at_or_above(weights * (y[kept] == 1))
  negative <- at_or_above(weights * (y[kept] == 0))
  index <- c(positive / positive[1L] - negative / negative[1L], 0)
  best <- which(index >= max(index) - 1e-6)
  infinite <- if (nobody && any(best > length(value))) Inf
  best <- best[best <= length(value)]
  if (!midpoints) return(c(value[best], infinite))
  c((value[best] + value[pmax(best - 1L, 1L)]) / 2, infinite)
}

cut_rules <- c(
  sensitivity = "a share above 0 and at most 1", cost = "a number above 0",
  capacity = "a number of calls above 0 and below 100", risk = "a probability above 0 and below 1"
)

# `threshold` of vr_cv, checked: "bootstrap_youden", "youden", or a service's rule as list(kind, value).
threshold_rule <- function(threshold) {
  if (is.character(threshold) && length(threshold) == 1L && threshold %in% c("bootstrap_youden", "youden")) return(threshold)
  if (length(threshold) != 1L || is.null(names(threshold)) || !names(threshold) %in% names(cut_rules)) {
    refuse(
      "threshold must be \"bootstrap_youden\", \"youden\" or one rule, for example list(sensitivity = 0.95); rules are ",
      paste(names(cut_rules), collapse = ", "), "."
    )
  }
  kind <- names(threshold)
  value <- threshold[[1L]]
  top <- c(sensitivity = 1, cost = Inf, capacity = 100, risk = 1)[[kind]]
  fine <- is.numeric(value) && length(value) == 1L && isTRUE(value > 0 && (value < top || (kind == "sensitivity" && value == top)))
  if (!fine) refuse("threshold ", kind, " is ", paste(format(value), collapse = ", "), "; it must be ", cut_rules[[kind]], ".")
  list(kind = kind, value = as.numeric(value))
}

# The cut of one set of scores, with its spread over bootstraps of callers where it is learned from them. `line` is the
# recalibration (intercept, slope), NULL where the score is the risk.
learn_cut <- function(score, y, caller, spec, midpoints, line = NULL) {
  rule <- spec$threshold
  none <- list(threshold = NA_real_, n_boot = 0L, spread_sd = NA_real_, q025 = NA_real_, q975 = NA_real_)
  if (identical(rule, "bootstrap_youden")) {
    return(bootstrap_youden(score, y, caller, draw_callers(caller, y, spec$bootstraps), midpoints))
  }
  if (min(score) == max(score)) return(none)
  if (identical(rule, "youden")) {
    none$threshold <- stats::median(youden_cuts(score, y, rep(1, length(y)), midpoints, nobody = TRUE))
    return(none)
  }
  pi <- mean(y == 1)
  none$threshold <- rule_cut(rule, score, y, rep(1, length(y)), pi, midpoints, line)
  # A risk is set, not learned from these scores.
  if (is.na(none$threshold) || rule$kind == "risk") return(none)
  counts <- draw_callers(caller, y, spec$bootstraps)
  of_caller <- match(caller, colnames(counts))
  cuts <- vapply(seq_len(nrow(counts)), function(b) rule_cut(rule, score, y, counts[b, of_caller], pi, midpoints), 0)
  cuts <- cuts[is.finite(cuts)]
  tails <- if (length(cuts)) stats::quantile(cuts, c(0.025, 0.975), names = FALSE) else c(NA_real_, NA_real_)
  list(
    threshold = none$threshold, n_boot = nrow(counts), spread_sd = if (length(cuts) > 1L) stats::sd(cuts) else NA_real_,
    q025 = tails[1L], q975 = tails[2L]
  )
}

# The cut that a service's rule asks for. Candidates are the scores seen, and a cut above them all; score >= cut is flagged.
rule_cut <- function(rule, score, y, weights, prevalence, midpoints = FALSE, line = NULL) {
  used <- weights > 0
  seen <- sort(unique(score[used]))
  if (length(seen) < 2L) return(NA_real_)
  if (rule$kind == "risk") return(risk_cut(rule$value, line))
  cell <- match(score[used], seen)
  at_or_above <- function(class) {
    mass <- as.vector(rowsum(weights[used] * (y[used] == class), cell, reorder = TRUE))
    c(rev(cumsum(rev(mass))) / sum(mass), 0)
  }
  alarms <- at_or_above(0)
  found <- at_or_above(1)
  slack <- 1e-9 # shares are sums of weights
  above <- seen[length(seen)] + .Machine$double.eps * max(1, abs(seen[length(seen)]))
  candidates <- c(seen, above)
  number <- switch(rule$kind,
    sensitivity = max(which(found >= rule$value - slack)),
    capacity = min(which(prevalence * found + (1 - prevalence) * alarms <= rule$value / 100 + slack)),
    cost = {
      cost <- prevalence * rule$value * (1 - found) + (1 - prevalence) * alarms
      # Of equal ones the one that misses least.
      min(which(cost <= min(cost) + slack))
    }
  )
  if (midpoints && number > 1L && number <= length(seen)) return((candidates[number] + candidates[number - 1L]) / 2)
  candidates[number]
}

# The score whose risk is `value`; none where every risk is the same.
risk_cut <- function(value, line) {
  if (is.null(line)) return(value)
  if (line[["slope"]] == 0) return(NA_real_)
  stats::plogis((stats::qlogis(value) - line[["intercept"]]) / line[["slope"]])
}
