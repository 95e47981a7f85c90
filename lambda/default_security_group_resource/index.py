"""Custom resource: a VPC's default security group, closed."""

from __future__ import annotations

from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.custom_resource import run
from sageloop_runtime.functions import default_security_group_actions

_clients = Clients()


def handler(event: dict[str, Any], context: Any) -> None:
    """Answer one request of CloudFormation."""
    run(event, context, lambda: default_security_group_actions(_clients))
