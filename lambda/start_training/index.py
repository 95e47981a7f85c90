"""Starts a job on data, alarm, schedule or by hand."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.functions import starter

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle one trigger."""
    return starter(os.environ, _clients).handle(event)
