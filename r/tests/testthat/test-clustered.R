clustered <- function(engine = "bam", discrete = FALSE, callers = 60L) {
  rows <- rows_of_callers(callers = callers, constant = TRUE)
  rows$age <- rep(stats::rnorm(callers, 40, 9), each = 8L)
  fit <- vr_gamm(
    rows, c("x1", "x2"), k = 5, random = character(), covariates = "age", linear = "age",
    covariance = "caller_jackknife", engine = engine, discrete = discrete
  )
  list(rows = rows, fit = fit, model = if (engine == "gamm") fit$model$gam else fit$model, tables = vr_tables(fit))
}

test_that("the model handed out says what the tables say", {
  for (engine in c("bam", "gam", "gamm")) {
    made <- clustered(engine)
    said <- summary(made$model)
    expect_equal(unname(said$p.table[, "Std. Error"]), made$tables$terms$se, tolerance = 1e-8)
    expect_equal(unname(said$p.table[, "Pr(>|t|)"]), made$tables$terms$p_value, tolerance = 1e-8)
    expect_equal(unname(said$s.table[, "F"]), made$tables$smooths$statistic, tolerance = 1e-8)
    expect_equal(unname(said$s.table[, "p-value"]), made$tables$smooths$p_value, tolerance = 1e-8)
    expect_equal(unname(vcov(made$model)), unname(made$fit$V), tolerance = 1e-12)
    expect_equal(unname(vcov(made$model, freq = TRUE)), unname(made$fit$V), tolerance = 1e-12)
    expect_equal(unname(vcov(made$model, unconditional = TRUE)), unname(made$fit$V), tolerance = 1e-12)
    new <- made$rows[1:5, ]
    expect_equal(as.vector(predict(made$model, new, se.fit = TRUE)$se.fit), vr_predict(made$fit, new)$se, tolerance = 1e-8)
    limits <- confint(made$model)
    expect_equal(unname(limits), unname(as.matrix(made$tables$terms[c("lower", "upper")])), tolerance = 1e-8)
    expect_equal(df.residual(made$model), 29)
  }
})

test_that("the parametric F of a covariate is the square of its t", {
  made <- clustered()
  tests <- anova(made$model)$pTerms.table
  expect_equal(unname(tests["age", "F"]), made$tables$terms$statistic[3L]^2, tolerance = 1e-8)
  expect_equal(unname(tests[, "p-value"]), made$tables$terms$p_value[2:3], tolerance = 1e-8)
  expect_output(print(summary(made$model)), "leave-one-caller-out jackknife over 60")
})

test_that("the model with rows as the unit stays under a name that says so", {
  made <- clustered()
  plain <- made$fit$model_row_level
  expect_equal(plain$Vp, vr_gamm(
    made$rows, c("x1", "x2"), k = 5, random = character(), covariates = "age", linear = "age"
  )$model$Vp)
  # The outcome belongs to the caller, so rows as the unit promise too much.
  expect_lt(sqrt(diag(plain$Vp))[3L], made$tables$terms$se[3L])
  expect_equal(vr_robust(made$fit)$V, made$fit$V)
  expect_error(update(made$fit$model, . ~ . - age), "lose the caller-clustered covariance")
  expect_error(anova(made$fit$model, plain), "rows as the unit")
  expect_error(vcov(made$fit$model, sandwich = TRUE), "caller-clustered covariance already")
  shorter <- update(plain, . ~ . - age)
  expect_equal(nobs(shorter), 480)
  expect_false("age" %in% all.vars(formula(shorter)))
})

test_that("other packages read the clustered covariance", {
  made <- clustered()
  new <- made$rows[1:5, ]
  se <- vr_predict(made$fit, new)$se
  slope <- made$tables$terms$se[3L]
  skip_if_not_installed("emmeans")
  trend <- as.data.frame(emmeans::emtrends(made$model, ~1, var = "age"))
  expect_equal(trend$SE, slope, tolerance = 1e-8)
  expect_equal(trend$df, 29)
  skip_if_not_installed("ggeffects")
  at <- data.frame(age = 40, x1 = mean(made$rows$x1), x2 = mean(made$rows$x2), sex = "female")
  effects <- as.data.frame(ggeffects::ggpredict(made$model, "age [40]"))
  expect_equal(effects$std.error, vr_predict(made$fit, at)$se, tolerance = 1e-8)
  skip_if_not_installed("gratia")
  curve <- gratia::smooth_estimates(made$model, "s(x1):sexfemale", n = 20, overall_uncertainty = FALSE)
  smooth <- made$model$smooth[[1L]]
  x <- data.frame(x1 = curve[["x1"]], sex = factor("female", c("female", "male")))
  X <- mgcv::PredictMat(smooth, x)
  V <- made$fit$V[smooth$first.para:smooth$last.para, smooth$first.para:smooth$last.para]
  expect_equal(curve[[if (".se" %in% names(curve)) ".se" else "se"]], sqrt(rowSums((X %*% V) * X)), tolerance = 1e-8)
  skip_if_not_installed("marginaleffects")
  # It differentiates numerically.
  expect_equal(marginaleffects::avg_slopes(made$model, variables = "age", type = "link")$std.error, slope, tolerance = 1e-5)
  expect_equal(marginaleffects::predictions(made$model, newdata = new, type = "link")$std.error, se, tolerance = 1e-7)
})

