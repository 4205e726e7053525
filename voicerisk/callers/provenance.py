"""Who was seen by what: the callers of every learned object, by design, repeat and fold."""

from collections.abc import Iterable, Mapping
from typing import Any

Provenance = dict[str, Any]


def seen_record(seen: Iterable[str], everyone: Iterable[str]) -> dict[str, list[str]]:
    """Write a set of callers as itself or as all but its complement, whichever is shorter."""
    inside, universe = set(seen), set(everyone)
    outside = universe - inside
    if inside <= universe and len(outside) < len(inside):
        return {"all_but": sorted(outside)}
    return {"callers": sorted(inside)}


def seen_callers(record: Mapping[str, Iterable[str]], everyone: Iterable[str]) -> frozenset[str]:
    """Read what `seen_record` wrote."""
    if "all_but" in record:
        return frozenset(everyone) - frozenset(record["all_but"])
    return frozenset(record["callers"])


def leaks(provenance: Provenance) -> list[dict[str, str]]:
    """List learned objects that saw a caller held out in the same fold.

    Parameters
    ----------
    provenance : dict
        `callers` (all), then `folds`: design -> repeat -> fold -> {held_out, seen: object -> record}.

    Returns
    -------
    list of dict
        design, repeat, fold, learned, caller; empty for an honest protocol.
    """
    everyone = provenance["callers"]
    found = []
    for design, repeats in provenance["folds"].items():
        for repeat, folds in repeats.items():
            for fold, one in folds.items():
                for name, record in one["seen"].items():
                    seen = seen_callers(record, everyone)
                    found += [
                        {"design": design, "repeat": repeat, "fold": fold, "learned": name, "caller": caller}
                        for caller in one["held_out"]
                        if caller in seen
                    ]
    return found
