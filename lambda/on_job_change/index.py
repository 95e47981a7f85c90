"""Concludes a job that ended, and evaluates its model at the gate."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import Clients, job_change

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle a state change of a job, or a scheduled event."""
    return job_change(os.environ, _clients).handle(event)
