"""Markers that one frame carries by itself: spectrum, loudness, formants, harmonicity."""
