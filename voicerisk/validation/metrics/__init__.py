"""Metrics of a predictions table: discrimination, decisions, calibration, net benefit."""
