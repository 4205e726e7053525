test_that("vr_gamm is the mgcv call a reader would write", {
  rows <- rows_of_callers()
  fit <- vr_gamm(rows, c("x1", "x2"), k = 6)
  rows$sex <- factor(rows$sex)
  rows$caller_id <- factor(rows$caller_id)
  library(mgcv)
  hand <- bam(
    outcome ~ sex + s(x1, by = sex, k = 6) + s(x2, by = sex, k = 6) + s(caller_id, bs = "re"),
    data = rows, family = binomial, method = "fREML"
  )
  expect_equal(unname(fitted(fit$model)), unname(fitted(hand)), tolerance = 1e-8)
  tables <- vr_tables(fit)
  s <- summary(hand)$s.table
  expect_equal(tables$smooths$edf, unname(s[1:4, "edf"]), tolerance = 1e-6)
  expect_equal(tables$smooths$p_value, unname(s[1:4, "p-value"]), tolerance = 1e-6)
  expect_equal(tables$terms$upper - tables$terms$estimate, qnorm(0.975) * tables$terms$se)
  components <- NULL
  utils::capture.output(components <- gam.vcomp(hand))
  expect_equal(tables$variance$sd, unname(components[5L, "std.dev"]), tolerance = 1e-4)
})

test_that("separation is seen before the fit", {
  expect_equal(vr_separation(rows_of_callers(constant = TRUE))$share, 1)
  expect_lt(vr_separation(rows_of_callers())$share, 1)
  fit <- vr_gamm(rows_of_callers(constant = TRUE), "x1", k = 5)
  table <- vr_tables(fit)$fit
  expect_gt(table$r2_adjusted, 0.9)
  expect_lt(table$r2_adjusted_fixed, 0.5)
})

test_that("a fixed standard deviation of the caller intercept is used and told", {
  fit <- vr_gamm(rows_of_callers(constant = TRUE), "x1", k = 5, random_sd = 0.5)
  expect_equal(vr_tables(fit)$variance$sd, 0.5, tolerance = 1e-10)
})

test_that("predictions leave the caller out", {
  rows <- rows_of_callers()
  fit <- vr_gamm(rows, c("x1", "x2"), k = 6)
  new <- transform(rows[1:6, ], caller_id = "unseen")
  fixed <- vr_predict(fit, new)
  expect_equal(fixed$link, unname(c(predict(fit$model, rows[1:6, ], exclude = "s(caller_id)"))), tolerance = 1e-8)
  flat <- vr_predict(fit, new, "marginal")
  expect_true(all(abs(flat$probability - 0.5) <= abs(fixed$probability - 0.5)))
  expect_error(vr_predict(fit, transform(new, sex = "other")), "sex = \"other\"; the model knows female and male")
  expect_error(vr_predict(fit, new["sex"]), "no column \"x1\"")
  new$x1[2L] <- NA
  expect_equal(is.na(vr_predict(fit, new)$link), c(FALSE, TRUE, FALSE, FALSE, FALSE, FALSE))
})

test_that("marginal probabilities are integrals over the caller", {
  exact <- integrate(function(b) plogis(1 + 2 * b) * dnorm(b), -10, 10, rel.tol = 1e-10)$value
  expect_equal(voicerisk:::marginal_probability(1, 2), exact, tolerance = 1e-8)
})

test_that("differences are one curve minus the other", {
  fit <- vr_gamm(rows_of_callers(), "x1", k = 6)
  difference <- vr_differences(fit, points = 7L, draws = 500L)
  at <- function(sex) {
    new <- data.frame(x1 = difference$x, sex = factor(sex, c("female", "male")), caller_id = "c01")
    label <- paste0("s(x1):sex", sex)
    own <- rows_of_callers()$sex == sex
    of_rows <- predict(fit$model, type = "terms")[own, label]
    unname(predict(fit$model, new, type = "terms")[, label]) - mean(of_rows)
  }
  expect_equal(difference$estimate, at("male") - at("female"), tolerance = 1e-8)
  expect_true(all(difference$upper_simultaneous >= difference$upper))
  one <- vr_gamm(subset(rows_of_callers(), sex == "male"), "x1", k = 6)
  expect_error(vr_differences(one), "one sex only")
})

