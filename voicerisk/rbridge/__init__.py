"""The bridge to R: the only room that knows rpy2.

`call` runs one function of the R package in `r/` and gives its tables back; it starts a child Python process
for it, which can be stopped and cannot take this process down. `Worker` is such a child kept open for many
calls. `check` says whether R and its packages are usable; `export_r`
takes a study home to R and `import_rds` a model of R's in. Importing this room loads neither R nor rpy2.
"""

from typing import TYPE_CHECKING

from voicerisk.lazy import attach

if TYPE_CHECKING:
    from voicerisk.rbridge.doctor import Check, check, missing_in_r
    from voicerisk.rbridge.exchange import ImportedModel, export_r, import_rds
    from voicerisk.rbridge.request import Kept, Rds, RResult
    from voicerisk.rbridge.session import call_here
    from voicerisk.rbridge.worker import Worker, call

__all__ = ["Worker", "call", "check", "export_r", "import_rds", "missing_in_r"]

__getattr__, __dir__ = attach(__name__, __file__)
