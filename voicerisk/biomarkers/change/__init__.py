"""Markers of change over neighbouring frames: novelty, flux, modulation, roughness."""
