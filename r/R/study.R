# A study folder, read by plain R.

#' Read the results folder of a study
#'
#' Reads every CSV and every RDS file below the folder, and the boosted model `boost/model.json`, with base R alone.
#' Identifiers stay text, so that a caller "007" keeps its zeros. Parquet files are not read; `voicerisk export-r` writes
#' them as RDS.
#'
#' @param path Results folder of `voicerisk run`.
#' @return A named list of data frames and models, named by their path without extension
#'   (for example `metrics`, `gamm/curves`, `export_r/frames`; `boost/model` is for [vr_score()]).
#' @export
vr_read_study <- function(path) {
  if (!dir.exists(path)) refuse("there is no folder ", path, ".")
  files <- list.files(path, pattern = "\\.(csv|rds)$", recursive = TRUE)
  if (file.exists(file.path(path, "boost", "model.json"))) files <- c(files, "boost/model.json")
  if (!length(files)) refuse(path, " holds neither a CSV nor an RDS file; is it the results folder of a study?")
  saved <- grep("\\.rds$", files, value = TRUE)
  if (length(saved)) {
    message(path, " holds ", length(saved), " RDS file(s), for example ", saved[[1L]],
      ". RDS files can hold code that runs when R uses them: go on only if you trust where the folder came from.")
  }
  read <- function(file) {
    full <- file.path(path, file)
    if (grepl("\\.rds$", file)) return(readRDS(full))
    if (grepl("\\.json$", file)) return(vr_read_model(full))
    if (file.size(full) <= 1L) return(data.frame())
    header <- names(utils::read.csv(full, nrows = 1L, check.names = FALSE))
    ids <- intersect(header, c("call_id", "caller_id", "label", "file"))
    table <- utils::read.csv(full, check.names = FALSE, colClasses = stats::setNames(rep("character", length(ids)), ids))
    for (name in names(table)) {
      if (is.character(table[[name]]) && all(table[[name]] %in% c("True", "False", "", NA)) && any(nzchar(table[[name]]))) {
        table[[name]] <- c(True = TRUE, False = FALSE)[table[[name]]]
        table[[name]] <- unname(table[[name]])
      }
    }
    table
  }
  stats::setNames(lapply(files, read), sub("\\.(csv|rds|json)$", "", files))
}
