# Whole studies through the Python package, as a process of its own.

#' Run, audit or validate a whole study
#'
#' Recordings, frames, the audit and the report are the work of the Python package of the same name. These functions
#' start its command `voicerisk` and read what it wrote; R needs nothing but the command. It is found on the search path, or
#' named by `options(voicerisk.command = "/where/it/is/voicerisk")`.
#'
#' Settings stand in the study file, so that a run from R and one from a terminal are the same run: each goes on where the other
#' stopped.
#'
#' @param study The study file (TOML).
#' @param out Folder of the results.
#' @param model The file `model.json` of another study.
#' @param protocol NULL (as the study file says), "published", "nested" or "both".
#' @param permutations Shuffles of the outcome on every rung of the audit.
#' @param threshold NULL, or the cut on the score; by default the one that stands beside the model.
#' @param jobs NULL for all cores, or their number.
#' @param quiet Whether what the command prints is kept back; it is then part of the error, should there be one.
#' @return What [vr_read_study()] gives for `out`. Of `vr_audit`, attribute "leaks" says whether the study leaks.
#' @examples
#' \dontrun{
#' # Needs the Python package and recordings.
#' study <- vr_run("demo/cohort/study.toml", "demo/results", jobs = 2)
#' summary(study)
#' attr(vr_audit("demo/cohort/study.toml", "demo/results"), "leaks")
#' }
#' @name vr_run
NULL

#' @rdname vr_run
#' @export
vr_run <- function(study, out, protocol = NULL, jobs = NULL, quiet = FALSE) {
  vr_command("run", c(existing(study), "--out", out, if (!is.null(protocol)) c("--protocol", protocol)), jobs, quiet)
  vr_read_study(out)
}

#' @rdname vr_run
#' @export
vr_validate <- function(model, study, out, threshold = NULL, jobs = NULL, quiet = FALSE) {
  cut <- if (!is.null(threshold)) c("--threshold", format(threshold, digits = 17L, decimal.mark = "."))
  vr_command("validate", c(existing(model), existing(study), "--out", out, cut), jobs, quiet)
  vr_read_study(out)
}

#' @rdname vr_run
#' @export
vr_audit <- function(study, out, permutations = 19L, jobs = NULL, quiet = FALSE) {
  shuffles <- c("--permutations", format(as.integer(permutations)))
  code <- vr_command("audit", c(existing(study), "--out", out, shuffles), jobs, quiet, fine = c(0L, 3L))
  structure(vr_read_study(out), leaks = code == 3L)
}

existing <- function(file) {
  if (!file.exists(file)) refuse("there is no file ", file, ".")
  file
}

# Run `voicerisk <verb> <words>` and return its exit code, which must be one of `fine`.
vr_command <- function(verb, words, jobs, quiet, fine = 0L) {
  force(words)
  command <- getOption("voicerisk.command", Sys.which("voicerisk")[[1L]])
  if (!nzchar(command) || (!file.exists(command) && !nzchar(Sys.which(command)))) {
    stop(errorCondition(
      paste0(
        "The command 'voicerisk' of the Python package was not found", if (nzchar(command)) paste0(" at ", command),
        "; install the package (pip install voicerisk), or name the command: options(voicerisk.command = \"/where/it/is/voicerisk\")."
      ), class = "vr_package_missing", package = "voicerisk", call = NULL
    ))
  }
  if (!is.null(jobs)) words <- c(words, "--jobs", format(as.integer(jobs)))
  log <- if (quiet) tempfile() else ""
  if (quiet) on.exit(unlink(log))
  libraries <- Sys.getenv("LD_LIBRARY_PATH", NA)
  if (!is.na(libraries)) {
    Sys.setenv(LD_LIBRARY_PATH = without_r_libraries(libraries))
    on.exit(Sys.setenv(LD_LIBRARY_PATH = libraries), add = TRUE)
  }
  code <- system2(command, c(verb, shQuote(words)), stdout = log, stderr = log)
  if (code %in% fine) return(invisible(code))
  told <- if (quiet) paste0(": ", paste(utils::tail(readLines(log, warn = FALSE), 15L), collapse = "\n")) else "; it said why above."
  refuse("`voicerisk ", verb, "` ended with code ", code, told)
}

# R puts its own folders in front of the search path of libraries, for itself and for what it starts. A Python that was built
# with another OpenSSL then loads the wrong one and fails, so the command gets the path that R was given.
without_r_libraries <- function(path) {
  script <- file.path(R.home("etc"), "ldpaths")
  if (!file.exists(script)) return(path)
  ask <- paste0("unset LD_LIBRARY_PATH; R_HOME=", shQuote(R.home()), "; . ", shQuote(script), "; printf %s \"$LD_LIBRARY_PATH\"")
  own <- paste(system2("sh", c("-c", shQuote(ask)), stdout = TRUE), collapse = "")
  # An R that was started by R has put them there once more.
  while (nzchar(own) && startsWith(path, own)) path <- sub("^:", "", substring(path, nchar(own) + 1L))
  path
}
