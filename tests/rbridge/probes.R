# What the tests of the bridge call: values back as they came, and each way a call can end.

bridge_echo <- function(value) value

bridge_probe <- function(what) {
  switch(what,
    "function" = mean,
    warn = {
      for (i in 1:2) warning("first warning", call. = FALSE)
      message("a message")
      1
    },
    stop = bridge_deep(2L),
    package = stop(errorCondition(trouble_text("mgcv", character(), ""), class = "vr_package_missing", call = NULL)),
    random = stats::runif(3L),
    options = list(contrasts = getOption("contrasts"), sorted = sort(c("a", "B")), kind = RNGkind()),
    print = {
      print("to the console")
      cat("more\n")
      utils::str(1)
      NULL
    },
    forever = repeat sqrt(2),
    refuse("nothing is known of \"", what, "\".")
  )
}

bridge_deep <- function(n) {
  if (n > 0L) bridge_deep(n - 1L) else stop("something broke")
}
