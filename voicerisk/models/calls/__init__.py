"""Additive models that learn from calls: penalised logistic regressions on call means of spline bases."""
