test_that("vr_lasso is cv.glmnet with folds of whole callers", {
  skip_if_not_installed("glmnet")
  rows <- rows_of_callers(callers = 40L)
  fold <- as.integer(factor(rows$caller_id)) %% 5L + 1L
  ours <- vr_lasso(rows, c("x1", "x2"), fold = fold)
  hand <- glmnet::cv.glmnet(
    as.matrix(rows[c("x1", "x2")]), rows$outcome, family = "binomial", foldid = fold, type.measure = "deviance",
    thresh = 1e-10
  )
  expect_equal(ours$lambda_min, hand$lambda.min)
  expect_equal(ours$coefficients$coefficient_1se, as.numeric(coef(hand, "lambda.1se"))[-1L])
  expect_error(vr_lasso(rows, c("x1", "x2"), fold = seq_len(nrow(rows)) %% 5L + 1L), "stands in several folds")
})

test_that("a gap gives an indicator", {
  skip_if_not_installed("glmnet")
  rows <- rows_of_callers(callers = 40L)
  rows$x2[rows$outcome == 1][1:60] <- NA
  set.seed(1)
  found <- vr_lasso(rows, c("x1", "x2"))
  expect_equal(found$coefficients$term, c("x1", "x2", "x2_missing"))
  expect_true("x2" %in% found$selected)
})

test_that("a study folder is read with identifiers as text", {
  folder <- tempfile()
  dir.create(file.path(folder, "gamm"), recursive = TRUE)
  writeLines(c("call_id,caller_id,outcome,ok", "007,01,1,True", "008,02,0,False"), file.path(folder, "calls.csv"))
  writeLines("", file.path(folder, "gamm", "terms.csv"))
  saveRDS(1:3, file.path(folder, "gamm", "model.rds"))
  study <- vr_read_study(folder)
  expect_equal(study$calls$call_id, c("007", "008"))
  expect_equal(study$calls$ok, c(TRUE, FALSE))
  expect_equal(study[["gamm/model"]], 1:3)
  expect_equal(nrow(study[["gamm/terms"]]), 0)
  expect_error(vr_read_study(file.path(folder, "absent")), "there is no folder")
})
