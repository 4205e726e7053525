# Youden cuts and the bootstrap of callers.

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

# All finite cuts whose Youden index is within 1e-6 of the best; score >= cut is positive. Rows of weight 0 are absent.
youden_cuts <- function(score, y, weights, midpoints) {
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
  best <- best[best <= length(value)]
  if (!midpoints) return(value[best])
  (value[best] + value[pmax(best - 1L, 1L)]) / 2
}
