"""Asynchronous invocation of another function of the stack."""

from __future__ import annotations

import json
from typing import Any

from sageloop_runtime.times import iso


def invoke_function(functions: Any, name: str, payload: dict[str, Any], now: float) -> None:
    """Invoke a function with an event of the loop's own.

    Args:
        functions: a Lambda client.
        name: the function's name or ARN.
        payload: members of the event; over ``source`` and ``time``.
        now: the event's time in epoch seconds.

    """
    body = {"source": "reconcile", "time": iso(now), **payload}
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(body).encode())
