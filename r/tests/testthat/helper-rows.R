# Segments of callers of both sexes; with `constant` every caller has one outcome.
rows_of_callers <- function(callers = 30L, segments = 8L, constant = FALSE, seed = 1L) {
  set.seed(seed)
  caller <- rep(seq_len(callers), each = segments)
  male <- caller %% 2L == 1L
  outcome <- if (constant) (caller %/% 2L) %% 2L else stats::rbinom(length(caller), 1L, 0.5)
  data.frame(
    caller_id = sprintf("c%02d", caller), call_id = sprintf("k%02d", caller), segment = rep(seq_len(segments), callers),
    sex = ifelse(male, "male", "female"), outcome = outcome,
    x1 = stats::rnorm(length(caller)) + outcome * !male, x2 = stats::rnorm(length(caller))
  )
}
