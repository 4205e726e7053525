"""The published and the nested protocol: folds, tuning, recalibration, prediction rows."""
