example_study <- function() vr_read_study(system.file("extdata", "study", package = "voicerisk"))
study_figures <- c("curves", "differences", "effects", "roc", "calibration", "decision", "dots", "path")

on_a_device <- function(code) {
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  on.exit(grDevices::dev.off())
  force(code)
}

test_that("each figure of a study is drawn from the study's table, in both systems", {
  study <- example_study()
  tables <- c(
    curves = "figures/gamm_curves", differences = "figures/difference_curves", effects = "figures/partial_effects", roc = "figures/roc",
    calibration = "figures/calibration", decision = "figures/decision_curves", path = "lasso_path"
  )
  for (which in study_figures) {
    drawn <- on_a_device(plot(study, which))
    expected <- if (which == "dots") nrow(study[["figures/score_dots--nested"]]) + nrow(study[["figures/score_dots--published"]])
      else nrow(study[[tables[[which]]]])
    expect_equal(nrow(drawn), expected, info = which)
    skip_if_not_installed("ggplot2")
    built <- ggplot2::ggplot_build(ggplot2::autoplot(study, which))
    expect_gt(sum(vapply(built$data, nrow, 0L)), 10L)
  }
  expect_error(plot(study, "pie"), "which must be one of \"curves\"")
  expect_error(on_a_device(plot(study, "curves", markers = "nowhere")), "no curve of \"nowhere\"; there are roughness, specSlope")
  expect_error(plot(study[c("metrics", "gamm/smooths")], "roc"), "has no table figures/roc")
})

test_that("the curves of a fit, its differences and its numbers are those of the tables", {
  fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex, engine = "gam")
  expect_equal(on_a_device(plot(fit, draws = 0L)), vr_curves(fit, draws = 0L))
  expect_equal(on_a_device(plot(fit, "differences", draws = 0L)), vr_differences(fit, draws = 0L))
  skip_if_not_installed("ggplot2")
  drawn <- ggplot2::autoplot(fit, draws = 0L)
  text <- Filter(function(layer) inherits(layer$geom, "GeomText"), drawn$layers)[[1L]]$data$words
  smooths <- vr_tables(fit)$smooths
  expect_equal(text[1L], voicerisk:::smooth_words(smooths, "dom", "female"))
  believed_not <- ggplot2::autoplot(vr_gamm(calls_example, "dom", k = 5), draws = 0L)
  expect_false(any(vapply(believed_not$layers, function(layer) inherits(layer$geom, "GeomText"), TRUE)))
  expect_match(believed_not$labels$caption, "No caller has both outcomes")
})

test_that("P of markers that were selected on the same outcomes is not drawn", {
  skip_if_not_installed("ggplot2")
  words <- function(study) {
    Filter(function(layer) inherits(layer$geom, "GeomText"), ggplot2::autoplot(study, "curves")$layers)[[1L]]$data$words
  }
  study <- example_study()
  expect_match(words(study), "^EDF [0-9.]+$")
  study[["figures/gamm_curves.smooths"]]$selected_on_same_labels <- FALSE
  expect_match(words(study), "^EDF [0-9.]+, P")
})

test_that("the graphics state of the user is put back", {
  on_a_device({
    graphics::par(mfrow = c(2, 2), mar = c(1, 2, 3, 4))
    plot(example_study(), "roc")
    expect_equal(graphics::par("mar"), c(1, 2, 3, 4))
    expect_equal(graphics::par("mfrow"), c(2, 2))
  })
})

test_that("the mean of ROC curves takes the upper side of each step", {
  step <- data.frame(false_positive_rate = c(0, 0, 0.5, 0.5, 1), sensitivity = c(0, 0.5, 0.5, 1, 1))
  ramp <- data.frame(false_positive_rate = c(0, 1), sensitivity = c(0, 1))
  mean <- voicerisk:::mean_roc(list(step, ramp))
  at <- function(x) mean$y[-1L][match(x, mean$x[-1L])]
  expect_equal(at(0), 0.25)
  expect_equal(at(0.25), 0.375)
  expect_equal(at(0.5), 0.75)
})

test_that("boosted models and the Lasso have their figures", {
  skip_if_not_installed("glmnet")
  fold <- as.integer(factor(calls_example$caller_id)) %% 5L + 1L
  lasso <- vr_lasso(calls_example, c("dom", "loudness"), fold = fold)
  expect_equal(on_a_device(plot(lasso)), lasso$path)
  model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
  expect_equal(on_a_device(plot(model)), as.data.frame(model))
  skip_if_not_installed("mboost")
  boosted <- vr_gamboost(calls_example, c("dom", "loudness"), mstop = 10L)
  expect_equal(on_a_device(plot(boosted, "path")), vr_boost_tables(boosted)$path)
})

test_that("three levels of a moderator have three curves, and EDF and P of each", {
  skip_if_not_installed("ggplot2")
  rows <- calls_example
  rows$service <- c("line", "chat", "callback")[as.integer(factor(rows$caller_id)) %% 3L + 1L]
  fit <- vr_gamm(outcome ~ s(dom, k = 4), rows, moderator = service, engine = "gam")
  drawn <- ggplot2::autoplot(fit, draws = 0L)
  text <- Filter(function(layer) inherits(layer$geom, "GeomText"), drawn$layers)[[1L]]$data
  expect_equal(text$side, c(0, 0.5, 1))
  expect_equal(text$words, vapply(text$sex, function(level) voicerisk:::smooth_words(vr_tables(fit)$smooths, "dom", level), "", USE.NAMES = FALSE))
  expect_equal(nrow(on_a_device(plot(fit, draws = 0L))), 300L)
  expect_true(all(paste(c("callback", "chat", "line"), "EDF") %in% names(voicerisk:::wide_smooths(vr_tables(fit)$smooths, TRUE))))
})

test_that("figures say what their intervals leave out, and shade where a difference leaves 0, in both systems", {
  study <- example_study()
  expect_equal(voicerisk:::figure_of(study, "roc")$note, voicerisk:::given_scores)
  study$metrics$method <- "exact"
  expect_null(voicerisk:::figure_of(study, "roc")$note)
  skip_if_not_installed("ggplot2")
  expect_match(ggplot2::autoplot(example_study(), "calibration")$labels$caption, "the variance of refitting is left out")
  rows <- data.frame(
    marker = "dom", contrast = "male - female", x = 1:5, estimate = 1, lower = c(-1, 0.1, 0.2, NA, -1), upper = 2, lower_simultaneous = NA,
    upper_simultaneous = NA, level = 0.95
  )
  drawn <- voicerisk:::gg(voicerisk:::figure("differences", rows))
  shades <- Filter(function(layer) inherits(layer$geom, "GeomRect") && !inherits(layer$geom, "GeomRibbon"), drawn$layers)
  expect_equal(shades[[1L]]$data$from, c(1.5, 2.5))
})

test_that("the rug is drawn also where a column has an odd name", {
  rows <- calls_example
  names(rows)[names(rows) == "dom"] <- "dom (Hz)"
  fit <- vr_gamm(rows, "dom (Hz)", k = 4, random = character(), covariance = "caller_jackknife", engine = "gam")
  expect_equal(unique(voicerisk:::figure_of(fit, draws = 0L)$observed$marker), "dom (Hz)")
})
