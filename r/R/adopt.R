# Models fitted elsewhere in R, in the same tables.

#' Adopt a model fitted in R
#'
#' Takes a binomial-logit model of mgcv (`gam`, `bam`, or the list that `gamm` gives) and makes it a `vr_gamm`, so that
#' [vr_tables()], [vr_curves()], [vr_differences()] and the rest work on it. With `caller`, its tests and intervals take the
#' caller as the unit ([vr_robust()]): your model, with a leave-one-caller-out jackknife.
#'
#' @param model The model. Its smooths must be of one variable, by one factor or none, or random intercepts
#'   (`bs = "re"`).
#' @param caller NULL, or the caller of each row: as many values as the model was given rows or has used. The model must
#'   then be without random intercepts.
#' @return A `vr_gamm`.
#' @export
#' @examples
#' calls_example$sex <- factor(calls_example$sex)
#' mine <- mgcv::gam(outcome ~ sex + s(dom, by = sex, k = 5) + age, binomial, calls_example,
#'   method = "REML")
#' vr_adopt(mine, caller = calls_example$caller_id)
vr_adopt <- function(model, caller = NULL) {
  if (inherits(model, "vr_gamm")) return(if (is.null(caller)) model else adopted_callers(model, caller))
  need_package("mgcv")
  gam <- if (inherits(model, "gam")) model else if (is.list(model) && inherits(model$gam, "gam")) model$gam
  if (is.null(gam)) refuse("an object of class ", class(model)[1L], " is no model of mgcv.")
  if (gam$family$family != "binomial" || gam$family$link != "logit") {
    refuse("the model is ", gam$family$family, " with link ", gam$family$link, "; only binomial with logit is understood.")
  }
  random <- vapply(gam$smooth, inherits, TRUE, what = "random.effect")
  variables <- vapply(gam$smooth, function(s) paste(s$term, collapse = ","), "")
  wide <- which(lengths(lapply(gam$smooth, `[[`, "term")) > 1L)
  if (length(wide)) refuse("the smooth ", gam$smooth[[wide[1L]]]$label, " has several variables; only curves are understood.")
  by <- vapply(gam$smooth, function(s) if (is.null(s$by.level)) "" else s$by, "")
  numeric_by <- which(vapply(gam$smooth, function(s) s$by != "NA" && is.null(s$by.level), TRUE))
  if (length(numeric_by)) {
    refuse("the smooth ", gam$smooth[[numeric_by[1L]]]$label, " has a numeric by; only factors are understood.")
  }
  moderator <- unique(by[by != ""])
  if (length(moderator) > 1L) refuse("the smooths are by several factors: ", paste(moderator, collapse = ", "), ".")
  groups <- unique(variables[random])
  moderated <- length(moderator) == 1L
  curved <- unique(variables[!random])
  markers <- if (moderated) unique(variables[!random & by != ""]) else curved
  engine <- if (!inherits(model, "gam")) "gamm" else if (inherits(model, "bam")) "bam" else "gam"
  fit <- list(
    model = model,
    spec = list(
      y = as.character(gam$formula[[2L]])[1L], markers = markers, sex = if (moderated) moderator else "",
      sexes = if (moderated) levels(gam$model[[moderator]]) else "all", moderated = moderated, random = groups,
      groups = stats::setNames(groups, groups), covariates = setdiff(curved, markers), linear = character(),
      engine = engine, discrete = !is.null(gam$dinfo), method = as.character(gam$method)[1L],
      k = vapply(gam$smooth[!random], function(s) as.integer(s$bs.dim), 0L), covariance = "model", weights = NULL,
      random_sd = NULL, formula = paste(deparse(gam$formula, width.cutoff = 500L), collapse = " ")
    ),
    counts = data.frame(
      rows = length(gam$y), rows_used = length(gam$y), rows_missing = length(gam$na.action),
      callers = if (length(groups)) nlevels(factor(gam$model[[groups[1L]]])) else NA_integer_, events = sum(gam$y == 1)
    ),
    missing = data.frame(variable = character(), missing = integer()), notes = character(),
    converged = gamm_converged(model, engine), seconds = NA_real_, df = Inf, V = gam$Vp, caller = NULL
  )
  if (is.null(fit$spec$method) || is.na(fit$spec$method)) fit$spec$method <- ""
  class(fit) <- "vr_gamm"
  if (is.null(caller)) fit else adopted_callers(fit, caller)
}

# The same fit with the callers of its rows, and its uncertainty by callers.
adopted_callers <- function(fit, caller) {
  gam <- gam_of(fit)
  used <- length(gam$y)
  left_out <- gam$na.action
  if (!is.atomic(caller)) refuse("caller must be a vector with the caller of each row.")
  if (length(caller) == used + length(left_out) && length(left_out)) caller <- caller[-left_out]
  if (length(caller) != used) {
    refuse("there are ", length(caller), " values of caller; the model has used ", used, " rows and left out ", length(left_out), ".")
  }
  if (anyNA(caller)) refuse("caller is missing in row ", which(is.na(caller))[1L], " of the rows that the model has used.")
  fit$caller <- factor(as.character(caller))
  fit$counts$callers <- nlevels(fit$caller)
  vr_robust(fit)
}