test_that("derivatives integrate to the curve", {
  fit <- vr_gamm(rows_of_callers(), "x1", k = 6)
  slope <- subset(vr_derivatives(fit, points = 400L, draws = 100L), sex == "female")
  curve <- subset(vr_curves(fit, points = 400L, draws = 0L), sex == "female")
  middle <- (slope$estimate[-1L] + slope$estimate[-400L]) / 2
  expect_equal(cumsum(middle * diff(curve$x)), curve$estimate[-1L] - curve$estimate[1L], tolerance = 1e-3)
})

test_that("partial residuals are the smooth plus working residuals of mgcv", {
  fit <- vr_gamm(rows_of_callers(), "x1", k = 6, engine = "gam")
  partial <- vr_partial_residuals(fit)
  expect_equal(partial$residual, unname(residuals(fit$model, "working"))[partial$row], tolerance = 1e-6)
  terms <- predict(fit$model, type = "terms")
  female <- partial$sex == "female"
  smooth <- unname(terms[partial$row[female], "s(x1):sexfemale"])
  expect_equal(partial$fitted[female], smooth - mean(smooth), tolerance = 1e-8)
})

test_that("the checks name every smooth", {
  check <- vr_check(vr_gamm(rows_of_callers(), c("x1", "x2"), k = 6))
  expect_setequal(check$k$marker, c("x1", "x2", "caller_id"))
  expect_true(all(check$concurvity$observed >= 0 & check$concurvity$observed <= 1 + 1e-8))
  expect_equal(sum(check$residuals$rows), 240)
  expect_true(check$convergence$converged)
})

test_that("the caller jackknife is that of leaving callers out one by one", {
  rows <- rows_of_callers(callers = 40L, constant = TRUE)
  fit <- vr_gamm(rows, "x1", k = 4, random = character(), engine = "gam")
  G <- 40
  new <- expand.grid(x1 = c(-1, 0, 1), sex = c("female", "male"))
  left <- vapply(levels(factor(rows$caller_id)), function(caller) {
    kept <- fit$model$model[fit$caller != caller, ]
    unname(c(predict(mgcv::gam(formula(fit$model), data = kept, family = binomial, sp = fit$model$sp), new)))
  }, numeric(6))
  full <- unname(c(predict(fit$model, new)))
  jack <- sqrt((G - 1) / G * rowSums((left - full)^2))
  robust <- vr_robust(fit)
  X <- predict(fit$model, new, type = "lpmatrix")
  ours <- unname(sqrt(diag(X %*% (robust$V - (fit$model$Vp - fit$model$Ve)) %*% t(X))))
  # One Newton step stands for a full refit.
  expect_equal(ours, jack, tolerance = 0.05)
  expect_equal(robust$df, 39)
  expect_error(vr_robust(vr_gamm(rows, "x1", k = 4)), "without random intercepts")
})

test_that("caller-bootstrap intervals agree with the jackknife in size", {
  fit <- vr_gamm(rows_of_callers(constant = TRUE), "x1", k = 4, random = character(), covariance = "caller_jackknife")
  set.seed(2)
  boot <- vr_boot_curves(fit, resamples = 50L, points = 11L)
  jack <- vr_curves(fit, points = 11L, draws = 0L)
  expect_equal(boot$estimate, jack$estimate)
  expect_equal(median(boot$se / jack$se), 1, tolerance = 0.35)
  expect_true(all(boot$upper_simultaneous >= boot$upper - 1e-12))
  expect_error(vr_boot_curves(fit, resamples = 10L), "at least 50")
})

