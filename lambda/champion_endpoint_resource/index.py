"""Custom resource: a champion endpoint's serving document."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.custom_resource import run
from sageloop_runtime.functions import champion_endpoint_actions

_clients = Clients()


def handler(event: dict[str, Any], context: Any) -> None:
    """Answer one request of CloudFormation."""
    arn = context.invoked_function_arn
    run(event, context, lambda: champion_endpoint_actions(os.environ, _clients, arn))
