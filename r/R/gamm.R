# Sex-moderated generalised additive mixed models of a 0/1 outcome on voice biomarkers, fitted by mgcv.

# Rows above which an engine is refused, because its time grows out of reach; bam is the remedy.
gamm_row_limit <- c(gam = 10000, gamm = 10000, bam = Inf)

# Spline coefficients above which the time of a fit grows out of reach.
coefficient_limit <- 400L

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
#' @param k Basis dimension a smooth. It is lowered where the rows cannot carry it, and a message says which value was used.
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
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' fit
#' vr_tables(fit)$smooths
#' # The same by names of columns:
#' vr_gamm(calls_example, c("dom", "loudness"), random = character(), engine = "gam", k = 5,
#'   covariance = "caller_jackknife")
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
  rows <- gamm_rows(data, markers, y, sex, caller, call, segment, random, covariates, weights)
  frame <- rows$data
  safe <- rows$safe
  inside <- function(names) unname(safe[names])
  y <- inside(y)
  sex <- inside(sex)
  markers <- inside(markers)
  covariates <- inside(rows$covariates)
  linear <- inside(intersect(linear, names(safe)))
  if (!is.null(weights)) weights <- inside(weights)
  groups <- c(caller = caller, call = call, segment = segment)
  groups[groups %in% names(safe)] <- inside(groups[groups %in% names(safe)])
  called <- function(names) names(safe)[match(names, safe)]
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
      "All rows have ", called(sex), " = ", levels(frame[[sex]]), ": there is one smooth a marker and no main effect of ",
      called(sex), "."
    ))
  }
  basis <- gamm_basis(frame, setdiff(markers, linear), sex, k, called)
  others <- covariate_basis(frame, covariates, linear, called)
  notes <- c(notes, basis$notes, others$notes)
  if (engine == "gamm" && !is.null(random_sd)) {
    refuse("a fixed random_sd is for engines \"bam\" and \"gam\".")
  }
  formula <- gamm_formula(
    markers, y, if (moderated) sex, if (engine == "gamm") character() else groups[random], linear, basis$k, others$k,
    random_sd
  )
  flat <- intersect(markers, linear)
  if (length(flat)) {
    notes <- c(notes, paste0(
      "Linear", if (moderated) paste0(", with one slope for each ", called(sex)), ": ",
      paste(called(flat), collapse = ", "), "."
    ))
  }
  if (is.null(method)) method <- if (engine == "bam") "fREML" else "REML"
  started <- proc.time()[["elapsed"]]
  model <- gamm_fit(formula, frame, engine, method, discrete, groups[random], weights)
  gam <- if (engine == "gamm") model$gam else model
  certain <- if (!length(random)) gamm_certain(gam)
  notes <- c(notes, certain)
  fitted <- list(
    model = model,
    spec = list(
      y = y, markers = markers, sex = sex, sexes = levels(frame[[sex]]), moderated = moderated, random = random,
      groups = groups, covariates = covariates, linear = linear, engine = engine, discrete = discrete,
      method = method, k = basis$k, covariance = "model", weights = weights, random_sd = random_sd,
      formula = paste(deparse(formula, width.cutoff = 500L), collapse = " "), names = safe
    ),
    counts = rows$counts, missing = rows$missing, notes = notes, converged = gamm_converged(model, engine),
    separated = !is.null(certain), seconds = proc.time()[["elapsed"]] - started, df = Inf, V = gam$Vp, caller = frame[[caller]]
  )
  class(fitted) <- "vr_gamm"
  if (!fitted$converged) {
    warning(
      engine, " did not converge; try a smaller k, fewer markers, or (with a separating random intercept) ",
      "the model without it.", call. = FALSE
    )
  }
  if (covariance == "caller_jackknife") {
    if (engine != "gamm") {
      # REML as if each caller gave one row: gamma divides the log-likelihood that is weighed against the penalty.
      thin <- gamm_fit(
        formula, frame, engine, method, discrete, groups[random], weights,
        gamma = nrow(frame) / length(unique(fitted$caller))
      )
      fitted$edf_clustered <- vapply(thin$smooth, function(s) sum(thin$edf[s$first.para:s$last.para]), 0)
      names(fitted$edf_clustered) <- vapply(thin$smooth, `[[`, "", "label")
    }
    fitted <- vr_robust(fitted)
  }
  fitted
}

# Stop on input that this package refuses by its own decision; such messages need no traceback.
refuse <- function(...) {
  stop(errorCondition(paste0(...), class = "vr_refused", call = NULL))
}

