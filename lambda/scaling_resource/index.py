"""Custom resources: the scaling of an endpoint's variants, before and after its update."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import (
    Clients,
    run,
    scaled_variants,
    scaling_actions,
    scaling_id,
)

_clients = Clients()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Respond to an event of CloudFormation, or register missing targets."""
    if "RequestType" not in event:
        return scaled_variants(_clients).register_missing(os.environ["SCALING"])
    run(
        event,
        context,
        lambda check: scaling_actions(_clients.checked(check)),
        physical_id=scaling_id,
    )
    return None
