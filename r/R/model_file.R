# A boosted model from its JSON file (boost/model.json), read and applied by plain R.

#' Read a boosted model that the Python side saved
#'
#' Reads `boost/model.json` of a study with base R alone. The file holds each marker's effect by sex as a piecewise
#' cubic; [vr_score()] applies it. Its SHA-256 is made again and compared, so that a damaged or edited file is refused.
#'
#' @param path The file.
#' @return A list of class `vr_model`: `offset`, `sex_effect`, `markers`, `may_be_missing`, `needs_sex`, `outside`,
#'   `effects` (one a marker and sex: `low`, `high`, `intervals`, `polynomials`, a matrix with powers 0 to 3 of the
#'   position within an interval), `notes`. All in log-odds.
#' @seealso [vr_score()]
#' @export
#' @examples
#' model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
#' model
vr_read_model <- function(path) {
  if (!file.exists(path)) refuse("there is no model file ", path, ".")
  file <- json_read(path)
  part <- function(name) if (file$kind == "object") file$value[[name]]
  says <- function(name) if (!is.null(part(name))) json_plain(part(name))
  if (!identical(says("format"), "voicerisk-gamboost")) {
    refuse(path, " is no boosted model of voicerisk; it does not say format \"voicerisk-gamboost\".")
  }
  if (!identical(says("version"), 1)) {
    refuse(path, " has version ", format(says("version")), "; this package reads version 1.")
  }
  content <- part("model")
  if (is.null(content) || !identical(sha256(charToRaw(enc2utf8(json_canonical(content)))), says("sha256"))) {
    refuse(path, " is damaged or was edited: its content does not match its SHA-256; save it again.")
  }
  model <- json_plain(content)
  model$markers <- as.character(model$markers)
  model$may_be_missing <- as.character(model$may_be_missing)
  if (is.null(model$moderated_by)) model$moderated_by <- "sex"
  model$effects <- lapply(model$effects, function(effect) {
    effect$polynomials <- do.call(rbind, effect$polynomials)
    if (!identical(dim(effect$polynomials), c(as.integer(effect$intervals) + 3L, 4L)) || effect$low >= effect$high) {
      refuse(path, ": the curve of ", effect$marker, " does not fit its knots.")
    }
    effect
  })
  class(model) <- "vr_model"
  model
}

#' Score rows with a boosted model from a file
#'
#' @param model A `vr_model`.
#' @param newdata Data frame with the markers and, where the model has sex, the moderator (of sex
#'   female, male, F or M in any case).
#' @param sex Name of the moderator's column; by default the one that the file names.
#' @return Data frame, one row a row of `newdata`: p_raw, log_odds, base (offset and sex), one column a marker with its
#'   contribution in log-odds, n_outside (markers beyond the range of the training rows), and `<marker>_outside`.
#' @export
#' @examples
#' model <- vr_read_model(system.file("extdata", "model.json", package = "voicerisk"))
#' head(vr_score(model, calls_example))
vr_score <- function(model, newdata, sex = model$moderated_by) {
  if (!inherits(model, "vr_model")) refuse("vr_score needs what vr_read_model gives, not a ", class(model)[1L], ".")
  absent <- setdiff(c(model$markers, if (model$needs_sex) sex), names(newdata))
  if (length(absent)) refuse("the new rows have no column \"", absent[1L], "\".")
  n <- nrow(newdata)
  sexes <- if (model$needs_sex) model_levels(newdata[[sex]], sex, names(model$sex_effect)) else rep("all", n)
  base <- rep(model$offset, n)
  for (name in names(model$sex_effect)) {
    mine <- name == "all" | sexes == name
    base[mine] <- base[mine] + model$sex_effect[[name]]
  }
  parts <- matrix(0, n, length(model$markers), dimnames = list(NULL, model$markers))
  outside <- list()
  for (marker in model$markers) {
    # A factor or text would be read as the number of its level.
    if (!is.numeric(newdata[[marker]]) && !all(is.na(newdata[[marker]]))) {
      refuse("marker \"", marker, "\" is of class ", class(newdata[[marker]])[1L], "; give numbers.")
    }
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
    mine <- which(effect$sex == "all" | sexes == effect$sex)
    parts[mine, effect$marker] <- parts[mine, effect$marker] + model_curve(effect, x[mine], model$outside)
    outside[[effect$marker]] <- !is.na(x) & (x < effect$low | x > effect$high)
  }
  link <- base + rowSums(parts)
  out <- data.frame(p_raw = stats::plogis(link), log_odds = link, base = base, parts, check.names = FALSE)
  out$n_outside <- if (length(outside)) Reduce(`+`, outside) else rep(0L, n)
  for (marker in names(outside)) out[[paste0(marker, "_outside")]] <- outside[[marker]]
  out
}

# The levels as text, sexes spelt out; a level that the model does not know is refused.
model_levels <- function(values, name, known) {
  found <- trimws(as.character(values))
  if (name == "sex") {
    spelt <- c(female = "female", f = "female", male = "male", m = "male")[tolower(found)]
    found <- ifelse(is.na(spelt), found, unname(spelt))
  }
  if (!all(found %in% known)) {
    row <- which(!found %in% known)[1L]
    refuse(name, " is \"", as.character(values)[row], "\" in row ", row, "; it must be one of ", paste(known, collapse = ", "), ".")
  }
  found
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
