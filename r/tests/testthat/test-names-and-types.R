test_that("no name of a column runs as code", {
  rows <- rows_of_callers(callers = 40L)
  touched <- tempfile("touched")
  evil <- sprintf("file.create(\"%s\")", gsub("\\\\", "/", touched))
  rows$covariate <- rep(stats::rnorm(40), each = 8L)
  names(rows)[names(rows) == "covariate"] <- evil
  fit <- vr_gamm(rows, "x1", k = 4, random = character(), covariates = evil, covariance = "caller_jackknife")
  expect_false(file.exists(touched))
  expect_true(evil %in% vr_tables(fit)$smooths$marker)
  vr_curves(fit, 5L, draws = 0L)
  vr_predict(fit, rows[1:3, ])
  vr_check(fit)
  set.seed(1)
  vr_boot_curves(fit, 50L, 5L)
  for (role in c("x1", "sex", "outcome", "caller_id")) {
    other <- rows_of_callers()
    names(other)[names(other) == role] <- evil
    asked <- list(data = other, markers = "x1", k = 4)
    where <- c(x1 = "markers", sex = "sex", outcome = "y", caller_id = "caller")[[role]]
    asked[[where]] <- evil
    do.call(vr_gamm, asked)
    expect_false(file.exists(touched))
  }
  skip_if_not_installed("mboost")
  names(other)[names(other) == evil] <- "caller_id"
  names(other)[names(other) == "x1"] <- evil
  expect_error(vr_gamboost(other, c(evil, "x2")), "not a name in R")
  expect_false(file.exists(touched))
})

test_that("names with blanks, minus and brackets work and come back", {
  rows <- rows_of_callers()
  rows$age <- stats::rnorm(240)
  rows$town <- rep(c("A b", "C"), 120)
  plain <- vr_gamm(rows, c("x1", "x2"), k = 4, covariates = c("age", "town"))
  renamed <- rows
  odd <- c(x1 = "dom (Hz)", x2 = "slope-0", age = "age at call", town = "if", sex = "sex / m f")
  names(renamed)[match(names(odd), names(renamed))] <- odd
  fit <- vr_gamm(renamed, unname(odd[c("x1", "x2")]), k = 4, sex = odd[["sex"]], covariates = unname(odd[c("age", "town")]))
  tables <- vr_tables(fit)
  expect_equal(unique(tables$smooths$marker), unname(odd[c("x1", "x2", "age")]))
  expect_equal(tables$smooths$p_value, vr_tables(plain)$smooths$p_value, tolerance = 1e-8)
  expect_equal(tables$terms$term, c("(Intercept)", "sex / m fmale", "ifC"))
  expect_equal(vr_predict(fit, renamed[1:9, ])$link, vr_predict(plain, rows[1:9, ])$link, tolerance = 1e-8)
  expect_equal(unique(vr_curves(fit, 3L, draws = 0L)$marker), unname(odd[c("x1", "x2", "age")]))
  expect_equal(unique(vr_differences(fit, 3L, draws = 0L)$marker), unname(odd[c("x1", "x2")]))
  expect_true(any(grepl("\"dom (Hz)\" is named dom..Hz.", fit$notes, fixed = TRUE)))
})

test_that("1 is the event however the outcome is written", {
  rows <- rows_of_callers()
  plain <- vr_tables(vr_gamm(rows, "x1", k = 4))
  for (written in list(
    factor(rows$outcome, levels = c(1, 0)), as.character(rows$outcome), rows$outcome == 1, ordered(rows$outcome)
  )) {
    other <- rows
    other$outcome <- written
    expect_equal(vr_tables(vr_gamm(other, "x1", k = 4))$terms, plain$terms)
  }
  rows$outcome <- ifelse(rows$outcome == 1, "yes", "no")
  expect_error(vr_gamm(rows, "x1"), "outcome \"outcome\" holds \"(yes|no)\"")
})

test_that("an ordered sex has a smooth for each sex", {
  rows <- rows_of_callers()
  plain <- vr_tables(vr_gamm(rows, "x1", k = 4))$smooths
  rows$sex <- factor(rows$sex, c("female", "male"), ordered = TRUE)
  expect_equal(vr_tables(vr_gamm(rows, "x1", k = 4))$smooths, plain)
})

test_that("levels of text stand in the order of their letters' codes", {
  rows <- rows_of_callers()
  rows$town <- rep(c("Koeln", "berlin"), 120)
  expect_equal(vr_tables(vr_gamm(rows, "x1", k = 4, covariates = "town"))$terms$term[3L], "townberlin")
})

