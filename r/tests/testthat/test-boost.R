test_that("vr_gamboost is the mboost call a reader would write", {
  skip_if_not_installed("mboost")
  rows <- rows_of_callers(callers = 40L)
  fit <- vr_gamboost(rows, c("x1", "x2"), mstop = 30L)
  rows$F <- as.numeric(rows$sex == "female")
  rows$M <- 1 - rows$F
  rows$sex <- factor(rows$sex)
  rows$outcome <- factor(rows$outcome)
  library(mboost)
  hand <- gamboost(
    outcome ~ bols(sex) + bbs(x1, by = F) + bbs(x2, by = F) + bbs(x1, by = M) + bbs(x2, by = M), data = rows,
    family = Binomial(), control = boost_control(mstop = 30)
  )
  expect_equal(fit$selected, hand$xselect())
  expect_equal(unname(fitted(fit$model)), unname(fitted(hand)), tolerance = 1e-10)
  tables <- vr_boost_tables(fit, points = 5L)
  expect_equal(sum(tables$learners$frequency), 1)
  expect_equal(tables$path$risk, unname(hand$risk()))
  expect_equal(vr_boost_predict(fit, rows_of_callers(callers = 40L))$link, 2 * unname(c(fitted(hand))), tolerance = 1e-10)
})

test_that("a new caller gets the fixed part, and cross-validation keeps callers together", {
  skip_if_not_installed("mboost")
  rows <- rows_of_callers(callers = 40L)
  fit <- vr_gamboost(rows, c("x1", "x2"), mstop = 20L, brandom = TRUE)
  expect_equal(
    vr_boost_predict(fit, rows), vr_boost_predict(fit, transform(rows, caller_id = rev(caller_id)))
  )
  plain <- vr_gamboost(rows, c("x1", "x2"), mstop = 20L)
  fold <- as.integer(factor(rows$caller_id)) %% 4L
  cv <- vr_boost_cv(plain, fold, rows$caller_id)
  expect_equal(nrow(cv$risk), 4 * 21)
  expect_error(vr_boost_cv(plain, seq_len(nrow(rows)) %% 4L, rows$caller_id), "stands in several folds")
})

test_that("missing values leave their learner alone", {
  skip_if_not_installed("mboost")
  rows <- rows_of_callers(callers = 40L)
  rows$x1[1:40] <- NA
  fit <- vr_gamboost(rows, c("x1", "x2"), mstop = 20L)
  expect_equal(vr_boost_predict(fit, rows)$link, 2 * unname(c(fitted(fit$model))), tolerance = 1e-10)
  whole <- vr_gamboost(subset(rows, !is.na(x1)), c("x1", "x2"), mstop = 20L)
  expect_error(vr_boost_predict(whole, rows), "x1 is missing in 40 new rows")
})

test_that("without mboost the message holds the lines that install it", {
  skip_if(requireNamespace("mboost", quietly = TRUE))
  expect_error(vr_gamboost(rows_of_callers(), "x1"), "conda install -c conda-forge r-mboost")
})

test_that("moderator is another name for sex", {
  skip_if_not_installed("mboost")
  rows <- rows_of_callers(callers = 20L)
  names(rows)[names(rows) == "sex"] <- "service"
  fit <- vr_gamboost(rows, c("x1", "x2"), mstop = 5L, moderator = "service")
  expect_equal(fit$sex, "service")
  expect_equal(fit$sexes, c("female", "male"))
})
