"""What a local cloud contains: stacks, endpoints, alarms and the errors of functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sageloop.local_cloud.client import LocalCloud

# CloudWatch returns up to 1,440 datapoints; one for each of the last 14 days is enough.
_PERIOD, _DAYS = 86_400, 14
_HEALTHY = frozenset(("CREATE_COMPLETE", "UPDATE_COMPLETE", "InService", "OK"))


@dataclass(frozen=True, kw_only=True)
class Item:
    """A resource with its status.

    Attributes:
        name: Name of the resource.
        status: Status that its service reports.
        reason: Why it has that status, if it is no healthy one and the service reports a reason.

    """

    name: str
    status: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class CloudState:
    """The contents of a local cloud.

    Attributes:
        time: Virtual time, in epoch seconds.
        rate: Virtual seconds per second.
        stacks: Stacks.
        endpoints: Endpoints of SageMaker.
        alarms: Metric and composite alarms.
        function_errors: Functions that failed in the last 14 virtual days, with the number.

    """

    time: float
    rate: float
    stacks: list[Item]
    endpoints: list[Item]
    alarms: list[Item]
    function_errors: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The state for a person."""
        at = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="seconds")
        yield f"clock: {at}, {self.rate:g} virtual seconds per second"
        yield from _listed("stacks", self.stacks)
        yield from _listed("endpoints", self.endpoints)
        yield from _listed("alarms", self.alarms)
        errors = [
            f"  {name}: {count} (sageloop local logs /aws/lambda/{name})"
            for name, count in sorted(self.function_errors.items())
        ]
        yield f"functions with errors: {len(errors)}"
        yield from errors


def state_of(cloud: LocalCloud) -> CloudState:
    """Read the state of a local cloud through its APIs."""
    time, client = cloud.time(), cloud.client
    return CloudState(
        time=time,
        rate=cloud.rate(),
        stacks=_stacks(client("cloudformation")),
        endpoints=_endpoints(client("sagemaker")),
        alarms=_alarms(client("cloudwatch")),
        function_errors=_errors(client("lambda"), client("cloudwatch"), time),
    )


def _stacks(cloudformation: Any) -> list[Item]:
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    return [
        _item(stack["StackName"], stack["StackStatus"], stack.get("StackStatusReason"))
        for page in pages for stack in page["Stacks"]
    ]  # fmt: skip


def _endpoints(sagemaker: Any) -> list[Item]:
    pages = sagemaker.get_paginator("list_endpoints").paginate(SortBy="Name", SortOrder="Ascending")
    listed = [(e["EndpointName"], e["EndpointStatus"]) for p in pages for e in p["Endpoints"]]
    return [_item(name, status, _failure(sagemaker, name, status)) for name, status in listed]


def _failure(sagemaker: Any, name: str, status: str) -> str | None:
    if status in _HEALTHY:
        return None
    reason = sagemaker.describe_endpoint(EndpointName=name).get("FailureReason")
    return None if reason is None else str(reason)


def _alarms(cloudwatch: Any) -> list[Item]:
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    alarms = [each for page in pages for each in page["MetricAlarms"] + page["CompositeAlarms"]]
    return [
        _item(each["AlarmName"], each["StateValue"], each.get("StateReason"))
        for each in sorted(alarms, key=lambda each: str(each["AlarmName"]))
    ]


def _errors(functions: Any, cloudwatch: Any, now: float) -> dict[str, int]:
    pages = functions.get_paginator("list_functions").paginate()
    names = [f["FunctionName"] for page in pages for f in page["Functions"]]
    counts = {name: _count(cloudwatch, name, now) for name in names}
    return {name: count for name, count in counts.items() if count}


def _count(cloudwatch: Any, function: str, now: float) -> int:
    answer = cloudwatch.get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="Errors", Period=_PERIOD, Statistics=["Sum"],
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=datetime.fromtimestamp(now - _DAYS * _PERIOD, UTC),
        EndTime=datetime.fromtimestamp(now + 60, UTC),
    )  # fmt: skip
    return int(sum(point["Sum"] for point in answer["Datapoints"]))


def _item(name: str, status: str, reason: str | None) -> Item:
    why = "" if reason is None or status in _HEALTHY else " ".join(reason.split())
    return Item(name=name, status=status, reason=why)


def _listed(what: str, items: list[Item]) -> Iterator[str]:
    yield f"{what}: {len(items)}"
    for item in items:
        yield f"  {item.name}  {item.status}{f': {item.reason}' if item.reason else ''}"
