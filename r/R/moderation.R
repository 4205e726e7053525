# Does the moderator matter: is a marker's curve another one for another level, and does the level itself differ?

#' Tests of moderation
#'
#' For each marker, whether its curve differs between the levels of the moderator: the model is fitted again with one
#' curve of the first level and, for each other level, a smooth of the difference (an ordered factor in `by`), whose
#' test is that of [vr_tables()] under the same covariance. And for each pair of levels the standardised contrast: the
#' mean over all rows of the log-odds with the later level minus those with the earlier one, markers and covariates as
#' they were observed. The coefficient of the level itself (`sexmale`) is another number in every engine, since it
#' depends on how smooths are centred; the contrast does not. It reaches beyond a level's own range where the other
#' level's rows do.
#'
#' @param fit A `vr_gamm` with a moderator.
#' @param level Confidence level of the contrasts.
#' @param curves Whether curves are tested, for which the model is fitted again; without, the contrasts of levels alone.
#' @return Data frame: marker ("" for the contrast of the levels), contrast, what ("curve" or "level"), estimate, se,
#'   lower, upper (of contrasts, in log-odds), edf, ref_df, residual_df, statistic, statistic_name, p_value.
#' @references Wood, S. N. (2017). Generalized Additive Models, section 7.2 (`by` with ordered factors); the manual of
#'   mgcv, `gam.models`.
#' @export
#' @examples
#' rows <- calls_example
#' fit <- vr_gamm(rows, "dom", random = character(), covariance = "caller_jackknife", k = 5)
#' vr_moderation(fit)
vr_moderation <- function(fit, level = 0.95, curves = TRUE) {
  spec <- fit$spec
  if (!spec$moderated) refuse("there is one ", said(fit, spec$sex), " only (", spec$sexes, "), so nothing is moderated.")
  out <- rbind(if (curves) difference_tests(fit), level_tests(fit, level))
  if (isTRUE(fit$separated)) out$p_value <- NA_real_
  rownames(out) <- NULL
  out
}

level_tests <- function(fit, level) {
  design <- design_parts(fit)
  df <- df_between(fit)
  rows <- lapply(level_pairs(fit), function(pair) {
    row <- level_contrast(fit, design, pair)
    estimate <- sum(row * stats::coef(gam_of(fit)))
    se <- sqrt(drop(row %*% fit$V %*% row))
    half <- stats::qt(0.5 + level / 2, df) * se
    moderation_row(
      contrast = paste(pair[2L], "-", pair[1L]), what = "level", estimate = estimate, se = se, lower = estimate - half,
      upper = estimate + half, residual_df = if (is.finite(df)) df else NA_real_, statistic = estimate / se,
      statistic_name = if (is.finite(df)) "t" else "z", p_value = 2 * stats::pt(-abs(estimate / se), df)
    )
  })
  do.call(rbind, rows)
}

moderation_row <- function(marker = "", contrast, what, estimate = NA_real_, se = NA_real_, lower = NA_real_,
                           upper = NA_real_, edf = NA_real_, ref_df = NA_real_, residual_df, statistic, statistic_name,
                           p_value) {
  data.frame(marker, contrast, what, estimate, se, lower, upper, edf, ref_df, residual_df, statistic, statistic_name, p_value)
}

# The model again with difference smooths; linear markers are tested by their slopes' difference.
difference_tests <- function(fit) {
  spec <- fit$spec
  again <- difference_fit(fit)
  first <- spec$sexes[1L]
  summary <- gam_summary(again)
  index <- smooth_index(again)
  rows <- lapply(spec$markers, function(marker) {
    slope <- marker %in% spec$linear
    lapply(spec$sexes[-1L], function(sex) {
      contrast <- paste(sex, "-", first)
      if (slope) {
        name <- paste0(spec$sex, sex, ":", marker)
        found <- term_table(again, summary, 0.95)
        found <- found[rownames(summary$p.table) %in% c(name, paste0(marker, ":", spec$sex, sex)), ]
        df <- df_between(fit)
        return(moderation_row(
          said(fit, marker), contrast, "curve", found$estimate, found$se, edf = 1, ref_df = 1,
          residual_df = if (is.finite(df)) df else NA_real_, statistic = found$statistic,
          statistic_name = found$statistic_name, p_value = 2 * stats::pt(-abs(found$statistic), df)
        ))
      }
      one <- index$label[index$term == marker & index$sex == sex]
      found <- summary$s.table[one, ]
      statistic <- found[[3L]]
      df <- df_between(fit)
      name <- substr(colnames(summary$s.table)[3L], 1L, 6L)
      moderation_row(
        said(fit, marker), contrast, "curve", edf = found[[1L]], ref_df = found[[2L]],
        residual_df = if (is.finite(df)) df else NA_real_, statistic = statistic, statistic_name = name,
        p_value = if (is.finite(df)) {
          stats::pf(statistic, found[[2L]], df, lower.tail = FALSE)
        } else {
          max(found[[4L]], 0)
        }
      )
    })
  })
  do.call(rbind, unlist(rows, recursive = FALSE))
}

difference_fit <- function(fit) {
  spec <- fit$spec
  plain <- if (is.null(fit$model_row_level)) fit$model else fit$model_row_level
  gam <- if (spec$engine == "gamm") plain$gam else plain
  frame <- gam$model
  if (!is.null(spec$weights)) frame[[spec$weights]] <- frame[["(weights)"]]
  ordered <- utils::tail(make.unique(c(names(frame), "later")), 1L)
  frame[[ordered]] <- factor(as.character(frame[[spec$sex]]), levels = spec$sexes, ordered = TRUE)
  terms <- lapply(added_terms(gam$formula[[3L]]), function(term) {
    if (is.call(term) && identical(term[[1L]], as.name("s")) && identical(as.character(term$by), spec$sex)) {
      both <- later <- term
      both$by <- NULL
      later$by <- as.name(ordered)
      return(list(both, later))
    }
    if (is.call(term) && identical(term[[1L]], as.name(":")) && as.character(term[[2L]]) == spec$sex) {
      return(list(term[[3L]], term))
    }
    list(term)
  })
  right <- Reduce(function(left, term) call("+", left, term), unlist(terms, recursive = FALSE))
  formula <- stats::as.formula(call("~", as.name(spec$y), right), env = globalenv())
  again <- fit
  again$model <- gamm_fit(
    formula, frame, spec$engine, spec$method, spec$discrete, spec$groups[spec$random], spec$weights
  )
  again$model_row_level <- NULL
  again$df <- Inf
  again$df_sex <- NULL
  gam <- gam_of(again)
  again$V <- gam$Vp
  again$spec$covariance <- "model"

  if (spec$covariance == "caller_jackknife") again <- vr_robust(again)
  again
}
