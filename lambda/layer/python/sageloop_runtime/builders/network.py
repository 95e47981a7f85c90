"""Builds the custom resource of a network."""

from __future__ import annotations

from sageloop_runtime.aws.clients import Clients
from sageloop_runtime.aws.custom_resource import Action
from sageloop_runtime.aws.default_security_group import DefaultSecurityGroup


def default_security_group_actions(clients: Clients) -> dict[str, Action]:
    """default_security_group_resource."""
    resource = DefaultSecurityGroup(clients("ec2"))
    return {"Create": resource.close, "Update": resource.close, "Delete": resource.delete}
