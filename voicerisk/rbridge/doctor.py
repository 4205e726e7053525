"""Whether R and its packages are usable, check by check, for `voicerisk doctor`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicerisk.errors import RBridgeError
from voicerisk.rbridge.found import find_r, misfit, numbers, oldest, rpy2_pin

if TYPE_CHECKING:
    from voicerisk.rbridge.worker import Worker

# The tiny model's answer with mgcv 1.8-41; its EDF is stable to far more than this across versions.
_TINY_EDF = (0.9, 3.5)
_OPTIONAL = {"glmnet": "only the R side's vr_lasso uses it", "mboost": "only engine 'mboost' uses it"}
# What decides which R and which packages there are.
_DECIDES = ("PATH", "R_HOME", "R_LIBS", "R_LIBS_USER", "R_LIBS_SITE", "LD_LIBRARY_PATH")
_USABLE: set[tuple[tuple[str | None, ...], tuple[str, ...]]] = set()


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's report.

    Attributes
    ----------
    name : str
        What was looked at: 'R', 'rpy2', 'mgcv', 'glmnet', 'mboost' or 'tiny model'.
    ok : bool
        Whether it is there and works.
    required : bool
        Whether the GAMM cannot be fitted without it.
    message : str
        Version found, or what is wrong and the line that mends it.
    """

    name: str
    ok: bool
    required: bool
    message: str


def check(time_limit: float = 120.0) -> list[Check]:
    """Look at R, rpy2, the R packages, and fit a tiny model.

    Each check that fails says what to do; those that depend on it are left out.

    Examples
    --------
    >>> from voicerisk import rbridge
    >>> [line.name for line in rbridge.check()]  # doctest: +SKIP
    ['R', 'rpy2', 'mgcv', 'glmnet', 'mboost', 'tiny model']
    """
    return _look(("mgcv",), tuple(_OPTIONAL), True, time_limit)


def missing_in_r(*packages: str) -> tuple[str, ...]:
    """Say why R or packages of it cannot be used, one sentence each; empty where all of them can.

    Starts R to see, about a second; what could be used once is not looked at again by this process.

    Examples
    --------
    >>> from voicerisk import rbridge
    >>> rbridge.missing_in_r("mgcv")  # doctest: +SKIP
    ()
    """
    surroundings = tuple(os.environ.get(name) for name in _DECIDES)
    if (surroundings, packages) in _USABLE:
        return ()
    trouble = tuple(line.message for line in _look(packages, (), False, 120.0) if not line.ok)
    if not trouble:
        _USABLE.add((surroundings, packages))
    return trouble


def _look(needed: Sequence[str], optional: Sequence[str], tiny: bool, time_limit: float) -> list[Check]:
    from voicerisk.rbridge.worker import Worker

    try:
        found = find_r()
    except RBridgeError as failure:
        return [Check("R", False, True, str(failure))]
    lines = [Check("R", True, True, f"{found.r_version} in {found.r_home}")]
    if found.rpy2_version is None:
        pin = rpy2_pin(found.r_version)
        told = f"rpy2-rinterface is not installed; run: pip install '{pin}'"
        return [*lines, Check("rpy2", False, True, told)]
    trouble = misfit(found.r_version, found.rpy2_version)
    if trouble is not None:
        return [*lines, Check("rpy2", False, True, trouble)]
    try:
        with Worker() as worker:
            packages = worker.call(
                "package_versions", packages=[*needed, *optional], time_limit=time_limit
            ).value
            lines.append(Check("rpy2", True, True, f"rpy2-rinterface {found.rpy2_version}"))
            lines += [
                _package(row.package, row.version, row.trouble, row.package in needed)
                for row in packages.itertuples()
            ]
            if tiny and all(line.ok for line in lines if line.required):
                lines.append(_tiny(worker, time_limit))
    except RBridgeError as failure:
        done = {line.name for line in lines}
        lines.append(Check("tiny model" if "rpy2" in done else "rpy2", False, True, str(failure)))
    return lines


def _package(name: str, version: str, trouble: str, required: bool) -> Check:
    note = f" ({_OPTIONAL[name]})" if name in _OPTIONAL and not required else ""
    if trouble:
        return Check(name, False, required, f"{trouble}{note}")
    least = oldest(name)
    if numbers(version) < numbers(least):
        return Check(
            name,
            False,
            required,
            f"The R package '{name}' is version {version}; voicerisk needs {least} or newer: "
            f'install.packages("{name}"){note}',
        )
    return Check(name, True, required, f"{version}{note}")


def _tiny(worker: "Worker", time_limit: float) -> Check:
    answer = worker.call("tiny_fit", time_limit=time_limit)
    row = answer.value.iloc[0]
    fitted = bool(row["converged"] and _TINY_EDF[0] < row["edf"] < _TINY_EDF[1] and row["p_value"] < 1e-6)
    p = f"{row['p_value']:.1e}" if row["p_value"] > 0 else "below the smallest number"
    told = f"bam with 400 rows: edf {row['edf']:.3f}, p {p}, {answer.seconds:.1f} s"
    return Check("tiny model", fitted, True, told if fitted else f"unexpected answer: {told}")
