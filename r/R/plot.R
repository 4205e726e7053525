# plot(): figures in base graphics.

#' @rdname vr_figures
#' @export
plot.vr_gamm <- function(x, which = NULL, markers = NULL, labels = NULL, level = 0.95, draws = 10000L, ...) {
  draw(figure_of(x, which, markers, labels, level = level, draws = draws))
}

#' @rdname vr_figures
#' @export
plot.vr_gamboost <- function(x, which = NULL, markers = NULL, labels = NULL, ...) draw(figure_of(x, which, markers, labels))

#' @rdname vr_figures
#' @export
plot.vr_model <- function(x, which = NULL, markers = NULL, labels = NULL, ...) draw(figure_of(x, which, markers, labels))

#' @rdname vr_figures
#' @export
plot.vr_lasso <- function(x, which = NULL, ...) draw(figure_of(x, which))

#' @rdname vr_figures
#' @export
plot.vr_study <- function(x, which = NULL, markers = NULL, labels = NULL, ...) draw(figure_of(x, which, markers, labels))

#' @rdname vr_figures
#' @export
plot.vr_cv <- function(x, which = NULL, ...) draw(figure_of(x, which))

draw <- function(figure) {
  force(figure)
  old <- graphics::par(no.readonly = TRUE)
  on.exit(graphics::par(old))
  switch(figure$kind,
    curves = , differences = , derivatives = , effects = draw_curves(figure), roc = draw_roc(figure),
    calibration = draw_calibration(figure), decision = draw_decision(figure), dots = draw_dots(figure),
    path = draw_path(figure), risk = draw_risk(figure)
  )
  if (length(figure$note)) {
    graphics::par(fig = c(0, 1, 0, 1), oma = c(0, 0, 0, 0), mar = c(0, 0, 0, 0), new = TRUE)
    graphics::plot.new()
    graphics::text(0, 0, paste(note_lines(figure), collapse = "\n"), adj = c(0, 0), cex = 0.6, col = "grey30")
  }
  invisible(figure$table)
}

# What must be known of the figure, in lines that fit below it.
note_lines <- function(figure) strwrap(paste(figure$note, collapse = " "), 125L)

# A grid of n panels, below a legend and above the note of the figure.
panels <- function(figure, n, columns = min(n, 3L)) {
  below <- 0.6 + if (length(figure$note)) 0.4 + 0.7 * length(note_lines(figure)) else 0
  graphics::par(
    mfrow = c(ceiling(n / columns), columns), mar = c(3.2, 2.6, 2.6, 0.8), oma = c(below, 1.8, 2, 0.2), mgp = c(1.9, 0.5, 0),
    tcl = -0.25, bty = "l", las = 1, cex = 0.8
  )
}

legend_above <- function(words, ...) {
  graphics::par(fig = c(0, 1, 0, 1), oma = c(0, 0, 0, 0), mar = c(0, 0, 0, 0), new = TRUE)
  graphics::plot.new()
  graphics::legend("topleft", words, ..., horiz = TRUE, bty = "n", cex = if (length(words) > 4L) 0.68 else 0.85, seg.len = 2.6, x.intersp = 0.6)
}

ribbon <- function(x, low, high, colour, alpha) {
  keep <- is.finite(low) & is.finite(high)
  graphics::polygon(c(x[keep], rev(x[keep])), c(low[keep], rev(high[keep])), border = NA, col = grDevices::adjustcolor(colour, alpha))
}

curve_axis <- c(
  curves = "effect on risk (log-odds)", differences = "difference (log-odds)", derivatives = "slope (log-odds per unit)",
  effects = "contribution (log-odds)"
)

