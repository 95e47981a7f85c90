"""Moves the endpoint towards the champion."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.functions import promote

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Handle a change of a model package's or of the endpoint's state, or a person's wish."""
    return promote(os.environ, _clients, event)
