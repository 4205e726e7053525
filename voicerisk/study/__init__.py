"""One study file -> all stages in order; each stage reads and writes files and is not run again without need.

Public: `load_study`, `Study`, `check_study`, `Check`, `run_study`, `RunResult`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicerisk.study.check import Check, check_study
    from voicerisk.study.run import RunResult, run_study
    from voicerisk.study.settings import Study, load_study

__all__ = ["Check", "RunResult", "Study", "check_study", "load_study", "run_study"]

_HOME = {
    "load_study": "settings",
    "Study": "settings",
    "check_study": "check",
    "Check": "check",
    "run_study": "run",
    "RunResult": "run",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOME:
        return getattr(import_module(f"voicerisk.study.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
