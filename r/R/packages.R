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

# Stop with the lines that install `package`, unless it is there.
need_package <- function(package) {
  if (!requireNamespace(package, quietly = TRUE)) {
    stop(errorCondition(missing_package_text(package), class = "vr_package_missing", package = package, call = NULL))
  }
  invisible(TRUE)
}

missing_package_text <- function(package) {
  lines <- install_lines[[package]]
  paste0(
    "The R package '", package, "' is not installed in any of ", paste(.libPaths(), collapse = ", "),
    "; Debian or Ubuntu: ", lines[1L], "; conda: ", lines[2L], "; R from CRAN: ", lines[3L], "."
  )
}

# Version of each package as text, NA where it is not installed.
package_versions <- function(packages) {
  version <- vapply(packages, function(package) {
    if (requireNamespace(package, quietly = TRUE)) {
      as.character(utils::packageVersion(package))
    } else {
      NA_character_
    }
  }, "")
  data.frame(
    package = packages, version = unname(version),
    install = vapply(packages, function(package) missing_package_text(package), "", USE.NAMES = FALSE)
  )
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
