test_that("the example model makes a risk and a decision of each call, and says so when printed", {
  model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
  risk <- vr_risk(model, calls_example)
  scores <- tapply(vr_score(model, calls_example)$p_raw, calls_example$call_id, mean)
  expect_equal(risk$p_raw, unname(as.vector(scores[risk$call_id])))
  line <- model$procedure$recalibration
  expect_equal(risk$risk, plogis(line$intercept + line$slope * qlogis(risk$p_raw)))
  expect_equal(risk$flagged, risk$p_raw >= model$procedure$cut)
  expect_true(any(grepl("^Risk of a call \\(nested protocol, prevalence 0.5\\)", capture.output(print(model)))))
  model$procedure <- NULL
  expect_true(any(grepl("a score is no risk", capture.output(print(model)))))
})

test_that("a call of a level that the model does not know gets the mean over the known ones, and is marked", {
  model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
  one <- calls_example$call_id[1L]
  mine <- calls_example$call_id == one
  rows <- transform(calls_example, sex = replace(as.character(sex), mine, "diverse"))
  expect_warning(risk <- vr_risk(model, rows), "1 call.s. have a sex that the model did not learn from .diverse.")
  links <- lapply(c("female", "male"), function(level) vr_score(model, transform(calls_example[mine, ], sex = level))$log_odds)
  expect_equal(risk$p_raw[risk$call_id == one], mean(plogis((links[[1L]] + links[[2L]]) / 2)))
  expect_true(risk$beyond_training[risk$call_id == one])
  known <- vr_risk(model, calls_example)
  others <- known$call_id != one
  expect_equal(risk[others, ], known[others, ])
  expect_error(vr_score(model, rows), "it must be one of female, male")
})

test_that("a call that is too short or out of range gets neither risk nor decision", {
  model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
  ids <- unique(calls_example$call_id)
  first <- which(calls_example$call_id == ids[1L])[-1L]
  model$notes$shortest_call_frames <- 2
  far <- calls_example
  far[far$call_id == ids[2L], names(model$ranges)[1L]] <- 1e3
  risk <- vr_risk(model, far[-first, ])
  expect_true(all(is.na(risk$risk[1:2])) && all(is.na(risk$flagged[1:2])))
  expect_true(risk$too_short[1L] && risk$beyond_training[2L])
  expect_false(anyNA(risk$p_raw) || anyNA(risk$risk[-(1:2)]))
})
