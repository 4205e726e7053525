"""Which R and which rpy2 are here, and whether they fit each other. Starts neither."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from voicerisk.errors import RBridgeError

_INSTALL_R = (
    "install it with 'apt install r-base-core r-cran-mgcv r-cran-glmnet' (Debian, Ubuntu), "
    "'conda install -c conda-forge r-base r-mgcv r-glmnet' or from https://cran.r-project.org"
)


@dataclass(frozen=True, slots=True)
class Found:
    """R's home folder and version, and the version of rpy2-rinterface (None where absent)."""

    r_home: Path
    r_version: str
    rpy2_version: str | None


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version as a tuple.

    Examples
    --------
    >>> numbers("3.6.5.post1"), numbers("1.8-41")
    ((3, 6, 5), (1, 8, 41))
    """
    head = re.match(r"\d+([.-]\d+)*", version)
    return tuple(int(part) for part in re.split("[.-]", head.group())) if head else ()


def source_folder() -> Path:
    """Return the folder of the R sources: `voicerisk/_r/R` in a wheel, else `r/R` of the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_r" / "R", package.parent / "r" / "R"):
        if folder.is_dir():
            return folder
    raise RBridgeError(
        f"The R functions of voicerisk are missing: neither {package / '_r' / 'R'} nor "
        f"{package.parent / 'r' / 'R'} exists; install voicerisk again."
    )


def oldest(name: str) -> str:
    """Return the oldest version of R or of an R package that will do, as the R package's DESCRIPTION says it.

    '0' where any version will do.
    """
    described = (source_folder().parent / "DESCRIPTION").read_text(encoding="utf-8")
    stated = re.search(rf"\b{re.escape(name)} \(>= ([^)]+)\)", described)
    return stated.group(1) if stated else "0"


def r_home() -> Path:
    """Return R's home folder.

    Raises
    ------
    RBridgeError
        Where neither R_HOME nor the search path leads to an R.
    """
    named = os.environ.get("R_HOME")
    if named:
        if not (Path(named) / "library" / "base").is_dir():
            raise RBridgeError(f"R_HOME is {named!r}, where there is no R; unset it or {_INSTALL_R}.")
        return Path(named)
    program = shutil.which("R")
    if program is None:
        raise RBridgeError(f"R was not found (no R on the search path and R_HOME is not set); {_INSTALL_R}.")
    answer = subprocess.run([program, "RHOME"], capture_output=True, text=True, check=False)
    # R prints warnings about its environment before the answer.
    home = answer.stdout.strip().splitlines()[-1:] or [""]
    if answer.returncode != 0 or not Path(home[0]).is_dir():
        told = (answer.stderr or answer.stdout).strip().splitlines()[-1:] or ["nothing"]
        raise RBridgeError(f"{program} RHOME did not name R's folder (it said: {told[0]}); {_INSTALL_R}.")
    return Path(home[0])


def r_version(home: Path) -> str:
    """Return R's version as its base package states it, for example '4.2.2'."""
    description = home / "library" / "base" / "DESCRIPTION"
    if not description.is_file():
        raise RBridgeError(f"There is no {description}, so this is not a usable R; {_INSTALL_R}.")
    stated = re.search(r"^Version:\s*(\S+)", description.read_text(encoding="utf-8"), re.MULTILINE)
    if stated is None:
        raise RBridgeError(f"{description} states no version; {_INSTALL_R}.")
    return stated.group(1)


def rpy2_version() -> str | None:
    """Return the version of rpy2-rinterface (or of an rpy2 before the split), None if absent."""
    for name in ("rpy2-rinterface", "rpy2"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def rpy2_pin(r: str) -> str:
    """Return the requirement that fits this R.

    rpy2-rinterface 3.6.6 and later need symbols of R 4.5 (`R_getVar`), and R 4.6 needs 3.6.7 or later
    (measured with R 4.2.2, and rpy2's own news).

    Examples
    --------
    >>> rpy2_pin("4.2.2")
    'rpy2-rinterface==3.6.5'
    >>> rpy2_pin("4.6.0")
    'rpy2-rinterface>=3.6.7'
    """
    if numbers(r) >= (4, 5):
        return "rpy2-rinterface>=3.6.7"
    return "rpy2-rinterface==3.6.5"


def misfit(r: str, rpy2: str) -> str | None:
    """Return why this R and this rpy2-rinterface do not work together, None where they do."""
    pin = f"pip install '{rpy2_pin(r)}'"
    if numbers(r) < numbers(oldest("R")):
        return f"R {r} is too old: voicerisk needs R {oldest('R')} or newer."
    if numbers(r) < (4, 5) and numbers(rpy2) > (3, 6, 5):
        return f"R {r} is too old for rpy2-rinterface {rpy2}, which needs R 4.5 or newer; run: {pin}"
    if numbers(r) >= (4, 6) and numbers(rpy2) < (3, 6, 7):
        return f"R {r} is too new for rpy2-rinterface {rpy2}, which knows R up to 4.5; run: {pin}"
    return None


def find_r() -> Found:
    """Return what is installed, without judging it."""
    home = r_home()
    return Found(home, r_version(home), rpy2_version())


def require() -> Found:
    """Return what is installed, or raise where it cannot work.

    Raises
    ------
    RBridgeError
        R missing, rpy2 missing, or the two do not fit; the message holds the exact pin.
    """
    found = find_r()
    if found.rpy2_version is None:
        raise RBridgeError(
            f"rpy2-rinterface is not installed; for the R {found.r_version} found here run: "
            f"pip install '{rpy2_pin(found.r_version)}'"
        )
    trouble = misfit(found.r_version, found.rpy2_version)
    if trouble is not None:
        raise RBridgeError(trouble)
    return found
