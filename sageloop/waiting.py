"""Waiting for something that AWS's API tells only when asked."""

from __future__ import annotations

import time as wall
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class NotSeenError(RuntimeError):
    """Something that was to happen was not seen in time."""


def until(what: str, seen: Callable[[], _T | None], *, seconds: float) -> _T:
    """Ask until ``seen`` gives something.

    Raises:
        NotSeenError: After so many seconds on the wall's clock.

    """
    deadline = wall.monotonic() + seconds
    while True:
        value = seen()
        if value:
            return value
        if wall.monotonic() > deadline:
            raise NotSeenError(f"{what}: not seen within {seconds:.0f} s")
        wall.sleep(0.1)
