"""Custom resource: the serving document of a champion endpoint."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import (
    Clients,
    champion_endpoint_actions,
    champion_endpoint_id,
    run,
)

_clients = Clients()


def handler(event: dict[str, Any], context: Any) -> None:
    """Respond to an event of CloudFormation."""
    arn = context.invoked_function_arn
    run(
        event,
        context,
        lambda check: champion_endpoint_actions(os.environ, _clients.checked(check), arn),
        physical_id=champion_endpoint_id,
    )
