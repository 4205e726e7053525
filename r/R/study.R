# A study folder, read by plain R.

#' Read the results folder of a study
#'
#' Reads every CSV and every RDS file below the folder, and the models `boost/model.json` and `scale/model.json`, with base R.
#' Identifiers stay text, so that a caller "007" keeps its zeros and a caller "NA" is one. Parquet files are read where the package nanoparquet
#' or arrow is installed; otherwise they are named when the study is printed (`voicerisk export-r` writes them as RDS).
#'
#' An RDS file can hold code. Read only folders that you trust.
#'
#' @param path Results folder of `voicerisk run`.
#' @param encoding How text in the CSV files is encoded. voicerisk writes "UTF-8"; a file that a spreadsheet program
#'   saved again may be "latin1".
#' @return A list of class `vr_study`, with [R's usual verbs][vr_study-methods]: data frames and models, named by their path
#'   without extension (for example `metrics`, `gamm/curves`, `export_r/frames`; `boost/model` is for [vr_score()]).
#'   Attribute "skipped" names the Parquet files that were not read.
#' @export
#' @examples
#' study <- vr_read_study(system.file("extdata", "study", package = "voicerisk"))
#' study
#' head(study$metrics)
vr_read_study <- function(path, encoding = "UTF-8") {
  if (!dir.exists(path)) refuse("there is no folder ", path, ".")
  if (!encoding %in% c("UTF-8", "latin1")) refuse("encoding is \"", encoding, "\"; it must be \"UTF-8\" or \"latin1\".")
  files <- list.files(path, pattern = "\\.(csv|rds|parquet)$", recursive = TRUE)
  models <- c("boost/model.json", "scale/model.json")
  files <- c(files, models[file.exists(file.path(path, models))])
  if (!any(!grepl("\\.parquet$", files))) {
    refuse(path, " holds neither a CSV nor an RDS file; is it the results folder of a study?")
  }
  parquet <- parquet_reader()
  skipped <- if (is.null(parquet)) files[grepl("\\.parquet$", files)] else character()
  files <- setdiff(files, skipped)
  saved <- grep("\\.rds$", files, value = TRUE)
  if (length(saved)) {
    message(path, " holds ", length(saved), " RDS file(s), for example ", saved[[1L]],
      ". RDS files can hold code that runs when R uses them: go on only if you trust where the folder came from.")
  }
  read <- function(file) {
    full <- file.path(path, file)
    switch(sub(".*\\.", "", file), rds = readRDS(full), json = vr_read_model(full), parquet = parquet(full),
      csv = study_csv(full, encoding, study_kinds[[file]]))
  }
  structure(
    stats::setNames(lapply(files, read), sub("\\.(csv|rds|json|parquet)$", "", files)), class = "vr_study",
    path = path, skipped = skipped
  )
}

# A CSV file of the study, read as the Python package reads it: by the kinds of its columns. Without any, what ends in _id is
# text, and another column is numbers only where every value is written as one (001 and NA are text).
study_csv <- function(file, encoding, kinds = NULL) {
  if (file.size(file) <= 1L) return(data.frame())
  table <- utils::read.csv(
    file, check.names = FALSE, encoding = encoding, colClasses = "character", na.strings = character(), strip.white = FALSE
  )
  names(table) <- sub("^\ufeff", "", names(table))
  for (place in seq_along(table)) {
    name <- names(table)[place]
    broken <- which(!validUTF8(table[[place]]) & encoding == "UTF-8")
    if (length(broken)) {
      refuse(file, ", row ", broken[1L], ", column ", name, " is not UTF-8 text; read it with encoding = \"latin1\".")
    }
    kind <- if (is.null(kinds)) if (endsWith(name, "_id")) "text" else "any" else
      if (name %in% names(kinds)) kinds[[name]] else kinds[["*"]]
    table[[place]] <- as_kind(table[[place]], kind, name, file)
  }
  table
}

# Text as its kind; empty is missing.
as_kind <- function(text, kind, name, file) {
  given <- nzchar(text)
  flags <- c(True = TRUE, False = FALSE)
  if (kind == "any") {
    written <- grepl("^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?$", text[given])
    kind <- if (length(text) && all(text %in% names(flags))) "flag" else if (any(given) && all(written)) "number" else "text"
  }
  text[!given] <- NA
  if (kind == "text") return(text)
  if (kind == "flag") {
    out <- unname(flags[text])
    broken <- given & is.na(out)
  } else {
    out <- suppressWarnings(as.numeric(text))
    broken <- given & is.na(out) & tolower(text) != "nan"
    if (kind == "whole") broken <- broken | (given & !is.na(out) & out %% 1 != 0)
    whole <- all(is.na(out) | (out %% 1 == 0 & abs(out) <= .Machine$integer.max))
    if (whole && !any(grepl("[.eE]", text[given]))) out <- as.integer(out)
  }
  if (any(broken)) {
    refuse(
      file, ", row ", which(broken)[1L], ": ", name, " is \"", text[broken][1L], "\", not ",
      c(flag = "True or False", whole = "a whole number", number = "a number")[[kind]],
      "; the file was changed, run the study again."
    )
  }
  out
}

# The function that reads a Parquet file, NULL where no package does.
parquet_reader <- function() {
  if (requireNamespace("nanoparquet", quietly = TRUE)) {
    return(function(file) as.data.frame(getExportedValue("nanoparquet", "read_parquet")(file)))
  }
  if (requireNamespace("arrow", quietly = TRUE)) {
    return(function(file) as.data.frame(getExportedValue("arrow", "read_parquet")(file)))
  }
  NULL
}
