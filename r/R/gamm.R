# Sex-moderated generalised additive mixed models of a 0/1 outcome on voice biomarkers, fitted by mgcv.

# Rows above which an engine is refused, because its time grows out of reach; bam is the remedy.
gamm_row_limit <- c(gam = 10000, gamm = 10000, bam = Inf)

#' Fit a sex-moderated GAMM
#'
#' Fits `y ~ sex + s(marker, by = sex) + ... + s(caller, bs = "re")` with a logit link. Rows with a missing value
#' in any variable of the model are left out and counted.
#'
#' @param data Data frame with one row a segment or a frame.
#' @param markers Names of the numeric columns that enter as smooths.
#' @param y Name of the 0/1 outcome.
#' @param sex Name of the moderator, a factor or text; with a single level the model has no moderator.
#' @param random Random intercepts, any of "caller", "call" (call within caller) and "segment" (segment within
#'   call); `character()` for none.
#' @param caller,call,segment Names of the grouping columns.
#' @param covariates Names of further columns: numeric ones enter as `s(x)`, others as linear terms.
#' @param linear Names among `markers` and `covariates` that enter linearly although numeric; a marker then has one
#'   slope for each sex.
#' @param engine "bam", "gam" or "gamm".
#' @param discrete Whether bam discretises covariates (fast for many rows).
#' @param method Smoothing selection; by default "fREML" (bam), "REML" (gam, gamm).
#' @param k Basis dimension a smooth. It is lowered where the rows cannot carry it, and the value used is told.
#' @param covariance "model", the Bayesian covariance of mgcv, or "caller_jackknife", the one-step
#'   leave-one-caller-out covariance for models without caller intercept.
#' @param weights NULL, or the name of a column of prior weights, for example 1 / (rows of the caller), which lets every
#'   caller count the same.
#' @param random_sd NULL, or a fixed standard deviation (in logits) of the caller intercept, instead of an
#'   estimated one.
#' @param moderator Another name for `sex`.
#' @param formula NULL, or a formula (see below).
#' @section A formula:
#' `vr_gamm(outcome ~ s(dom) + s(loudness, k = 6) + age, data, moderator = sex, caller = caller_id)` says the same in
#' mgcv's words. `s(x)` is a marker: one curve for each level of the moderator, whose main effect is always in the model.
#' `s(x, by = NA)` is one curve for all, `x` a linear term (or the levels of a text column), `moderator:x` one slope for each
#' level, `s(caller_id, bs = "re")` a random intercept. Without `moderator` there is one curve a marker for everybody.
#' `moderator`, `caller`, `call`, `segment` and `weights` take the bare name of a column, `~column` or text; a column
#' comes before a variable of that name. Without a random intercept the caller is the unit of tests and intervals
#' (`covariance = "caller_jackknife"`) unless you say otherwise. Anything else is refused: fit it with mgcv and give it to
#' [vr_adopt()].
#' @return A list of class `vr_gamm`: `model` (the mgcv object), `spec`, `notes`, and `counts`. Use
#'   [vr_tables()], [vr_curves()], [vr_differences()], [vr_check()] on it.
#' @export
vr_gamm <- function(data, markers, y = "outcome", sex = "sex", random = "caller", caller = "caller_id",
                    call = "call_id", segment = "segment", covariates = character(), linear = character(),
                    engine = c("bam", "gam", "gamm"), discrete = FALSE, method = NULL, k = 10L,
                    covariance = c("model", "caller_jackknife"), weights = NULL, random_sd = NULL, moderator = NULL,
                    formula = NULL) {
  if (!is.null(formula) || inherits(data, "formula") || (!missing(markers) && inherits(markers, "formula"))) {
    return(gamm_by_formula(match.call(), parent.frame()))
  }
  if (!is.null(moderator)) sex <- moderator
  need_package("mgcv")
  engine <- match.arg(engine)
  covariance <- match.arg(covariance)
  groups <- c(caller = caller, call = call, segment = segment)
  rows <- gamm_rows(data, markers, y, sex, caller, call, segment, random, covariates, weights)
  frame <- rows$data
  if (nrow(frame) > gamm_row_limit[[engine]]) {
    refuse(
      "engine \"", engine, "\" is refused above ", format(gamm_row_limit[[engine]], big.mark = ","),
      " rows (there are ", format(nrow(frame), big.mark = ","), "); use engine \"bam\"."
    )
  }
  notes <- rows$notes
  random <- gamm_random(frame, random, groups)
  notes <- c(notes, random$notes)
  random <- random$terms
  moderated <- nlevels(frame[[sex]]) > 1L
  if (!moderated) {
    notes <- c(notes, paste0(
      "All rows have ", sex, " = ", levels(frame[[sex]]), ": there is one smooth a marker and no main effect of ", sex, "."
    ))
  }
  basis <- gamm_basis(frame, setdiff(markers, linear), sex, k)
  notes <- c(notes, basis$notes)
  if (engine == "gamm" && !is.null(random_sd)) {
    refuse("a fixed random_sd is for engines \"bam\" and \"gam\".")
  }
  formula <- gamm_formula(
    frame, markers, y, if (moderated) sex, if (engine == "gamm") character() else groups[random], covariates, linear,
    basis$k, random_sd
  )
  flat <- intersect(markers, linear)
  if (length(flat)) notes <- c(notes, paste0("Linear, with one slope for each sex: ", paste(flat, collapse = ", "), "."))
  if (is.null(method)) method <- if (engine == "bam") "fREML" else "REML"
  started <- proc.time()[["elapsed"]]
  model <- gamm_fit(formula, frame, engine, method, discrete, groups[random], weights)
  gam <- if (engine == "gamm") model$gam else model
  notes <- c(notes, if (!length(random)) gamm_certain(gam))
  fitted <- list(
    model = model,
    spec = list(
      y = y, markers = markers, sex = sex, sexes = levels(frame[[sex]]), moderated = moderated, random = random,
      groups = groups, covariates = covariates, linear = linear, engine = engine, discrete = discrete,
      method = method, k = basis$k, covariance = "model", weights = weights, random_sd = random_sd,
      formula = paste(deparse(formula, width.cutoff = 500L), collapse = " ")
    ),
    counts = rows$counts, missing = rows$missing, notes = notes, converged = gamm_converged(model, engine),
    seconds = proc.time()[["elapsed"]] - started, df = Inf, V = gam$Vp, caller = frame[[caller]]
  )
  class(fitted) <- "vr_gamm"
  if (!fitted$converged) {
    warning(
      engine, " did not converge; try a smaller k, fewer markers, or (with a separating random intercept) ",
      "the model without it.", call. = FALSE
    )
  }
  if (covariance == "caller_jackknife") fitted <- vr_robust(fitted)
  fitted
}

