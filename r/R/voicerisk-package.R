#' voicerisk: risk models on voice biomarkers
#'
#' Fits sex-moderated GAMMs ([vr_gamm()]), component-wise boosting ([vr_gamboost()]) and the Lasso ([vr_lasso()]) to voice
#' biomarkers of call recordings, validates them by leaving whole callers out ([vr_cv()]), and reads what a study of
#' the Python package of the same name left ([vr_read_study()], [vr_read_model()], [vr_score()]). The caller is the
#' unit of every fold, bootstrap and clustered interval.
#'
#' Start with `vignette("ten-minutes", package = "voicerisk")`. It is a research tool: what it prints is never the sole
#' basis of a clinical decision.
#'
#' @references Iyer, R., Nedeljkovic, M., Meyer, D. (2022). Using Voice Biomarkers to Classify Suicide Risk in Adult
#'   Telehealth Callers: Retrospective Observational Study. JMIR Mental Health 9(8), e39807. \doi{10.2196/39807}.
#' @importFrom graphics plot
#' @importFrom stats coef confint fitted formula model.frame nobs predict residuals vcov
#' @keywords internal
"_PACKAGE"

#' Segments of forty simulated callers
#'
#' One call a caller, six segments a call; every caller has one outcome. The log-odds of outcome 1 rise with `dom` for
#' both sexes, are U-shaped in `loudness` for women, fall with `roughness` for men, and do not depend on `entropy`. The
#' script that made them is `data-raw/calls_example.R` in the sources.
#'
#' @format Data frame of 240 rows:
#' \describe{
#'   \item{call_id, caller_id, segment}{call, caller, and number of the segment in the call}
#'   \item{sex, age}{of the caller, "female" or "male", and in years}
#'   \item{outcome}{1 for imminent risk, 0 for low risk (simulated)}
#'   \item{dom}{dominant frequency, Hz}
#'   \item{loudness}{loudness, sone}
#'   \item{roughness}{roughness, from 0 to 1; missing in four rows}
#'   \item{entropy}{Wiener entropy, from 0 to 1}
#' }
#' @examples
#' aggregate(cbind(dom, loudness) ~ sex + outcome, calls_example, mean)
"calls_example"
