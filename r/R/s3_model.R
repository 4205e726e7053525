# What R's own verbs say of a boosted model read from its file.

#' Methods for a boosted model from a file
#'
#' @param x,object A `vr_model`.
#' @param ... Not used.
#' @param newdata Data frame with the markers and, where the model has one, the moderator.
#' @param type "link" (log-odds), "response" (what [vr_score()] calls p_raw) or "terms" (a matrix: the contribution of
#'   each marker).
#' @param sex Name of the moderator in `newdata`.
#' @param points Grid points a curve.
#' @param what "curves" (marker, sex, x, estimate) or "ranges" (marker, sex, low, high: the range of the training rows).
#' @param row.names,optional As in [as.data.frame()].
#' @param parm,level Not used: a boosted model has no interval.
#' @return `print` shows one screen; `coef` the offset and the effects of the moderator, in log-odds; `predict` numbers;
#'   `summary` and `as.data.frame` tables; `tidy`, `glance` and `augment` data frames with broom's column names. `vcov`,
#'   `confint`, `formula` and `nobs` stop and say why: the file holds curves, not rows.
#' @name vr_model-methods
#' @examples
#' model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
#' model
#' head(predict(model, calls_example, type = "response"))
NULL

#' @rdname vr_model-methods
#' @export
print.vr_model <- function(x, ...) {
  cat(
    if (identical(x$unit, "call")) "Model of calls" else "Boosted model", " of voicerisk: ", length(x$markers), " markers",
    if (x$needs_sex) paste0(", moderated by ", x$moderator), "\nOffset ", format(x$offset, digits = 4L), " log-odds",
    if (length(x$sex_effect)) paste0("; ", names(x$sex_effect), " ", format(unlist(x$sex_effect), digits = 3L), collapse = ""),
    "\nBeyond the training range a curve ",
    if (x$outside == "extrapolate") "goes on as a straight line" else "keeps its last value", "\n", sep = ""
  )
  use <- x$procedure
  cat(
    if (is.null(use$recalibration)) "No recalibration: a score is no risk" else paste0(
      "Risk of a call (", use$protocol, " protocol, prevalence ", format(use$prevalence, digits = 3L), "): logit p = ",
      format(use$recalibration$intercept, digits = 3L), " + ", format(use$recalibration$slope, digits = 3L), " logit score"
    ),
    if (is.null(use$cut)) "; no cut" else paste0("; cut ", format(use$cut, digits = 3L)), "\n\n", sep = ""
  )
  ranges <- as.data.frame.vr_model(x, what = "ranges")
  ranges$missing <- ifelse(ranges$marker %in% x$may_be_missing, "allowed", "refused")
  print_few(rounded(ranges), 14L, "as.data.frame(model, what = \"ranges\")")
  invisible(x)
}

#' @rdname vr_model-methods
#' @export
summary.vr_model <- function(object, ...) {
  curves <- as.data.frame.vr_model(object)
  key <- interaction(curves$sex, curves$marker, drop = TRUE, lex.order = FALSE)
  out <- as.data.frame.vr_model(object, what = "ranges")
  span <- tapply(curves$estimate, key, function(v) diff(range(v)))
  out$span <- as.vector(span[as.character(interaction(out$sex, out$marker))])
  structure(list(coefficients = coef.vr_model(object), curves = out, notes = object$notes), class = "summary.vr_model")
}

#' @rdname vr_model-methods
#' @export
print.summary.vr_model <- function(x, ...) {
  cat("Log-odds: ", paste(names(x$coefficients), format(x$coefficients, digits = 4L), collapse = "; "), "\n\n", sep = "")
  cat("Curves (span: largest minus smallest value within the training range, log-odds)\n")
  print(rounded(x$curves), row.names = FALSE)
  invisible(x)
}

#' @rdname vr_model-methods
#' @export
coef.vr_model <- function(object, ...) {
  c(offset = object$offset, if (length(object$sex_effect)) unlist(object$sex_effect))
}

#' @rdname vr_model-methods
#' @export
predict.vr_model <- function(object, newdata, type = c("link", "response", "terms"), sex = object$moderator, ...) {
  type <- match.arg(type)
  if (missing(newdata)) refuse("give newdata: the file of a model holds no rows.")
  out <- vr_score(object, newdata, sex)
  switch(type, link = out$log_odds, response = out$p_raw, terms = as.matrix(out[object$markers]))
}

#' @rdname vr_model-methods
#' @export
as.data.frame.vr_model <- function(x, row.names = NULL, optional = FALSE, what = c("curves", "ranges"), points = 100L, ...) {
  what <- match.arg(what)
  parts <- lapply(x$effects, function(effect) {
    if (what == "ranges") {
      return(data.frame(marker = effect$marker, sex = effect$sex, low = effect$low, high = effect$high))
    }
    at <- seq(effect$low, effect$high, length.out = points)
    data.frame(marker = effect$marker, sex = effect$sex, x = at, estimate = model_curve(effect, at, x$outside))
  })
  out <- do.call(rbind, parts)
  if (is.null(out)) refuse("the model has no curve: it was fitted without a marker.")
  out
}

#' @rdname vr_model-methods
#' @export
vcov.vr_model <- function(object, ...) no_covariance("A boosted model")

#' @rdname vr_model-methods
#' @export
confint.vr_model <- function(object, parm, level = 0.95, ...) no_covariance("A boosted model")

#' @rdname vr_model-methods
#' @export
formula.vr_model <- function(x, ...) refuse("the file of a boosted model holds curves, not a formula; its markers are model$markers.")

#' @rdname vr_model-methods
#' @export
nobs.vr_model <- function(object, ...) refuse("the file of a boosted model holds curves, not rows; see model$notes.")

#' @rdname vr_model-methods
#' @exportS3Method generics::tidy
tidy.vr_model <- function(x, ...) as.data.frame.vr_model(x, ...)

#' @rdname vr_model-methods
#' @exportS3Method generics::glance
glance.vr_model <- function(x, ...) {
  data.frame(markers = length(x$markers), curves = length(x$effects), offset = x$offset, needs_sex = x$needs_sex, outside = x$outside)
}

#' @rdname vr_model-methods
#' @exportS3Method generics::augment
augment.vr_model <- function(x, newdata, sex = x$moderator, ...) {
  out <- vr_score(x, newdata, sex)
  cbind(newdata, .fitted = out$log_odds, .probability = out$p_raw)
}