#' Tables of a boosted model fitted in R
#'
#' @param model A binomial `mboost`, `gamboost` or `glmboost`-like model of mboost with named base-learners.
#' @return A list of data frames: `path` (step, learner, risk), `learners` (learner, frequency, importance),
#'   `partial_effects` (learner, marker, by, x, estimate: log-odds at the rows where the learner acts, centred there; all
#'   learners of a marker and `by` are one curve) and `levels` (learner, marker, level, estimate: the same of factors).
#' @export
#' @examples
#' if (requireNamespace("mboost", quietly = TRUE)) {
#'   library(mboost)
#'   rows <- transform(calls_example, outcome = factor(outcome))
#'   mine <- gamboost(outcome ~ bbs(dom) + bbs(loudness), data = rows, family = Binomial(),
#'     control = boost_control(mstop = 30))
#'   vr_adopt_boost(mine)$learners
#' }
vr_adopt_boost <- function(model) {
  need_package("mboost")
  if (!inherits(model, "mboost")) refuse("an object of class ", class(model)[1L], " is no model of mboost.")
  name <- model$family@name
  if (!grepl("Binomial", name)) refuse("the family is ", name, "; only Binomial is understood.")
  # Binomial() works on half the log-odds, Binomial(type = "glm") on the log-odds.
  scale <- if (isTRUE(all.equal(model$family@response(1), stats::plogis(2)))) 2 else 1
  learner <- names(model$baselearner)
  chosen <- model$xselect()
  risk <- unname(model$risk())
  fall <- -diff(risk)
  sum_by <- function(values) as.vector(tapply(values, factor(chosen, seq_along(learner)), sum, default = 0))
  parts <- lapply(sort(unique(chosen)), function(i) {
    frame <- model$model.frame(which = i)[[1L]]
    adopted_learner(frame, learner[i], scale * drop(stats::predict(model, which = i)))
  })
  curves <- Filter(function(part) is.numeric(part$x), parts)
  levels <- Filter(function(part) !is.numeric(part$x), parts)
  list(
    path = data.frame(step = seq_along(risk) - 1L, learner = c("", learner[chosen]), risk = risk),
    learners = data.frame(
      learner = learner, frequency = sum_by(rep(1, length(chosen))) / max(length(chosen), 1L),
      importance = sum_by(fall) / length(model$response)
    ),
    partial_effects = adopted_curves(curves), levels = adopted_levels(levels)
  )
}

# What one learner says of each row: its marker, by what it is taken ("" = nothing), where it acts, its value there.
adopted_learner <- function(frame, name, value) {
  x <- frame[[1L]]
  acts <- rep(TRUE, length(value))
  by <- ""
  if (ncol(frame) > 1L) {
    other <- frame[[2L]]
    by <- names(frame)[2L]
    if (is.factor(other) && nlevels(other) == 2L) {
      # mboost's own by = factor acts on the rows of the second level alone.
      by <- levels(other)[2L]
      acts <- other == by
    } else if (is.numeric(other)) {
      acts <- other != 0
    }
  }
  list(learner = name, marker = names(frame)[1L], by = by, x = x, acts = acts, value = unname(value))
}

# Curves: learners of one marker and `by` are one curve, centred over the rows where they act.
adopted_curves <- function(parts) {
  key <- vapply(parts, function(part) paste(part$marker, part$by, sep = "\r"), "")
  tables <- lapply(unique(key), function(one) {
    mine <- parts[key == one]
    acts <- mine[[1L]]$acts
    value <- Reduce(`+`, lapply(mine, `[[`, "value"))[acts]
    x <- mine[[1L]]$x[acts]
    first <- which(!duplicated(x))
    first <- first[order(x[first])]
    data.frame(
      learner = paste(vapply(mine, `[[`, "", "learner"), collapse = " + "), marker = mine[[1L]]$marker,
      by = mine[[1L]]$by, x = as.numeric(x[first]), estimate = value[first] - mean(value)
    )
  })
  empty <- data.frame(learner = character(), marker = character(), by = character(), x = numeric(), estimate = numeric())
  do.call(rbind, c(list(empty), tables))
}

adopted_levels <- function(parts) {
  tables <- lapply(parts, function(part) {
    first <- which(!duplicated(part$x))
    first <- first[order(part$x[first])]
    data.frame(
      learner = part$learner, marker = part$marker, level = as.character(part$x[first]),
      estimate = part$value[first] - mean(part$value)
    )
  })
  empty <- data.frame(learner = character(), marker = character(), level = character(), estimate = numeric())
  do.call(rbind, c(list(empty), tables))
}
