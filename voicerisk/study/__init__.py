"""One study file -> all stages in order; each stage reads and writes files and is not run again without need.

Public: `load_study`, `Study`, `check_study`, `Check`, `run_study`, `RunResult`.
"""

from typing import TYPE_CHECKING

from voicerisk.lazy import attach

if TYPE_CHECKING:
    from voicerisk.study.check import Check, check_study
    from voicerisk.study.settings import Study, load_study
    from voicerisk.study.whole_run import RunResult, run_study

__all__ = [
    "Check",
    "RunResult",
    "Study",
    "check_study",
    "load_study",
    "run_study",
]

__getattr__, __dir__ = attach(__name__, __file__)
