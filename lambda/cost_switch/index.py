"""Takes an endpoint down when nobody needs it, and brings it back."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.functions import cost_switch

_clients = Clients()


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Handle a wish, a change of the endpoint's state, or a look at the clock."""
    return cost_switch(os.environ, _clients).handle(event)
