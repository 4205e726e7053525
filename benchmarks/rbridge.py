"""What the bridge costs beside mgcv's own time, at the size of the published study.

Run: python benchmarks/rbridge.py [ROWS] [MARKERS] [--no-fit]. Prints seconds and the child's peak memory.
Nothing is asserted.
"""

import resource
import sys
import time
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


def line(what: str, seconds: float, pid: int | None = None) -> None:
    print(f"{what:<30} {seconds:7.2f} s" + ("" if pid is None else f"  {peak_mb(pid):6.0f} MB"))


def main(rows: int, markers: int, fit: bool) -> None:
    table = frames(rows, markers)
    size = table.memory_usage(deep=False).sum() / 1e6
    print(f"{rows:,} rows x {markers} markers + sex, caller, outcome: {size:.0f} MB")
    with Worker() as r:
        started = time.perf_counter()
        r.call("bridge_echo", value=1.0)
        line("start the child and R", time.perf_counter() - started, r.pid)
        started = time.perf_counter()
        r.keep("frames", table)
        line("send the table", time.perf_counter() - started, r.pid)
        started = time.perf_counter()
        back = r.call("bridge_echo", value=Kept("frames")).value
        line("fetch the table", time.perf_counter() - started)
        np.testing.assert_array_equal(back["x0"], table["x0"])
        if not fit:
            return
        names = [f"x{i}" for i in range(markers)]
        started = time.perf_counter()
        answer = r.call(
            "bridge_gamm",
            data=Kept("frames"),
            fit={"markers": names, "discrete": True, "k": 10},
            points=100,
            level=0.95,
            draws=10_000,
            rds=None,
        )
        wall = time.perf_counter() - started
        own = answer.value["fit"]["seconds"].iloc[0]
        line("bam(discrete) by mgcv", own)
        line("tables and curves in R", answer.seconds - own)
        line("bridge beside that call", wall - answer.seconds, r.pid)
    print(f"parent's peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:] if text.isdigit()]
    size = (given + [470_032, 12][len(given) :])[:2]
    main(*size, fit="--no-fit" not in sys.argv)
