"""Metrics of outcomes with several classes."""
