# The Lasso that screens markers, by glmnet, with folds of whole callers.

#' Screen markers with a Lasso
#'
#' Binomial Lasso path on standardised markers, cross-validated over folds of whole callers. A missing value is set to
#' the marker's median and told by an indicator `<marker>_missing`; a marker is selected if either has a coefficient.
#'
#' @param data Data frame of segments.
#' @param markers Names of the markers.
#' @param y,caller Names of the 0/1 outcome and of the caller.
#' @param fold NULL, or the fold (1..K) of each row; no caller may stand in two.
#' @param n_folds Number of folds where `fold` is NULL.
#' @param weights NULL or row weights.
#' @param rule "min" or "1se".
#' @param n_lambda Length of the path.
#' @return A list of class `vr_lasso`, with [R's usual verbs][vr_lasso-methods]: `selected` (names), `coefficients`
#'   (marker, term, coefficient_min, coefficient_1se on the markers' own scale, selected), `path` (lambda, deviance,
#'   se, n_nonzero), `lambda_min`, `lambda_1se`, and what predicting needs (`intercept`, `fill`, `markers`).
#' @export
#' @examples
#' if (requireNamespace("glmnet", quietly = TRUE)) {
#'   set.seed(1)
#'   vr_lasso(calls_example, c("dom", "loudness", "roughness", "entropy"), n_folds = 5)
#' }
vr_lasso <- function(data, markers, y = "outcome", caller = "caller_id", fold = NULL, n_folds = 10L, weights = NULL,
                     rule = c("min", "1se"), n_lambda = 100L) {
  need_package("glmnet")
  rule <- match.arg(rule)
  absent <- setdiff(c(markers, y, caller), names(data))
  if (length(absent)) refuse("the table has no column \"", absent[1L], "\".")
  data <- used_columns(data, unique(c(markers, y, caller)))
  for (marker in markers) data[[marker]] <- marker_column(data[[marker]], marker)
  data[[y]] <- outcome_column(data[[y]], y)
  if (anyNA(data[[y]])) refuse("outcome \"", y, "\" is missing in row ", which(is.na(data[[y]]))[1L], ".")
  id <- as.character(data[[caller]])
  if (is.null(fold)) {
    callers <- sort(unique(id), method = "radix")
    fold <- sample(rep_len(seq_len(n_folds), length(callers)))[match(id, callers)]
  }
  split <- tapply(fold, id, function(f) length(unique(f)))
  if (any(split > 1L)) refuse("caller ", names(split)[split > 1L][1L], " stands in several folds.")
  gaps <- markers[vapply(markers, function(name) anyNA(data[[name]]), TRUE)]
  fill <- vapply(gaps, function(name) stats::median(data[[name]], na.rm = TRUE), 0)
  X <- lasso_columns(data, markers, fill)
  if (ncol(X) < 2L) refuse("glmnet needs at least two columns; there is one marker.")
  if (is.null(weights)) weights <- rep(1, nrow(X))
  cv <- glmnet::cv.glmnet(
    X, data[[y]], weights = weights, family = "binomial", foldid = fold, type.measure = "deviance",
    nlambda = n_lambda, thresh = 1e-10
  )
  at <- function(s) as.numeric(stats::coef(cv, s = s))
  all <- list(min = at("lambda.min"), "1se" = at("lambda.1se"))
  table <- data.frame(
    marker = c(markers, gaps), term = colnames(X), coefficient_min = all$min[-1L], coefficient_1se = all[["1se"]][-1L]
  )
  chosen <- if (rule == "min") table$coefficient_min else table$coefficient_1se
  selected <- markers[markers %in% table$marker[chosen != 0]]
  table$selected <- table$marker %in% selected
  out <- list(
    selected = selected, coefficients = table,
    path = data.frame(lambda = cv$lambda, deviance = cv$cvm, se = cv$cvsd, n_nonzero = as.integer(cv$nzero)),
    lambda_min = cv$lambda.min, lambda_1se = cv$lambda.1se, rule = rule, y = y, markers = markers, fill = fill,
    intercept = lapply(all, `[[`, 1L),
    counts = data.frame(rows = nrow(X), callers = length(unique(id)), folds = length(unique(fold)))
  )
  class(out) <- "vr_lasso"
  out
}

# Markers as glmnet takes them: a gap is set to `fill` and told by a column of its own, for the markers that have one.
lasso_columns <- function(data, markers, fill) {
  X <- as.matrix(data[markers])
  gaps <- names(fill)
  stray <- setdiff(markers[colSums(is.na(X)) > 0L], gaps)
  if (length(stray)) {
    refuse(stray[1L], " is missing in ", sum(is.na(X[, stray[1L]])), " new rows, and was never missing in the fit; leave them out.")
  }
  indicators <- is.na(X[, gaps, drop = FALSE]) + 0
  for (name in gaps) X[is.na(X[, name]), name] <- fill[[name]]
  if (length(gaps)) colnames(indicators) <- paste0(gaps, "_missing")
  cbind(X, indicators)
}
