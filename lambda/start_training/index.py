"""Starts a job on data, alarm, schedule or manual request."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import Clients, job_starter

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle the event of a trigger."""
    return job_starter(os.environ, _clients).handle(event)
