# Packages that may be missing, and how to get them.

install_lines <- list(
  mgcv = c("apt install r-cran-mgcv", "conda install -c conda-forge r-mgcv", "install.packages(\"mgcv\")"),
  glmnet = c("apt install r-cran-glmnet", "conda install -c conda-forge r-glmnet", "install.packages(\"glmnet\")"),
  ggplot2 = c("apt install r-cran-ggplot2", "conda install -c conda-forge r-ggplot2", "install.packages(\"ggplot2\")"),
  knitr = c("apt install r-cran-knitr", "conda install -c conda-forge r-knitr", "install.packages(\"knitr\")"),
  rmarkdown = c("apt install r-cran-rmarkdown", "conda install -c conda-forge r-rmarkdown", "install.packages(\"rmarkdown\")"),
  mboost = c(
    "apt has no mboost in Debian 12", "conda install -c conda-forge r-mboost", "install.packages(\"mboost\")"
  )
)

# Stop with the lines that install `package`, unless it is there and loads.
need_package <- function(package) {
  trouble <- package_trouble(package)
  if (nzchar(trouble)) {
    stop(errorCondition(trouble, class = "vr_package_missing", package = package, call = NULL))
  }
  invisible(TRUE)
}

# Why `package` cannot be used, "" where it can.
package_trouble <- function(package) {
  why <- tryCatch({
    loadNamespace(package)
    ""
  }, error = conditionMessage)
  if (!nzchar(why)) return("")
  trouble_text(package, .libPaths()[dir.exists(file.path(.libPaths(), package))], why)
}

# A package that lies in a library but does not load lacks something else, which R's own message names.
trouble_text <- function(package, lies, why) {
  lines <- install_lines[[package]]
  if (is.null(lines)) lines <- paste0("install.packages(\"", package, "\")")
  names(lines) <- utils::tail(c("Debian or Ubuntu", "conda", "R from CRAN"), length(lines))
  remedy <- paste0(names(lines), ": ", lines, collapse = "; ")
  if (length(lies)) {
    return(paste0(
      "The R package '", package, "' is installed in ", lies[1L], " but does not load (", gsub("\\s+", " ", why),
      "); install what is missing there, then the package again: ", remedy, "."
    ))
  }
  paste0("The R package '", package, "' is not installed in any of ", paste(.libPaths(), collapse = ", "), "; ", remedy, ".")
}

# Version of each package as text, NA where it cannot be used, and then why ("" otherwise).
package_versions <- function(packages) {
  trouble <- vapply(packages, package_trouble, "", USE.NAMES = FALSE)
  version <- rep(NA_character_, length(packages))
  usable <- !nzchar(trouble)
  version[usable] <- vapply(packages[usable], function(package) as.character(utils::packageVersion(package)), "")
  data.frame(package = packages, version = version, trouble = trouble)
}

# A small GAMM with a known answer: two groups, one marker whose slope is 1 log-odd per unit.
tiny_fit <- function() {
  need_package("mgcv")
  n <- 400L
  x <- stats::qnorm(stats::ppoints(n))
  x <- x[(seq_len(n) * 37L) %% n + 1L]
  data <- data.frame(
    y = as.integer(stats::plogis(x) > ((seq_len(n) * 61L) %% n + 0.5) / n), x = x,
    group = factor((seq_len(n) - 1L) %% 20L)
  )
  formula <- y ~ s(x, k = 5) + s(group, bs = "re")
  environment(formula) <- globalenv()
  model <- mgcv::bam(formula, data = data, family = stats::binomial(), method = "fREML")
  table <- summary(model)$s.table
  data.frame(edf = table[1L, 1L], p_value = table[1L, 4L], converged = isTRUE(model$converged))
}
