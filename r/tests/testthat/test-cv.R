markers <- c("dom", "loudness")
quick <- function(...) {
  set.seed(1)
  vr_cv(calls_example, markers, screen = FALSE, mstop = 8L, bootstraps = 100L, inner_folds = 3L, design = "grouped_kfold", ...)
}

test_that("AUROC, average precision and the Youden cut are right where they can be counted by hand", {
  score <- c(0.1, 0.4, 0.4, 0.6, 0.8)
  y <- c(0, 0, 1, 0, 1)
  # Pairs: 0.4 beats 0.1, ties 0.4, loses to 0.6; 0.8 beats all three.
  expect_equal(unname(rank_metrics(score, y, matrix(1, 5L, 1L))[1L, ]), c((1 + 0.5 + 3) / 6, (1 + 2 / 4) / 2))
  expect_equal(youden_cuts(score, y, rep(1, 5L), FALSE), 0.8)
  expect_equal(youden_cuts(score, y, rep(1, 5L), TRUE), 0.7)
  expect_equal(youden_cuts(score, y, c(1, 1, 1, 0, 1), FALSE), c(0.4, 0.8))
  one <- rep(1:3, 2)
  expect_equal(bootstrap_youden(rep(0.5, 6L), c(0, 1, 0, 0, 1, 0), letters[one], matrix(1, 1L, 3L), FALSE)$threshold, NA_real_)
})

test_that("weights and bootstraps are those of callers", {
  caller <- rep(c("a", "b", "c"), c(1, 2, 3))
  weights <- training_weights(caller, c(1, 0, 0, 1, 1, 1), 0.25)
  expect_equal(sum(weights[c(1, 4:6)]), 0.25 * 3)
  expect_equal(sum(weights), 3)
  counts <- draw_callers(caller, c(1, 0, 0, 1, 1, 1), 50L)
  expect_equal(unname(rowSums(counts)), rep(3, 50L))
  expect_true(all(counts[, "b"] > 0 & counts[, "a"] + counts[, "c"] > 0))
  expect_error(draw_callers(caller, rep(1, 6L), 5L), "of one class")
})

test_that("no caller stands in two folds, and each class is spread", {
  skip_if_not_installed("mboost")
  result <- quick()
  outer <- result$folds$outer
  expect_equal(nrow(outer), 40L)
  outcome <- tapply(calls_example$outcome, calls_example$caller_id, `[`, 1L)
  positives <- tapply(outcome[outer$caller_id], outer$fold, sum)
  expect_lte(diff(range(positives)), 1)
  expect_equal(nobs(result), 40L)
  expect_equal(as.vector(table(result$predictions$call_id)), rep(1L, 40L))
  expect_equal(length(unique(result$predictions$threshold)), 1L)
})

test_that("a held-out caller changes nothing of the model that scores them in the nested recipe", {
  skip_if_not_installed("mboost")
  first <- quick(protocol = "nested")
  held <- first$folds$outer$caller_id[first$folds$outer$fold == 1L]
  fold <- first$folds$outer$fold[match(calls_example$caller_id, first$folds$outer$caller_id)]
  changed <- calls_example
  one <- changed$caller_id == held[1L]
  changed$outcome[one] <- 1 - changed$outcome[one]
  set.seed(1)
  prior <- mean(first$predictions$y)
  again <- function(rows) vr_cv(rows, markers, protocol = "nested", screen = FALSE, mstop = 8L, bootstraps = 100L,
    fold = fold, inner = first$folds$inner, prior = prior, design = "grouped_kfold")
  before <- again(calls_example)$predictions
  after <- again(changed)$predictions
  mine <- before$caller_id %in% held
  expect_equal(after$p_raw[mine], before$p_raw[mine])
  expect_equal(after$p[mine], before$p[mine])
  expect_false(isTRUE(all.equal(after$p_raw[!mine], before$p_raw[!mine])))
})

test_that("the order of rows changes no number", {
  skip_if_not_installed("mboost")
  set.seed(9)
  mixed <- calls_example[sample(nrow(calls_example)), ]
  set.seed(1)
  other <- vr_cv(mixed, markers, screen = FALSE, mstop = 8L, bootstraps = 100L, design = "grouped_kfold")
  expect_equal(other$predictions, quick()$predictions)
})

