clustered <- function() {
  vr_gamm(calls_example, c("dom", "loudness"), random = character(), covariance = "caller_jackknife", engine = "gam", k = 5)
}

test_that("every verb of a GAMM uses the covariance of the fit", {
  fit <- clustered()
  terms <- vr_tables(fit)$terms
  expect_equal(unname(sqrt(diag(vcov(fit)))[terms$term]), terms$se, tolerance = 1e-10)
  expect_equal(unname(confint(fit)), unname(as.matrix(terms[c("lower", "upper")])))
  expect_equal(rownames(confint(fit, "sexmale")), "sexmale")
  expect_error(confint(fit, "s(dom):sexmale.1"), "is no parametric term")
  expect_equal(nobs(fit), 240L)
  expect_equal(names(coef(fit)), colnames(vcov(fit)))
  expect_equal(all.vars(formula(fit)), c("outcome", "sex", "dom", "loudness"))
  by_hand <- mgcv::predict.gam(fit$model, type = "lpmatrix")
  expect_equal(predict(fit), unname(c(by_hand %*% coef(fit))), tolerance = 1e-8)
  both <- predict(fit, calls_example[1:5, ], se.fit = TRUE)
  expect_equal(both$se.fit, unname(sqrt(rowSums((by_hand[1:5, ] %*% vcov(fit)) * by_hand[1:5, ]))), tolerance = 1e-8)
  expect_equal(predict(fit, type = "response"), plogis(predict(fit)))
  expect_equal(fitted(fit), fitted(fit$model))
  expect_error(predict(fit, caller = "marginal"), "averages probabilities")
  expect_equal(as.data.frame(fit, what = "terms"), terms)
})

test_that("print fits one screen, also with many markers, and names what is left out", {
  rows <- rows_of_callers(callers = 60L, segments = 12L)
  set.seed(2)
  for (i in 3:15) rows[[paste0("x", i)]] <- rnorm(nrow(rows))
  fit <- vr_gamm(rows, paste0("x", 1:15), random = character(), covariance = "caller_jackknife", k = 3)
  shown <- capture.output(print(fit))
  expect_lte(length(shown), 40L)
  expect_true(any(grepl("and 3 more: vr_tables(fit)$smooths", shown, fixed = TRUE)))
})

test_that("a fit whose caller intercept explains the outcome prints no P", {
  shown <- capture.output(print(vr_gamm(calls_example, "dom", k = 5)))
  expect_false(any(grepl("female P", shown)))
  expect_true(any(grepl("No caller has both outcomes", shown)))
  expect_true(any(grepl("female P", capture.output(print(clustered())))))
})

test_that("broom's verbs are found and have broom's columns", {
  skip_if_not_installed("generics")
  fit <- clustered()
  expect_named(generics::tidy(fit), c("term", "marker", "sex", "edf", "ref.df", "statistic", "p.value"))
  parametric <- generics::tidy(fit, parametric = TRUE, conf.int = TRUE)
  expect_named(parametric, c("term", "estimate", "std.error", "statistic", "p.value", "conf.low", "conf.high"))
  expect_equal(generics::glance(fit)$deviance, deviance(fit$model), tolerance = 1e-8)
  expect_equal(generics::augment(fit)$.fitted, predict(fit))
  expect_false(".resid" %in% names(generics::augment(vr_gamm(calls_example, "dom", k = 5))))
})

test_that("a Lasso predicts what glmnet predicts, and a gap takes its median and indicator", {
  skip_if_not_installed("glmnet")
  markers <- c("dom", "loudness", "roughness", "entropy")
  fold <- as.integer(factor(calls_example$caller_id)) %% 5L + 1L
  fit <- vr_lasso(calls_example, markers, fold = fold)
  X <- as.matrix(calls_example[markers])
  gap <- is.na(X[, "roughness"])
  X[gap, "roughness"] <- median(X[, "roughness"], na.rm = TRUE)
  X <- cbind(X, roughness_missing = gap + 0)
  hand <- glmnet::cv.glmnet(X, calls_example$outcome, family = "binomial", foldid = fold, thresh = 1e-10)
  expect_equal(predict(fit, calls_example), unname(c(predict(hand, X, s = "lambda.min"))), tolerance = 1e-8)
  expect_equal(predict(fit, calls_example, rule = "1se"), unname(c(predict(hand, X, s = "lambda.1se"))), tolerance = 1e-8)
  expect_equal(names(coef(fit)), c("(Intercept)", colnames(X)))
  expect_error(predict(fit, transform(calls_example, dom = NA)), "dom is missing in 240 new rows")
  expect_error(vcov(fit), "no covariance")
  expect_lte(length(capture.output(print(fit))), 25L)
})

