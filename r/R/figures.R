# Figures: what each object can show, as a table and a kind. plot() draws it with base graphics, autoplot() with ggplot2.

#' Figures
#'
#' `plot()` draws with base graphics, `autoplot()` with ggplot2 (its generic is found once ggplot2 is loaded). Both draw
#' the same table, which `plot()` returns invisibly and `autoplot()` holds as its data. Women are orange and solid, men
#' blue and dashed; outcome 1 is a filled triangle, outcome 0 an open circle, so that no figure depends on colour alone.
#'
#' | object | `which` |
#' | --- | --- |
#' | `vr_gamm` | "curves" (the paper's Figure 1: one panel a marker, EDF and P above it), "differences", "derivatives" |
#' | `vr_gamboost` | "effects" (partial effects), "path" (risk against steps) |
#' | `vr_model` | "effects" |
#' | `vr_lasso` | "path" (deviance against lambda) |
#' | `vr_cv` | "roc", "calibration", "decision", "dots" (each call's score and its cut) |
#' | `vr_study` | "curves", "differences", "effects", "roc", "calibration", "decision", "dots", "path", as the study drew them |
#'
#' @param x,object What to draw.
#' @param which The figure; the first of its row in the table by default.
#' @param markers NULL for all markers of a figure with one panel a marker, or the names of those to draw.
#' @param labels NULL, or names of markers to print, named by marker; "Roughness (%)" gives title and unit.
#' @param level,draws Of the bands of curves, as in [vr_curves()].
#' @param ... Not used.
#' @return `plot` the drawn table, invisibly; `autoplot` a ggplot.
#' @name vr_figures
#' @examples
#' fit <- vr_gamm(outcome ~ s(dom, k = 5) + s(loudness, k = 5), calls_example, moderator = sex,
#'   engine = "gam")
#' plot(fit, draws = 1000)
#' study <- vr_read_study(system.file("extdata", "study", package = "voicerisk"))
#' plot(study, "roc")
NULL

figure_colours <- c(
  female = "#D55E00", male = "#0072B2", published = "#B34A92", nested = "#005A43", "1" = "#1A1A1A", "0" = "#7A7A7A",
  accent = "#D55E00", neutral = "#8A8A8A"
)
figure_sequence <- c("#0072B2", "#D55E00", "#009E73", "#AA4488", "#B07D00", "#56B4E9", "#1A1A1A")
figure_words <- c(
  female = "women", male = "men", all = "all callers", loco = "leave one caller out", grouped_kfold = "grouped k-fold",
  published = "published protocol", nested = "nested protocol"
)

# Colour and line type of each series, by its name or its place.
series_look <- function(names) {
  place <- seq_along(names)
  colour <- unname(figure_colours[names])
  colour[is.na(colour)] <- figure_sequence[(place - 1L) %% length(figure_sequence) + 1L][is.na(colour)]
  line <- c(female = 1, male = 2, published = 2, nested = 1)[names]
  line[is.na(line)] <- ((place - 1L) %% 5L + 1L)[is.na(line)]
  data.frame(name = names, words = in_words(names), colour = colour, line = unname(line))
}

in_words <- function(names) {
  found <- unname(figure_words[names])
  ifelse(is.na(found), gsub("_", " ", names, fixed = TRUE), found)
}

# A figure: its kind, its table, and what else it needs.
figure <- function(kind, table, ..., labels = NULL, markers = NULL) {
  if (!is.null(markers)) {
    absent <- setdiff(markers, table$marker)
    if (length(absent)) refuse("there is no curve of \"", absent[1L], "\"; there are ", paste(unique(table$marker), collapse = ", "), ".")
    table <- table[table$marker %in% markers, ]
  }
  if (!nrow(table)) refuse("there is nothing to draw: the table has no rows.")
  list(kind = kind, table = table, labels = labels, ...)
}

choose_figure <- function(which, choices) {
  if (is.null(which)) return(choices[1L])
  if (!is.character(which) || length(which) != 1L || !which %in% choices) {
    refuse("which must be one of ", paste0("\"", choices, "\"", collapse = ", "), ".")
  }
  which
}

figure_of <- function(x, ...) UseMethod("figure_of")

#' @export
figure_of.vr_gamm <- function(x, which = NULL, markers = NULL, labels = NULL, level = 0.95, draws = 10000L, ...) {
  which <- choose_figure(which, c("curves", "differences", "derivatives"))
  smooths <- if (which == "curves" && is.null(not_believable(x))) vr_tables(x)$smooths
  table <- switch(which,
    curves = vr_curves(x, level = level, draws = draws), differences = vr_differences(x, level = level, draws = draws),
    derivatives = vr_derivatives(x, level = level, draws = draws)
  )
  figure(which, table, smooths = smooths, observed = observed_values(x), labels = labels, markers = markers, note = not_believable(x))
}

