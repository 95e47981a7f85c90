"""A permission that a call requires beyond those of its operation."""

from __future__ import annotations

from dataclasses import dataclass

from sageloop.local_cloud.access.policy.authorization import Permission
from sageloop.local_cloud.core.errors import AwsError


@dataclass(frozen=True, slots=True)
class Requirement:
    """One permission, of the caller or of another principal.

    Args:
        permission: action, resource and condition keys.
        principal: ARN of a role or name of a service that needs the permission; the caller if
            empty.
        refusal: error of a denied call; access denied by default.

    """

    permission: Permission
    principal: str = ""
    refusal: AwsError | None = None