draw_curves <- function(figure) {
  table <- figure$table
  if (figure$kind == "differences") table$sex <- table$contrast
  markers <- unique(table$marker)
  looks <- series_look(unique(table$sex))
  one <- figure$kind == "differences" && nrow(looks) == 1L
  if (one) looks$colour <- figure_colours[["1"]]
  panels(figure, length(markers))
  limits <- if (figure$kind != "derivatives") curve_limits(table, figure$observed)
  has <- function(column) column %in% names(table) && any(is.finite(table[[column]]))
  for (marker in markers) {
    rows <- table[table$marker == marker, ]
    said <- title_and_unit(marker, figure$labels)
    ylim <- if (is.null(limits)) curve_limits(rows, figure$observed) else limits
    graphics::plot(range(rows$x), ylim, type = "n", xlab = said[2L], ylab = "")
    if (one) shade_apart(rows)
    graphics::abline(h = 0, col = figure_colours[["neutral"]], lwd = 0.8)
    for (i in seq_len(nrow(looks))) {
      curve <- rows[rows$sex == looks$name[i], ]
      if (!nrow(curve)) next
      curve <- curve[order(curve$x), ]
      if (has("lower_simultaneous")) ribbon(curve$x, curve$lower_simultaneous, curve$upper_simultaneous, looks$colour[i], 0.12)
      if (has("lower")) ribbon(curve$x, curve$lower, curve$upper, looks$colour[i], 0.2)
      graphics::lines(curve$x, curve$estimate, col = looks$colour[i], lty = looks$line[i], lwd = 1.8)
      seen <- figure$observed
      seen <- seen$x[seen$marker == marker & (seen$sex == looks$name[i] | one)]
      if (length(seen)) draw_rug(seen, looks$colour[i], i)
      said_of <- if (!is.null(figure$smooths)) smooth_words(figure$smooths, marker, looks$name[i]) else ""
      # More than three do not fit; they stand in vr_tables().
      if (nrow(looks) <= 3L) graphics::mtext(said_of, 3L, 0, adj = text_side(i, nrow(looks)), col = looks$colour[i], cex = 0.62)
    }
    graphics::title(main = said[1L], adj = 0, line = 1.1, cex.main = 0.95)
  }
  graphics::mtext(curve_axis[[figure$kind]], 2L, 0.4, outer = TRUE, las = 0, cex = 0.8)
  bands <- c("pointwise band", "simultaneous band")[c(has("lower"), has("lower_simultaneous"))]
  if (has("level") && length(bands)) bands <- paste0(100 * table$level[1L], " % ", bands)
  words <- if (figure$kind == "differences") contrast_words(looks$name) else looks$words
  fill <- c("#00000040", "#0000001F")[seq_along(bands)]
  if (one) {
    bands <- c(bands, "band excludes 0")
    fill <- c(fill, grDevices::adjustcolor(figure_colours[["accent"]], 0.14))
  }
  legend_above(
    c(words, bands), col = c(looks$colour, rep(NA, length(bands))), lty = c(looks$line, rep(NA, length(bands))), lwd = 1.8,
    fill = c(rep(NA, nrow(looks)), fill), border = NA
  )
}

# Where the text of the i-th of n series stands above a panel, from 0 (left) to 1 (right).
text_side <- function(i, n) (i - 1) / pmax(n - 1, 1)

contrast_words <- function(contrast) {
  known <- c("male - female" = "men minus women", "female - male" = "women minus men")
  ifelse(contrast %in% names(known), known[contrast], contrast)
}

# Whether the interval of a difference leaves 0.
leaves_zero <- function(rows) {
  low <- if (any(is.finite(rows$lower_simultaneous))) rows$lower_simultaneous else rows$lower
  high <- if (any(is.finite(rows$upper_simultaneous))) rows$upper_simultaneous else rows$upper
  (low > 0 | high < 0) %in% TRUE
}

shade_apart <- function(rows) {
  apart <- leaves_zero(rows)
  if (!any(apart)) return(invisible())
  half <- diff(rows$x[1:2]) / 2
  edge <- graphics::par("usr")
  graphics::rect(rows$x[apart] - half, edge[3L], rows$x[apart] + half, edge[4L], border = NA,
    col = grDevices::adjustcolor(figure_colours[["accent"]], 0.14))
}

draw_rug <- function(x, colour, row) {
  edge <- graphics::par("usr")
  height <- 0.025 * (edge[4L] - edge[3L])
  base <- edge[3L] + (row - 1L) * 1.4 * height
  graphics::segments(x, base, x, base + height, col = grDevices::adjustcolor(colour, 0.5), lwd = 0.5)
}

