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
