"""Concludes a job that ended, and lets its model through the gate."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.functions import job_change

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle a change of a job's state."""
    return job_change(os.environ, _clients).handle(event)
