"""Stops an endpoint and starts it again with the same configuration, tags and scaling.

A request is recorded first; every invocation then takes the next step towards the desired state
and does not wait. A champion endpoint is stopped by its promoter, which knows the
configuration to start it with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.aws.invocation import invoke_function
from sageloop_runtime.aws.metrics import statistics_period
from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.config import EndpointScheduleConfig
from sageloop_runtime.errors import BadInputError, TryAgainError, already_exists, is_missing
from sageloop_runtime.log import log
from sageloop_runtime.previous_release import present_action
from sageloop_runtime.scaling.scalable_targets import ScalableTargets
from sageloop_runtime.serving.endpoint import BUSY
from sageloop_runtime.times import event_time, moment, parse_time

_WRITES = 5
_CREATIONS = 3
_RESERVED_TAGS = "aws:"
_STATES = {"stop": "stopped", "start": "started"}


class EndpointSchedule:
    """Stops and starts one endpoint.

    Args:
        config: the function's settings.
        table: the state table.
        sagemaker: a SageMaker client.
        cloudwatch: a CloudWatch client.
        functions: a Lambda client, for the promoter of a champion endpoint.
        targets: the scalable targets of the endpoint.

    """

    def __init__(
        self,
        config: EndpointScheduleConfig,
        *,
        table: StateTable,
        sagemaker: Any,
        cloudwatch: Any,
        functions: Any,
        targets: ScalableTargets,
    ) -> None:
        self._config = config
        self._name = config.endpoint_name
        self._row_id = f"switch#{config.endpoint_name}"
        self._table = table
        self._sagemaker = sagemaker
        self._cloudwatch = cloudwatch
        self._functions = functions
        self._targets = targets

    def handle(self, event: Mapping[str, Any]) -> dict[str, str]:
        """Record the event's action (``stop`` or ``start``), if any, and take the next step.

        Raises:
            BadInputError: if the event has another action, or the endpoint cannot be created.
            TryAgainError: if the row kept changing meanwhile.

        """
        now, action = event_time(event), present_action(event.get("action"))
        if action is not None and action not in _STATES:
            raise BadInputError(f"action is {action!r}: start or stop is expected")
        described = self._describe()
        if action is None and described is not None and self._is_idle(described, now):
            action = "stop"
        if self._config.promote_function is not None:
            return {"step": self._delegate(action, event, now)}
        if action is not None:
            self._record(_STATES[action], _requester(event), now)
        step = self._converge(self._read(), described)
        log("endpoint schedule", endpoint=self._name, action=action, step=step)
        return {"step": step}

    def _delegate(self, action: str | None, event: Mapping[str, Any], now: float) -> str:
        """Invoke the promoter of a champion endpoint."""
        if action is None:
            return "nothing"
        request = {
            "source": "manual",
            "action": action,
            "id": f"switch|{event.get('id', 'idle')}|{now}",
            "by": _requester(event),
        }
        invoke_function(self._functions, str(self._config.promote_function), request, now)
        return "delegated"

    # desired state

    def _read(self) -> Row:
        return self._table.get(self._row_id) or {}

    def _record(self, state: str, requester: str, now: float) -> None:
        """Record a request, unless a later one is recorded."""
        for _ in range(_WRITES):
            row = self._read()
            if row.get("requested_at") is not None and now < row["requested_at"]:
                return
            change = {
                "desired_state": state, "requested_at": now, "requested_by": requester,
                "tries": None,
            }  # fmt: skip
            if self._swap(row, change):
                return
        raise TryAgainError("the row of the schedule kept changing while a request was recorded")

    def _swap(self, row: Row, change: Row, **expect: Any) -> bool:
        expected = {"requested_at": row.get("requested_at"), **expect}
        return self._table.swap(self._row_id, change=change, expect=expected)

    def _is_idle(self, described: Mapping[str, Any], now: float) -> bool:
        """Whether the endpoint is in service without invocations for the idle time-out."""
        timeout = self._config.idle_timeout_seconds
        if timeout is None or described["EndpointStatus"] != "InService":
            return False
        if now - parse_time(described["LastModifiedTime"]) < timeout:
            return False
        return all(self._invocations(name, now, timeout) == 0 for name in self._config.variants)

    def _invocations(self, variant: str, now: float, seconds: int) -> float:
        dimensions = {"EndpointName": self._name, "VariantName": variant}
        statistics = self._cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName="Invocations", Statistics=["Sum"],
            Period=statistics_period(seconds),
            StartTime=moment(now - seconds), EndTime=moment(now),
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        )  # fmt: skip
        return float(sum(point["Sum"] for point in statistics["Datapoints"]))

    # steps

    def _describe(self) -> dict[str, Any] | None:
        try:
            return dict(self._sagemaker.describe_endpoint(EndpointName=self._name))
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def _converge(self, row: Row, described: Mapping[str, Any] | None) -> str:
        if row.get("desired_state") == "stopped":
            return self._stop(row, described)
        if row.get("config_name") is None:
            return "running"
        return self._start(row, described)

    def _stop(self, row: Row, described: Mapping[str, Any] | None) -> str:
        if described is None:
            return "stopped"
        if described["EndpointStatus"] in BUSY:
            return "waiting"
        targets = self._targets.read()
        change: Row = {
            "config_name": described["EndpointConfigName"],
            "tags": self._tags(described),
        }
        if targets or row.get("targets") is None:
            # An earlier attempt may have deregistered them already.
            change["targets"] = json.dumps(targets, sort_keys=True)
        if not self._swap(row, change):
            raise TryAgainError("another request was recorded meanwhile")
        self._targets.deregister(targets)
        _delete(self._sagemaker.delete_endpoint, EndpointName=self._name)
        return "stopping"

    def _tags(self, described: Mapping[str, Any]) -> str:
        response = self._sagemaker.list_tags(ResourceArn=described["EndpointArn"])
        tags = response.get("Tags", [])
        return json.dumps([tag for tag in tags if not tag["Key"].startswith(_RESERVED_TAGS)])

    def _start(self, row: Row, described: Mapping[str, Any] | None) -> str:
        if described is None:
            return self._create(row)
        if described["EndpointStatus"] in BUSY:
            return "waiting"
        if described["EndpointStatus"] == "Failed":
            return self._delete_failed(row, described)
        self._targets.register(json.loads(row.get("targets", "[]")))
        self._swap(row, dict.fromkeys(("config_name", "targets", "tags", "tries")))
        return "running"

    def _create(self, row: Row) -> str:
        request = {"EndpointName": self._name, "EndpointConfigName": row["config_name"]}
        tags = json.loads(row.get("tags", "[]"))
        try:
            self._sagemaker.create_endpoint(**request, **({"Tags": tags} if tags else {}))
        except ClientError as error:
            if not already_exists(error):
                raise
        return "starting"

    def _delete_failed(self, row: Row, described: Mapping[str, Any]) -> str:
        """Delete an endpoint whose creation failed, so that it can be created again."""
        tries = int(row.get("tries", 0)) + 1
        if tries > _CREATIONS:
            raise BadInputError(
                f"the creation of endpoint {self._name} failed {_CREATIONS} times: "
                f"{described.get('FailureReason', 'no reason given')}"
            )
        if self._swap(row, {"tries": tries}, tries=row.get("tries")):
            _delete(self._sagemaker.delete_endpoint, EndpointName=self._name)
        return "waiting"


def _requester(event: Mapping[str, Any]) -> str:
    return str(event.get("by", event.get("source", "idle")))


def _delete(call: Any, **request: str) -> None:
    try:
        call(**request)
    except ClientError as error:
        if not is_missing(error):
            raise