test_that("a fit whose outcomes the markers separate has no P anywhere", {
  rows <- rows_of_callers(constant = TRUE)
  rows$x1 <- rows$outcome + stats::rnorm(nrow(rows)) / 50
  fit <- suppressWarnings(
    vr_gamm(rows, c("x1", "x2"), k = 4, random = character(), covariance = "caller_jackknife", engine = "gam")
  )
  expect_true(any(grepl("not to be believed", fit$notes)))
  tables <- vr_tables(fit)
  expect_true(all(is.na(c(tables$smooths$p_value, tables$terms$p_value))))
  said <- summary(fit$model)
  expect_true(all(is.na(c(said$p.pv, said$s.pv, said$pTerms.pv, said$s.table[, 4L], said$p.table[, 4L]))))
  expect_output(print(said), "no P values")
})

test_that("degrees of freedom of a term do not depend on contrasts", {
  rows <- transform(subset(calls_example, sex == "female" | caller_id > "c15"), sex = factor(sex))
  adopted <- function(formula, contrasts = "contr.treatment") {
    old <- options(contrasts = c(contrasts, "contr.poly"))
    on.exit(options(old))
    vr_tables(vr_adopt(mgcv::gam(formula, binomial, rows, method = "REML"), caller = rows$caller_id))$terms
  }
  women <- length(unique(rows$caller_id[rows$sex == "female"])) - 1
  men <- length(unique(rows$caller_id[rows$sex == "male"])) - 1
  expect_true(women != men)
  df <- function(terms) {
    # From the interval and its standard error.
    half <- (terms$upper - terms$lower) / 2 / terms$se
    vapply(half, function(q) Find(function(df) abs(stats::qt(0.975, df) - q) < 1e-9, 1:60), 0L)
  }
  curves <- outcome ~ sex + s(dom, by = sex, k = 4)
  least <- min(women, men)
  expect_equal(df(adopted(curves)), c(women, least))
  expect_equal(df(adopted(curves, "contr.sum")), c(least, least))
  expect_equal(df(adopted(outcome ~ sex + sex:entropy + s(dom, by = sex, k = 4))), c(women, least, women, men))
  expect_equal(df(adopted(outcome ~ sex * entropy + s(dom, by = sex, k = 4))), c(women, least, women, least))
})

test_that("an update of the model that takes rows as the unit wants its table for a new column", {
  fit <- vr_gamm(outcome ~ s(dom, k = 4), calls_example, engine = "gam")
  expect_error(update(fit$model_row_level, . ~ . + age), "data = your table, which holds \"age\"")
  wider <- update(fit$model_row_level, . ~ . + age, data = calls_example)
  expect_true("age" %in% names(coef(wider)))
})

test_that("EDF by callers are mgcv's with gamma = rows a caller, and say how bent a curve is", {
  set.seed(3)
  callers <- 60L
  each <- 8L
  caller <- rep(seq_len(callers), each = each)
  y <- rep(rep(0:1, length.out = callers), each = each)
  own <- function() sqrt(0.3) * rep(rnorm(callers), each = each) + sqrt(0.7) * rnorm(callers * each)
  rows <- data.frame(
    caller_id = caller, sex = "f", outcome = y, noise = rbinom(callers * each, 1, 0.5),
    age = rep(rnorm(callers), each = each), bent = own() * ifelse(y == 1, 1.8, 1), line = own() + 0.6 * y
  )
  of <- function(marker) vr_tables(vr_gamm(
    rows, marker, k = 10, random = character(), covariance = "caller_jackknife", engine = "gam"
  ))$smooths
  by_mgcv <- mgcv::gam(outcome ~ s(age, k = 10), stats::binomial(), rows, method = "REML", gamma = each)
  age <- of("age")
  expect_equal(age$edf_clustered, sum(by_mgcv$edf[-1L]), tolerance = 1e-6)
  # A number of the caller that says nothing: rows as independent bend it, callers do not.
  expect_gt(age$edf, 4)
  expect_lt(age$edf_clustered, 2.5)
  expect_lt(of("line")$edf_clustered, 1.5)
  expect_gt(of("bent")$edf_clustered, 1.7)
  plain <- vr_gamm(rows, "line", y = "noise", k = 5, random = "caller", engine = "gam")
  expect_true(is.na(vr_tables(plain)$smooths$edf_clustered))
})