# Values of each marker in the rows of the fit, for the rug.
observed_values <- function(fit) {
  data <- gam_of(fit)$model
  index <- smooth_index(fit)
  parts <- lapply(which(!index$random), function(i) {
    rows <- if (index$sex[i] == "all") rep(TRUE, nrow(data)) else data[[fit$spec$sex]] == index$sex[i]
    data.frame(
      marker = said(fit, index$term[i]), sex = curve_sex(fit, index$term[i], index$sex[i]),
      x = data[[index$term[i]]][rows]
    )
  })
  do.call(rbind, parts)
}

#' @export
figure_of.vr_gamboost <- function(x, which = NULL, markers = NULL, labels = NULL, ...) {
  which <- choose_figure(which, c("effects", "path"))
  tables <- vr_boost_tables(x)
  if (which == "path") return(figure("risk", tables$path))
  figure("effects", tables$partial_effects, labels = labels, markers = markers)
}

#' @export
figure_of.vr_model <- function(x, which = NULL, markers = NULL, labels = NULL, ...) {
  choose_figure(which, "effects")
  figure("effects", as.data.frame.vr_model(x), labels = labels, markers = markers)
}

#' @export
figure_of.vr_lasso <- function(x, which = NULL, ...) {
  choose_figure(which, "path")
  figure("path", x$path, at = c(min = x$lambda_min, "1se" = x$lambda_1se))
}

#' @export
figure_of.vr_cv <- function(x, which = NULL, ...) {
  which <- choose_figure(which, c("roc", "calibration", "decision", "dots"))
  rows <- x$predictions
  first <- rows[rows$`repeat` == rows$`repeat`[1L], ]
  switch(which,
    roc = figure("roc", roc_points(rows), said = auroc_words(x$metrics), note = given_scores),
    calibration = figure("calibration", calibration_points(first), strip = first[c("protocol", "p", "y")], note = given_scores),
    decision = figure("decision", decision_points(first)),
    dots = figure("dots", cbind(first, wrong = !is.na(first$threshold) & (first$p_raw >= first$threshold) != (first$y == 1)))
  )
}

widened_intervals <- "Intervals resample callers and are widened for what learning anew would add."
given_scores <- "Intervals: bootstrap of callers, given these scores; the variance of refitting is left out, so they are too short."

# Sensitivity and false positive rate at every distinct score.
roc_points <- function(rows) {
  parts <- lapply(split(rows, rows$`repeat`), function(one) {
    cut <- c(Inf, sort(unique(one$p_raw), decreasing = TRUE))
    share <- function(class) vapply(cut, function(c) mean(one$p_raw[one$y == class] >= c), 0)
    data.frame(
      protocol = one$protocol[1L], design = one$design[1L], `repeat` = one$`repeat`[1L], threshold = cut, sensitivity = share(1),
      false_positive_rate = share(0), check.names = FALSE
    )
  })
  do.call(rbind, parts)
}

# Lowess (span 2/3) and groups of equal size, with percentiles over 200 bootstraps of callers from a fixed seed.
calibration_points <- function(rows, bins = 5L, level = 0.95) {
  edges <- unique(stats::quantile(rows$p, seq(0, 1, length.out = bins + 1L), names = FALSE))
  group <- if (length(edges) < 2L) rep(1L, nrow(rows)) else findInterval(rows$p, edges, rightmost.closed = TRUE)
  at <- seq(min(rows$p), max(rows$p), length.out = 60L)
  smooth <- function(p, y) {
    if (length(unique(p)) < 4L) return(rep(NA_real_, length(at)))
    line <- stats::lowess(p, y, f = 2 / 3, iter = 0L)
    pmin(pmax(stats::approx(line$x, line$y, at, ties = mean)$y, 0), 1)
  }
  present <- sort(unique(group))
  share <- function(i) vapply(present, function(g) mean(rows$y[i][group[i] == g]), 0)
  counts <- with_seed(1L, draw_callers(rows$caller_id, rows$y, 200L))
  of_caller <- match(rows$caller_id, colnames(counts))
  drawn <- apply(counts, 1L, function(times) {
    i <- rep(seq_len(nrow(rows)), times[of_caller])
    c(smooth(rows$p[i], rows$y[i]), share(i))
  })
  limits <- apply(drawn, 1L, stats::quantile, c((1 - level) / 2, (1 + level) / 2), names = FALSE, na.rm = TRUE)
  every <- seq_len(nrow(rows))
  data.frame(
    protocol = rows$protocol[1L], layer = rep(c("smooth", "group"), c(length(at), length(present))),
    p = c(at, as.vector(tapply(rows$p, group, mean))), observed = c(smooth(rows$p, rows$y), share(every)), lower = limits[1L, ],
    upper = limits[2L, ], level = level
  )
}

# Net benefit of the model, of acting on all calls and of acting on none, at each threshold.
decision_points <- function(rows, thresholds = seq(0.02, 0.8, 0.02)) {
  event <- rows$y == 1
  odds <- thresholds / (1 - thresholds)
  model <- vapply(thresholds, function(t) mean(rows$p >= t & event), 0) - odds * vapply(thresholds, function(t) mean(rows$p >= t & !event), 0)
  data.frame(
    protocol = rows$protocol[1L], threshold = rep(thresholds, 3L), strategy = rep(c("model", "all", "none"), each = length(thresholds)),
    net_benefit = c(model, mean(event) - odds * mean(!event), 0 * odds)
  )
}

