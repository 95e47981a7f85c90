"""Custom resource: the default security group of a VPC, without rules."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.aws.custom_resource import Outcome, Request, named_by
from sageloop_runtime.errors import code_of

default_security_group_id = named_by("SecurityGroupId")
"""The physical id of a default security group: its id."""


class DefaultSecurityGroup:
    """Revokes every rule of a security group.

    Args:
        ec2: an EC2 client.

    """

    def __init__(self, ec2: Any) -> None:
        self._ec2 = ec2

    def close(self, request: Request) -> Outcome:
        """Revoke every rule of the group."""
        group = request.text("SecurityGroupId")
        response = self._ec2.describe_security_groups(GroupIds=[group])
        (described,) = response["SecurityGroups"]
        if described.get("IpPermissions"):
            self._revoke(self._ec2.revoke_security_group_ingress, group, described["IpPermissions"])
        if described.get("IpPermissionsEgress"):
            self._revoke(
                self._ec2.revoke_security_group_egress, group, described["IpPermissionsEgress"]
            )
        return Outcome()

    def delete(self, _request: Request) -> Outcome:
        """Do nothing: the group is deleted with its VPC."""
        return Outcome()

    def _revoke(self, call: Any, group: str, permissions: list[dict[str, Any]]) -> None:
        try:
            call(GroupId=group, IpPermissions=permissions)
        except ClientError as error:
            if code_of(error) != "InvalidPermission.NotFound":
                raise
