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

graded_rows <- function() {
  rows <- rows_of_callers(callers = 40L)
  rows$grade <- rows$outcome + (rows$x1 > stats::median(rows$x1))
  rows$F <- as.numeric(rows$sex == "female")
  rows$M <- 1 - rows$F
  rows
}

test_that("grades are mboost's PropOdds, and their probabilities mboost's own", {
  skip_if_not_installed("mboost")
  rows <- graded_rows()
  fit <- vr_gamboost(rows, c("x1", "x2"), y = "grade", mstop = 30L, family = "propodds")
  rows$sex <- factor(rows$sex)
  rows$graded <- factor(rows$grade, ordered = TRUE)
  hand <- mboost::gamboost(
    graded ~ bols(sex) + bbs(x1, by = F) + bbs(x2, by = F) + bbs(x1, by = M) + bbs(x2, by = M), data = rows,
    family = mboost::PropOdds(), control = mboost::boost_control(mstop = 30)
  )
  expect_equal(fit$selected, hand$xselect())
  told <- vr_boost_predict(fit, rows)
  expect_equal(told$link, unname(c(fitted(hand))), tolerance = 1e-10)
  each <- predict(hand, type = "response")
  expect_equal(told$at_least_1, 1 - each[, 1L], tolerance = 1e-10)
  expect_equal(told$at_least_2, each[, 3L], tolerance = 1e-10)
  expect_equal(predict(fit, rows, type = "response"), fitted(fit), tolerance = 1e-10)
  rows$graded <- factor(rows$grade, labels = c("low", "middle", "high"), ordered = TRUE)
  named <- vr_gamboost(rows, c("x1", "x2"), y = "graded", mstop = 30L, family = "propodds")
  expect_equal(named$thresholds, fit$thresholds)
  expect_named(vr_boost_predict(named, rows), c("link", "at_least_middle", "at_least_high"))
  expect_true(any(grepl("grade middle: ", capture.output(print(named)), fixed = TRUE)))
})

test_that("a number is mboost's Gaussian, in its own unit", {
  skip_if_not_installed("mboost")
  rows <- graded_rows()
  rows$sum <- 10 * rows$x1 + rows$grade
  fit <- vr_gamboost(rows, c("x1", "x2"), y = "sum", mstop = 30L, family = "gaussian")
  rows$sex <- factor(rows$sex)
  hand <- mboost::gamboost(
    sum ~ bols(sex) + bbs(x1, by = F) + bbs(x2, by = F) + bbs(x1, by = M) + bbs(x2, by = M), data = rows,
    control = mboost::boost_control(mstop = 30)
  )
  expect_equal(predict(fit, rows), unname(c(fitted(hand))), tolerance = 1e-10)
  expect_equal(predict(fit, rows, type = "response"), fitted(fit), tolerance = 1e-10)
  expect_named(vr_boost_predict(fit, rows), "link")
  shifted <- vr_gamboost(transform(rows, sum = sum + 100), c("x1", "x2"), y = "sum", mstop = 30L, family = "gaussian")
  expect_equal(predict(shifted, rows), predict(fit, rows) + 100, tolerance = 1e-8)
  fold <- as.integer(factor(rows$caller_id)) %% 4L
  expect_gt(vr_boost_cv(fit, fold, rows$caller_id)$mstop, 0)
})

test_that("an outcome of another kind is refused", {
  skip_if_not_installed("mboost")
  rows <- graded_rows()
  grades <- function(value, family = "propodds") vr_gamboost(transform(rows, grade = value), "x1", y = "grade", mstop = 2L, family = family)
  expect_error(grades(rows$x1), "grades are whole numbers")
  expect_error(grades(factor(rows$grade)), "needs an ordered factor or whole numbers")
  expect_error(grades(as.character(rows$grade), "gaussian"), "needs numbers")
  expect_error(grades(replace(rows$grade, 3, NA)), "is missing in 1 rows")
  expect_error(grades(replace(rows$grade, 3, Inf), "gaussian"), "infinite")
  expect_error(grades(rep(1, nrow(rows))), "single outcome")
  weights <- as.numeric(rows$grade < 2)
  expect_error(vr_gamboost(rows, "x1", y = "grade", weights = weights, mstop = 2L, family = "propodds"), "grade 2 of \"grade\" has no row")
  expect_error(vr_gamboost(rows, "x1", y = "grade", mstop = 2L, family = "propodds", brandom = TRUE), "brandom is for 0/1")
})