test_that("options of the session change nothing", {
  rows <- rows_of_callers(constant = TRUE)
  plain <- vr_tables(vr_gamm(rows, "x1", k = 4, random_sd = 0.5))
  old <- options(OutDec = ",", contrasts = c("contr.sum", "contr.poly"))
  on.exit(options(old))
  other <- vr_tables(vr_gamm(rows, "x1", k = 4, random_sd = 0.5))
  expect_equal(other$terms, plain$terms)
  expect_equal(other$variance$sd, 0.5, tolerance = 1e-10)
})

test_that("covariates with few values enter linearly, text among numbers is refused", {
  rows <- rows_of_callers(callers = 40L)
  rows$flag <- as.numeric(rows$x2 > 0)
  rows$count <- rep(0:6, length.out = 320)
  fit <- vr_gamm(rows, "x1", k = 4, covariates = c("flag", "count"))
  expect_true("flag" %in% vr_tables(fit)$terms$term)
  expect_equal(unique(subset(vr_tables(fit)$smooths, marker == "count")$sex), "all")
  expect_true(any(grepl("fewer than 5 values: flag", fit$notes)))
  expect_true(any(grepl("number of values for count", fit$notes)))
  rows$age <- as.character(rows$count)
  expect_error(vr_gamm(rows, "x1", covariates = "age"), "text that holds numbers")
  rows$age[5L] <- "#N/A"
  expect_error(vr_gamm(rows, "x1", covariates = "age"), "holds \"#N/A\" among numbers \\(row 5\\)")
  rows$one <- "same"
  expect_true(any(grepl("one value: one", vr_gamm(rows, "x1", k = 4, covariates = "one")$notes)))
})

test_that("one sex with a linear marker keeps the marker", {
  rows <- subset(rows_of_callers(callers = 40L), sex == "male")
  rows$flag <- as.numeric(rows$x2 > 0)
  fit <- vr_gamm(rows, c("x1", "flag"), linear = "flag", k = 4)
  expect_true("flag" %in% vr_tables(fit)$terms$term)
  expect_true("Linear: flag." %in% fit$notes)
})

test_that("columns that cannot be read are refused", {
  rows <- rows_of_callers()
  twice <- cbind(rows, x1 = rows$x2)
  expect_error(vr_gamm(twice, "x1"), "two columns \"x1\"")
  rows$listed <- as.list(rows$x1)
  expect_error(vr_gamm(rows, "listed"), "lists or a matrix")
  rows$text <- as.character(rows$x1)
  expect_error(vr_gamm(rows, "text"), "not numeric but of class character")
  fit <- vr_gamm(rows, "x1", k = 4)
  expect_error(vr_predict(fit, transform(rows, x1 = text)), "class character; give numbers")
})

test_that("prior weights are relative", {
  rows <- rows_of_callers()
  rows$w <- rep(c(1, 2), 120)
  rows$tenth <- rows$w / 10
  of <- function(weights) suppressWarnings(vr_tables(vr_gamm(rows, "x1", k = 4, weights = weights))$smooths)
  expect_equal(of("tenth"), of("w"), tolerance = 1e-6)
})

test_that("a name over two columns and infinite values are refused, in the table and in new rows", {
  twice <- calls_example
  names(twice)[names(twice) == "roughness"] <- "dom"
  fit <- vr_gamm(outcome ~ s(dom, k = 4), calls_example, engine = "gam")
  model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
  both <- cbind(calls_example, calls_example["dom"])
  expect_error(vr_gamm(twice, "dom"), "two columns \"dom\"")
  expect_error(vr_gamm(outcome ~ s(dom), twice, engine = "gam"), "two columns \"dom\"")
  expect_error(vr_predict(fit, twice), "two columns \"dom\"")
  expect_error(vr_score(model, both), "two columns \"dom\"")
  endless <- transform(calls_example, dom = replace(dom, 3L, -Inf))
  expect_error(vr_predict(fit, endless), "\"dom\" is infinite in row 3; use NA")
  expect_error(vr_score(model, endless), "\"dom\" is infinite in row 3; use NA")
  skip_if_not_installed("glmnet")
  lasso <- vr_lasso(calls_example, c("dom", "loudness"), n_folds = 5)
  expect_error(predict(lasso, twice), "two columns \"dom\"")
  expect_error(predict(lasso, transform(calls_example, dom = factor(dom))), "\"dom\" of the new rows is of class factor")
  skip_if_not_installed("mboost")
  boosted <- vr_gamboost(calls_example, c("dom", "loudness"), mstop = 3)
  expect_error(predict(boosted, endless), "\"dom\" is infinite in row 3")
})
