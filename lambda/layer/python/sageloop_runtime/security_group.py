"""The custom resource that closes a VPC's default security group."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.custom_resource import Outcome, Request
from sageloop_runtime.errors import code_of


class DefaultSecurityGroup:
    """Takes every rule away from a security group and leaves it so.

    Args:
        ec2: an EC2 client.

    """

    def __init__(self, ec2: Any) -> None:
        self._ec2 = ec2

    def close(self, request: Request) -> Outcome:
        """Revoke every rule; a group without any stays as it is."""
        group = request.text("SecurityGroupId")
        answer = self._ec2.describe_security_groups(GroupIds=[group])
        (described,) = answer["SecurityGroups"]
        if described.get("IpPermissions"):
            self._revoke(self._ec2.revoke_security_group_ingress, group, described["IpPermissions"])
        if described.get("IpPermissionsEgress"):
            self._revoke(
                self._ec2.revoke_security_group_egress, group, described["IpPermissionsEgress"]
            )
        return Outcome(physical_id=group)

    def leave(self, request: Request) -> Outcome:
        """Do nothing: a closed group is deleted with its VPC."""
        return Outcome(physical_id=request.physical_id or request.text("SecurityGroupId"))

    def _revoke(self, call: Any, group: str, permissions: list[dict[str, Any]]) -> None:
        try:
            call(GroupId=group, IpPermissions=permissions)
        except ClientError as error:
            if code_of(error) != "InvalidPermission.NotFound":
                raise
