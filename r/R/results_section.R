# A results section from a results folder.

#' Write the results section of a study
#'
#' Fills the template `quarto/results.qmd` of this package with a results folder: who was analysed, the markers, discrimination,
#' decisions and calibration with their intervals, and the figures. Numbers come from the study's tables; nothing is typed.
#'
#' @param results Results folder of `voicerisk run`.
#' @param file The file to write: ".md" (knitr alone), ".html" (rmarkdown with pandoc), or ".qmd" (a copy of the template
#'   with the folder filled in, for Quarto).
#' @return The file, invisibly.
#' @export
#' @examples
#' if (requireNamespace("knitr", quietly = TRUE)) {
#'   study <- system.file("extdata", "study", package = "voicerisk")
#'   file <- vr_results_section(study, tempfile(fileext = ".md"))
#'   head(readLines(file), 12)
#' }
vr_results_section <- function(results, file = "results.md") {
  if (!dir.exists(results)) refuse("there is no folder ", results, ".")
  kind <- sub(".*\\.", "", file)
  if (!kind %in% c("md", "html", "qmd")) refuse("file is ", file, "; it must end in .md, .html or .qmd.")
  template <- readLines(system.file("quarto", "results.qmd", package = "voicerisk"), encoding = "UTF-8")
  results <- normalizePath(results)
  at <- grep("^  results: ", template)
  template[at] <- paste0("  results: ", encodeString(results, quote = "\""))
  # The text holds no name of a caller; a file that stands already is replaced.
  folder <- normalizePath(dirname(file))
  target <- file.path(folder, basename(file))
  if (kind == "qmd") {
    writeLines(enc2utf8(template), target, useBytes = TRUE)
    return(invisible(file))
  }
  need_package(if (kind == "md") "knitr" else "rmarkdown")
  work <- tempfile("results")
  dir.create(work)
  on.exit(unlink(work, recursive = TRUE))
  source <- file.path(work, "results.Rmd")
  writeLines(enc2utf8(template), source, useBytes = TRUE)
  values <- new.env(parent = globalenv())
  if (kind == "html") {
    rmarkdown::render(source, "html_document", target, quiet = TRUE, envir = values)
  } else {
    values$params <- list(results = results)
    name <- sub("\\.md$", "", basename(file))
    old <- list(chunk = knitr::opts_chunk$get(), base = knitr::opts_knit$get("base.dir"), root = knitr::opts_knit$get("root.dir"))
    on.exit({
      knitr::opts_chunk$restore(old$chunk)
      knitr::opts_knit$set(base.dir = old$base, root.dir = old$root)
    }, add = TRUE)
    knitr::opts_knit$set(base.dir = folder, root.dir = folder)
    knitr::opts_chunk$set(fig.path = paste0(name, "_files/"))
    knitr::knit(source, target, quiet = TRUE, envir = values)
  }
  invisible(file)
}
