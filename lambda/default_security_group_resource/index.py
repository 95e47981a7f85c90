"""Custom resource: the default security group of a VPC, without rules."""

from __future__ import annotations

from typing import Any

from sageloop_runtime.functions import (
    Clients,
    default_security_group_actions,
    default_security_group_id,
    run,
)

_clients = Clients()


def handler(event: dict[str, Any], context: Any) -> None:
    """Respond to an event of CloudFormation."""
    run(
        event,
        context,
        lambda check: default_security_group_actions(_clients.checked(check)),
        physical_id=default_security_group_id,
    )
