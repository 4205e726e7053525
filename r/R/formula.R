# vr_gamm(outcome ~ s(dom) + s(loudness) + age, data, moderator = sex, caller = caller_id): a formula, read as the
# arguments of vr_gamm. Whatever it cannot say is refused in words; such a model goes through mgcv and vr_adopt.

# `call` is the matched call of vr_gamm, `env` where its arguments are evaluated.
gamm_by_formula <- function(call, env) {
  args <- as.list(call)[-1L]
  given <- lapply(args[intersect(c("formula", "data", "markers"), names(args))], eval, envir = env)
  is_formula <- vapply(given, inherits, TRUE, what = "formula")
  data <- given[!is_formula]
  if (sum(is_formula) != 1L || length(data) != 1L || !is.data.frame(data[[1L]])) {
    refuse("a formula call of vr_gamm needs one formula and one data frame: vr_gamm(outcome ~ s(dom), data, caller = caller_id).")
  }
  formula <- given[is_formula][[1L]]
  data <- as.data.frame(data[[1L]])
  rest <- args[setdiff(names(args), c("formula", "data", "markers"))]
  said <- intersect(names(rest), c("y", "random", "covariates", "linear", "k"))
  if (length(said)) refuse("the formula says what ", said[1L], " would say; leave ", said[1L], " out.")
  if (all(c("sex", "moderator") %in% names(rest))) refuse("sex and moderator are one thing; give moderator alone.")
  names(rest)[names(rest) == "moderator"] <- "sex"
  columns <- intersect(c("sex", "caller", "call", "segment", "weights"), names(rest))
  rest[columns] <- lapply(columns, function(name) column_of(rest[[name]], data, env, name))
  others <- setdiff(names(rest), columns)
  rest[others] <- lapply(rest[others], eval, envir = env)
  rest <- rest[!vapply(rest, is.null, TRUE)]
  twice <- intersect(c(all.vars(formula), unlist(rest[columns])), names(data)[duplicated(names(data))])
  if (length(twice)) refuse("the table has two columns \"", twice[1L], "\"; rename or drop one.")
  alone <- is.null(rest$sex)
  if (alone) {
    # Without a moderator there is one group of rows.
    rest$sex <- utils::tail(make.unique(c(names(data), "moderator")), 1L)
    data[[rest$sex]] <- "all"
  }
  if (is.null(rest$caller)) {
    if (!"caller_id" %in% names(data)) refuse("say which column names the caller: caller = ... .")
    rest$caller <- "caller_id"
  }
  terms <- formula_terms(formula, data, rest)
  if (is.null(rest$covariance) && !length(terms$random)) rest$covariance <- "caller_jackknife"
  fit <- do.call(vr_gamm, c(list(data = data), terms, rest))
  # Nobody asked for a moderator, so that there is none needs no note.
  if (alone) fit$notes <- fit$notes[!startsWith(fit$notes, paste0("All rows have ", rest$sex, " = all"))]
  fit
}

# Name of a column given bare (a column of the data comes before a variable of that name), as ~column, or as text.
column_of <- function(expression, data, env, argument) {
  if (is.symbol(expression) && as.character(expression) %in% names(data)) return(as.character(expression))
  value <- tryCatch(eval(expression, env), error = function(e) {
    refuse(argument, " = ", deparse(expression)[1L], " is neither a column of the data nor a variable.")
  })
  if (is.null(value)) return(NULL)
  if (inherits(value, "formula") && length(value) == 2L && is.symbol(value[[2L]])) value <- as.character(value[[2L]])
  if (!is.character(value) || length(value) != 1L) refuse(argument, " must be the name of one column.")
  if (!value %in% names(data)) refuse("the table has no column \"", value, "\".")
  value
}

