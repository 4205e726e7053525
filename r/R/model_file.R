# A model from its JSON file (boost/model.json), read and applied by plain R.

#' Read a model that the Python side saved
#'
#' Reads `boost/model.json` of a study, or `scale/model.json` of a study of grades or of a number, with base R alone. The file holds each marker's effect by level of the moderator
#' as a piecewise cubic, and what makes a risk and a decision of a call's score; [vr_score()] and [vr_risk()] apply it.
#' Its SHA-256 is made again and compared, so that a damaged or edited file is refused.
#'
#' @param path The file.
#' @return A list of class `vr_model`: `offset`, `sex_effect` (one number a level of the moderator, or `all`), `markers`,
#'   `may_be_missing`, `needs_sex` (whether there is a moderator), `moderator` (its name), `levels`, `unit` (what it was
#'   learned on: frame, segment or call; version 2), `outside`, `effects`
#'   (one a marker and level: `marker`, `sex`, `low`, `high`, `intervals`, `polynomials`, a matrix with powers 0 to 3 of
#'   the position within an interval), `ranges` (lowest and highest value of each marker that it was learned on),
#'   `procedure` (protocol, recalibration, cut, prevalence; `NULL` in version 1), `notes`. All in log-odds. A model of grades
#'   or of a number is a `vr_scale_model` besides: with `scale` ("ordinal" or "continuous") and `line` (what its score says
#'   of the outcome), for [vr_scale()].
#' @seealso [vr_score()], [vr_risk()], [vr_scale()]
#' @export
#' @examples
#' model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
#' model
vr_read_model <- function(path) {
  if (!file.exists(path)) refuse("there is no model file ", path, ".")
  file <- json_read(path)
  part <- function(name) if (file$kind == "object") file$value[[name]]
  says <- function(name) if (!is.null(part(name))) json_plain(part(name))
  formats <- c("voicerisk-gamboost" = 1, "voicerisk-model" = 2, "voicerisk-scale-model" = 1)
  named <- says("format")
  if (!is.character(named) || length(named) != 1L || !named %in% names(formats)) {
    refuse(path, " is no model of voicerisk; it does not say format \"voicerisk-model\".")
  }
  version <- says("version")
  if (!identical(version, formats[[named]])) {
    refuse(path, " has version ", format(version), "; this package reads version ", formats[[named]], " of ", named, ".")
  }
  content <- part("model")
  if (is.null(content) || !identical(sha256(charToRaw(enc2utf8(json_canonical(content)))), says("sha256"))) {
    refuse(path, " is damaged or was edited: its content does not match its SHA-256; save it again.")
  }
  plain <- json_plain(content)
  graded <- named == "voicerisk-scale-model"
  model <- if (graded) model_of_version_2(plain$score, path) else if (version == 1) model_of_version_1(plain) else
    model_of_version_2(plain, path)
  model$markers <- as.character(model$markers)
  model$may_be_missing <- as.character(model$may_be_missing)
  if (!isTRUE(model$outside %in% c("clamp", "extrapolate"))) {
    refuse(path, ": outside is \"", model$outside, "\"; it must be clamp or extrapolate.")
  }
  model$effects <- lapply(model$effects, function(effect) {
    effect$polynomials <- do.call(rbind, effect$polynomials)
    if (!identical(dim(effect$polynomials), c(as.integer(effect$intervals) + 3L, 4L)) || effect$low >= effect$high) {
      refuse(path, ": the curve of ", effect$marker, " does not fit its knots.")
    }
    if (!effect$marker %in% model$markers || !effect$sex %in% c("all", model$levels)) {
      refuse(path, ": there is a curve of ", effect$marker, " at ", effect$sex, ", which the model does not have.")
    }
    effect
  })
  class(model) <- "vr_model"
  if (graded) scale_model(model, plain, path) else model
}

model_of_version_1 <- function(plain) {
  ranges <- list()
  for (effect in plain$effects) ranges[[effect$marker]] <- c(effect$low, effect$high)
  by <- if (is.null(plain$moderated_by)) "sex" else plain$moderated_by
  levels <- if (plain$needs_sex) names(plain$sex_effect) else character()
  c(plain, list(moderator = if (plain$needs_sex) by, levels = levels, ranges = ranges, procedure = NULL))
}

