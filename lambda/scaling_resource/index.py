"""Custom resources: the scaling of an endpoint's variants, before and after its update."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.custom_resource import run
from sageloop_runtime.functions import scaled_variants, scaling_actions

_clients = Clients()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Answer one request of CloudFormation, or look after what is registered."""
    if "RequestType" not in event:
        return scaled_variants(_clients).look_after(os.environ["SCALING"])
    return run(event, context, lambda: scaling_actions(_clients))
