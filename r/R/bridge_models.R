# What the Python side asks of a saved model.

# Apply one of the table functions to a saved fit; attributes of the result come as columns of their own.
bridge_of_fit <- function(fit, what, args) {
  fit <- if (inherits(fit, "vr_gamm")) fit else vr_adopt(fit)
  functions <- list(
    curves = vr_curves, differences = vr_differences, derivatives = vr_derivatives,
    partial_residuals = vr_partial_residuals, check = vr_check, predict = vr_predict, table1 = vr_table1,
    boot_curves = vr_boot_curves, tables = vr_tables, moderation = vr_moderation
  )
  # The bridge sets the seed of each call.
  if ("seed" %in% names(formals(functions[[what]]))) args["seed"] <- list(NULL)
  value <- do.call(functions[[what]], c(list(fit), args))
  if (!is.null(attr(value, "failed"))) value <- list(curves = value, failed = attr(value, "failed"))
  value
}

# What a saved vr_gamm was asked to be, under the names of the user's table.
bridge_spec <- function(fit) {
  spec <- fit$spec[c("y", "markers", "sex", "moderated", "random", "groups", "covariates", "linear", "engine", "discrete",
                     "method", "k", "covariance")]
  for (name in c("y", "markers", "sex", "groups", "covariates", "linear")) spec[[name]] <- said(fit, spec[[name]])
  formula <- gam_of(fit)$formula
  check_formula(formula)
  spec$formula <- paste(deparse(formula, width.cutoff = 500L), collapse = " ")
  spec$columns <- names(fit$spec$names)
  spec$in_model <- unname(fit$spec$names)
  spec
}

# A file from elsewhere could hold any formula; only sums of symbols and smooths become text of a script.
check_formula <- function(part) {
  if (is.call(part)) {
    head <- part[[1L]]
    if (!is.name(head) || !as.character(head) %in% c("~", "+", ":", "s")) {
      refuse("the formula of the saved model calls ", deparse(head)[1L], ", which no model of this package does.")
    }
    for (one in as.list(part)[-1L]) check_formula(one)
  } else if (!is.name(part) && !is.numeric(part) && !is.character(part)) {
    refuse("the formula of the saved model holds a value of class ", class(part)[1L], ".")
  }
}

# Any model file as tables.
bridge_import <- function(model, args) {
  if (inherits(model, "vr_gamboost")) model <- model$model
  if (inherits(model, "mboost")) return(c(list(kind = "mboost"), vr_adopt_boost(model)))
  fit <- vr_adopt(model)
  c(
    list(kind = "mgcv"), vr_tables(fit, args$level),
    list(curves = if (has_curves(fit)) vr_curves(fit, args$points, args$level, args$draws, seed = NULL), formula = fit$spec$formula)
  )
}

bridge_save_rds <- function(value, path) {
  saveRDS(value, path)
  file.size(path)
}

# A model file applied by plain R, for the comparison with Python.
bridge_score <- function(path, newdata) vr_score(vr_read_model(path), newdata)

# A validation in plain R, for the comparison with Python.
bridge_cv <- function(...) unclass(vr_cv(...))[c("predictions", "thresholds", "metrics")]

bridge_cut <- function(score, y, caller, counts, midpoints) bootstrap_youden(score, y, caller, as.matrix(counts), midpoints)

bridge_recalibrate <- function(score, y, weights, prior) as.list(recalibrate(score, y, weights, prior))

bridge_rule_cut <- function(kind, value, score, y, weights, prevalence, midpoints, line = NULL) {
  rule <- threshold_rule(stats::setNames(list(value), kind))
  rule_cut(rule, score, y, weights, prevalence, midpoints, if (!is.null(line)) c(intercept = line[[1L]], slope = line[[2L]]))
}

bridge_risk <- function(path, newdata, call, prevalence = NULL) vr_risk(vr_read_model(path), newdata, call, prevalence)

bridge_scale <- function(path, newdata, call = "call_id") vr_scale(vr_read_model(path), newdata, call)

bridge_study_summary <- function(path) summary.vr_study(vr_read_study(path))
