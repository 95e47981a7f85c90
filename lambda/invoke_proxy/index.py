"""Invokes an endpoint for a caller of an HTTP API."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import Clients, invoke_proxy, single_attempt_client

_clients = Clients(single_attempt_client)


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle a request of API Gateway (payload format 2.0)."""
    return invoke_proxy(os.environ, _clients).handle(event)
