"""What a role must be allowed so that a service writes a log with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sageloop.local_cloud.access.caller import INTERNAL

if TYPE_CHECKING:
    from sageloop.local_cloud.access.enforcement.service_acts import Actor
    from sageloop.local_cloud.access.policy import Decision


def log_denial(role: Actor, group: str, stream: str, *, new: bool = True) -> Decision | None:
    """The decision that denies a role to write to a log stream, or ``None``.

    ``new`` streams are created first, and their log group too if it does not exist.
    """
    place = {"logGroupName": group, "logStreamName": stream}
    denial = None
    if new:
        if not _has_group(role, group):
            denial = role.denial_of_call("logs", "CreateLogGroup", logGroupName=group)
        if denial is None:
            denial = role.denial_of_call("logs", "CreateLogStream", **place)
    return role.denial_of_call("logs", "PutLogEvents", **place) if denial is None else denial


def _has_group(role: Actor, name: str) -> bool:
    logs = role.cloud.client("logs", principal=INTERNAL, region=role.region)
    listed = logs.describe_log_groups(logGroupNamePrefix=name, limit=50)["logGroups"]
    return any(group["logGroupName"] == name for group in listed)