# The parts of version 2 under the names that the functions of this package know.
model_of_version_2 <- function(plain, path) {
  member <- plain$member
  if (!isTRUE(member$kind %in% c("boosting", "calls"))) {
    refuse(path, " holds a model of kind \"", member$kind, "\"; this package reads boosting and calls.")
  }
  effects <- lapply(member$effects, function(effect) {
    names(effect)[names(effect) == "level"] <- "sex"
    effect
  })
  list(
    offset = member$offset, sex_effect = member$level_effect, markers = member$markers,
    may_be_missing = member$may_be_missing, needs_sex = !is.null(plain$moderator), moderator = plain$moderator$name,
    levels = as.character(plain$moderator$levels), unit = member$unit, outside = member$outside, effects = effects,
    ranges = plain$ranges,
    procedure = plain$procedure, notes = plain$notes
  )
}

#' Score rows with a model from a file
#'
#' @param model A `vr_model`.
#' @param newdata Data frame with the markers and, where the model has one, the moderator (of sex: female, male, F or M
#'   in any case).
#' @param sex Name of the moderator in `newdata`.
#' @param call Name of the column that says which rows are one call; needed where the model looks at how far rows lie from
#'   the mean of their call.
#' @return Data frame, one row a row of `newdata`: p_raw, log_odds, base (offset and level), one column a marker with its
#'   contribution in log-odds, n_outside (markers beyond the range of the training rows), and `<marker>_outside`. A
#'   row's p_raw is no risk of a call: [vr_risk()] gives that.
#' @seealso [vr_risk()]
#' @examples
#' model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
#' head(vr_score(model, calls_example))
#' @export
vr_score <- function(model, newdata, sex = model$moderator, call = "call_id") {
  if (!inherits(model, "vr_model")) refuse("vr_score needs what vr_read_model gives, not a ", class(model)[1L], ".")
  once(newdata, c(model$markers, if (model$needs_sex) sex))
  n <- nrow(newdata)
  sexes <- if (model$needs_sex) model_levels(newdata[[sex]], sex, model$levels) else rep("all", n)
  base <- rep(model$offset, n)
  for (name in names(model$sex_effect)) {
    mine <- name == "all" | sexes == name
    base[mine] <- base[mine] + model$sex_effect[[name]]
  }
  parts <- matrix(0, n, length(model$markers), dimnames = list(NULL, model$markers))
  outside <- list()
  for (marker in model$markers) {
    finite(newdata[[marker]], marker)
    missing <- is.na(newdata[[marker]])
    if (any(missing) && !marker %in% model$may_be_missing) {
      refuse(
        marker, " is missing in ", sum(missing), " rows (first: row ", which(missing)[1L], "), which this model did ",
        "not see in its training; leave these rows out."
      )
    }
  }
  for (effect in model$effects) {
    x <- as.numeric(newdata[[effect$marker]])
    if (identical(effect$of, "spread")) {
      if (!call %in% names(newdata)) refuse("the new rows have no column \"", call, "\" that says which call they are of.")
      x <- (x - stats::ave(x, newdata[[call]], FUN = function(of_call) mean(of_call, na.rm = TRUE)))^2
    }
    mine <- which(effect$sex == "all" | sexes == effect$sex)
    parts[mine, effect$marker] <- parts[mine, effect$marker] + model_curve(effect, x[mine], model$outside)
  }
  for (marker in names(model$ranges)) {
    x <- as.numeric(newdata[[marker]])
    outside[[marker]] <- !is.na(x) & (x < model$ranges[[marker]][1L] | x > model$ranges[[marker]][2L])
  }
  link <- base + rowSums(parts)
  out <- data.frame(p_raw = stats::plogis(link), log_odds = link, base = base, parts, check.names = FALSE)
  out$n_outside <- if (length(outside)) Reduce(`+`, outside) else rep(0L, n)
  for (marker in names(outside)) out[[paste0(marker, "_outside")]] <- outside[[marker]]
  out
}

