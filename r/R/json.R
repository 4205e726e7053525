# JSON read by base R alone, with the text of each number kept, so that a checksum can be made again.

# A value is a list: `kind` ("object", "array", "string", "number", "literal") and `value`; an object's value is
# a named list of values, an array's a list of values, the rest is text as it stands in the file.
json_read <- function(path) {
  text <- paste(readLines(path, encoding = "UTF-8", warn = FALSE), collapse = "\n")
  if (!validUTF8(text)) refuse(path, " is not UTF-8 text, so it is no JSON file.")
  pattern <- "\"(?:[^\"\\\\]++|\\\\.)*+\"|-?[0-9]++(?:\\.[0-9]++)?(?:[eE][-+]?[0-9]++)?|true|false|null|[][{},:]"
  found <- gregexpr(pattern, text, perl = TRUE, useBytes = TRUE)
  tokens <- regmatches(text, found)[[1L]]
  Encoding(tokens) <- "UTF-8"
  between <- regmatches(text, found, invert = TRUE)[[1L]]
  damaged <- function() refuse(path, " is no JSON file, or it is damaged.")
  if (!length(tokens) || any(grepl("[^ \t\r\n]", between, useBytes = TRUE))) damaged()
  at <- 1L
  value <- function() {
    if (at > length(tokens)) damaged()
    token <- tokens[at]
    at <<- at + 1L
    switch(token, "{" = members(), "[" = items(), "}" = , "]" = , "," = , ":" = damaged(), {
      kind <- if (startsWith(token, "\"")) "string" else if (token %in% c("true", "false", "null")) "literal" else "number"
      list(kind = kind, value = token)
    })
  }
  # Parts between commas, up to `close`.
  parts <- function(close, read) {
    out <- list()
    if (at <= length(tokens) && tokens[at] == close) {
      at <<- at + 1L
      return(out)
    }
    repeat {
      out[[length(out) + 1L]] <- read()
      if (at > length(tokens) || !tokens[at] %in% c(",", close)) damaged()
      at <<- at + 1L
      if (tokens[at - 1L] == close) return(out)
    }
  }
  items <- function() list(kind = "array", value = parts("]", value))
  members <- function() {
    names <- character()
    values <- parts("}", function() {
      if (at + 1L > length(tokens) || !startsWith(tokens[at], "\"") || tokens[at + 1L] != ":") damaged()
      names <<- c(names, tokens[at])
      at <<- at + 2L
      value()
    })
    list(kind = "object", value = stats::setNames(values, json_unquote(names)), keys = names)
  }
  out <- value()
  if (at <= length(tokens)) damaged()
  out
}

json_unquote <- function(text) {
  text <- substr(text, 2L, nchar(text) - 1L)
  vapply(text, function(one) {
    if (!grepl("\\", one, fixed = TRUE)) return(one)
    pieces <- regmatches(one, gregexpr("\\\\u[0-9a-fA-F]{4}|\\\\.|[^\\\\]+", one))[[1L]]
    plain <- c(n = "\n", t = "\t", r = "\r", b = "\b", f = "\f")
    paste(vapply(pieces, function(piece) {
      if (!startsWith(piece, "\\")) return(piece)
      letter <- substr(piece, 2L, 2L)
      if (letter == "u") return(intToUtf8(strtoi(substr(piece, 3L, 6L), 16L)))
      if (letter %in% names(plain)) plain[[letter]] else letter
    }, ""), collapse = "")
  }, "", USE.NAMES = FALSE)
}

# The same value as R objects: objects as lists, arrays of numbers as numeric, of strings as character.
json_plain <- function(json) {
  switch(json$kind,
    object = lapply(json$value, json_plain),
    array = {
      kinds <- unique(vapply(json$value, `[[`, "", "kind"))
      if (length(kinds) == 1L && kinds %in% c("number", "string")) unlist(lapply(json$value, json_plain))
      else lapply(json$value, json_plain)
    },
    string = json_unquote(json$value),
    number = as.numeric(json$value),
    literal = switch(json$value, true = TRUE, false = FALSE)
  )
}

# One line, keys in the order of their code points, no spaces: the text whose SHA-256 stands in a model file.
json_canonical <- function(json) {
  switch(json$kind,
    object = {
      order <- order(names(json$value), method = "radix")
      parts <- paste0(json$keys[order], ":", vapply(json$value[order], json_canonical, ""), recycle0 = TRUE)
      paste0("{", paste(parts, collapse = ","), "}")
    },
    array = paste0("[", paste(vapply(json$value, json_canonical, ""), collapse = ","), "]"),
    json$value
  )
}
