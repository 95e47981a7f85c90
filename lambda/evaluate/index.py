"""Publishes the live error of the served configuration."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.capture import Files
from sageloop_runtime.clients import Clients
from sageloop_runtime.functions import evaluator

_clients = Clients()
_files: list[Files] = []


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Evaluate the window that the event's time ends."""
    if not _files:
        _files.append(Files(_clients("s3")))
    return evaluator(os.environ, _clients, _files[0]).handle(event)
