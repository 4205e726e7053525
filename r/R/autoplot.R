# autoplot(): the same figures by ggplot2.

utils::globalVariables(".data")

#' @rdname vr_figures
#' @exportS3Method ggplot2::autoplot
autoplot.vr_gamm <- function(object, which = NULL, markers = NULL, labels = NULL, level = 0.95, draws = 10000L, ...) {
  gg(figure_of(object, which, markers, labels, level = level, draws = draws))
}

#' @rdname vr_figures
#' @exportS3Method ggplot2::autoplot
autoplot.vr_gamboost <- function(object, which = NULL, markers = NULL, labels = NULL, ...) gg(figure_of(object, which, markers, labels))

#' @rdname vr_figures
#' @exportS3Method ggplot2::autoplot
autoplot.vr_model <- function(object, which = NULL, markers = NULL, labels = NULL, ...) gg(figure_of(object, which, markers, labels))

#' @rdname vr_figures
#' @exportS3Method ggplot2::autoplot
autoplot.vr_lasso <- function(object, which = NULL, ...) gg(figure_of(object, which))

#' @rdname vr_figures
#' @exportS3Method ggplot2::autoplot
autoplot.vr_study <- function(object, which = NULL, markers = NULL, labels = NULL, ...) gg(figure_of(object, which, markers, labels))

#' @rdname vr_figures
#' @exportS3Method ggplot2::autoplot
autoplot.vr_cv <- function(object, which = NULL, ...) gg(figure_of(object, which))

gg <- function(figure) {
  need_package("ggplot2")
  drawn <- switch(figure$kind,
    curves = , differences = , derivatives = , effects = gg_curves(figure), roc = gg_roc(figure),
    calibration = gg_calibration(figure), decision = gg_decision(figure), dots = gg_dots(figure),
    path = gg_path(figure), risk = gg_risk(figure)
  )
  if (length(figure$note)) {
    said <- c(strwrap(paste(figure$note, collapse = " "), 125L), drawn$labels$caption)
    drawn <- drawn + ggplot2::labs(caption = paste(said, collapse = "\n"))
  }
  drawn + ggplot2::theme_classic(9) + ggplot2::theme(
    legend.position = "top", legend.justification = "left", strip.background = ggplot2::element_blank(),
    strip.text = ggplot2::element_text(face = "bold", hjust = 0), legend.key.width = ggplot2::unit(22, "pt")
  )
}

# Scales of colour and line for the series of a column, whose names are words.
gg_series <- function(names, looks = series_look(names)) {
  list(
    ggplot2::scale_colour_manual(NULL, values = stats::setNames(looks$colour, looks$name), labels = looks$words, breaks = looks$name),
    ggplot2::scale_fill_manual(NULL, values = stats::setNames(looks$colour, looks$name), labels = looks$words, breaks = looks$name),
    ggplot2::scale_linetype_manual(NULL, values = stats::setNames(looks$line, looks$name), labels = looks$words, breaks = looks$name)
  )
}

