"""Handing a trigger to start_training: one function, with one role, starts jobs."""

from __future__ import annotations

import json
from typing import Any

from sageloop_runtime.state import Row
from sageloop_runtime.times import iso
from sageloop_runtime.triggers import Trigger

_MOST_DOUBLINGS = 6


def backoff(seconds: int, attempts: int) -> float:
    """How long to wait after so many attempts: doubled each time, 64-fold at most."""
    return float(seconds * 2 ** min(attempts - 1, _MOST_DOUBLINGS)) if attempts > 0 else 0.0


def is_backing_off(loop: Row, seconds: int, now: float) -> bool:
    """Whether quota refused what is pending so lately that it is not tried again yet."""
    tried, tries = loop.get("tried_at"), int(loop.get("tries", 0))
    return tried is not None and now - tried < backoff(seconds, tries)


def invoke(functions: Any, name: str, payload: dict[str, Any], now: float) -> None:
    """Run a function with an event that the loop sends itself."""
    body = {"source": "reconcile", "time": iso(now), **payload}
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(body).encode())


def start(functions: Any, name: str, trigger: Trigger, now: float) -> None:
    """Let start_training take a trigger up again."""
    invoke(functions, name, {"trigger": json.loads(trigger.to_json())}, now)
