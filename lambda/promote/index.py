"""Moves the endpoint towards the champion."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.functions import promoter
from sageloop_runtime.times import event_time

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Handle a change of a model package's or of the endpoint's state."""
    return {"step": promoter(os.environ, _clients).converge(event_time(event))}
