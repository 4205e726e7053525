"""Saved models: what scores new calls, what makes a risk and a decision of a score, and the file.

They need neither numba nor R.
"""
