"""Component-wise boosting of P-splines: settings, estimator, model file; the engine lies inside."""
