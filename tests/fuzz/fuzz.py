"""Damage valid files and read them: a reader must give a result or one sentence, in time.

``make fuzz`` runs it for some minutes (``FUZZ_ARGS="--minutes 30 --seed 7 --reader labels"``). What ends in
anything else is kept in ``fuzz_findings/`` with its traceback; what came to light there becomes a test.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from types import FrameType

from tests.fuzz.readers import Reader, readers
from voicerisk.errors import VoiceriskError

SLOW_S = 10
KEPT = Path("fuzz_findings")
# What parsers stumble over: ends of ranges, signs of formats, halves of letters.
TOKENS = (
    *(b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xed\xa0\x80"),
    *(b"-1", b"0", b"1e308", b"1e-320", b"NaN", b"-Infinity", b"99999999999999999999", b"0.1e", b"1,5"),
    *(b'"', b"'", b"\\", b"\n", b"\r\n", b"\t", b",", b";", b"=", b"[", b"]", b"{", b"}", b"(", b"<!--"),
    *(b"null", b"true", b"=1+1", b"#N/A", b"[/a]", "ä".encode(), "\u202e".encode(), b"\xef\xbb\xbf"),
    *(b"*" * 30, b"(" * 200, b"[" * 2000, b"a" * 300, b"--"),
)


class TooSlowError(Exception):
    """A reader that takes longer than `SLOW_S`."""


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return a file with one to eight faults."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        place = rng.randrange(len(made) + 1)
        kind = rng.randrange(7)
        if kind == 0 and made:
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
        elif kind == 1 and made:
            made[rng.randrange(len(made))] = rng.randrange(256)
        elif kind == 2:
            made[place:place] = rng.choice(TOKENS)
        elif kind == 3:
            del made[place : place + rng.choice((1, 2, 4, 16, 64))]
        elif kind == 4:
            made[place:place] = made[rng.randrange(len(made) + 1) :][: rng.choice((1, 4, 16, 64))]
        elif kind == 5:
            token = rng.choice(TOKENS)
            made[place : place + len(token)] = token
        elif rng.random() < 0.2:
            del made[place:]
    return bytes(made)


def once(reader: Reader, path: Path) -> str:
    """Read a file; return 'read', 'refused', 'slow' or 'raw'."""
    signal.alarm(SLOW_S)
    try:
        reader.read(path)
    except VoiceriskError:
        return "refused"
    except TooSlowError:
        return "slow"
    except Exception:
        return "raw"
    finally:
        signal.alarm(0)
    return "read"


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError


def fuzz(minutes: float, seed: int, wanted: list[str]) -> bool:
    """Damage and read until the time is over; print counts and say whether nothing was found."""
    signal.signal(signal.SIGALRM, _too_slow)
    counts: dict[str, Counter[str]] = {}
    until, number = time.monotonic() + 60 * minutes, 0
    print(f"seed {seed}, {minutes:g} minute(s)", flush=True)
    with readers() as every, tempfile.TemporaryDirectory() as place:
        chosen = {name: every[name] for name in wanted or every}
        while time.monotonic() < until:
            name = list(chosen)[number % len(chosen)]
            outcome = attempt(chosen[name], Path(place), seed, number, name)
            counts.setdefault(name, Counter())[outcome] += 1
            number += 1
    for name, found in counts.items():
        print(
            f"{name:<8}" + "".join(f"{found[kind]:>8} {kind}" for kind in ("read", "refused", "raw", "slow"))
        )
    found = sum(one["raw"] + one["slow"] for one in counts.values())
    print(f"{number} files, {found} findings" + (f" in {KEPT}/" if found else ""))
    return found == 0


def attempt(reader: Reader, place: Path, seed: int, number: int, name: str) -> str:
    """Damage one file, read it, and keep it where that was a finding."""
    rng = random.Random(f"{seed} {number}")
    file = rng.choice(sorted(reader.seeds))
    content = damaged(reader.seeds[file], rng)
    if reader.mend is not None:
        content = reader.mend(content)
    (place / file).write_bytes(content)
    errors = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)  # libraries in C write there
    try:
        outcome = once(reader, place / file)
    finally:
        os.dup2(errors, 2)
        os.close(errors)
        os.close(silent)
    if outcome in ("raw", "slow"):
        KEPT.mkdir(exist_ok=True)
        stem = KEPT / f"{name}_{seed}_{number}"
        stem.with_suffix(Path(file).suffix).write_bytes(content)
        stem.with_suffix(".traceback").write_text(_trace(reader, place / file))
        print(f"{outcome}: {name}, number {number}, kept as {stem}{Path(file).suffix}", flush=True)
    (place / file).unlink()
    return outcome


def _trace(reader: Reader, path: Path) -> str:
    signal.alarm(SLOW_S)
    try:
        reader.read(path)
    except Exception:
        return traceback.format_exc()
    finally:
        signal.alarm(0)
    return "read the second time"


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options.add_argument("--reader", action="append", default=[])
    given = options.parse_args()
    sys.exit(0 if fuzz(given.minutes, given.seed, given.reader) else 1)


if __name__ == "__main__":
    main()
