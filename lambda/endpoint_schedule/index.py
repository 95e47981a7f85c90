"""Stops an endpoint on a schedule or when it is idle, and starts it again."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import Clients, endpoint_schedule

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Handle a request, a state change of the endpoint, or a scheduled event."""
    return endpoint_schedule(os.environ, _clients).handle(event)
