test_that("curves have mean zero over the rows of their level in every engine", {
  rows <- rows_of_callers(callers = 40L)
  for (engine in c("gam", "bam")) {
    fit <- vr_gamm(rows, "x1", k = 6, engine = engine, discrete = engine == "bam")
    partial <- vr_partial_residuals(fit)
    expect_equal(as.vector(tapply(partial$fitted, partial$sex, mean)), c(0, 0), tolerance = 1e-10)
    curves <- vr_curves(fit, 50L, draws = 0L)
    for (sex in c("female", "male")) {
      mine <- partial[partial$sex == sex, ]
      line <- subset(curves, sex == mine$sex[1L])
      expect_equal(stats::approx(line$x, line$estimate, mine$x, rule = 2)$y, mine$fitted, tolerance = 0.01)
    }
  }
})

test_that("intervals with the intercept are those of the mean log-odds at that value", {
  rows <- rows_of_callers(callers = 40L)
  fit <- vr_gamm(rows, c("x1", "x2"), k = 5, random = character(), covariance = "caller_jackknife")
  curve <- subset(vr_curves(fit, 3L, draws = 0L, intercept = TRUE), marker == "x1" & sex == "male")
  male <- subset(rows, sex == "male")
  by_hand <- vapply(curve$x, function(x) {
    X <- predict(fit$model, transform(male, x1 = x), type = "lpmatrix")
    row <- colMeans(X)
    sqrt(drop(row %*% fit$V %*% row))
  }, 0)
  expect_equal(curve$se, by_hand, tolerance = 1e-8)
  shape <- subset(vr_curves(fit, 3L, draws = 0L), marker == "x1" & sex == "male")
  expect_equal(curve$estimate, shape$estimate)
  expect_false(isTRUE(all.equal(curve$se, shape$se)))
})

test_that("the standardised contrast is the mean difference of predictions, in every engine", {
  rows <- rows_of_callers(callers = 60L, constant = TRUE)
  of <- function(engine, discrete = FALSE) {
    fit <- vr_gamm(
      rows, c("x1", "x2"), k = 5, random = character(), covariance = "caller_jackknife", engine = engine,
      discrete = discrete
    )
    list(fit = fit, level = subset(vr_moderation(fit), what == "level"))
  }
  one <- of("gam")
  men <- transform(rows, sex = factor("male", c("female", "male")))
  women <- transform(rows, sex = factor("female", c("female", "male")))
  expect_equal(one$level$estimate, mean(predict(one$fit$model, men) - predict(one$fit$model, women)), tolerance = 1e-8)
  X <- predict(one$fit$model, men, type = "lpmatrix") - predict(one$fit$model, women, type = "lpmatrix")
  expect_equal(one$level$se, sqrt(drop(colMeans(X) %*% one$fit$V %*% colMeans(X))), tolerance = 1e-8)
  expect_equal(one$level$residual_df, 29)
  other <- of("bam", TRUE)
  expect_equal(other$level$estimate, one$level$estimate, tolerance = 0.01)
  # x1 acts in women alone.
  curves <- subset(vr_moderation(one$fit), what == "curve")
  expect_lt(curves$p_value[curves$marker == "x1"], 0.01)
  expect_gt(curves$p_value[curves$marker == "x2"], 0.05)
})

test_that("the test of a curve's moderation is that of an ordered factor in mgcv", {
  rows <- rows_of_callers()
  fit <- vr_gamm(rows, "x1", k = 5, engine = "gam")
  rows$sex <- factor(rows$sex)
  rows$later <- ordered(rows$sex)
  rows$caller_id <- factor(rows$caller_id)
  hand <- mgcv::gam(
    outcome ~ sex + s(x1, k = 5) + s(x1, by = later, k = 5) + s(caller_id, bs = "re"), data = rows, family = binomial,
    method = "REML"
  )
  expected <- summary(hand)$s.table["s(x1):latermale", ]
  found <- subset(vr_moderation(fit), what == "curve")
  expect_equal(found$edf, expected[["edf"]], tolerance = 1e-6)
  expect_equal(found$p_value, expected[["p-value"]], tolerance = 1e-6)
})

test_that("three levels have three differences", {
  rows <- rows_of_callers(callers = 60L)
  rows$sex <- c("a", "b", "c")[as.integer(factor(rows$caller_id)) %% 3L + 1L]
  fit <- vr_gamm(rows, "x1", k = 4)
  expect_equal(unique(vr_differences(fit, 3L, draws = 0L)$contrast), c("b - a", "c - a", "c - b"))
  tests <- vr_moderation(fit)
  expect_equal(vr_moderation(fit, curves = FALSE), subset(tests, what == "level"), ignore_attr = TRUE)
  expect_equal(tests$contrast[tests$what == "level"], c("b - a", "c - a", "c - b"))
  levels <- tests$estimate[tests$what == "level"]
  expect_equal(levels[2L] - levels[1L], levels[3L])
})

test_that("a linear marker's moderation is the difference of its slopes", {
  rows <- rows_of_callers(callers = 40L)
  rows$flag <- as.numeric(rows$x2 > 0)
  fit <- vr_gamm(rows, c("x1", "flag"), linear = "flag", k = 4, engine = "gam")
  slopes <- coef(fit$model)[c("sexmale:flag", "sexfemale:flag")]
  found <- subset(vr_moderation(fit), marker == "flag")
  expect_equal(found$estimate, slopes[[1L]] - slopes[[2L]], tolerance = 1e-4)
})

test_that("bands have a seed and leave the session's generator alone", {
  fit <- vr_gamm(rows_of_callers(), "x1", k = 5)
  set.seed(8)
  before <- stats::runif(1)
  set.seed(8)
  first <- vr_curves(fit, 5L, draws = 500L)
  expect_equal(stats::runif(1), before)
  expect_identical(vr_curves(fit, 5L, draws = 500L), first)
  expect_false(identical(vr_curves(fit, 5L, draws = 500L, seed = 2L), first))
})

test_that("one level has no moderation", {
  fit <- vr_gamm(subset(rows_of_callers(), sex == "male"), "x1", k = 4)
  expect_error(vr_moderation(fit), "nothing is moderated")
})
