"""Finds on a schedule what an event lost."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.functions import reconciler

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Compare what the state says with what is."""
    return reconciler(os.environ, _clients).handle(event)