test_that("Table 1 has the right interval and, asked for, the paper's", {
  rows <- rows_of_callers()
  fit <- vr_gamm(rows, "x1", k = 5, engine = "gamm")
  table <- vr_table1(fit, paper_interval = TRUE)
  printed <- summary(fit$model$lme)$tTable
  expect_equal(abs(table$beta), unname(abs(printed[c("Xs(x1):sexmaleFx1", "Xs(x1):sexfemaleFx1"), "Value"])))
  expect_equal(table$se, unname(printed[c("Xs(x1):sexmaleFx1", "Xs(x1):sexfemaleFx1"), "Std.Error"]))
  expect_equal(table$sex, c("male", "female"))
  expect_equal((table$upper_paper - table$beta) * sqrt(240), qnorm(0.975) * table$se)
  expect_gt(table$beta[2L], 0)
  own <- vr_table1(vr_gamm(rows, "x1", k = 5, engine = "gam"))
  expect_equal(sign(own$beta), sign(table$beta))
})

test_that("refusals say what was found", {
  rows <- rows_of_callers()
  expect_error(vr_gamm(rows, "loudness"), "no column \"loudness\"")
  expect_error(vr_gamm(rows, c("x1", "x1")), "given twice")
  expect_error(vr_gamm(rows, "x1", random = "service"), "none of caller, call, segment")
  expect_error(vr_gamm(rows, "x1", k = 2), "at least 3")
})

test_that("clustered tests count the callers of the sex they speak of", {
  rows <- subset(rows_of_callers(callers = 40L, constant = TRUE), !(sex == "male" & caller_id > "c20"))
  rows$flag <- as.numeric(rows$x2 > 0)
  callers <- c(tapply(rows$caller_id, rows$sex, function(id) length(unique(id))))
  expect_lt(callers[["male"]], callers[["female"]])
  fit <- vr_gamm(rows, c("x1", "flag"), linear = "flag", k = 4, random = character(), covariance = "caller_jackknife")
  smooths <- vr_tables(fit)$smooths
  expect_equal(smooths$residual_df, unname(callers[smooths$sex]) - 1)
  expect_equal(smooths$p_value, pf(smooths$statistic, smooths$ref_df, smooths$residual_df, lower.tail = FALSE))
  terms <- vr_tables(fit)$terms
  df <- c(callers[["female"]], callers[["male"]], callers[["female"]], callers[["male"]]) - 1
  expect_equal(terms$term, c("(Intercept)", "sexmale", "sexfemale:flag", "sexmale:flag"))
  expect_equal((terms$upper - terms$estimate) / terms$se, qt(0.975, df))
  curves <- vr_curves(fit, points = 3L, draws = 0L)
  expect_equal((curves$upper - curves$estimate) / curves$se, unname(qt(0.975, callers[curves$sex] - 1)))
  between <- vr_differences(fit, points = 3L, draws = 0L)
  expect_equal((between$upper - between$estimate) / between$se, rep(qt(0.975, callers[["male"]] - 1), 3))
  new <- rows[c(1L, nrow(rows)), ]
  found <- vr_predict(fit, new)
  expect_equal((qlogis(found$upper) - found$link) / found$se, unname(qt(0.975, callers[new$sex] - 1)))
  one <- vr_gamm(subset(rows, sex == "male"), "x1", k = 4, random = character(), covariance = "caller_jackknife")
  expect_equal(vr_tables(one)$smooths$residual_df, callers[["male"]] - 1)
  expect_error(vr_predict(one, rows), "sex = \"female\"; the model was fitted to male rows alone")
})

test_that("markers that are one up to scale are named", {
  rows <- transform(rows_of_callers(), x3 = 5 - 2 * x1)
  fit <- vr_gamm(rows, c("x1", "x2", "x3"), k = 4, random = character(), engine = "gam")
  expect_true("The same up to scale: \"x1\" and \"x3\". Their curves cannot be told apart; leave one of each two out." %in% fit$notes)
  near <- vr_gamm(transform(rows, x3 = x3 + 1e-3 * x2), c("x1", "x2", "x3"), k = 4, random = character(), engine = "gam")
  expect_false(any(grepl("same up to scale", near$notes)))
})
