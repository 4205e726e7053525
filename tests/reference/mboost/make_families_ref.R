# Reference fits of ordered and of continuous outcomes by mboost. Run in this folder: Rscript make_families_ref.R
suppressMessages(library(mboost))
set.seed(11)
n <- 400
sex <- rep(0:1, length.out = n)
x1 <- rnorm(n)
x2 <- rgamma(n, 2)
age <- round(runif(n, 16, 80), 1)
eta <- 1.2 * x1 * (sex == 0) + 0.5 * (x2 - 2) * (sex == 1) + 0.03 * (age - 45)
z <- eta + rlogis(n)
grade <- cut(z, c(-Inf, -1.5, -0.2, 0.9, 2.2, Inf), labels = FALSE) - 1L
d <- data.frame(x1, x2, age, sex, grade, z, fold = seq_len(n) %% 5)
write.csv(d, "families_data.csv", row.names = FALSE)
d$female <- as.numeric(sex == 0)
d$male <- as.numeric(sex == 1)
d$level <- factor(ifelse(sex == 0, "female", "male"))
right <- "bols(level) + bbs(x1, by = female) + bbs(x2, by = female) + bbs(x1, by = male) + bbs(x2, by = male) + bbs(age)"
one <- function(response, family, weights) {
  fit <- gamboost(as.formula(paste(response, "~", right)), data = d, family = family, weights = weights,
    control = boost_control(mstop = 150))
  sigma <- nuisance(fit)
  list(
    offset = unname(fit$offset[1]), xselect = fit$xselect(), risk = unname(fit$risk()), link = unname(fitted(fit)),
    sigma = if (is.null(sigma) || all(is.na(sigma))) NULL else unname(sigma)
  )
}
d$ordered <- ordered(d$grade)
weights <- rep(1, n)
held <- as.numeric(d$fold != 0)
refs <- list(
  version = as.character(packageVersion("mboost")),
  ordinal = one("ordered", PropOdds(), weights), ordinal_held = one("ordered", PropOdds(), held),
  gaussian = one("z", Gaussian(), weights), gaussian_held = one("z", Gaussian(), held)
)
json <- function(value) {
  if (is.null(value)) return("null")
  if (is.list(value)) {
    return(paste0("{", paste0('"', names(value), '": ', vapply(value, json, ""), collapse = ", "), "}"))
  }
  if (is.character(value)) return(paste0('"', value, '"'))
  text <- format(value, digits = 15, trim = TRUE)
  if (length(text) == 1L) text else paste0("[", paste(text, collapse = ", "), "]")
}
writeLines(json(refs), "families.json")
