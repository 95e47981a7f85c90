"""Rolls the champion out to its endpoint."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import Clients, promote

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Handle a state change of a model package or of the endpoint, or a manual request."""
    return promote(os.environ, _clients, event)
