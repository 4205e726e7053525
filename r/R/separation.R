# Whether a random intercept can explain the outcome completely.

#' Is the outcome constant within groups?
#'
#' Where the outcome never changes within a caller, an intercept per caller separates the data: the larger its
#' standard deviation, the better the fit, and nothing is left for the markers to explain.
#'
#' @param data Data frame of rows.
#' @param y,caller,call,segment Names of the outcome and of the grouping columns.
#' @param random Random intercepts meant for the model.
#' @return Data frame, one row a random intercept: group, groups (number), constant (number with one outcome), share.
#' @export
#' @examples
#' vr_separation(calls_example) # every caller has one outcome
vr_separation <- function(data, y = "outcome", caller = "caller_id", call = "call_id", segment = "segment",
                          random = "caller") {
  keys <- list(
    caller = data[[caller]], call = paste(data[[caller]], data[[call]], sep = ":"),
    segment = paste(data[[caller]], data[[call]], data[[segment]], sep = ":")
  )
  known <- !is.na(data[[y]])
  rows <- lapply(random, function(level) {
    constant <- tapply(data[[y]][known], as.character(keys[[level]])[known], function(v) min(v) == max(v))
    data.frame(group = level, groups = length(constant), constant = sum(constant), share = mean(constant))
  })
  if (!length(rows)) {
    return(data.frame(group = character(), groups = integer(), constant = integer(), share = numeric()))
  }
  do.call(rbind, rows)
}