# Basis dimension of each marker: what was asked, unless distinct values or rows cannot carry it.
gamm_basis <- function(frame, markers, sex, k, called) {
  if (!length(markers)) return(list(k = integer(), notes = character()))
  if (length(k) == 1L) k <- rep(k, length(markers))
  if (length(k) != length(markers)) refuse("k needs one value, or one a marker.")
  if (any(k < 3)) refuse("k must be at least 3, the null space of the spline and one more.")
  smooths <- length(markers) * nlevels(frame[[sex]])
  # Half as many spline coefficients as rows at most, and no more than a fit can have in seconds.
  affordable <- floor(min(nrow(frame) / 2, coefficient_limit) / smooths) + 1L
  distinct <- vapply(markers, function(marker) {
    min(tapply(frame[[marker]], frame[[sex]], function(x) length(unique(x))))
  }, 0)
  flat <- markers[distinct < 3]
  if (length(flat)) {
    refuse("marker \"", called(flat[1L]), "\" has fewer than 3 distinct values for one sex; a smooth needs more.")
  }
  if (affordable < 3L && nrow(frame) / 2 > coefficient_limit) {
    refuse(smooths, " smooths are more than one model can hold; give at most ", floor(coefficient_limit / 2 / nlevels(frame[[sex]])), " markers.")
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
        paste(called(markers[used < k]), collapse = ", "), ", since ", nrow(frame),
      " rows and the distinct values carry no more (or the model would exceed ", coefficient_limit, " coefficients)."
    )
  }
  list(k = used, notes = notes)
}

# The formula, of symbols and numbers, and free of any enclosing data. No text of the table is ever parsed.
gamm_formula <- function(markers, y, sex, groups, linear, k, covariates, random_sd) {
  by <- if (!is.null(sex)) as.name(sex)
  terms <- list(by)
  smooth <- setdiff(markers, linear)
  terms <- c(terms, Map(function(marker, k) {
    as.call(c(as.name("s"), as.name(marker), if (!is.null(by)) list(by = by), k = as.numeric(k)))
  }, smooth, k))
  terms <- c(terms, lapply(intersect(markers, linear), function(marker) {
    if (is.null(by)) as.name(marker) else call(":", by, as.name(marker))
  }))
  terms <- c(terms, Map(function(name, k) {
    if (is.na(k)) as.name(name) else if (k < 10) call("s", as.name(name), k = k) else call("s", as.name(name))
  }, names(covariates), covariates))
  terms <- c(terms, lapply(groups, function(group) {
    term <- call("s", as.name(group), bs = "re")
    # A ridge of lambda on the intercepts is a normal of standard deviation 1 / sqrt(lambda).
    if (!is.null(random_sd)) term$sp <- 1 / random_sd^2
    term
  }))
  right <- Reduce(function(left, term) call("+", left, term), Filter(Negate(is.null), unname(terms)))
  stats::as.formula(call("~", as.name(y), right), env = globalenv())
}

# Basis dimension of each covariate's curve; NA where it enters linearly or as a factor. Few distinct values carry no
# curve.
covariate_basis <- function(frame, covariates, linear, called) {
  k <- vapply(covariates, function(name) {
    x <- frame[[name]]
    if (!is.numeric(x) || name %in% linear) return(NA_real_)
    distinct <- length(unique(x))
    if (distinct < few_values) NA_real_ else min(10, distinct)
  }, 0)
  names(k) <- covariates
  curved <- vapply(covariates, function(name) is.numeric(frame[[name]]) && !name %in% linear, TRUE)
  few <- covariates[curved & is.na(k)]
  low <- covariates[!is.na(k) & k < 10]
  notes <- c(
    if (length(few)) paste0("Linear, since there are fewer than ", few_values, " values: ", paste(called(few), collapse = ", "), "."),
    if (length(low)) paste0("The basis dimension k was lowered to the number of values for ", paste(called(low), collapse = ", "), ".")
  )
  list(k = k, notes = notes)
}

# Fewer distinct values than this are a step or a count, which enters linearly.
few_values <- 5L

# The call is built from names, so that the model remembers a readable call and not a copy of the data.
gamm_fit <- function(formula, frame, engine, method, discrete, groups, weights, sp = NULL, gamma = NULL) {
  call <- list(
    switch(engine, bam = quote(mgcv::bam), gam = quote(mgcv::gam), gamm = quote(mgcv::gamm)),
    formula = formula, data = quote(frame), family = quote(stats::binomial()), method = method
  )
  if (!is.null(weights)) call$weights <- as.name(weights)
  if (engine == "bam") call$discrete <- discrete
  if (!is.null(sp)) call$sp <- sp
  if (!is.null(gamma)) call$gamma <- gamma
  if (engine == "gamm") {
    if (length(groups)) call$random <- stats::setNames(rep(list(~1), length(groups)), groups)
    call$verbosePQL <- FALSE
  }
  # Sum or Helmert contrasts of the session would change what a term means.
  old <- options(contrasts = c("contr.treatment", "contr.poly"))
  on.exit(options(old))
  model <- eval(as.call(call))
  if (engine == "gamm") class(model$gam) <- c("vr_gam", class(model$gam)) else class(model) <- c("vr_gam", class(model))
  model
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
  # A fit from a file comes without mgcv, whose methods would be those of a glm then.
  loadNamespace("mgcv")
  if (fit$spec$engine == "gamm") fit$model$gam else fit$model
}
