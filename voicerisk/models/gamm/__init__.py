"""GAMMs by mgcv: settings, fit, tables, remedies for separated data."""