draw_roc <- function(figure) {
  table <- figure$table
  looks <- series_look(unique(table$protocol))
  panels(figure, length(unique(table$design)))
  for (design in unique(table$design)) {
    here <- table[table$design == design, ]
    graphics::plot(0:1, 0:1, type = "n", asp = 1, xlab = "1 - specificity", ylab = "")
    graphics::abline(0, 1, col = figure_colours[["neutral"]], lwd = 0.8)
    for (i in seq_len(nrow(looks))) {
      mine <- here[here$protocol == looks$name[i], ]
      repeats <- split(mine, mine$`repeat`)
      thin <- length(repeats) > 1L
      for (one in repeats) {
        graphics::lines(one$false_positive_rate, one$sensitivity, col = grDevices::adjustcolor(looks$colour[i], if (thin) 0.35 else 1),
          lty = if (thin) 1 else looks$line[i], lwd = if (thin) 0.6 else 2)
      }
      if (thin) {
        mean <- mean_roc(repeats)
        graphics::lines(mean$x, mean$y, col = looks$colour[i], lty = looks$line[i], lwd = 2)
      }
    }
    said <- figure$said[figure$said$design == design, ]
    if (NROW(said)) graphics::legend("bottomright", said$words, bty = "n", cex = 0.75, text.col = looks$colour[match(said$protocol, looks$name)])
    graphics::title(main = in_words(design), adj = 0, line = 1.1, cex.main = 0.95)
  }
  graphics::mtext("sensitivity", 2L, 0.4, outer = TRUE, las = 0, cex = 0.8)
  legend_above(looks$words, col = looks$colour, lty = looks$line, lwd = 2)
}

# Mean sensitivity of several ROC curves at each false positive rate, the upper one where a curve jumps.
mean_roc <- function(repeats) {
  x <- seq(0, 1, length.out = 201L)
  at <- vapply(repeats, function(one) {
    known <- sort(unique(one$false_positive_rate))
    rate <- factor(one$false_positive_rate, known)
    low <- tapply(one$sensitivity, rate, min)
    high <- tapply(one$sensitivity, rate, max)
    left <- findInterval(x + 1e-12, known)
    right <- pmin(left + 1L, length(known))
    width <- known[right] - known[left]
    share <- ifelse(width > 0, (x - known[left]) / width, 0)
    unname(ifelse(share <= 1e-9, high[left], high[left] + share * (low[right] - high[left])))
  }, numeric(length(x)))
  list(x = c(0, x), y = c(0, rowMeans(at)))
}

draw_calibration <- function(figure) {
  table <- figure$table
  looks <- series_look(unique(table$protocol))
  panels(figure, nrow(looks))
  for (i in seq_len(nrow(looks))) {
    rows <- table[table$protocol == looks$name[i], ]
    smooth <- rows[rows$layer == "smooth", ]
    groups <- rows[rows$layer == "group", ]
    graphics::plot(0:1, 0:1, type = "n", xlab = "predicted risk p", ylab = "", ylim = c(-0.12, 1))
    graphics::lines(0:1, 0:1, col = figure_colours[["neutral"]], lwd = 0.8)
    ribbon(smooth$p, smooth$lower, smooth$upper, looks$colour[i], 0.2)
    graphics::lines(smooth$p, smooth$observed, col = looks$colour[i], lty = looks$line[i], lwd = 1.8)
    graphics::segments(groups$p, groups$lower, groups$p, groups$upper)
    graphics::points(groups$p, groups$observed, pch = 22, bg = "white")
    strip <- figure$strip[figure$strip$protocol == looks$name[i], ]
    if (NROW(strip)) {
      up <- strip$y == 1
      graphics::segments(strip$p, -0.09, strip$p, ifelse(up, -0.05, -0.13), col = ifelse(up, figure_colours[["1"]], figure_colours[["0"]]))
      graphics::abline(h = -0.09, lwd = 0.5)
    }
    graphics::title(main = looks$words[i], adj = 0, line = 1.1, cex.main = 0.95)
  }
  graphics::mtext("observed share positive", 2L, 0.4, outer = TRUE, las = 0, cex = 0.8)
  legend_above(c("lowess with band", "groups of calls", "outcome 1 up, 0 down"), lty = c(1, NA, NA), pch = c(NA, 22, 124), lwd = c(1.8, 1, 1))
}

