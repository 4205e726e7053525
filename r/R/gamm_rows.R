# The rows of a GAMM: which columns it may use, how each is read, and the names they have in the model.

# Rows complete in all variables of the model, with columns as the model needs them, under names that R can take.
gamm_rows <- function(data, markers, y, sex, caller, call, segment, random, covariates, weights) {
  if (length(markers) == 0L) refuse("no marker was given.")
  if (anyDuplicated(markers)) refuse("marker ", markers[anyDuplicated(markers)], " was given twice.")
  grouping <- c(caller = caller, call = call, segment = segment)
  unknown <- setdiff(random, names(grouping))
  if (length(unknown)) refuse("random intercept \"", unknown[1L], "\" is none of caller, call, segment.")
  used <- unique(c(y, sex, caller, if (any(c("call", "segment") %in% random)) call,
                   if ("segment" %in% random) segment, covariates, markers, weights))
  frame <- used_columns(data, used)
  both <- intersect(markers, c(covariates, y, sex, caller))
  if (length(both)) refuse("column \"", both[1L], "\" is a marker and has another role too.")
  for (marker in markers) frame[[marker]] <- marker_column(frame[[marker]], marker)
  frame[[y]] <- outcome_column(frame[[y]], y)
  for (name in unique(c(sex, caller))) frame[[name]] <- plain_factor(frame[[name]])
  for (name in setdiff(covariates, c(sex, caller))) frame[[name]] <- covariate_column(frame[[name]], name)
  if (!is.null(weights)) frame[[weights]] <- weight_column(frame[[weights]], weights)
  missing <- vapply(used, function(name) sum(is.na(frame[[name]])), 0L)
  complete <- stats::complete.cases(frame)
  frame <- droplevels(frame[complete, , drop = FALSE])
  if (length(unique(frame[[y]])) < 2L) {
    refuse("outcome \"", y, "\" has a single value in the ", nrow(frame), " complete rows.")
  }
  constant <- covariates[vapply(covariates, function(name) length(unique(frame[[name]])) < 2L, TRUE)]
  # Prior weights are relative: with mean 1 they change no standard error of their own.
  if (!is.null(weights)) frame[[weights]] <- frame[[weights]] / mean(frame[[weights]])
  if (call %in% names(frame)) frame[[call]] <- plain_factor(paste(frame[[caller]], frame[[call]], sep = ":"))
  if (segment %in% names(frame)) frame[[segment]] <- plain_factor(paste(frame[[call]], frame[[segment]], sep = ":"))
  rownames(frame) <- NULL
  notes <- character()
  if (any(!complete)) {
    most <- sort(missing[missing > 0L], decreasing = TRUE)
    notes <- paste0(
      sum(!complete), " of ", nrow(data), " rows have a missing value and are left out (",
      paste(names(most), most, sep = ": ", collapse = ", "), ")."
    )
  }
  if (length(constant)) {
    notes <- c(notes, paste0(
      "Left out, since all complete rows have one value: ", paste(constant, collapse = ", "), "."
    ))
  }
  notes <- c(notes, alike_columns(frame, c(markers, setdiff(covariates, constant))))
  counts <- data.frame(
    rows = nrow(data), rows_used = nrow(frame), rows_missing = sum(!complete), callers = nlevels(frame[[caller]]),
    events = sum(frame[[y]] == 1)
  )
  safe <- safe_names(used)
  names(frame) <- unname(safe[names(frame)])
  odd <- used[safe != used]
  if (length(odd)) {
    notes <- c(notes, paste0("In the model object ", paste0("\"", odd, "\" is named ", safe[odd], collapse = ", "), "."))
  }
  list(
    data = frame, notes = notes, safe = safe, covariates = setdiff(covariates, constant), counts = counts,
    missing = data.frame(variable = used, missing = unname(missing))
  )
}

# A note for each two numeric columns that are one up to scale: how their effect falls on the two curves is arbitrary.
alike_columns <- function(frame, names) {
  numeric <- Filter(function(name) is.numeric(frame[[name]]) && diff(range(frame[[name]])) > 0, names)
  if (length(numeric) < 2L) return(NULL)
  r <- abs(stats::cor(as.matrix(frame[numeric])))
  pairs <- which(r > 1 - 1e-12 & upper.tri(r), arr.ind = TRUE)
  if (!nrow(pairs)) return(NULL)
  said <- paste0("\"", numeric[pairs[, 1L]], "\" and \"", numeric[pairs[, 2L]], "\"", collapse = ", ")
  paste0("The same up to scale: ", said, ". Their curves cannot be told apart; leave one of each two out.")
}

used_columns <- function(data, used) {
  if (!is.data.frame(data)) refuse("data is of class ", class(data)[1L], "; give a data frame.")
  absent <- setdiff(used, names(data))
  if (length(absent)) refuse("the table has no column \"", absent[1L], "\".")
  twice <- intersect(used, names(data)[duplicated(names(data))])
  if (length(twice)) refuse("the table has two columns \"", twice[1L], "\"; rename or drop one.")
  # A tibble keeps its habits; the model needs none of them.
  frame <- as.data.frame(data)[used]
  for (name in used) {
    if (!is.atomic(frame[[name]]) || length(dim(frame[[name]])) > 1L) {
      refuse("column \"", name, "\" holds lists or a matrix; give one value a row.")
    }
  }
  frame
}

