"""voicerisk: interpretable, honestly validated risk models on voice biomarkers.

A research tool. A number it prints is never the sole basis of a clinical decision.
"""

from importlib.metadata import version

__version__ = version("voicerisk")
