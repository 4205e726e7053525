"""voicerisk: interpretable, honestly validated risk models on voice biomarkers.

A research tool. A number it prints is never the sole basis of a clinical decision.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicerisk.rbridge import export_r, import_rds

__all__ = ["__version__", "export_r", "import_rds"]

__version__ = version("voicerisk")


def __getattr__(name: str) -> Any:
    # On first use: importing voicerisk shall load nothing else, and no R.
    if name in ("export_r", "import_rds"):
        from voicerisk import rbridge

        return getattr(rbridge, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
