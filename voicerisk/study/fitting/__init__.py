"""From the tables of a study to fitted models: rows, covariates, and refitting for every fold."""