# Names of columns in the model, named by what they are called in the table. A name becomes a symbol of R, and mgcv
# reads its formula as text once more, so only names that R takes without quotes go in.
safe_names <- function(names) {
  safe <- make.names(names)
  reserved <- grepl("^\\.(\\.\\.|\\.[0-9]+)?$", safe)
  safe[reserved] <- paste0("X", safe[reserved])
  taken <- safe == names
  safe[!taken] <- utils::tail(make.unique(c(safe[taken], safe[!taken]), sep = "_"), sum(!taken))
  stats::setNames(safe, names)
}

# What the columns of the model are called in the user's table.
said <- function(fit, names) {
  names <- as.character(names)
  original <- fit$spec$names
  if (is.null(original)) return(names)
  known <- match(names, original)
  ifelse(is.na(known), names, base::names(original)[known])
}

# Levels in an order that no locale changes; a factor keeps the order that its owner chose.
plain_factor <- function(x) {
  if (is.factor(x)) return(factor(as.character(x), levels = levels(x)))
  text <- as.character(x)
  factor(text, levels = sort(unique(text), method = "radix"))
}

marker_column <- function(x, name) {
  if (all(is.na(x))) x <- as.numeric(x)
  if (!is.numeric(x)) refuse("marker \"", name, "\" is not numeric but of class ", class(x)[1L], ".")
  if (any(is.infinite(x))) refuse("marker \"", name, "\" has infinite values.")
  as.numeric(x)
}

# 0 and 1, also where they come as text, as a factor or as FALSE and TRUE: 1 is the event whatever the order of levels.
outcome_column <- function(x, name) {
  if (is.factor(x)) x <- as.character(x)
  if (is.character(x)) {
    strange <- setdiff(x, c("0", "1", NA))
    if (length(strange)) {
      refuse("outcome \"", name, "\" holds \"", strange[1L], "\"; give 1 for the event and 0 for none.")
    }
  }
  x <- as.numeric(x)
  if (!all(x[!is.na(x)] %in% c(0, 1))) refuse("outcome \"", name, "\" has values other than 0 and 1.")
  x
}

covariate_column <- function(x, name) {
  if (is.factor(x) || is.character(x)) {
    text <- as.character(x)
    given <- text[!is.na(text)]
    # Leading zeros make codes, not quantities.
    number <- grepl("^ *[-+]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][-+]?[0-9]+)? *$", given) & !grepl("^0[0-9]", given)
    if (is.character(x) && length(given) && all(number)) {
      refuse("covariate \"", name, "\" is text that holds numbers; give numbers for a curve or a factor for groups.")
    }
    grouped <- is.factor(x) && nlevels(x) <= 10L
    if (!grouped && any(number) && !all(number) && mean(number) > 0.5) {
      row <- which(!is.na(text))[!number][1L]
      refuse(
        "covariate \"", name, "\" holds \"", text[row], "\" among numbers (row ", row, "); give a number or NA there, ",
        "or a factor for groups."
      )
    }
    return(plain_factor(x))
  }
  if (is.logical(x)) return(plain_factor(x))
  if (!is.numeric(x)) refuse("covariate \"", name, "\" is of class ", class(x)[1L], "; give numbers, text or a factor.")
  if (any(is.infinite(x))) refuse("covariate \"", name, "\" has infinite values.")
  as.numeric(x)
}

weight_column <- function(x, name) {
  if (!is.numeric(x) || any(x <= 0, na.rm = TRUE) || any(is.infinite(x))) {
    refuse("weights \"", name, "\" must be finite numbers above 0.")
  }
  as.numeric(x)
}

# Random intercepts that the rows can carry.
gamm_random <- function(frame, random, groups) {
  notes <- character()
  random <- intersect(c("caller", "call", "segment"), random)
  for (level in random) {
    levels <- nlevels(frame[[groups[[level]]]])
    if (levels == nrow(frame)) {
      refuse("a random intercept per ", level, " needs several rows a ", level, "; every row is its own here.")
    }
    if (levels < 2L) refuse("a random intercept per ", level, " needs at least two of them; there is one.")
  }
  if (all(c("caller", "call") %in% random) && nlevels(frame[[groups[["call"]]]]) == nlevels(frame[[groups[["caller"]]]])) {
    notes <- "Every caller has one call, so the intercept per call is that per caller and is left out."
    random <- setdiff(random, "call")
  }
  if (all(c("call", "segment") %in% random) && nlevels(frame[[groups[["segment"]]]]) == nlevels(frame[[groups[["call"]]]])) {
    notes <- c(notes, "Every call has one segment, so the intercept per segment is left out.")
    random <- setdiff(random, "segment")
  }
  list(terms = random, notes = notes)
}
