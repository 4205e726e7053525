# How many EDF a curve takes when rows of a caller count as independent, and when smoothness is chosen as if each
# caller gave one row (mgcv's gamma = rows a caller). 60 callers of 8 rows, outcome constant within callers, markers with
# ICC 0.3; 60 cohorts of each truth: nothing, a number of the caller that says nothing, a line, a parabola.
#
#     Rscript benchmarks/evidence/edf.R
suppressMessages(library(mgcv))
set.seed(7)
callers <- 60
rows <- 8
cohorts <- 60

edf_of <- function(truth) {
  y <- rep(rep(0:1, length.out = callers), each = rows)
  own <- sqrt(0.3) * rep(rnorm(callers), each = rows) + sqrt(0.7) * rnorm(callers * rows)
  x <- switch(truth,
    nothing = own, caller = rep(rnorm(callers), each = rows), line = own + 0.6 * y, parabola = own * ifelse(y == 1, 1.6, 1)
  )
  vapply(c(1, rows), function(gamma) {
    sum(gam(y ~ s(x, k = 10), binomial(), data.frame(y, x), method = "REML", gamma = gamma)$edf[-1])
  }, 0)
}

for (truth in c("nothing", "caller", "line", "parabola")) {
  found <- replicate(cohorts, edf_of(truth))
  error <- apply(found, 1, sd) / sqrt(cohorts)
  cat(sprintf(
    "%-9s EDF %.2f (%.2f), as if each caller gave one row %.2f (%.2f)\n",
    truth, mean(found[1, ]), error[1], mean(found[2, ]), error[2]
  ))
}