# Stop on input that this package refuses by its own decision; such messages need no traceback.
refuse <- function(...) {
  stop(errorCondition(paste0(...), class = "vr_refused", call = NULL))
}

# Rows complete in all variables of the model, with factors as the model needs them.
gamm_rows <- function(data, markers, y, sex, caller, call, segment, random, covariates, weights) {
  if (length(markers) == 0L) refuse("no marker was given.")
  if (anyDuplicated(markers)) refuse("marker ", markers[anyDuplicated(markers)], " was given twice.")
  odd <- markers[make.names(markers) != markers]
  if (length(odd)) refuse("marker name \"", odd[1L], "\" is not a name in R; rename the column.")
  grouping <- c(caller = caller, call = call, segment = segment)
  used <- unique(c(y, sex, caller, if (any(c("call", "segment") %in% random)) call,
                   if ("segment" %in% random) segment, covariates, markers, weights))
  absent <- setdiff(used, names(data))
  if (length(absent)) refuse("the table has no column \"", absent[1L], "\".")
  unknown <- setdiff(random, names(grouping))
  if (length(unknown)) refuse("random intercept \"", unknown[1L], "\" is none of caller, call, segment.")
  for (marker in markers) {
    if (!is.numeric(data[[marker]])) refuse("marker \"", marker, "\" is not numeric.")
    if (any(is.infinite(data[[marker]]))) refuse("marker \"", marker, "\" has infinite values.")
  }
  outcome <- data[[y]]
  if (!all(outcome[!is.na(outcome)] %in% c(0, 1))) refuse("outcome \"", y, "\" has values other than 0 and 1.")
  missing <- vapply(used, function(name) sum(is.na(data[[name]])), 0L)
  complete <- stats::complete.cases(data[used])
  frame <- droplevels(data[complete, used, drop = FALSE])
  if (length(unique(frame[[y]])) < 2L) {
    refuse("outcome \"", y, "\" has a single value in the ", nrow(frame), " complete rows.")
  }
  frame[[sex]] <- factor(frame[[sex]])
  frame[[caller]] <- factor(frame[[caller]])
  if (call %in% names(frame)) frame[[call]] <- factor(paste(frame[[caller]], frame[[call]], sep = ":"))
  if (segment %in% names(frame)) frame[[segment]] <- factor(paste(frame[[call]], frame[[segment]], sep = ":"))
  for (name in covariates) if (is.character(frame[[name]])) frame[[name]] <- factor(frame[[name]])
  rownames(frame) <- NULL
  notes <- character()
  if (any(!complete)) {
    most <- sort(missing[missing > 0L], decreasing = TRUE)
    notes <- paste0(
      sum(!complete), " of ", nrow(data), " rows have a missing value and are left out (",
      paste(names(most), most, sep = ": ", collapse = ", "), ")."
    )
  }
  list(
    data = frame, notes = notes,
    counts = data.frame(
      rows = nrow(data), rows_used = nrow(frame), rows_missing = sum(!complete),
      callers = nlevels(frame[[caller]]), events = sum(frame[[y]] == 1)
    ),
    missing = data.frame(variable = used, missing = unname(missing))
  )
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

# Basis dimension of each marker: what was asked, unless distinct values or rows cannot carry it.
gamm_basis <- function(frame, markers, sex, k) {
  if (!length(markers)) return(list(k = integer(), notes = character()))
  if (length(k) == 1L) k <- rep(k, length(markers))
  if (length(k) != length(markers)) refuse("k needs one value, or one a marker.")
  if (any(k < 3)) refuse("k must be at least 3, the null space of the spline and one more.")
  smooths <- length(markers) * nlevels(frame[[sex]])
  # Half as many spline coefficients as rows at most: more only slow the fit down.
  affordable <- floor(nrow(frame) / (2 * smooths)) + 1L
  distinct <- vapply(markers, function(marker) {
    min(tapply(frame[[marker]], frame[[sex]], function(x) length(unique(x))))
  }, 0)
  flat <- markers[distinct < 3]
  if (length(flat)) {
    refuse("marker \"", flat[1L], "\" has fewer than 3 distinct values for one sex; a smooth needs more.")
  }
  if (affordable < 3L) {
    refuse(nrow(frame), " complete rows cannot carry ", smooths, " smooths; give fewer markers.")
  }
  used <- as.integer(pmin(k, distinct, affordable))
  notes <- character()
  if (any(used < k)) {
    lowered <- unique(used[used < k])
    notes <- paste0(
      "The basis dimension k was lowered from ", paste(unique(k), collapse = ", "), " to ",
      paste(sort(lowered), collapse = ", "), " for ", if (all(used < k)) "all markers" else
        paste(markers[used < k], collapse = ", "), ", since ", nrow(frame), " rows and the distinct values carry no more."
    )
  }
  list(k = used, notes = notes)
}

# The formula, readable, and free of any enclosing data.
gamm_formula <- function(frame, markers, y, sex, groups, covariates, linear, k, random_sd) {
  terms <- if (is.null(sex)) character() else sex
  by <- if (is.null(sex)) "" else paste0(", by = ", sex)
  smooth <- setdiff(markers, linear)
  terms <- c(terms, if (length(smooth)) sprintf("s(%s%s, k = %d)", smooth, by, k))
  terms <- c(terms, paste0(if (!is.null(sex)) paste0(sex, ":"), intersect(markers, linear), recycle0 = TRUE))
  for (name in covariates) {
    smooth <- is.numeric(frame[[name]]) && !name %in% linear
    terms <- c(terms, if (smooth) sprintf("s(%s)", name) else name)
  }
  # A ridge of lambda on the intercepts is a normal of standard deviation 1 / sqrt(lambda).
  fixed <- if (is.null(random_sd)) "" else paste0(", sp = ", format(1 / random_sd^2, digits = 15L))
  if (length(groups)) terms <- c(terms, sprintf("s(%s, bs = \"re\"%s)", groups, fixed))
  stats::as.formula(paste(y, "~", paste(terms, collapse = " + ")), env = globalenv())
}

# The call is built from names, so that the model remembers a readable call and not a copy of the data.
gamm_fit <- function(formula, frame, engine, method, discrete, groups, weights, sp = NULL) {
  call <- list(
    switch(engine, bam = quote(mgcv::bam), gam = quote(mgcv::gam), gamm = quote(mgcv::gamm)),
    formula = formula, data = quote(frame), family = quote(stats::binomial()), method = method
  )
  if (!is.null(weights)) call$weights <- as.name(weights)
  if (engine == "bam") call$discrete <- discrete
  if (!is.null(sp)) call$sp <- sp
  if (engine == "gamm") {
    if (length(groups)) call$random <- stats::setNames(rep(list(~1), length(groups)), groups)
    call$verbosePQL <- FALSE
  }
  eval(as.call(call))
}

# Without random intercepts only the markers can drive fitted probabilities to 0 and 1.
gamm_certain <- function(gam) {
  certain <- sum(pmin(gam$fitted.values, 1 - gam$fitted.values) < 1e-6)
  if (!certain) return(NULL)
  paste0(
    "The markers separate the outcomes: ", certain, " of ", length(gam$y), " fitted probabilities lie within 1e-6 of 0 ",
    "or 1, so curves, tests and intervals are not to be believed; give fewer markers or a smaller k."
  )
}

gamm_converged <- function(model, engine) {
  if (engine == "gamm") return(TRUE)
  outer <- model$outer.info$conv
  isTRUE(model$converged) && (is.null(outer) || engine == "bam" || identical(outer, "full convergence"))
}

# The mgcv gam object inside a fit of any engine.
gam_of <- function(fit) {
  if (fit$spec$engine == "gamm") fit$model$gam else fit$model
}
