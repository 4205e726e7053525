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

test_that("SHA-256 is that of the standard's examples", {
  expect_equal(
    voicerisk:::sha256(charToRaw("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
  )
  expect_equal(
    voicerisk:::sha256(charToRaw("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
  )
  expect_equal(voicerisk:::sha256(raw()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
})

test_that("a model file is read, checked and applied", {
  content <- paste0(
    '{"effects":[{"high":1.0,"intervals":1,"low":0.0,"marker":"dom","polynomials":[[0.0,2.0,0.0,0.0],[2.0,2.0,0.0,0.0],',
    '[0.0,0.0,0.0,0.0],[0.0,2.0,0.0,0.0]],"sex":"male"}],"markers":["dom"],"may_be_missing":["dom"],"needs_sex":true,',
    '"notes":{},"offset":0.5,"outside":"clamp","sex_effect":{"female":0.0,"male":-1.0}}'
  )
  write <- function(content, sum = voicerisk:::sha256(charToRaw(content))) {
    file <- tempfile(fileext = ".json")
    writeLines(paste0('{"format": "voicerisk-gamboost", "version": 1, "sha256": "', sum, '",\n "model": ', content, "}"), file)
    file
  }
  model <- vr_read_model(write(content))
  rows <- data.frame(dom = c(0.25, 0.25, 9, NA), sex = c("F", "M", "male", "Male"))
  scores <- vr_score(model, rows)
  expect_equal(scores$log_odds, c(0.5, 0, 1.5, -0.5))
  expect_equal(scores$dom_outside, c(FALSE, FALSE, TRUE, FALSE))
  expect_error(vr_read_model(write(sub("0.5", "0.6", content, fixed = TRUE), voicerisk:::sha256(charToRaw(content)))), "damaged or was edited")
  expect_error(vr_score(model, data.frame(dom = 1, sex = "x")), "must be one of female, male")
  folder <- tempfile()
  dir.create(file.path(folder, "boost"), recursive = TRUE)
  file.copy(write(content), file.path(folder, "boost", "model.json"))
  writeLines("call_id\n007", file.path(folder, "calls.csv"))
  expect_s3_class(vr_read_study(folder)[["boost/model"]], "vr_model")
})
