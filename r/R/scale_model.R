# Models of ordered grades and of numbers, from the file of such a study.

# What the score of a model says of the outcome, checked.
scale_model <- function(model, plain, path) {
  line <- plain$line
  numbers <- function(name, n) {
    value <- unlist(line[[name]])
    if (!is.numeric(value) || !length(value) || (!is.null(n) && length(value) != n) || !all(is.finite(value))) {
      refuse(path, ": ", name, " of the line is no list of numbers; save the model again.")
    }
    value
  }
  slope <- numbers("slope", 1L)
  if (slope < 0 || !isTRUE(plain$scale %in% c("ordinal", "continuous"))) {
    refuse(path, ": scale \"", plain$scale, "\" or slope ", slope, " is none that a model has; save it again.")
  }
  model$scale <- plain$scale
  model$line <- if (plain$scale == "continuous") list(intercept = numbers("intercept", 1L), slope = slope) else {
    grades <- numbers("grades", NULL)
    thresholds <- numbers("thresholds", length(grades) - 1L)
    if (any(diff(grades) <= 0) || any(diff(thresholds) <= 0)) refuse(path, ": grades and thresholds must rise; save the model again.")
    list(grades = grades, thresholds = thresholds, slope = slope)
  }
  class(model) <- c("vr_scale_model", class(model))
  model
}

#' Grade or number of calls, by a model of the whole scale
#'
#' The score of a call is the sum, marker by marker, of the mean contribution of its rows. Of ordered grades,
#' logit P(y >= grade) = slope x score - threshold of the grade; of a number, predicted = intercept + slope x score. Slope,
#' thresholds and intercept are those of the procedure that was validated on callers left out.
#'
#' @param model What [vr_read_model()] gives for `scale/model.json`.
#' @param newdata Data frame of rows as for [vr_score()].
#' @param call Name of the column that says which rows are one call.
#' @param sex As in [vr_score()].
#' @return Data frame, one row a call in order of appearance: the call, score, n_rows, predicted (the number, or the mean
#'   grade), of grades `at_least_<grade>`, and most_outside, beyond_training and too_short as in [vr_risk()].
#' @seealso [vr_risk()]
#' @export
#' @examples
#' \dontrun{
#' # Needs the results of a study of grades.
#' model <- vr_read_model("results/scale/model.json")
#' vr_scale(model, segments)
#' }
vr_scale <- function(model, newdata, call = "call_id", sex = model$moderator) {
  if (!inherits(model, "vr_scale_model")) refuse("vr_scale needs a model of grades or of a number (scale/model.json), not a ", class(model)[1L], ".")
  once(newdata, call)
  of <- factor(newdata[[call]], unique(newdata[[call]]))
  scored <- score_any_level(model, newdata, sex, call)
  score <- link_of_calls(model, newdata, scored, of)
  out <- data.frame(call = unique(newdata[[call]]), score = score, n_rows = as.vector(table(of)))
  names(out)[1L] <- call
  line <- model$line
  if (model$scale == "continuous") {
    out$predicted <- line$intercept + line$slope * score
  } else {
    above <- stats::plogis(outer(line$slope * score, line$thresholds, `-`))
    out$predicted <- line$grades[1L] + drop(above %*% diff(line$grades))
    out[paste0("at_least_", line$grades[-1L])] <- above
  }
  beyond_training(out, model, newdata, scored, of)
}

#' @rdname vr_model-methods
#' @export
print.vr_scale_model <- function(x, ...) {
  line <- x$line
  cat("Model of ", if (x$scale == "ordinal") "ordered grades" else "a number", " of voicerisk: ", length(x$markers), " markers",
    if (x$needs_sex) paste0(", moderated by ", x$moderator), "\n", sep = "")
  if (x$scale == "continuous") {
    cat("predicted = ", format(line$intercept, digits = 4L), " + ", format(line$slope, digits = 4L), " score\n\n", sep = "")
  } else {
    cat("logit P(y >= grade) = ", format(line$slope, digits = 3L), " score - threshold; ",
      paste0("grade ", line$grades[-1L], ": ", trimws(format(line$thresholds, digits = 3L)), collapse = ", "), "\n\n", sep = "")
  }
  print_few(rounded(as.data.frame.vr_model(x, what = "ranges")), 14L, "as.data.frame(model, what = \"ranges\")")
  invisible(x)
}

#' @rdname vr_model-methods
#' @export
predict.vr_scale_model <- function(object, newdata, type = c("link", "terms"), sex = object$moderator, ...) {
  type <- match.arg(type)
  if (missing(newdata)) refuse("give newdata: the file of a model holds no rows.")
  predict.vr_model(object, newdata, type, sex)
}