test_that("a boosted model's verbs agree with its functions", {
  skip_if_not_installed("mboost")
  fit <- vr_gamboost(calls_example, c("dom", "loudness"), mstop = 20L)
  expect_equal(predict(fit, calls_example, type = "response"), vr_boost_predict(fit, calls_example)$probability)
  expect_equal(fitted(fit), predict(fit, calls_example, type = "response"), tolerance = 1e-10)
  expect_equal(nobs(fit), 240L)
  expect_error(confint(fit), "no covariance")
  expect_error(predict(fit), "give newdata")
  expect_lte(length(capture.output(print(fit))), 25L)
})

test_that("a model from a file draws the curves that it scores with", {
  model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
  scored <- vr_score(model, calls_example)
  expect_equal(predict(model, calls_example), scored$log_odds)
  expect_equal(unname(rowSums(predict(model, calls_example, type = "terms"))), scored$log_odds - scored$base)
  curves <- as.data.frame(model, points = 5L)
  one <- subset(curves, marker == "dom" & sex == "female")
  new <- data.frame(dom = one$x, loudness = 8, roughness = 0.5, sex = "female")
  expect_equal(vr_score(model, new)$dom, one$estimate)
  expect_error(nobs(model), "curves, not rows")
  expect_lte(length(capture.output(print(model))), 25L)
})

test_that("a study prints one screen and gives its tables", {
  study <- vr_read_study(system.file("extdata", "study", package = "voicerisk"))
  expect_lte(length(capture.output(print(study))), 30L)
  expect_equal(as.data.frame(study, what = "metrics"), study$metrics)
  expect_error(as.data.frame(study, what = "metric"), "has no table \"metric\"; it has")
  headline <- summary(study)
  expect_false(anyDuplicated(headline[c("protocol", "design", "metric")]) > 0L)
  expect_true(all(headline$method %in% "caller_bootstrap_percentile_given_scores"))
  expect_s3_class(study["metrics"], "vr_study")
})

test_that("Parquet files that cannot be read are named, and text that is not UTF-8 is refused", {
  folder <- tempfile()
  dir.create(folder)
  writeLines(c("caller_id,town", "007,Koeln"), file.path(folder, "calls.csv"))
  file.create(file.path(folder, "frames.parquet"))
  if (is.null(parquet_reader())) {
    study <- vr_read_study(folder)
    expect_equal(attr(study, "skipped"), "frames.parquet")
    expect_true(any(grepl("Not read: frames.parquet", capture.output(print(study)))))
    expect_equal(study$calls$caller_id, "007")
  }
  file.remove(file.path(folder, "frames.parquet"))
  writeBin(c(charToRaw("caller_id,town\n007,K"), as.raw(0xf6), charToRaw("ln\n")), file.path(folder, "calls.csv"))
  expect_error(vr_read_study(folder), "calls.csv, row 1, column town is not UTF-8 text")
  expect_equal(vr_read_study(folder, encoding = "latin1")$calls$town, "K\u00f6ln")
  expect_error(vr_read_study(folder, encoding = "utf8"), "must be")
})

test_that("columns of a study are what the schema says, and what no schema knows is a number only as one is written", {
  folder <- tempfile("study")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  writeLines(c(
    "call_id,caller_id,sex,outcome,file,site,age", "1,NA,female,1,a.wav,001,30", "02,007,F,0,\"b,c.wav\",002,", "3,8,male,,d.wav,NA,31.5"
  ), file.path(folder, "calls.csv"))
  writeLines(c("user_id,kept,value", "12,True,1e3", "13,False,-0.5"), file.path(folder, "elsewhere.csv"))
  study <- vr_read_study(folder)
  calls <- study$calls
  expect_equal(calls$call_id, c("1", "02", "3"))
  expect_equal(calls$caller_id, c("NA", "007", "8"))
  expect_equal(calls$sex, c("female", "F", "male"))
  expect_equal(calls$outcome, c(1, 0, NA))
  expect_equal(calls$file[2L], "b,c.wav")
  expect_equal(calls$site, c("001", "002", "NA"))
  expect_equal(calls$age, c(30, NA, 31.5))
  expect_equal(study$elsewhere, data.frame(user_id = c("12", "13"), kept = c(TRUE, FALSE), value = c(1000, -0.5)))
  writeLines(c("step,n", "a,1", "b,0.5"), file.path(folder, "flow.csv"))
  expect_error(vr_read_study(folder), "flow.csv, row 2: n is \"0.5\", not a whole number")
})

test_that("a study's own protocols stand before models beside them, and those have no ROC curve", {
  study <- vr_read_study(system.file("extdata", "study", package = "voicerisk"))
  beside <- study$metrics[study$metrics$protocol == "nested", ]
  beside$protocol <- "rival"
  beside$model <- "elastic_net"
  study$metrics <- rbind(beside, study$metrics)
  rows <- summary(study)
  expect_equal(unique(rows$protocol), c("nested", "published", "elastic_net"))
  expect_equal(rows$design[1L], "grouped_kfold")
  expect_false("elastic_net" %in% voicerisk:::figure_of(study, "roc")$said$protocol)
  elsewhere <- study["metrics"]
  names(elsewhere) <- "external/metrics"
  expect_equal(summary(elsewhere), rows)
})
