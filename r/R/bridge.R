# What the Python side calls. Nothing here is exported: an R user has no need of it.
#
# Python sends columns and names, never pasted code. Each call runs with fixed options, a fixed seed and the C
# collation, and gives back its value, its warnings and messages as text, and a failed call as data.

# A factor from 1-based integer codes (NA for missing) and its levels.
bridge_factor <- function(codes, levels) {
  structure(codes, levels = levels, class = "factor")
}

# A character vector from 1-based integer codes and the distinct strings.
bridge_strings <- function(codes, levels) {
  levels[codes]
}

# A data frame from a named list of columns of equal length, without copying them.
bridge_frame <- function(columns, n) {
  attr(columns, "row.names") <- .set_row_names(n)
  class(columns) <- "data.frame"
  columns
}

bridge_options <- list(
  contrasts = c("contr.treatment", "contr.poly"), na.action = "na.omit", OutDec = ".", digits = 7L,
  scipen = 0L, warn = 1L, warning.length = 8170L, keep.source = FALSE, ts.eps = 1e-05, mc.cores = 1L
)

# Call `fun(args...)` of this package with options, seed and locale set for this call alone.
bridge_call <- function(fun, args, seed) {
  old_options <- do.call(options, bridge_options)
  on.exit(options(old_options), add = TRUE)
  old_collate <- Sys.getlocale("LC_COLLATE")
  Sys.setlocale("LC_COLLATE", "C")
  on.exit(Sys.setlocale("LC_COLLATE", old_collate), add = TRUE)
  old_kind <- RNGkind()
  old_seed <- if (exists(".Random.seed", globalenv(), inherits = FALSE)) get(".Random.seed", globalenv())
  on.exit({
    do.call(RNGkind, as.list(old_kind))
    if (is.null(old_seed)) {
      suppressWarnings(rm(".Random.seed", envir = globalenv()))
    } else {
      assign(".Random.seed", old_seed, envir = globalenv())
    }
  }, add = TRUE)
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")

  warned <- character()
  told <- character()
  trace <- character()
  failure <- NULL
  started <- proc.time()[["elapsed"]]
  depth <- sys.nframe()
  value <- tryCatch(
    withCallingHandlers(
      do.call(fun, args, quote = TRUE),
      warning = function(w) {
        warned <<- c(warned, bridge_condition_text(w))
        invokeRestart("muffleWarning")
      },
      message = function(m) {
        told <<- c(told, sub("\n$", "", conditionMessage(m)))
        invokeRestart("muffleMessage")
      },
      error = function(e) trace <<- bridge_trace(sys.calls(), depth)
    ),
    error = function(e) failure <<- e
  )
  result <- list(
    warnings = unique(warned), messages = told, seconds = proc.time()[["elapsed"]] - started
  )
  if (is.null(failure)) {
    result$value <- value
  } else {
    result$error <- conditionMessage(failure)
    result$error_class <- class(failure)
    result$traceback <- trace
  }
  result
}

bridge_condition_text <- function(condition) {
  call <- conditionCall(condition)
  where <- if (is.null(call)) "" else paste0(" [in ", deparse(call[[1L]], nlines = 1L), "]")
  paste0(conditionMessage(condition), where)
}

# The calls between our own frame and the error, one line each, the handlers left out.
bridge_trace <- function(calls, depth) {
  lines <- vapply(calls, function(call) substr(deparse(call, nlines = 1L), 1L, 120L), "")
  lines <- lines[-seq_len(min(depth, length(lines)))]
  lines[!grepl("^(tryCatch|withCallingHandlers|doTryCatch|\\.handleSimpleError|h\\(simpleError|do\\.call\\(fun)", lines)]
}

# A kept object or a saved one in place of a value (see Kept and Rds of the Python side).
bridge_read_rds <- function(path) {
  if (!file.exists(path)) {
    stop("There is no file ", path, ".", call. = FALSE)
  }
  readRDS(path)
}

# Fit a GAMM, save it, and return its tables and curves.
bridge_gamm <- function(data, fit, points, level, draws, rds) {
  fitted <- do.call(vr_gamm, c(list(data = data), fit))
  if (!is.null(rds)) saveRDS(fitted, rds)
  c(
    vr_tables(fitted, level),
    list(
      curves = if (has_curves(fitted)) vr_curves(fitted, points, level, draws, seed = NULL), notes = fitted$notes, formula = fitted$spec$formula,
      k = fitted$spec$k, random = fitted$spec$random, converged = fitted$converged,
      versions = list(
        r = paste(R.version$major, R.version$minor, sep = "."), mgcv = as.character(utils::packageVersion("mgcv"))
      )
    )
  )
}
