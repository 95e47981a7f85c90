"""What a role must be allowed so that a service places network interfaces with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from moto.utilities.utils import get_partition

if TYPE_CHECKING:
    from sageloop.local_cloud.access.enforcement.service_acts import Actor
    from sageloop.local_cloud.access.policy import Decision

_CREATE = "CreateNetworkInterface"


def interface_denial(
    role: Actor, actions: Iterable[str], *, subnets: Sequence[str], groups: Sequence[str]
) -> Decision | None:
    """The decision that denies a role one of EC2's actions on network interfaces, or ``None``.

    Interfaces are created in subnets with security groups, which must be allowed too. EC2's
    ``Describe`` actions have no resources.
    """
    owner = f"arn:{get_partition(role.region)}:ec2:{role.region}:{role.cloud.account_id}"
    interface = f"{owner}:network-interface/*"
    around = [f"{owner}:subnet/{name}" for name in subnets]
    around += [f"{owner}:security-group/{name}" for name in groups]
    return role.first_denial(
        (f"ec2:{action}", resource)
        for action in actions
        for resource in (
            ["*"] if action.startswith("Describe")
            else [interface, *(around if action == _CREATE else [])]
        )
    )  # fmt: skip