test_that("what cannot be validated is refused in words", {
  skip_if_not_installed("mboost")
  expect_error(vr_cv(transform(calls_example, outcome = 1), markers), "0 have a call with outcome 0")
  expect_error(vr_cv(transform(calls_example, outcome = replace(outcome, 2L, 1L)), markers, screen = FALSE), "call k01 has more than one value of the outcome")
  expect_error(vr_cv(calls_example, markers, screen = FALSE, fold = rep(1:3, 80L)), "stands in several folds")
  expect_error(vr_cv(calls_example, markers, screen = FALSE, prior = 1), "strictly between 0 and 1")
  expect_error(vr_cv(calls_example, c("dom", "nowhere"), screen = FALSE), "no column \"nowhere\"")
})

test_that("a validation prints one screen and draws its figures without touching the user's random numbers", {
  skip_if_not_installed("mboost")
  result <- quick()
  expect_lte(length(capture.output(print(result))), 30L)
  set.seed(3)
  expected <- runif(1L)
  set.seed(3)
  grDevices::pdf(tempfile(fileext = ".pdf"))
  for (which in c("roc", "calibration", "decision", "dots")) plot(result, which)
  grDevices::dev.off()
  expect_equal(runif(1L), expected)
  points <- voicerisk:::roc_points(result$predictions)
  area <- sum(diff(points$false_positive_rate) * (head(points$sensitivity, -1L) + tail(points$sensitivity, -1L)) / 2)
  expect_equal(area, result$metrics$estimate[result$metrics$metric == "auroc"], tolerance = 1e-10)
})

test_that("where the Lasso chooses nothing the score is that of the intercepts, constant within a sex", {
  skip_if_not_installed("mboost")
  rows <- cv_rows(calls_example, markers, "outcome", "sex", "caller_id", "call_id")
  spec <- list(protocol = "nested", prior = 0.5, linear = "voiced", shared = character(), df = 4, knots = 20L, nu = 0.1)
  training <- rows$caller != "c01"
  path <- cv_path(rows, training, character(), spec, 5L)
  calls <- cv_calls(rows)
  score <- cv_scores(path, rows, calls)$score[, 6L]
  expect_equal(unname(tapply(score, calls$sex, function(s) diff(range(s)))), c(0, 0), ignore_attr = TRUE)
  one <- transform(rows, sex = factor("all"))
  path <- cv_path(one, training, character(), spec, 5L)
  expect_equal(unique(as.vector(round(cv_scores(path, one, calls)$score, 10L))), 0.5)
})

test_that("a service's rule makes the cut, and a rule that is none is refused", {
  score <- c(0.1, 0.2, 0.3, 0.4, 0.9)
  y <- c(0, 1, 0, 1, 1)
  cut <- function(kind, value, ...) rule_cut(list(kind = kind, value = value), score, y, rep(1, 5L), mean(y), ...)
  expect_equal(cut("sensitivity", 0.6), 0.4)
  expect_equal(cut("sensitivity", 1), 0.2)
  expect_equal(cut("capacity", 40), 0.4)
  expect_true(cut("capacity", 1) > 0.9)
  expect_equal(cut("cost", 100), 0.2)
  expect_equal(cut("risk", 0.5, line = c(intercept = 0, slope = 1)), 0.5)
  expect_equal(rule_cut(list(kind = "cost", value = 1), rep(0.5, 5L), y, rep(1, 5L), 0.5), NA_real_)
  expect_error(threshold_rule(list(sensitivity = 1.2)), "sensitivity is 1.2; it must be a share above 0 and at most 1")
  expect_error(threshold_rule("best"), "must be \"bootstrap_youden\"")
  expect_error(threshold_rule(list(sensitivity = 0.9, risk = 0.1)), "one rule")
  skip_if_not_installed("mboost")
  careful <- quick(protocol = "nested", threshold = list(sensitivity = 1))
  usual <- quick(protocol = "nested")
  expect_equal(careful$predictions$p_raw, usual$predictions$p_raw)
  expect_true(mean(careful$predictions$threshold) < mean(usual$predictions$threshold))
  expect_true(all(careful$thresholds$q025 <= careful$thresholds$threshold + 1e-12))
})
