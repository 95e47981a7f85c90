"""An account with two loops on one state table, whose services refuse, delay and are stale."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError
from documents import ENDPOINT, HOUR, JOB, RULES, job_document, serving_document
from fake_client import client_error
from sageloop_runtime.aws.state_table import from_attribute
from sageloop_runtime.times import iso
from world import World

OTHER = "delays"
"""A second job, without a gate: triggered by the same alarm and the same data."""
SERVICES = (
    "application-autoscaling", "cloudwatch", "dynamodb", "events", "lambda", "s3", "sagemaker",
    "sns",
)  # fmt: skip


class Account(World):
    """A loop with a champion, and a second job with the same triggers on the same state table."""

    def __init__(self) -> None:
        super().__init__()
        self.denied: dict[str, float] = {}
        self.late: list[tuple[float, str, dict[str, Any]]] = []
        self.stale_lists = 0
        self.manual_configs = 0
        self.serving = serving_document()
        self.with_champion()
        self.put_other()

    def put_other(self, **changes: Any) -> Any:
        """The custom resource of the second job."""
        text = json.dumps(job_document(job=OTHER, **changes))
        return self.resource("job_resource", "Update", {"Job": OTHER, "Document": text})

    # two loops: functions of the second job have its name behind theirs

    def run(self, function: str, event: dict[str, Any]) -> Any:
        name, _, job = function.partition("@")
        self.standalone = job == OTHER
        try:
            return super().run(name, event)
        finally:
            self.standalone = False

    def environment(self, function: str = "") -> dict[str, str]:
        own = super().environment(function)
        if not self.standalone:
            return own
        names = {"START_FUNCTION": "start_training", "ON_JOB_CHANGE_FUNCTION": "on_job_change"}
        return {**own, "JOB": OTHER, **{k: f"{name}@{OTHER}" for k, name in names.items()}}

    def emit(self, function: str, source: str, kind: str, detail: dict[str, Any]) -> None:
        """The rules of each loop match the names of its jobs."""
        is_other = str(detail.get("TrainingJobName")).startswith(f"{OTHER}-")
        super().emit(f"{function}@{OTHER}" if is_other else function, source, kind, detail)

    def trigger(self, event: dict[str, Any]) -> None:
        """Queue an event that starts both jobs."""
        self.queue += [("start_training", event), (f"start_training@{OTHER}", event)]

    def running_of(self, job: str) -> list[str]:
        return [name for name in self.running_jobs() if name.startswith(f"{job}-")]

    def reconcile_both(self) -> None:
        event = {"source": "aws.events", "time": iso(self.now)}
        self.deliver("reconcile", event)
        self.deliver(f"on_job_change@{OTHER}", event)

    # faults

    def call(self, service: str, name: str, request: dict[str, Any]) -> Any:
        if self.running and self.denied.get(service, 0.0) > self.now:
            code = "AccessDenied" if service == "s3" else "AccessDeniedException"
            raise client_error(code, f"not authorized to perform {service}:{name}", 403)
        return super().call(service, name, request)

    def _list_model_packages(self, **request: Any) -> Any:
        return self._stale("ModelPackageSummaryList", super()._list_model_packages(**request))

    def _list_endpoint_configs(self, **request: Any) -> Any:
        return self._stale("EndpointConfigs", super()._list_endpoint_configs(**request))

    def _stale(self, member: str, answer: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """A list without its newest item, as before it was created."""
        if not self.stale_lists:
            return answer
        self.stale_lists -= 1
        return {member: answer[member][1:]}

    def redrive(self) -> None:
        """Queue the dead letters again."""
        self.queue += [(function, event) for function, event, _ in self.dead]
        self.dead = []

    def stored(self, row_id: str) -> dict[str, Any]:
        """A row as it is stored, without a call."""
        row = self.rows.get(row_id, {})
        return {key: from_attribute(value) for key, value in row.items()}

    def postpone(self, hours: float) -> None:
        """Deliver the first event of the queue hours later."""
        if self.queue:
            self.late.append((self.now + hours * HOUR, *self.queue.pop(0)))

    def pass_time(self, hours: float) -> None:
        self.now += hours * HOUR
        due = [each for each in self.late if each[0] <= self.now]
        self.late = [each for each in self.late if each[0] > self.now]
        self.queue += [(function, event) for _, function, event in due]

    # people

    def change_manually(self, what: str) -> None:
        """What a person does in the console."""
        in_service = self.endpoint is not None and self.endpoint["EndpointStatus"] == "InService"
        if what == "endpoint deleted" and in_service:
            self._delete_endpoint(ENDPOINT)
        elif what == "configuration" and in_service:
            self._configure_manually()
        elif what == "alarm deleted":
            self.alarms.pop("endpoint-errors", None)
        elif what == "rule disabled":
            self.event_rules[RULES[0]] = "DISABLED"
        elif what == "scaling removed":
            self.targets.clear()
        elif what == "rows deleted":
            kept = ("trigger#", "findings#")
            self.rows = {k: row for k, row in self.rows.items() if not k.startswith(kept)}

    def _configure_manually(self) -> None:
        assert self.endpoint is not None
        config = copy.deepcopy(self.configs[self.endpoint["EndpointConfigName"]])
        if any(each["ModelName"] not in self.models for each in config["ProductionVariants"]):
            return
        self.manual_configs += 1
        name = f"manual-{self.manual_configs}"
        self.configs[name] = config
        with suppress(ClientError):  # it is in progress, or the configuration not visible yet
            self._update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=name)

    def repair_manually(self) -> None:
        """What a person does who follows the alerts, and what ends by itself."""
        self.denied.clear()
        self.stale_lists = self.invisible_config_calls = self.in_progress_calls = 0
        self.event_rules = dict.fromkeys(RULES, "ENABLED")
        if "endpoint-errors" not in self.alarms:
            self.alarms["endpoint-errors"] = {
                "AlarmName": "endpoint-errors", "StateValue": "OK", "ActionsEnabled": True,
            }  # fmt: skip
        if self.endpoint is not None and self.endpoint["EndpointStatus"] == "UpdateRollbackFailed":
            self.endpoint["EndpointStatus"] = "InService"

    # deployments

    def deploy_serving(self, document: dict[str, Any]) -> None:
        """Update the endpoint's resource; CloudFormation rolls a failed update back."""
        if not self._put_serving(document):
            self._put_serving(self.serving)
            return
        self.serving = document

    def _put_serving(self, document: dict[str, Any]) -> bool:
        properties = {"EndpointName": ENDPOINT, "Document": json.dumps(document)}
        answer = self.resource(
            "champion_endpoint_resource", "Update", properties, physical=ENDPOINT
        )
        return bool(answer["Status"] == "SUCCESS")

    def deploy_job(self, seconds: int) -> None:
        """Update the resources of both jobs."""
        request = job_document()["request"]
        request["StoppingCondition"] = {"MaxRuntimeInSeconds": seconds}
        for job in (JOB, OTHER):
            text = json.dumps(job_document(job=job, request=request))
            self.resource("job_resource", "Update", {"Job": job, "Document": text}, physical=job)
