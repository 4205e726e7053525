"""The command line, one file a command: parse, call, print.

No numerics; nothing slow is imported before a command needs it. Nothing may import this room.
"""

from voicerisk.cli import (
    audit,
    check,
    doctor,
    export_r,
    extract,
    figures,
    fuse,
    multitask,
    plan,
    report,
    run,
    score,
    share,
    simulate,
    text,
    validate,
    write,
)
from voicerisk.cli.app import app, main

__all__ = [
    "app",
    "audit",
    "check",
    "doctor",
    "export_r",
    "extract",
    "figures",
    "fuse",
    "main",
    "multitask",
    "plan",
    "report",
    "run",
    "score",
    "share",
    "simulate",
    "text",
    "validate",
    "write",
]