#' Risk and decision of calls, by the procedure that was validated
#'
#' A call's score is the mean of p_raw over its rows; of a model of calls (`unit` "call") it comes from the sum, marker by
#' marker, of the mean contribution over the rows that have a value. The file's recalibration makes a risk of the score, at
#' a stated prevalence, and the file's cut a decision.
#'
#' @param model A `vr_model` with a procedure (version 2, the nested protocol).
#' @param newdata Data frame of rows as for [vr_score()].
#' @param call Name of the column that says which rows are one call.
#' @param prevalence Share of calls with the outcome where the risk is used; by default that of the model's study.
#' @param sex As in [vr_score()].
#' @return Data frame, one row a call in order of appearance: the call, p_raw, n_rows, risk, prevalence, cut, flagged
#'   (whether p_raw reaches the cut; without a cut no call does), most_outside (the largest share of a marker's values
#'   beyond the training range), beyond_training (whether that is more than a tenth, or the call is of a level that the model
#'   did not learn from, which is scored by the mean over the known ones: then do not rely on the rest),
#'   too_short (whether the call has fewer rows than any that the model learned from). A call that is too short, or has more
#'   than a tenth of a marker's values beyond the training range, gets neither risk nor decision: both are NA.
#' @seealso [vr_score()]
#' @examples
#' model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
#' head(vr_risk(model, calls_example))
#' head(vr_risk(model, calls_example, prevalence = 0.1))
#' @export
vr_risk <- function(model, newdata, call = "call_id", prevalence = NULL, sex = model$moderator) {
  if (!inherits(model, "vr_model")) refuse("vr_risk needs what vr_read_model gives, not a ", class(model)[1L], ".")
  if (inherits(model, "vr_scale_model")) refuse("this model tells grades or a number, not the risk of an outcome; use vr_scale().")
  use <- model$procedure
  if (is.null(use$recalibration)) {
    refuse("this model holds no recalibration, so that its score is no risk; use boost/model.json of the nested protocol.")
  }
  if (!call %in% names(newdata)) refuse("the new rows have no column \"", call, "\" that says which call they are of.")
  once(newdata, call)
  here <- if (is.null(prevalence)) use$prevalence else prevalence
  if (!is.numeric(here) || length(here) != 1L || !isTRUE(here > 0 && here < 1)) {
    refuse("prevalence is ", format(here), "; it must be a share above 0 and below 1.")
  }
  scored <- score_any_level(model, newdata, sex, call)
  of <- factor(newdata[[call]], unique(newdata[[call]]))
  score <- if (identical(model$unit, "call")) stats::plogis(link_of_calls(model, newdata, scored, of)) else
    as.vector(tapply(scored$p_raw, of, mean))
  link <- use$recalibration$intercept + use$recalibration$slope * stats::qlogis(pmin(pmax(score, 1e-6), 1 - 1e-6))
  out <- data.frame(call = unique(newdata[[call]]), p_raw = score, n_rows = as.vector(table(of)))
  names(out)[1L] <- call
  out$risk <- stats::plogis(link + stats::qlogis(here) - stats::qlogis(use$prevalence))
  out$prevalence <- here
  out$cut <- if (is.null(use$cut)) NA_real_ else use$cut
  out$flagged <- !is.na(out$cut) & round(score, 12L) >= out$cut
  abstained(beyond_training(out, model, newdata, scored, of))
}

# A call that is too short or out of range gets neither risk nor decision: nothing says what they are worth.
abstained <- function(calls) {
  gone <- calls$too_short | calls$most_outside > 0.1
  calls$risk[gone] <- NA_real_
  calls$flagged[gone] <- NA
  calls
}

