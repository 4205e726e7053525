"""Pitch and what depends on it."""
