"""A small AWS in memory: conditional writes, SageMaker's states, lost and doubled events, crashes.

Every request is checked against botocore's model before it is answered, and every call recorded.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from documents import (
    ALARM,
    ALARM_ARN,
    BACKOFF,
    BUCKET,
    COOLDOWN,
    DAY,
    DOCUMENTS,
    ENDPOINT,
    GROUP,
    JOB,
    KEY,
    MAX_ATTEMPTS,
    ROLLBACK_ALARM,
    RULES,
    TOPIC,
    serving_document,
)  # fmt: skip
from fake_client import FakeClient, checked_action, client_error
from fake_sagemaker import SageMaker
from sageloop_runtime import functions
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.functions import Clients, HourlyFiles, run
from sageloop_runtime.times import iso

PERMISSIONS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "lambda" / "permissions.json").read_text()
)
_LOOP = ("alarm", "channels", "data", "fallback", "gate", "role")
_IDS = {
    "job_resource": "job_id", "champion_endpoint_resource": "champion_endpoint_id",
    "default_security_group_resource": "default_security_group_id",
    "scaling_resource": "scaling_id",
}  # fmt: skip


def allowed(function: str, *parts: str) -> list[str]:
    """The actions of a function's policy where it serves these parts."""
    entry = PERMISSIONS[function]
    if isinstance(entry, list):
        return entry
    return [action for part in ("always", *parts) for action in entry.get(part, [])]


class Killed(BaseException):
    """The function's process died."""


class Context:
    invoked_function_arn = "champion_endpoint_resource"
    seconds = 60.0

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


