"""Repairs on a schedule what a lost event left undone."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import Clients, reconciler

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Compare the state table with SageMaker and CloudWatch, and take missing steps."""
    return reconciler(os.environ, _clients).handle(event)