gg_curves <- function(figure) {
  table <- figure$table
  if (figure$kind == "differences") table$sex <- contrast_words(table$contrast)
  titles <- vapply(unique(table$marker), function(marker) {
    said <- title_and_unit(marker, figure$labels)
    if (nzchar(said[2L])) paste0(said[1L], " (", said[2L], ")") else said[1L]
  }, "")
  panel <- function(marker) factor(titles[marker], unique(titles))
  table$panel <- panel(table$marker)
  band <- function(low, high, alpha) {
    if (!low %in% names(table)) return(NULL)
    ggplot2::geom_ribbon(ggplot2::aes(ymin = .data[[low]], ymax = .data[[high]], fill = .data$sex), alpha = alpha, na.rm = TRUE)
  }
  looks <- series_look(unique(table$sex))
  one <- figure$kind == "differences" && nrow(looks) == 1L
  apart <- if (one) do.call(rbind, lapply(split(table, table$panel), function(rows) {
    half <- diff(rows$x[1:2]) / 2
    data.frame(panel = rows$panel, from = rows$x - half, to = rows$x + half)[leaves_zero(rows), ]
  }))
  if (one) looks$colour <- figure_colours[["1"]]
  drawn <- ggplot2::ggplot(table, ggplot2::aes(.data$x, .data$estimate))
  if (NROW(apart)) {
    drawn <- drawn + ggplot2::geom_rect(
      ggplot2::aes(xmin = .data$from, xmax = .data$to, ymin = -Inf, ymax = Inf), apart, inherit.aes = FALSE,
      fill = figure_colours[["accent"]], alpha = 0.14
    )
  }
  drawn <- drawn + ggplot2::geom_hline(yintercept = 0, colour = figure_colours[["neutral"]], linewidth = 0.3) +
    band("lower_simultaneous", "upper_simultaneous", 0.12) + band("lower", "upper", 0.2) +
    ggplot2::geom_line(ggplot2::aes(colour = .data$sex, linetype = .data$sex), linewidth = 0.6) +
    ggplot2::facet_wrap(~panel, scales = if (figure$kind == "derivatives") "free" else "free_x") +
    gg_series(looks = looks) + ggplot2::labs(
      x = NULL, y = curve_axis[[figure$kind]], caption = if (NROW(apart)) "shaded: the band excludes 0"
    )
  limits <- curve_limits(table, figure$observed)
  if (figure$kind != "derivatives") drawn <- drawn + ggplot2::coord_cartesian(ylim = limits)
  if (!is.null(figure$observed) && figure$kind == "curves") {
    seen <- figure$observed[figure$observed$marker %in% table$marker, ]
    seen$panel <- panel(seen$marker)
    drawn <- drawn + ggplot2::geom_rug(ggplot2::aes(.data$x, colour = .data$sex), seen, inherit.aes = FALSE, alpha = 0.3, linewidth = 0.2)
  }
  if (!is.null(figure$smooths)) {
    text <- unique(table[c("marker", "sex", "panel")])
    text$words <- vapply(seq_len(nrow(text)), function(i) smooth_words(figure$smooths, text$marker[i], text$sex[i]), "")
    levels <- unique(text$sex)
    text$side <- text_side(match(text$sex, levels), length(levels))
    middle <- vapply(text$marker, function(marker) mean(range(table$x[table$marker == marker])), 0)
    text$at <- ifelse(text$side == 0, -Inf, ifelse(text$side == 1, Inf, middle))
    if (length(levels) > 3L) text <- text[0L, ]
    drawn <- drawn + ggplot2::geom_text(
      ggplot2::aes(.data$at, Inf, label = .data$words, colour = .data$sex, hjust = .data$side),
      text, inherit.aes = FALSE, vjust = 1.2, size = 2.4, show.legend = FALSE
    )
  }
  drawn
}

gg_roc <- function(figure) {
  table <- figure$table
  table$run <- paste(table$protocol, table$`repeat`)
  repeats <- split(table, list(table$protocol, table$design), drop = TRUE)
  thick <- do.call(rbind, lapply(repeats, function(rows) {
    each <- split(rows, rows$`repeat`)
    if (length(each) == 1L) return(data.frame(rows[c("protocol", "design")], x = rows$false_positive_rate, y = rows$sensitivity))
    mean <- mean_roc(each)
    data.frame(protocol = rows$protocol[1L], design = rows$design[1L], x = mean$x, y = mean$y)
  }))
  drawn <- ggplot2::ggplot(table) + ggplot2::geom_abline(colour = figure_colours[["neutral"]], linewidth = 0.3) +
    ggplot2::geom_path(ggplot2::aes(.data$false_positive_rate, .data$sensitivity, colour = .data$protocol, group = .data$run), linewidth = 0.2, alpha = 0.4) +
    ggplot2::geom_path(ggplot2::aes(.data$x, .data$y, colour = .data$protocol, linetype = .data$protocol), thick, linewidth = 0.7) +
    ggplot2::facet_wrap(~design, labeller = ggplot2::as_labeller(in_words)) + ggplot2::coord_equal() +
    gg_series(unique(table$protocol)) + ggplot2::labs(x = "1 - specificity", y = "sensitivity")
  if (is.null(figure$said)) return(drawn)
  said <- figure$said
  said$height <- 0.07 * (match(said$protocol, unique(said$protocol)) - 1) + 0.03
  drawn + ggplot2::geom_text(ggplot2::aes(1, .data$height, label = .data$words, colour = .data$protocol), said, hjust = 1, size = 2.4, show.legend = FALSE)
}

gg_calibration <- function(figure) {
  smooth <- figure$table[figure$table$layer == "smooth", ]
  groups <- figure$table[figure$table$layer == "group", ]
  drawn <- ggplot2::ggplot(smooth, ggplot2::aes(.data$p, .data$observed)) +
    ggplot2::geom_abline(colour = figure_colours[["neutral"]], linewidth = 0.3) +
    ggplot2::geom_ribbon(ggplot2::aes(ymin = .data$lower, ymax = .data$upper, fill = .data$protocol), alpha = 0.2) +
    ggplot2::geom_line(ggplot2::aes(colour = .data$protocol, linetype = .data$protocol), linewidth = 0.6) +
    ggplot2::geom_pointrange(ggplot2::aes(ymin = .data$lower, ymax = .data$upper), groups, shape = 22, fill = "white", size = 0.3, linewidth = 0.3) +
    ggplot2::facet_wrap(~protocol, labeller = ggplot2::as_labeller(in_words)) +
    gg_series(unique(figure$table$protocol)) + ggplot2::coord_cartesian(xlim = 0:1, ylim = c(-0.1, 1)) +
    ggplot2::labs(x = "predicted risk p", y = "observed share positive", caption = "lowess with band; squares: groups of calls; ticks below: outcome 1 up, 0 down")
  if (is.null(figure$strip)) return(drawn)
  strip <- figure$strip
  strip$end <- ifelse(strip$y == 1, -0.03, -0.09)
  drawn + ggplot2::geom_segment(ggplot2::aes(.data$p, -0.06, xend = .data$p, yend = .data$end), strip, linewidth = 0.25)
}