#' @export
figure_of.vr_study <- function(x, which = NULL, markers = NULL, labels = NULL, ...) {
  which <- choose_figure(which, c("curves", "differences", "effects", "roc", "calibration", "decision", "dots", "path"))
  tables <- unclass(x)
  first <- function(...) Find(function(name) is.data.frame(tables[[name]]), c(...))
  need <- function(...) {
    name <- first(...)
    if (is.null(name)) refuse("the study in ", attr(x, "path"), " has no table ", c(...)[1L], ", which this figure draws.")
    tables[[name]]
  }
  optional <- function(...) if (!is.null(name <- first(...))) tables[[name]]
  if (is.null(labels) && !is.null(known <- optional("figures/labels"))) labels <- stats::setNames(known$label, known$marker)
  note <- if (is.data.frame(tables$metrics) && any(grepl("given_scores", tables$metrics$method))) given_scores
  switch(which,
    curves = figure("curves", one_model(need("figures/gamm_curves", "gamm/curves")), labels = labels, markers = markers,
      smooths = believed(one_model(optional("figures/gamm_curves.smooths", "gamm/smooths"))), observed = optional("figures/gamm_curves.observed")),
    differences = figure("differences", need("figures/difference_curves", "gamm/differences"), labels = labels, markers = markers,
      observed = optional("figures/difference_curves.observed")),
    effects = figure("effects", need("figures/partial_effects", "boost/partial_effects"), labels = labels, markers = markers),
    roc = {
      points <- need("figures/roc")
      # Models that stand beside the protocols have no curve.
      said <- if (is.data.frame(tables$metrics)) auroc_words(summary.vr_study(x))
      wider <- !is.null(note) && any(grepl("widened", tables$metrics$method))
      figure("roc", points, said = said[said$protocol %in% points$protocol, ], note = if (wider) widened_intervals else note)
    },
    calibration = figure("calibration", need("figures/calibration"), strip = optional("figures/calibration.strip"), note = note),
    decision = figure("decision", need("figures/decision_curves"), note = note),
    dots = {
      dots <- lapply(grep("^figures/score_dots", names(tables), value = TRUE), function(name) tables[[name]])
      if (!length(dots)) need("figures/score_dots--nested")
      figure("dots", do.call(rbind, dots))
    },
    path = {
      path <- need("lasso_path")
      figure("path", path, at = c(min = path$lambda[path$is_min], "1se" = path$lambda[path$is_1se]))
    }
  )
}

# Markers that were selected on the same outcomes have no P that could be believed.
believed <- function(smooths) {
  if (!is.null(smooths) && any(smooths$selected_on_same_labels %in% TRUE)) smooths$p_value <- NA_real_
  smooths
}

# Of curves with and without random intercepts, those that the study believes.
one_model <- function(table) {
  if (is.null(table) || !"model" %in% names(table) || length(unique(table$model)) < 2L) return(table)
  table[table$model == if ("without_random_intercepts" %in% table$model) "without_random_intercepts" else table$model[1L], ]
}

auroc_words <- function(rows) {
  rows <- rows[rows$metric == "auroc" & rows$protocol %in% c("published", "nested"), ]
  data.frame(
    protocol = rows$protocol, design = rows$design,
    words = sprintf("%s: AUROC %.2f (%.2f to %.2f)", rows$protocol, rows$estimate, rows$lower, rows$upper)
  )
}

# Limits of the vertical axis: every estimate, and the bands over the middle 98 % of what was observed.
curve_limits <- function(table, observed) {
  rows <- table
  if (!is.null(observed)) {
    inside <- rep(TRUE, nrow(table))
    for (marker in unique(table$marker)) {
      values <- observed$x[observed$marker == marker]
      if (!length(values)) next
      ends <- stats::quantile(values, c(0.01, 0.99), names = FALSE)
      mine <- table$marker == marker
      inside[mine] <- table$x[mine] >= ends[1L] & table$x[mine] <= ends[2L]
    }
    rows <- table[inside, ]
  }
  values <- c(0, table$estimate, rows$lower, rows$upper)
  values <- range(values[is.finite(values)])
  span <- max(diff(values), 1e-9)
  values + c(-0.14, 0.14) * span
}

# "Roughness (%)" is the title "Roughness" and the unit "%".
title_and_unit <- function(marker, labels) {
  label <- if (marker %in% names(labels)) labels[[marker]] else marker
  unit <- regmatches(label, regexec("^(.*) \\((.*)\\)$", label))[[1L]]
  if (length(unit) == 3L) unit[2:3] else c(label, "")
}

smooth_words <- function(smooths, marker, sex) {
  mine <- smooths[smooths$marker == marker & smooths$sex == sex, ]
  if (nrow(mine) != 1L) return("")
  if (is.na(mine$p_value)) return(sprintf("EDF %.1f", mine$edf))
  sprintf("EDF %.1f, P%s", mine$edf, if (mine$p_value < 0.001) "<.001" else sub("^0", "=", sprintf("%.3f", mine$p_value)))
}
