"""What Lambda does with a function's role, decided before it is done.

Lambda refuses a function whose role lacks what its configuration requires, and writes no log for a
role that may not write one.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.enforcement.log_permissions import log_denial
from sageloop.local_cloud.access.enforcement.network_permissions import interface_denial
from sageloop.local_cloud.access.enforcement.service_acts import role_actor
from sageloop.local_cloud.functions.errors import invalid

if TYPE_CHECKING:
    from sageloop.local_cloud.access.policy import Decision
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.functions.log_writer import LogStream

log = logging.getLogger(__name__)

_INTERFACES = ("CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface")
_TRACE = "xray:PutTraceSegments"
_SEND = {"sqs": ("SQS", "SendMessage"), "sns": ("SNS", "Publish")}
_RECEIVE = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


class RolePermissions:
    """Decides permissions of functions' roles."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._streams: set[LogStream] = set()
        self._warned: set[tuple[str, str]] = set()

    def check(self, settings: Mapping[str, Any], arn: str) -> None:
        """Refuse the function ``arn`` if its role lacks what its configuration requires.

        Raises InvalidParameterValueException: for network interfaces in a VPC, active tracing, and
        the dead-letter queue or topic.
        """
        region, name = arn.split(":")[3], arn.split(":")[6]
        role = role_actor(self._cloud, settings["Role"], name, region=region)
        vpc = settings.get("VpcConfig", {})
        if vpc.get("SubnetIds"):
            _refuse("EC2", interface_denial(
                role, _INTERFACES, subnets=vpc["SubnetIds"], groups=vpc.get("SecurityGroupIds", ())
            ))  # fmt: skip
        # PutTelemetryRecords is documented too, but only this action is known to be checked.
        if settings.get("TracingConfig", {}).get("Mode") == "Active":
            _refuse("XRAY", role.denial(_TRACE, "*"))
        target = settings.get("DeadLetterConfig", {}).get("TargetArn")
        if target:
            service, action = _SEND[target.split(":")[2]]
            _refuse(service, role.denial(f"{service.lower()}:{action}", target))

    def check_queue(self, role_arn: str, queue_arn: str) -> None:
        """Refuse a role that may not poll a queue. Raises InvalidParameterValueException."""
        role = role_actor(self._cloud, role_arn, "service", region=queue_arn.split(":")[3])
        for action in _RECEIVE:
            _refuse("SQS", role.denial(f"sqs:{action}", queue_arn))

    def may_log(self, stream: LogStream, function: str) -> bool:
        """Whether the role may write to a log stream; a denial is logged once."""
        with self._lock:
            new = stream not in self._streams
        role = role_actor(self._cloud, stream.role, function, region=stream.region)
        denial = log_denial(role, stream.group, stream.name, new=new)
        with self._lock:
            if denial is None:
                self._streams.add(stream)
                return True
            warned = (stream.role, stream.group) in self._warned
            self._warned.add((stream.role, stream.group))
        if not warned:
            log.warning("no log of lambda:%s in %s: %s", function, stream.group, denial.message)
        return False


def _refuse(service: str, denial: Decision | None) -> None:
    if denial is not None:
        action = denial.request.action.partition(":")[2]
        raise invalid(
            f"The provided execution role does not have permissions to call {action} on {service}"
        )