# y, markers, k, linear, covariates and random of a formula.
formula_terms <- function(formula, data, columns) {
  if (length(formula) != 3L) refuse("the formula ", deparse1(formula), " has no left side; name the 0/1 outcome there.")
  if (!is.symbol(formula[[2L]])) {
    refuse("the left side of the formula must be the name of the 0/1 outcome, not ", deparse1(formula[[2L]]), ".")
  }
  out <- list(y = as.character(formula[[2L]]), markers = character(), k = integer(), linear = character(),
    covariates = character(), random = character())
  k <- list()
  for (term in added_terms(formula[[3L]])) {
    if (is.symbol(term) && identical(as.character(term), columns$sex)) next
    if (is.numeric(term) && term == 1) next
    if (is.symbol(term)) {
      name <- known_column(term, data)
      out$covariates <- c(out$covariates, name)
      if (is.numeric(data[[name]])) out$linear <- c(out$linear, name)
    } else if (is.call(term) && identical(term[[1L]], quote(`:`)) && columns$sex %in% vapply(as.list(term)[-1L], deparse1, "")) {
      sides <- vapply(as.list(term)[-1L], deparse1, "")
      name <- known_column(as.name(setdiff(sides, columns$sex)), data)
      out$markers <- c(out$markers, name)
      out$linear <- c(out$linear, name)
    } else if (is.call(term) && deparse1(term[[1L]]) %in% c("s", "mgcv::s")) {
      smooth <- smooth_of(term, data, columns, environment(formula))
      if (smooth$kind == "random") out$random <- c(out$random, smooth$name)
      if (smooth$kind == "all") out$covariates <- c(out$covariates, smooth$name)
      if (smooth$kind == "marker") {
        out$markers <- c(out$markers, smooth$name)
        k[[smooth$name]] <- smooth$k
      }
    } else {
      unreadable(term)
    }
  }
  out$k <- if (length(k)) unlist(k, use.names = FALSE) else 10L
  out
}

unreadable <- function(term) {
  refuse(
    "the formula's term ", deparse1(term), " is none of s(x), s(x, by = NA), s(caller, bs = \"re\"), x and moderator:x; ",
    "fit such a model with mgcv and give it to vr_adopt(model, caller = ...)."
  )
}

added_terms <- function(side) {
  if (is.call(side) && identical(side[[1L]], quote(`+`))) {
    return(unlist(lapply(as.list(side)[-1L], added_terms), recursive = FALSE))
  }
  if (is.call(side) && identical(side[[1L]], quote(`(`))) return(added_terms(side[[2L]]))
  list(side)
}

known_column <- function(symbol, data) {
  name <- as.character(symbol)
  if (!name %in% names(data)) refuse("the table has no column \"", name, "\".")
  name
}

# One s(): a marker's curve for each group, a curve for all (by = NA), or a random intercept.
smooth_of <- function(term, data, columns, env) {
  args <- as.list(term)[-1L]
  named <- if (is.null(names(args))) rep("", length(args)) else names(args)
  if (sum(named == "") != 1L || !is.symbol(args[[which(named == "")]]) || length(setdiff(named, c("", "k", "by", "bs")))) {
    unreadable(term)
  }
  name <- known_column(args[[which(named == "")]], data)
  bs <- if ("bs" %in% named) eval(args$bs, env) else "tp"
  if (identical(bs, "re")) {
    level <- intersect(c("caller", "call", "segment"), names(columns)[vapply(columns, identical, TRUE, y = name)])
    if (length(level) != 1L) refuse("s(", name, ", bs = \"re\"): say that ", name, " is the caller, call or segment: caller = ", name, ".")
    return(list(kind = "random", name = level))
  }
  if (!identical(bs, "tp")) unreadable(term)
  if ("by" %in% named && identical(args$by, NA)) {
    if ("k" %in% named) refuse("a curve for all groups has k = 10; leave k out of ", deparse1(term), ".")
    return(list(kind = "all", name = name))
  }
  if ("by" %in% named && !identical(args$by, as.name(columns$sex))) unreadable(term)
  k <- if ("k" %in% named) eval(args$k, env) else 10L
  if (!is.numeric(k) || length(k) != 1L || is.na(k)) refuse("k of ", deparse1(term), " must be one number.")
  list(kind = "marker", name = name, k = k)
}
