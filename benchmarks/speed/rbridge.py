"""What the bridge costs beside mgcv's own time, at the size of the published study.

Run: python benchmarks/speed/rbridge.py [ROWS] [MARKERS] [--no-fit]. Prints wall and CPU seconds
(of parent and child together) and the child's peak memory.
Nothing is asserted.
"""

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.rbridge import Kept, Worker


def frames(rows: int, markers: int, callers: int = 281, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    caller = np.sort(rng.integers(0, callers, rows))
    label = (rng.random(callers) < 0.274).astype(np.int32)
    table = pd.DataFrame({f"x{i}": rng.normal(size=rows) for i in range(markers)})
    table["x0"] += 0.5 * label[caller]
    table["sex"] = pd.Categorical.from_codes(caller % 2, categories=["female", "male"])
    table["caller_id"] = pd.Categorical.from_codes(caller, categories=[f"c{i:03d}" for i in range(callers)])
    # Labels vary within callers here, so that the fit itself is an ordinary one.
    table["outcome"] = (rng.random(rows) < 1 / (1 + np.exp(1 - 0.5 * table["x0"]))).astype(np.int32)
    return table


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of this process and of the child."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return time.process_time() + (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def timed(what: str, pid: int) -> Iterator[None]:
    wall, cpu = time.perf_counter(), cpu_s(pid)
    yield
    wall, cpu = time.perf_counter() - wall, cpu_s(pid) - cpu
    print(f"{what:<34} {wall:7.2f} s  {cpu:7.2f} s CPU  {peak_mb(pid):6.0f} MB", flush=True)


def main(rows: int, markers: int, fit: bool) -> None:
    table = frames(rows, markers)
    size = table.memory_usage(deep=False).sum() / 1e6
    print(f"{rows:,} rows x {markers} markers + sex, caller, outcome: {size:.0f} MB")
    with Worker() as r:
        with timed("start the child and R", r.pid):
            r.call("bridge_echo", value=1.0)
        with timed("send the table", r.pid):
            r.keep("frames", table)
        with timed("fetch the table", r.pid):
            back = r.call("bridge_echo", value=Kept("frames")).value
        np.testing.assert_array_equal(back["x0"], table["x0"])
        if not fit:
            return
        names = [f"x{i}" for i in range(markers)]
        with timed("bam(discrete), tables and curves", r.pid):
            wall = time.perf_counter()
            answer = r.call(
                "bridge_gamm",
                data=Kept("frames"),
                fit={"markers": names, "discrete": True, "k": 10},
                points=100,
                level=0.95,
                draws=10_000,
                rds=None,
            )
            wall = time.perf_counter() - wall
        own = answer.value["fit"]["seconds"].iloc[0]
        print(f"  of which mgcv's bam {own:.2f} s, the rest of R {answer.seconds - own:.2f} s")
        print(f"  the bridge beside them {wall - answer.seconds:.2f} s")
    print(f"parent's peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:] if text.isdigit()]
    size = (given + [470_032, 12][len(given) :])[:2]
    main(*size, fit="--no-fit" not in sys.argv)
