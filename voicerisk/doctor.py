"""Whether this installation works: Python, its packages, R, its packages, and a tiny model."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

NEEDED = (
    "numpy",
    "scipy",
    "pandas",
    "numba",
    "scikit-learn",
    "python-glmnet",
    "soundfile",
    "soxr",
    "matplotlib",
)
OPTIONAL = {
    "python-docx": "pip install 'voicerisk[report]' adds tables in Word",
    "webrtcvad-wheels": "pip install 'voicerisk[vad]' adds silence by voice activity",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Attributes
    ----------
    name : str
        What was looked at.
    status : {'ok', 'optional', 'failed'}
        'optional': missing, but most things work without it.
    found : str
        Version, or what is wrong and what to do.
    """

    name: str
    status: Literal["ok", "optional", "failed"]
    found: str


def check_installation() -> Iterator[Finding]:
    """Yield one finding after the other; looking at R takes a few seconds."""
    yield Finding("Python", "ok", platform.python_version())
    for package in NEEDED:
        yield _package(package, "failed", f"missing; pip install {package}")
    for package, use in OPTIONAL.items():
        yield _package(package, "optional", f"not installed; {use}")

    from voicerisk.rbridge import check

    for found in check():
        status: Literal["ok", "optional", "failed"] = (
            "ok" if found.ok else "failed" if found.required else "optional"
        )
        yield Finding(found.name, status, found.message)


def _package(name: str, otherwise: Literal["optional", "failed"], remedy: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, otherwise, remedy)
