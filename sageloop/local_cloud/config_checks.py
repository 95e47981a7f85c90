"""Validation of a cloud's settings, with few imports for the command line."""

from __future__ import annotations

import math
from difflib import get_close_matches
from functools import cache

FASTEST = 100_000
_LAST_PORT = 65_535


def check_rate(rate: float) -> None:
    """Raise ``ValueError`` unless ``rate`` is allowed (virtual seconds per second)."""
    if not (math.isfinite(rate) and 0 < rate <= FASTEST):
        raise ValueError(f"the clock's rate must be above 0 and at most {FASTEST}, got {rate}")


def check_port(port: int) -> None:
    """Raise ``ValueError`` unless ``port`` is a port number, or 0 for a free port."""
    if not 0 <= port <= _LAST_PORT:
        raise ValueError(f"the port must be from 0 (a free one) to {_LAST_PORT}, got {port}")


def check_region(region: str) -> None:
    """Raise ``ValueError`` unless AWS has the region, by botocore's list."""
    known = regions()
    if region not in known:
        near = get_close_matches(region, known, n=3, cutoff=0.5) or ["us-east-1"]
        raise ValueError(
            f"the region must be one of AWS's {len(known)}, such as {', '.join(near)}, "
            f"got {region!r}"
        )


@cache
def regions() -> tuple[str, ...]:
    """AWS's regions in all partitions."""
    from botocore.loaders import create_loader

    partitions = create_loader().load_data("partitions")["partitions"]
    names = (name for partition in partitions for name in partition["regions"])
    return tuple(sorted(name for name in names if not name.endswith("-global")))
