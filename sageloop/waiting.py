"""Polls for a state that AWS's API does not push."""

from __future__ import annotations

import time as wall
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class WaitTimeoutError(RuntimeError):
    """An expected state was not observed within the time limit."""


def until(what: str, observe: Callable[[], _T | None], *, seconds: float) -> _T:
    """Poll ``observe`` until it returns a value other than None.

    Raises:
        WaitTimeoutError: After so many wall seconds.

    """
    deadline = wall.monotonic() + seconds
    while True:
        value = observe()
        if value:
            return value
        if wall.monotonic() > deadline:
            raise WaitTimeoutError(f"{what}: not observed within {seconds:.0f} s")
        wall.sleep(0.1)
