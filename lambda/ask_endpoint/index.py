"""Asks an endpoint for a caller of an HTTP API."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients, impatient_client
from sageloop_runtime.functions import asker

_clients = Clients(impatient_client)


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle a request that API Gateway hands over (payload format 2.0)."""
    return asker(os.environ, _clients).handle(event)
