# Writes the help of the R package's functions as one Markdown page.
page <- commandArgs(TRUE)[1]
tools::Rd2txt_options(underline_titles = FALSE)
help <- lapply(list.files("r/man", "\\.Rd$", full.names = TRUE), function(file) {
  rd <- tools::parse_Rd(file)
  tag <- function(name) trimws(paste(unlist(Filter(function(part) attr(part, "Rd_tag") == name, rd)), collapse = ""))
  text <- utils::capture.output(tools::Rd2txt(rd, fragment = FALSE))
  list(name = tag("\\name"), title = tag("\\title"), text = text[-(1:2)])
})
site <- if (requireNamespace("pkgdown", quietly = TRUE)) {
  c("<p>The same pages, with articles and news, are a <a href=\"../../r/index.html\">site of their own</a>.</p>", "")
}
lines <- c(
  "# R functions", "",
  "The help pages of the R package in `r/`, which needs no Python. [What they compute](../r.md).", "", site,
  "| function | what it does |", "| --- | --- |",
  vapply(help, function(one) sprintf("| [`%s`](#%s) | %s |", one$name, one$name, one$title), ""), "",
  unlist(lapply(help, function(one) c(paste0("## ", one$name), "", "```text", one$text, "```", "")))
)
writeLines(lines, page)