# As vr_score, but rows of a level that the model does not know get the mean over the levels that it knows.
score_any_level <- function(model, newdata, sex, call) {
  unknown <- if (model$needs_sex && sex %in% names(newdata)) !spelt_levels(newdata[[sex]], sex) %in% model$levels else FALSE
  if (!any(unknown)) return(vr_score(model, newdata, sex, call))
  strange <- unique(as.character(newdata[[sex]])[unknown])
  warning(
    length(unique(newdata[[call]][unknown])), " call(s) have a ", sex, " that the model did not learn from (",
    paste(strange, collapse = ", "), "); they are scored by the mean over ", paste(model$levels, collapse = ", "),
    ": do not rely on them.", call. = FALSE
  )
  newdata[[sex]] <- as.character(newdata[[sex]])
  each <- lapply(model$levels, function(level) {
    newdata[[sex]][unknown] <- level
    vr_score(model, newdata, sex, call)
  })
  out <- each[[1L]]
  for (name in c("log_odds", "base", model$markers)) {
    out[[name]] <- Reduce(`+`, lapply(each, `[[`, name)) / length(each)
  }
  out$p_raw[unknown] <- stats::plogis(out$log_odds[unknown])
  attr(out, "unknown") <- unknown
  out
}

# Calls with the largest share of a marker's values beyond the training range, and whether they are too short.
beyond_training <- function(calls, model, newdata, scored, of) {
  shares <- lapply(names(model$ranges), function(marker) {
    known <- tapply(!is.na(newdata[[marker]]), of, sum)
    as.vector(tapply(scored[[paste0(marker, "_outside")]], of, sum) / pmax(known, 1))
  })
  calls$most_outside <- if (length(shares)) do.call(pmax, shares) else rep(0, nrow(calls))
  calls$beyond_training <- calls$most_outside > 0.1
  unknown <- attr(scored, "unknown")
  if (!is.null(unknown)) calls$beyond_training <- calls$beyond_training | as.vector(tapply(unknown, of, any))
  shortest <- model$notes$shortest_call_frames
  calls$too_short <- calls$n_rows < if (is.numeric(shortest) && length(shortest) == 1L) shortest else 0
  calls
}

# A model of calls adds, marker by marker, the mean contribution of the rows that have a value; none adds nothing.
link_of_calls <- function(model, newdata, scored, of) {
  link <- as.vector(tapply(scored$base, of, mean))
  for (marker in model$markers) {
    part <- ifelse(is.na(newdata[[marker]]), NA, scored[[marker]])
    mine <- as.vector(tapply(part, of, mean, na.rm = TRUE))
    link <- link + ifelse(is.na(mine), 0, mine)
  }
  link
}

# The levels as text, sexes spelt out; a level that the model does not know is refused.
model_levels <- function(values, name, known) {
  found <- spelt_levels(values, name)
  if (!all(found %in% known)) {
    row <- which(!found %in% known)[1L]
    refuse(name, " is \"", as.character(values)[row], "\" in row ", row, "; it must be one of ", paste(known, collapse = ", "), ".")
  }
  found
}

spelt_levels <- function(values, name) {
  found <- trimws(as.character(values))
  if (name != "sex") return(found)
  spelt <- c(female = "female", f = "female", male = "male", m = "male")[tolower(found)]
  ifelse(is.na(spelt), found, unname(spelt))
}

# The piecewise cubic at x; 0 where x is missing. Beyond the knots the line of the last two rows, or the end value.
model_curve <- function(effect, x, outside) {
  width <- (effect$high - effect$low) / effect$intervals
  inside <- pmin(pmax(x, effect$low), effect$high)
  t <- (inside - effect$low) * (effect$intervals / (effect$high - effect$low))
  missing <- is.na(t)
  t[missing] <- 0
  cell <- pmin(floor(t), effect$intervals - 1)
  t <- t - cell
  p <- effect$polynomials[cell + 1, , drop = FALSE]
  value <- ((p[, 4L] * t + p[, 3L]) * t + p[, 2L]) * t + p[, 1L]
  if (outside == "extrapolate") {
    for (side in c("below", "above")) {
      beyond <- which(if (side == "below") x < effect$low else x > effect$high)
      line <- effect$polynomials[effect$intervals + if (side == "below") 2 else 3, ]
      edge <- if (side == "below") effect$low else effect$high
      value[beyond] <- line[1L] + line[2L] * ((x[beyond] - edge) / width)
    }
  }
  value[missing] <- 0
  value
}