class World(SageMaker):
    """A stack in this AWS.

    Args:
        gate: the gate's settings, other than the usual ones.
        kind: what kind of job it has.
        standalone: whether the job has neither gate nor alarm nor reconciler.

    """

    def __init__(
        self,
        *,
        gate: dict[str, Any] | None = None,
        kind: str = "training",
        standalone: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.standalone = kind, standalone
        self.extra: dict[str, str] = {}
        self.dead: list[tuple[str, dict[str, Any], BaseException]] = []
        self.answers: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        self.failures: dict[str, list[Exception]] = {}
        self.kill_at: tuple[int, bool] | None = None
        self.killed: set[str] = set()
        self.fail_at: tuple[int, bool] | None = None
        self.fail_code = "InternalFailure"
        self.running = ""
        self.context = Context()
        self._calls_of_invocation = 0
        self.files = HourlyFiles(FakeClient(self, "s3"))
        self.gate = gate or {
            "metric": "validation:mae", "objective": "Minimize", "threshold": 12.0,
            "improvement": 0.0,
        }  # fmt: skip
        self.set_alarm("OK")
        self.alarms[ROLLBACK_ALARM] = {
            "AlarmName": ROLLBACK_ALARM, "AlarmArn": f"{ALARM_ARN}-rollback", "StateValue": "OK",
            "ActionsEnabled": True,
        }  # fmt: skip
        self.event_rules = dict.fromkeys(RULES, "ENABLED")
        self.keys = {KEY: "Enabled"}

    def row(self, row_id: str) -> dict[str, Any]:
        return StateTable(FakeClient(self, "dynamodb"), "state").get(row_id) or {}

    # requests

    def call(self, service: str, name: str, request: dict[str, Any]) -> Any:
        action = checked_action(service, name, request)
        if self.running:
            parts = ("standalone", "alarm", "data", "role") if self.standalone else _LOOP
            if self.running == "endpoint_schedule":
                parts = ("standalone",)
            actions = allowed(self.running, self.kind, *parts)
            assert action in actions, f"{self.running} may not {action}"
        self.calls.append((self.running, action))
        self.counts[action] += 1
        self._calls_of_invocation += 1
        fatal = (
            self.kill_at is not None
            and self._calls_of_invocation == self.kill_at[0]
            and (not self.killed or self.running in self.killed)
        )
        if fatal and not self.kill_at[1]:
            raise Killed
        waiting = self.failures.get(action)
        if waiting:
            raise waiting.pop(0)
        fails = self.fail_at is not None and self._calls_of_invocation == self.fail_at[0]
        if fails and not self.fail_at[1]:
            raise client_error(self.fail_code, "try later", 500)
        answer = getattr(self, f"_{name}")(**request)
        if fails:
            raise client_error(self.fail_code, "the response was lost", 500)
        if fatal:
            raise Killed
        return answer

    # alarms and events

    def set_alarm(self, state: str, *, notify: bool = False) -> dict[str, Any]:
        self.alarms[ALARM] = {
            "AlarmName": ALARM, "AlarmArn": ALARM_ARN, "StateValue": state, "ActionsEnabled": True,
            "StateUpdatedTimestamp": datetime.fromtimestamp(self.now, UTC),
        }  # fmt: skip
        event = {
            "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
            "time": iso(self.now), "resources": [ALARM_ARN],
            "detail": {"alarmName": ALARM, "state": {"value": state, "timestamp": iso(self.now)}},
        }  # fmt: skip
        if notify and not self.lose_events:
            self.queue.append(("start_training", event))
        return event

    def data_event(self, version: str = "v1") -> dict[str, Any]:
        detail = {
            "bucket": {"name": BUCKET},
            "object": {"key": "sets/manifest.json", "etag": "e", "version-id": version},
        }
        return {"source": "aws.s3", "detail-type": "Object Created", "time": iso(self.now),
                "detail": detail}  # fmt: skip

    def environment(self, function: str = "") -> dict[str, str]:
        """A function's settings: those it has beside what all have decide how it works."""
        whole = self._environment() | self.extra
        gone: set[str] = set()
        if self.standalone:
            gone = {"ALARM_NAME", "ENDPOINT_NAME", "MODEL_PACKAGE_GROUP", "GATE", "CONTENT_TYPE"}
        elif function in {"start_training", "on_job_change"}:
            gone = {"ALERT_TOPIC_ARN"}
        return {name: value for name, value in whole.items() if name not in gone}

    def _environment(self) -> dict[str, str]:
        return {
            "STATE_TABLE": "state", "JOB": JOB, "COOLDOWN_SECONDS": str(COOLDOWN),
            "MAX_ATTEMPTS": str(MAX_ATTEMPTS), "METRIC_NAMESPACE": "sageloop",
            "ALARM_NAME": ALARM, "ENDPOINT_NAME": ENDPOINT, "MODEL_PACKAGE_GROUP": GROUP,
            "GATE": json.dumps(self.gate), "CONTENT_TYPE": "text/csv", "ALERT_TOPIC_ARN": TOPIC,
            "CAPTURE_URI": f"s3://{BUCKET}/capture", "GROUND_TRUTH_URI": f"s3://{BUCKET}/ground-truth",
            "WINDOW_MINUTES": "1440", "GROUND_TRUTH_DELAY_MINUTES": "60",
            "METRIC_NAME": "MeanAbsoluteError", "BACKOFF_SECONDS": str(BACKOFF),
            "VARIANTS": '["AllTraffic"]', "ON_JOB_CHANGE_FUNCTION": "on_job_change",
            "START_FUNCTION": "start_training", "RULES": json.dumps(RULES),
        }  # fmt: skip

    # functions

    def run(self, function: str, event: dict[str, Any]) -> Any:
        """One invocation; a Killed passes through."""
        clients = Clients(lambda service: FakeClient(self, service))
        env = self.environment(function)
        self.running, self._calls_of_invocation = function, 0
        try:
            if function == "start_training":
                return functions.job_starter(env, clients).handle(event)
            if function == "on_job_change":
                return functions.job_change(env, clients).handle(event)
            if function == "promote":
                return functions.promote(env, clients, event)
            if function == "evaluate":
                return functions.evaluator(
                    env, clients, self.files, function_arn="evaluate",
                    remaining=lambda: self.context.seconds,
                ).handle(event)  # fmt: skip
            if function == "reconcile":
                return functions.reconciler(env, clients).handle(event)
            if function == "endpoint_schedule":
                return functions.endpoint_schedule(env, clients).handle(event)
            return self._custom_resource(function, event, clients)
        finally:
            self.running = ""

    def _custom_resource(self, function: str, event: dict[str, Any], clients: Clients) -> Any:
        env, before = self.environment(), len(self.answers)

        def actions(check: Any) -> Any:
            checked = clients.checked(check)
            if function == "job_resource":
                return functions.job_actions(env, checked)
            if function == "default_security_group_resource":
                return functions.default_security_group_actions(checked)
            if function == "scaling_resource":
                return functions.scaling_actions(checked)
            return functions.champion_endpoint_actions(
                env, checked, function, pause=lambda _: self.move_endpoint()
            )

        send = lambda _url, body: self.answers.append(json.loads(body))  # noqa: E731
        own_id = getattr(functions, _IDS[function])
        run(event, self.context, actions, physical_id=own_id, send=send, pause=lambda _: None)
        return self.answers[-1] if len(self.answers) > before else None

    def deliver(self, function: str, event: dict[str, Any]) -> None:
        """As Lambda does with an asynchronous event: two retries, then the dead letters."""
        for attempt in range(3):
            try:
                self.run(function, event)
            except (Exception, Killed) as error:
                if attempt == 2:
                    self.dead.append((function, event, error))
            else:
                return

    def drain(self, limit: int = 200) -> None:
        """Deliver what is queued, in order, and what follows from it."""
        while self.queue and limit:
            self.deliver(*self.queue.pop(0))
            limit -= 1
        assert limit, "events without end"

    def reconcile(self) -> None:
        self.deliver("reconcile", {"source": "aws.events", "time": iso(self.now)})
        self.drain()

    # shortcuts

    def resource(
        self, function: str, kind: str, properties: dict[str, Any], *, physical: str | None = None
    ) -> Any:
        event = {
            "RequestType": kind, "ResponseURL": "https://answer", "StackId": "stack",
            "RequestId": "r", "LogicalResourceId": "Logical", "ResourceProperties": properties,
        }  # fmt: skip
        if physical is not None:
            event["PhysicalResourceId"] = physical
        return self.run(function, event)

    def document(self, **changes: Any) -> dict[str, Any]:
        """A document of the world's kind."""
        return dict(DOCUMENTS[self.kind](**changes))

    def put_job(self, action: str = "Create", **changes: Any) -> Any:
        """The job's custom resource."""
        text = json.dumps(self.document(**changes))
        return self.resource("job_resource", action, {"Job": JOB, "Document": text})

    def deploy(self, *, serving: dict[str, Any] | None = None, **job: Any) -> None:
        """Both custom resources, as the first deployment creates them."""
        answer = self.put_job(**job)
        assert answer["Status"] == "SUCCESS", answer
        if self.standalone:
            return
        text = json.dumps(serving_document(**(serving or {})))
        properties = {"EndpointName": ENDPOINT, "Document": text}
        answer = self.resource("champion_endpoint_resource", "Create", properties)
        assert answer["Status"] == "SUCCESS", answer

    def with_data(self, *, serving: dict[str, Any] | None = None) -> World:
        self.deliver_days("2013-01-01", "2013-02-28")
        body = json.dumps({"from": "2013-01-01", "through": "2013-02-28"})
        self.objects[BUCKET, "sets/manifest.json"] = body.encode()
        self.deploy(serving=serving)
        return self

    def with_champion(self, *, serving: dict[str, Any] | None = None) -> World:
        """A world where one model is live already, a week after it was trained."""
        self.with_data(serving=serving)
        self.deliver("start_training", self.data_event())
        self.finish(self.only_job())
        self.drain()
        self.move_endpoint()
        self.drain()
        assert self.row(f"champion#{ENDPOINT}")["state"] == "live"
        self.now += 7 * DAY
        return self

    def only_job(self) -> str:
        (name,) = self.running_jobs()
        return name

    def challenge(self, *, metric: float = 5.0) -> str:
        """Train a challenger manually up to its registration and the start of its rollout."""
        event = {"source": "manual", "id": f"{self.now}", "time": iso(self.now)}
        self.deliver("start_training", event)
        name = self.only_job()
        self.finish(name, metric=metric)
        self.drain()
        return name
