"""The cost switch: an endpoint goes when nobody needs it and comes back as it was.

What is wished is written down first; every call then does the next step towards it and never
waits. A champion endpoint is parked by its promoter, which knows alone what it should serve.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime import handover
from sageloop_runtime.config import SwitchConfig
from sageloop_runtime.endpoints import BUSY
from sageloop_runtime.errors import BadInputError, TryAgainError, already_exists, is_missing
from sageloop_runtime.log import log
from sageloop_runtime.state import Row, StateTable
from sageloop_runtime.switch_targets import Targets
from sageloop_runtime.times import event_time, moment, parse_time

_WRITES = 5
_RETURNS = 3
_OURS = "aws:"


class CostSwitch:
    """Takes one endpoint down and brings it back.

    Args:
        config: the function's settings.
        table: the state table.
        sagemaker: a SageMaker client.
        cloudwatch: a CloudWatch client.
        functions: a Lambda client, for a champion endpoint's promoter.
        targets: the scaling of the endpoint.

    """

    def __init__(
        self,
        config: SwitchConfig,
        *,
        table: StateTable,
        sagemaker: Any,
        cloudwatch: Any,
        functions: Any,
        targets: Targets,
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
        """Note a wish (``down``, ``up``) if the event has one, and do what is next.

        Raises:
            BadInputError: if the event names another action, or the endpoint cannot come back.
            TryAgainError: if the record changed again and again meanwhile.

        """
        now, action = event_time(event), event.get("action")
        if action not in {None, "down", "up"}:
            raise BadInputError(f"action is {action!r}: down or up is expected")
        seen = self._look()
        if action is None and seen is not None and self._is_idle(seen, now):
            action = "down"
        if self._config.promote_function is not None:
            return {"step": self._hand_over(action, event, now)}
        if action is not None:
            self._wish(action, str(event.get("by", event.get("source", "idle"))), now)
        step = self._converge(self._read(), seen)
        log("cost switch", endpoint=self._name, action=action, step=step)
        return {"step": step}

    def _hand_over(self, action: str | None, event: Mapping[str, Any], now: float) -> str:
        if action is None:
            return "nothing"
        wish = {
            "source": "hand",
            "action": "park" if action == "down" else "unpark",
            "id": f"switch|{event.get('id', 'idle')}|{now}",
            "by": str(event.get("by", event.get("source", "idle"))),
        }
        handover.invoke(self._functions, str(self._config.promote_function), wish, now)
        return "handed over"

    # what is wished

    def _read(self) -> Row:
        return self._table.get(self._row_id) or {}

    def _wish(self, action: str, by: str, now: float) -> None:
        for _ in range(_WRITES):
            row = self._read()
            if row.get("at") is not None and now < row["at"]:
                return
            change = {"wanted": action, "at": now, "by": by, "tries": None}
            if self._table.swap(self._row_id, change=change, expect={"at": row.get("at")}):
                return
        raise TryAgainError("the switch's record changed while the wish was written")

    def _is_idle(self, seen: Mapping[str, Any], now: float) -> bool:
        """Whether it is in service for long enough and was asked nothing for as long."""
        idle = self._config.idle_seconds
        if idle is None or seen["EndpointStatus"] != "InService":
            return False
        if now - parse_time(seen["LastModifiedTime"]) < idle:
            return False
        return all(self._asked(variant, now, idle) == 0 for variant in self._config.variants)

    def _asked(self, variant: str, now: float, seconds: int) -> float:
        dimensions = {"EndpointName": self._name, "VariantName": variant}
        answer = self._cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName="Invocations", Statistics=["Sum"], Period=60,
            StartTime=moment(now - seconds), EndTime=moment(now),
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        )  # fmt: skip
        return float(sum(point["Sum"] for point in answer["Datapoints"]))

    # how to get there

    def _look(self) -> dict[str, Any] | None:
        try:
            return dict(self._sagemaker.describe_endpoint(EndpointName=self._name))
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def _converge(self, row: Row, seen: Mapping[str, Any] | None) -> str:
        if row.get("wanted") == "down":
            return self._go_down(row, seen)
        if row.get("config_name") is None:
            return "up"
        return self._come_up(row, seen)

    def _go_down(self, row: Row, seen: Mapping[str, Any] | None) -> str:
        if seen is None:
            return "down"
        if seen["EndpointStatus"] in BUSY:
            return "waiting"
        found = self._targets.read()
        change: Row = {"config_name": seen["EndpointConfigName"], "tags": self._tags(seen)}
        if found or row.get("targets") is None:
            # A try before this one may have deregistered them already.
            change["targets"] = json.dumps(found, sort_keys=True)
        if not self._table.swap(self._row_id, change=change, expect={"at": row.get("at")}):
            raise TryAgainError("another wish came meanwhile")
        self._targets.remove(found)
        _forgive_missing(self._sagemaker.delete_endpoint, EndpointName=self._name)
        return "going down"

    def _tags(self, seen: Mapping[str, Any]) -> str:
        answer = self._sagemaker.list_tags(ResourceArn=seen["EndpointArn"])
        ours = [tag for tag in answer.get("Tags", []) if not tag["Key"].startswith(_OURS)]
        return json.dumps(ours)

    def _come_up(self, row: Row, seen: Mapping[str, Any] | None) -> str:
        if seen is None:
            return self._create(row)
        if seen["EndpointStatus"] in BUSY:
            return "waiting"
        if seen["EndpointStatus"] == "Failed":
            return self._again(row, seen)
        self._targets.restore(json.loads(row.get("targets", "[]")))
        change = dict.fromkeys(("config_name", "targets", "tags", "tries"))
        self._table.swap(self._row_id, change=change, expect={"at": row.get("at")})
        return "up"

    def _create(self, row: Row) -> str:
        request = {"EndpointName": self._name, "EndpointConfigName": row["config_name"]}
        tags = json.loads(row.get("tags", "[]"))
        try:
            self._sagemaker.create_endpoint(**request, **({"Tags": tags} if tags else {}))
        except ClientError as error:
            if not already_exists(error):
                raise
        return "coming up"

    def _again(self, row: Row, seen: Mapping[str, Any]) -> str:
        """A failed endpoint can only be deleted; a few returns are tried, then a person is."""
        tries = int(row.get("tries", 0)) + 1
        if tries > _RETURNS:
            raise BadInputError(
                f"endpoint {self._name} did not come back {_RETURNS} times: "
                f"{seen.get('FailureReason', 'no reason given')}"
            )
        expect = {"at": row.get("at"), "tries": row.get("tries")}
        if self._table.swap(self._row_id, change={"tries": tries}, expect=expect):
            _forgive_missing(self._sagemaker.delete_endpoint, EndpointName=self._name)
        return "waiting"


def _forgive_missing(call: Any, **request: str) -> None:
    try:
        call(**request)
    except ClientError as error:
        if not is_missing(error):
            raise
