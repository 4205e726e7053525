# Simulates the example calls of the package; run from the folder of the package.
set.seed(20)
callers <- 40L
segments <- 6L
caller <- rep(seq_len(callers), each = segments)
n <- length(caller)
female <- caller %% 2L == 1L
outcome <- as.integer((caller %/% 2L) %% 2L)
# A third of a marker's variance lies between callers.
standard <- function() sqrt(1 / 3) * stats::rnorm(callers)[caller] + sqrt(2 / 3) * stats::rnorm(n)
calls_example <- data.frame(
  call_id = sprintf("k%02d", caller), caller_id = sprintf("c%02d", caller), segment = rep(seq_len(segments), callers),
  sex = ifelse(female, "female", "male"), age = round(stats::runif(callers, 18, 70))[caller], outcome = outcome,
  dom = round(400 + 90 * (standard() + 0.8 * outcome), 1L),
  loudness = round(8 + 2 * standard() * ifelse(outcome == 1L & female, 2, 1), 3L),
  roughness = round(stats::plogis(standard() - 0.5 * outcome * !female), 4L),
  entropy = round(stats::plogis(standard()), 4L)
)
calls_example$roughness[c(7L, 60L, 61L, 200L)] <- NA
save(calls_example, file = "data/calls_example.rda", version = 2, compress = "xz")
