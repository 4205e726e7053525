# What R's own verbs say of a Lasso.

#' Methods for a Lasso
#'
#' @param x,object A `vr_lasso`.
#' @param ... Not used.
#' @param rule "min" or "1se"; by default the rule that the Lasso was fitted with.
#' @param newdata Data frame with the markers; a missing value is set to the median of the fit and told by its
#'   indicator, where the fit had one.
#' @param type "link" (log-odds) or "response" (probability).
#' @param what "coefficients" or "path".
#' @param row.names,optional As in [as.data.frame()].
#' @param parm,level Not used: a Lasso has no interval.
#' @return `print` shows one screen; `summary` the tables; `coef` a named vector on the markers' own scale; `predict`
#'   numbers; `tidy`, `glance` and `augment` data frames with broom's column names. `vcov` and `confint` stop and say what to do
#'   instead.
#' @name vr_lasso-methods
#' @examples
#' if (requireNamespace("glmnet", quietly = TRUE)) {
#'   set.seed(1)
#'   screened <- vr_lasso(calls_example, c("dom", "loudness", "roughness", "entropy"), n_folds = 5)
#'   print(screened)
#'   coef(screened, rule = "1se")
#' }
NULL

#' @rdname vr_lasso-methods
#' @export
print.vr_lasso <- function(x, ...) {
  cat("Lasso by glmnet: ", x$counts$rows, " rows of ", x$counts$callers, " callers in ", x$counts$folds, " folds of whole callers\n", sep = "")
  at <- match(c(x$lambda_min, x$lambda_1se), x$path$lambda)
  print(data.frame(
    rule = c("min", "1se"), lambda = format(signif(c(x$lambda_min, x$lambda_1se), 3L)),
    deviance = format(round(x$path$deviance[at], 4L)), terms = x$path$n_nonzero[at]
  ), row.names = FALSE)
  cat("\nSelected by rule ", x$rule, ": ", if (length(x$selected)) paste(x$selected, collapse = ", ") else "nothing", "\n\n", sep = "")
  shown <- x$coefficients[x$coefficients$coefficient_min != 0 | x$coefficients$coefficient_1se != 0, c("term", "coefficient_min", "coefficient_1se")]
  if (nrow(shown)) print_few(rounded(shown), 15L, "fit$coefficients")
  invisible(x)
}

#' @rdname vr_lasso-methods
#' @export
summary.vr_lasso <- function(object, ...) {
  structure(object[c("selected", "coefficients", "path", "lambda_min", "lambda_1se", "counts", "rule")], class = "summary.vr_lasso")
}

#' @rdname vr_lasso-methods
#' @export
print.summary.vr_lasso <- function(x, ...) {
  print.vr_lasso(x)
  left <- x$coefficients$marker[!x$coefficients$selected]
  if (length(left)) cat("Not selected: ", paste(unique(left), collapse = ", "), "\n", sep = "")
  invisible(x)
}

#' @rdname vr_lasso-methods
#' @export
coef.vr_lasso <- function(object, rule = object$rule, ...) {
  rule <- match.arg(rule, c("min", "1se"))
  values <- object$coefficients[[paste0("coefficient_", rule)]]
  c("(Intercept)" = object$intercept[[rule]], stats::setNames(values, object$coefficients$term))
}

#' @rdname vr_lasso-methods
#' @export
predict.vr_lasso <- function(object, newdata, type = c("link", "response"), rule = object$rule, ...) {
  type <- match.arg(type)
  if (missing(newdata)) refuse("give newdata: the fit keeps no table of its own rows.")
  once(newdata, object$markers)
  for (name in object$markers) finite(newdata[[name]], name)
  beta <- coef.vr_lasso(object, rule)
  X <- lasso_columns(newdata, object$markers, object$fill)
  link <- unname(beta[[1L]] + drop(X[, names(beta)[-1L], drop = FALSE] %*% beta[-1L]))
  if (type == "link") link else stats::plogis(link)
}

#' @rdname vr_lasso-methods
#' @export
nobs.vr_lasso <- function(object, ...) object$counts$rows

#' @rdname vr_lasso-methods
#' @export
formula.vr_lasso <- function(x, ...) {
  terms <- lapply(c(x$markers), as.name)
  stats::as.formula(call("~", as.name(x$y), Reduce(function(a, b) call("+", a, b), terms)), env = globalenv())
}

#' @rdname vr_lasso-methods
#' @export
vcov.vr_lasso <- function(object, ...) no_covariance("A Lasso")

#' @rdname vr_lasso-methods
#' @export
confint.vr_lasso <- function(object, parm, level = 0.95, ...) no_covariance("A Lasso")

#' @rdname vr_lasso-methods
#' @export
as.data.frame.vr_lasso <- function(x, row.names = NULL, optional = FALSE, what = c("coefficients", "path"), ...) {
  x[[match.arg(what)]]
}

#' @rdname vr_lasso-methods
#' @exportS3Method generics::tidy
tidy.vr_lasso <- function(x, rule = x$rule, ...) {
  beta <- coef.vr_lasso(x, rule)
  data.frame(term = names(beta), estimate = unname(beta), lambda = if (rule == "min") x$lambda_min else x$lambda_1se)
}

#' @rdname vr_lasso-methods
#' @exportS3Method generics::glance
glance.vr_lasso <- function(x, ...) {
  data.frame(
    nobs = x$counts$rows, callers = x$counts$callers, folds = x$counts$folds, rule = x$rule, lambda.min = x$lambda_min,
    lambda.1se = x$lambda_1se, selected = length(x$selected)
  )
}

#' @rdname vr_lasso-methods
#' @exportS3Method generics::augment
augment.vr_lasso <- function(x, newdata, rule = x$rule, ...) {
  link <- predict.vr_lasso(x, newdata, rule = rule)
  cbind(newdata, .fitted = link, .probability = stats::plogis(link))
}