gg_decision <- function(figure) {
  table <- figure$table[figure$table$strategy %in% c("model", "all", "none"), ]
  model <- table[table$strategy == "model", ]
  drawn <- ggplot2::ggplot(table, ggplot2::aes(.data$threshold, .data$net_benefit))
  if ("lower" %in% names(table)) {
    drawn <- drawn + ggplot2::geom_ribbon(ggplot2::aes(ymin = .data$lower, ymax = .data$upper, fill = .data$protocol), model, alpha = 0.2, show.legend = FALSE)
  }
  drawn + ggplot2::geom_line(ggplot2::aes(linetype = .data$strategy), table[table$strategy != "model", ], linewidth = 0.4, colour = figure_colours[["0"]]) +
    ggplot2::geom_line(ggplot2::aes(colour = .data$protocol), model, linewidth = 0.6, show.legend = FALSE) +
    ggplot2::facet_wrap(~protocol, labeller = ggplot2::as_labeller(in_words)) +
    ggplot2::scale_linetype_manual(NULL, values = c(all = 2, none = 1), labels = c(all = "act on all", none = "act on none")) +
    ggplot2::scale_fill_manual(values = figure_colours) + ggplot2::scale_colour_manual(values = figure_colours) +
    ggplot2::coord_cartesian(ylim = c(-0.05, max(0.1, table$net_benefit, table$upper, na.rm = TRUE))) +
    ggplot2::labs(x = "risk from which one acts", y = "net benefit")
}

gg_dots <- function(figure) {
  table <- do.call(rbind, lapply(split(figure$table, figure$table$protocol), function(rows) {
    rows <- rows[order(rows$p_raw), ]
    wrong <- sum(rows$wrong %in% TRUE)
    cbind(rows, place = seq_len(nrow(rows)), panel = sprintf("%s: %d of %d calls decided wrongly", in_words(rows$protocol[1L]), wrong, sum(!is.na(rows$threshold))))
  }))
  table$outcome <- factor(table$y)
  ggplot2::ggplot(table, ggplot2::aes(.data$place, .data$p_raw)) +
    ggplot2::geom_segment(ggplot2::aes(.data$place - 0.45, .data$threshold, xend = .data$place + 0.45, yend = .data$threshold), colour = figure_colours[["neutral"]], na.rm = TRUE) +
    ggplot2::geom_point(ggplot2::aes(shape = .data$outcome, colour = .data$outcome), size = 1.4) +
    ggplot2::geom_point(data = table[table$wrong %in% TRUE, ], shape = 1, size = 3, colour = figure_colours[["accent"]]) +
    ggplot2::scale_shape_manual("outcome", values = c("0" = 1, "1" = 17)) +
    ggplot2::scale_colour_manual("outcome", values = figure_colours[c("0", "1")]) +
    ggplot2::facet_wrap(~panel, ncol = 1L, scales = "free") +
    ggplot2::labs(x = "calls, sorted by score", y = "call score", caption = "grey line: the cut of this call; orange ring: decided wrongly") +
    ggplot2::scale_x_continuous(breaks = NULL)
}

gg_path <- function(figure) {
  at <- data.frame(rule = names(figure$at), x = log(figure$at))
  ggplot2::ggplot(figure$table, ggplot2::aes(log(.data$lambda), .data$deviance)) +
    ggplot2::geom_errorbar(ggplot2::aes(ymin = .data$deviance - .data$se, ymax = .data$deviance + .data$se), colour = "grey70", width = 0) +
    ggplot2::geom_point(size = 0.8, colour = figure_colours[["accent"]]) +
    ggplot2::geom_vline(ggplot2::aes(xintercept = .data$x, linetype = .data$rule), at) +
    ggplot2::labs(x = "log(lambda)", y = "held-out deviance (one SE)", linetype = NULL)
}

gg_risk <- function(figure) {
  ggplot2::ggplot(figure$table, ggplot2::aes(.data$step, .data$risk)) + ggplot2::geom_line() +
    ggplot2::labs(x = "step", y = "risk (negative log-likelihood)")
}
