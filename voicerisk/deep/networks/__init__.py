"""Encoders, networks and their training."""
