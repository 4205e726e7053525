# Builds the site of the R package into a folder, without network: nothing in it is loaded from elsewhere.
into <- normalizePath(commandArgs(TRUE)[1], mustWork = FALSE)
options(pkgdown.internet = FALSE)
source <- file.path(tempfile("site"), "voicerisk")
dir.create(dirname(source))
stopifnot(file.copy("r", dirname(source), recursive = TRUE), file.rename(file.path(dirname(source), "r"), source))
# Examples run when the package is checked.
pkgdown::build_site(
  source, examples = FALSE, new_process = FALSE, devel = TRUE, preview = FALSE, override = list(destination = into)
)
# What its scripts do (search, hiding the bar) needs other sites; its pages do not.
for (page in list.files(into, "\\.html$", recursive = TRUE, full.names = TRUE)) {
  text <- paste(readLines(page, encoding = "UTF-8", warn = FALSE), collapse = "\n")
  text <- gsub("<script[^>]*src=\"(https://[^\"]*|[^\"]*pkgdown\\.js)\"[^>]*></script>", "", text)
  text <- gsub("<link[^>]*href=\"https://[^\"]*\\.css\"[^>]*/?>", "", text)
  text <- gsub("(?s)<form[^>]*role=\"search\".*?</form>", "", text, perl = TRUE)
  writeLines(enc2utf8(text), page, useBytes = TRUE)
}
