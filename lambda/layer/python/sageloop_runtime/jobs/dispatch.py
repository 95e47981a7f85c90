"""Dispatch of triggers to start_training, the one function that starts jobs."""

from __future__ import annotations

import json
from typing import Any

from sageloop_runtime.aws.invocation import invoke_function
from sageloop_runtime.aws.state_table import Row
from sageloop_runtime.jobs.triggers import Trigger

_MOST_DOUBLINGS = 6


def backoff(seconds: int, attempts: int) -> float:
    """The delay after a number of attempts: doubled for each, at most 64 times ``seconds``."""
    return float(seconds * 2 ** min(attempts - 1, _MOST_DOUBLINGS)) if attempts > 0 else 0.0


def is_backing_off(loop: Row, seconds: int, now: float) -> bool:
    """Whether the pending trigger waits for the delay after a refusal by quota."""
    tried, tries = loop.get("tried_at"), int(loop.get("tries", 0))
    return tried is not None and now - tried < backoff(seconds, tries)


def start_job(functions: Any, name: str, trigger: Trigger, now: float) -> None:
    """Invoke start_training with a trigger that is pending or was interrupted."""
    invoke_function(functions, name, {"trigger": json.loads(trigger.to_json())}, now)
