# What the Python side asks of a saved model.

# Apply one of the table functions to a saved fit; attributes of the result come as columns of their own.
bridge_of_fit <- function(fit, what, args) {
  fit <- if (inherits(fit, "vr_gamm")) fit else vr_adopt(fit)
  functions <- list(
    curves = vr_curves, differences = vr_differences, derivatives = vr_derivatives,
    partial_residuals = vr_partial_residuals, check = vr_check, predict = vr_predict, table1 = vr_table1,
    boot_curves = vr_boot_curves, tables = vr_tables
  )
  value <- do.call(functions[[what]], c(list(fit), args))
  if (!is.null(attr(value, "failed"))) value <- list(curves = value, failed = attr(value, "failed"))
  value
}

# What a saved vr_gamm was asked to be.
bridge_spec <- function(fit) {
  fit$spec[c("y", "markers", "sex", "moderated", "random", "groups", "covariates", "linear", "engine", "discrete",
             "method", "k", "covariance", "formula")]
}

# Any model file as tables.
bridge_import <- function(model, args) {
  if (inherits(model, "vr_gamboost")) model <- model$model
  if (inherits(model, "mboost")) return(c(list(kind = "mboost"), vr_adopt_boost(model)))
  fit <- vr_adopt(model)
  c(
    list(kind = "mgcv"), vr_tables(fit, args$level),
    list(curves = if (has_curves(fit)) vr_curves(fit, args$points, args$level, args$draws), formula = fit$spec$formula)
  )
}

bridge_save_rds <- function(value, path) {
  saveRDS(value, path)
  file.size(path)
}

# A model file applied by plain R, for the comparison with Python.
bridge_score <- function(path, newdata) vr_score(vr_read_model(path), newdata)

bridge_risk <- function(path, newdata, call, prevalence = NULL) vr_risk(vr_read_model(path), newdata, call, prevalence)