draw_decision <- function(figure) {
  table <- figure$table[figure$table$strategy %in% c("model", "all", "none"), ]
  looks <- series_look(unique(table$protocol))
  panels(figure, nrow(looks))
  for (i in seq_len(nrow(looks))) {
    rows <- table[table$protocol == looks$name[i], ]
    model <- rows[rows$strategy == "model", ]
    graphics::plot(range(rows$threshold), c(-0.05, max(0.1, rows$net_benefit, rows$upper, na.rm = TRUE)), type = "n", xlab = "risk from which one acts", ylab = "")
    if ("lower" %in% names(model)) ribbon(model$threshold, model$lower, model$upper, looks$colour[i], 0.2)
    for (other in c("all", "none")) {
      one <- rows[rows$strategy == other, ]
      graphics::lines(one$threshold, one$net_benefit, col = figure_colours[["0"]], lty = if (other == "all") 2 else 1)
    }
    graphics::lines(model$threshold, model$net_benefit, col = looks$colour[i], lty = looks$line[i], lwd = 1.8)
    graphics::title(main = looks$words[i], adj = 0, line = 1.1, cex.main = 0.95)
  }
  graphics::mtext("net benefit", 2L, 0.4, outer = TRUE, las = 0, cex = 0.8)
  legend_above(c(paste("model,", looks$name), "act on all", "act on none"), col = c(looks$colour, figure_colours[c("0", "0")]),
    lty = c(looks$line, 2, 1), lwd = c(rep(1.8, nrow(looks)), 1, 1))
}

draw_dots <- function(figure) {
  table <- figure$table
  protocols <- unique(table$protocol)
  panels(figure, length(protocols), 1L)
  for (protocol in protocols) {
    rows <- table[table$protocol == protocol, ]
    rows <- rows[order(rows$p_raw), ]
    place <- seq_len(nrow(rows))
    wrong <- rows$wrong %in% TRUE
    graphics::plot(place, rows$p_raw, type = "n", xlab = "calls, sorted by score", ylab = "", xaxt = "n", ylim = range(rows$p_raw, rows$threshold, na.rm = TRUE))
    graphics::segments(place - 0.45, rows$threshold, place + 0.45, rows$threshold, col = figure_colours[["neutral"]], lwd = 1.5)
    graphics::points(place, rows$p_raw, pch = ifelse(rows$y == 1, 17, 1), col = ifelse(rows$y == 1, figure_colours[["1"]], figure_colours[["0"]]), cex = 0.8)
    graphics::points(place[wrong], rows$p_raw[wrong], pch = 1, cex = 1.8, lwd = 1.6, col = figure_colours[["accent"]])
    decided <- sum(!is.na(rows$threshold))
    said <- sprintf("%s: %d of %d calls decided wrongly", in_words(protocol), sum(wrong), decided)
    graphics::title(main = said, adj = 0, line = 0.6, cex.main = 0.95)
  }
  graphics::mtext("call score", 2L, 0.4, outer = TRUE, las = 0, cex = 0.8)
  legend_above(c("outcome 1", "outcome 0", "decided wrongly", "cut"), pch = c(17, 1, 1, NA), lty = c(NA, NA, NA, 1),
    pt.cex = c(0.8, 0.8, 1.6, 1), col = figure_colours[c("1", "0", "accent", "neutral")])
}

draw_path <- function(figure) {
  path <- figure$table
  panels(figure, 1L)
  x <- log(path$lambda)
  graphics::plot(x, path$deviance, type = "n", xlab = "log(lambda)", ylab = "", ylim = range(path$deviance - path$se, path$deviance + path$se))
  graphics::segments(x, path$deviance - path$se, x, path$deviance + path$se, col = "grey70")
  graphics::points(x, path$deviance, pch = 16, cex = 0.6, col = figure_colours[["accent"]])
  graphics::abline(v = log(figure$at), lty = c(2, 3))
  graphics::mtext("held-out deviance (one SE)", 2L, 0.4, outer = TRUE, las = 0, cex = 0.8)
  legend_above(names(figure$at), lty = c(2, 3))
}

draw_risk <- function(figure) {
  panels(figure, 1L)
  graphics::plot(figure$table$step, figure$table$risk, type = "l", xlab = "step", ylab = "", lwd = 1.8)
  graphics::mtext("risk (negative log-likelihood)", 2L, 0.4, outer = TRUE, las = 0, cex = 0.8)
}
