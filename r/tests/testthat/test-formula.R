test_that("a formula is the call with names", {
  said <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 6) + age, calls_example, moderator = sex, caller = caller_id,
    engine = "gam")
  named <- vr_gamm(calls_example, c("dom", "loudness"), covariates = "age", linear = "age", k = c(5, 6),
    random = character(), covariance = "caller_jackknife", engine = "gam")
  expect_equal(vr_tables(said)[c("smooths", "terms")], vr_tables(named)[c("smooths", "terms")])
  for (other in list(
    vr_gamm(data = calls_example, outcome ~ s(dom, k = 5) + s(loudness, k = 6) + age, moderator = ~sex, caller = "caller_id", engine = "gam"),
    vr_gamm(formula = outcome ~ s(dom, k = 5) + s(loudness, k = 6) + age, data = calls_example, sex = "sex", engine = "gam")
  )) expect_equal(coef(other), coef(said))
})

test_that("each term means what it says", {
  of <- function(formula, ...) formula(vr_gamm(formula, calls_example, moderator = sex, engine = "gam", ...))
  hand <- function(formula) paste(deparse(formula, width.cutoff = 500L), collapse = " ")
  expect_match(
    hand(of(outcome ~ s(dom, k = 5) + sex:entropy + s(age, by = NA))),
    "^outcome ~ sex \\+ s\\(dom, by = sex, k = 5\\) \\+ sex:entropy \\+ s\\(age(, k = 10)?\\)$"
  )
  mixed <- vr_gamm(outcome ~ s(x1, k = 5) + s(caller_id, bs = "re"), rows_of_callers(), moderator = sex)
  expect_equal(mixed$spec$random, "caller")
  expect_equal(mixed$spec$covariance, "model")
  alone <- vr_gamm(outcome ~ s(dom, k = 5), calls_example, engine = "gam")
  hand <- mgcv::gam(outcome ~ s(dom, k = 5), binomial, calls_example, method = "REML")
  expect_equal(unname(coef(alone)), unname(coef(hand)), tolerance = 1e-6)
  expect_equal(alone$notes, character())
  caller_id <- "nothing"
  expect_equal(vr_gamm(outcome ~ s(dom, k = 5), calls_example, caller = caller_id, engine = "gam")$counts$callers, 40L)
})

test_that("a formula that means something else is refused in words", {
  refused <- function(formula, message, ...) {
    expect_error(vr_gamm(formula, calls_example, moderator = sex, ...), message, fixed = TRUE)
  }
  refused(outcome ~ te(dom, loudness), "the formula's term te(dom, loudness) is none of")
  refused(outcome ~ s(dom, bs = "cr"), "vr_adopt(model, caller = ...)")
  refused(outcome ~ s(dom) * 2, "is none of")
  refused(outcome ~ s(dom) - 1, "is none of")
  refused(outcome ~ s(nowhere), "no column \"nowhere\"")
  refused(~ s(dom), "has no left side")
  refused(log(outcome) ~ s(dom), "not log(outcome)")
  refused(outcome ~ s(segment, bs = "re"), "caller = segment")
  refused(outcome ~ s(dom), "leave k out", k = 5)
  refused(outcome ~ s(dom), "neither a column of the data nor a variable", caller = nobody_here)
  expect_error(vr_gamm(outcome ~ s(dom), "rows.csv"), "one formula and one data frame")
})

test_that("my gam with your jackknife is your fit", {
  rows <- transform(calls_example, sex = factor(sex))
  mine <- mgcv::gam(outcome ~ sex + s(dom, by = sex, k = 5) + s(roughness, by = sex, k = 5), binomial, rows, method = "REML")
  adopted <- vr_adopt(mine, caller = rows$caller_id)
  ours <- vr_gamm(rows, c("dom", "roughness"), random = character(), covariance = "caller_jackknife", engine = "gam", k = 5)
  expect_equal(unname(vcov(adopted)), unname(vcov(ours)), tolerance = 1e-6)
  expect_equal(vr_tables(adopted)$smooths$p_value, vr_tables(ours)$smooths$p_value, tolerance = 1e-5)
  expect_error(vr_adopt(mine, caller = 1:3), "3 values of caller; the model has used 236 rows and left out 4")
  mixed <- mgcv::bam(outcome ~ s(x1) + s(caller_id, bs = "re"), binomial, transform(rows_of_callers(), caller_id = factor(caller_id)))
  expect_error(vr_adopt(mixed, caller = rows_of_callers()$caller_id), "models without random intercepts")
})
