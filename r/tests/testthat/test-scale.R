of_scale <- function(scale, line) {
  plain <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
  scale_model(plain, list(scale = scale, line = line), "model.json")
}

test_that("a score tells grades by its line, and a number by its own", {
  graded <- of_scale("ordinal", list(grades = c(0, 1, 3), thresholds = c(-0.5, 1), slope = 2))
  told <- vr_scale(graded, calls_example)
  rows <- vr_score(graded, calls_example)
  first <- calls_example$call_id == told$call_id[1L]
  link <- mean(rows$base[first]) + sum(colMeans(rows[first, graded$markers]))
  expect_equal(told$score[1L], link)
  expect_equal(told$at_least_1, plogis(2 * told$score + 0.5))
  expect_equal(told$at_least_3, plogis(2 * told$score - 1))
  expect_equal(told$predicted, told$at_least_1 + 2 * told$at_least_3)
  number <- of_scale("continuous", list(intercept = 9, slope = 3))
  expect_equal(vr_scale(number, calls_example)$predicted, 9 + 3 * told$score)
  expect_equal(predict(number, calls_example[1:3, ]), rows$log_odds[1:3])
  expect_true(any(grepl("grade 1: -0.5, grade 3: 1.0", capture.output(print(graded)), fixed = TRUE)))
  expect_true(any(grepl("predicted = 9 + 3 score", capture.output(print(number)), fixed = TRUE)))
})

test_that("a line that no model has, and a risk of grades, are refused", {
  expect_error(of_scale("ordinal", list(grades = c(0, 1, 2), thresholds = c(1, -1), slope = 1)), "grades and thresholds must rise")
  expect_error(of_scale("ordinal", list(grades = c(0, 1, 2), thresholds = 1, slope = 1)), "thresholds of the line is no list of numbers")
  expect_error(of_scale("ratio", list(slope = 1)), "scale \"ratio\"")
  expect_error(of_scale("continuous", list(intercept = NaN, slope = 1)), "intercept of the line")
  expect_error(vr_risk(of_scale("continuous", list(intercept = 0, slope = 1)), calls_example), "use vr_scale")
  plain <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
  expect_error(vr_scale(plain, calls_example), "needs a model of grades or of a number")
})
