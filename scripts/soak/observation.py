"""What is observed of the loop through AWS's APIs: the facts that the invariants are about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sageloop.champions.endpoints import version_of
from sageloop.champions.status import status_of
from sageloop.existing import describe_existing
from sageloop.metric_values import metric_values

from .loop import DeployedLoop

_JOB_KEY = "sageloop:training-job"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The loop at the end of a step. Times are virtual epoch seconds.

    ``disturbed`` is whether an injected fault denies a call without which no job starts.
    """

    time: float
    alarm: str | None = None
    in_flight: str | None = None
    pending: bool = False
    attempts: int = 0
    last_started_at: float | None = None
    endpoint: str | None = None
    config: str | None = None
    has_champion: bool = True
    disturbed: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job of the loop with its trigger; ``ended`` is None while it runs."""

    name: str
    created: float
    ended: float | None
    key: str = ""
    kind: str = ""
    series: str = ""
    alarm: str | None = None
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Package:
    """A model package: its artifact, approval and job, and the outcome of the job's gate."""

    arn: str
    model: str
    approval: str
    job: str
    outcome: str | None


@dataclass(frozen=True, kw_only=True)
class Served:
    """A configuration that is served, or to which a rollback would return."""

    config: str
    role: str
    model: str | None
    artifact_exists: bool


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A dead-letter queue: events dropped by its function, messages, its alarm's state."""

    function: str
    dropped: int
    messages: int
    alarm: str | None


@dataclass(frozen=True, kw_only=True)
class Calm:
    """The loop after a time without faults."""

    in_flight: str | None
    pending: bool
    alerts: int
    endpoint: str | None
    config: str | None
    champion_config: str | None
    state: str | None
    champion: int
    newest: int
    problems: tuple[str, ...]


class Observer:
    """Reads a deployed loop; remembers the triggers of jobs and the models of configurations."""

    def __init__(self, loop: DeployedLoop) -> None:
        self._loop = loop
        self._sagemaker = loop.cloud.client("sagemaker")
        self._triggers: dict[str, dict[str, Any]] = {}
        self._models: dict[str, str | None] = {}
        self._packages: dict[str, Package] = {}
        self._number = 0

    def step(self, *, disturbed: bool) -> Observation:
        """The loop now."""
        row, champion = self._loop.row("loop"), self._loop.row("champion")
        alarm, endpoint = self._loop.alarm(), self._loop.endpoint()
        last = row.get("last_started_at")
        return Observation(
            time=self._loop.cloud.time(),
            alarm=None if alarm is None else str(alarm["StateValue"]),
            in_flight=row.get("in_flight"),
            pending=bool(row.get("pending")),
            attempts=int(row.get("attempts", 0)),
            last_started_at=None if last is None else float(last),
            endpoint=None if endpoint is None else str(endpoint["EndpointStatus"]),
            config=None if endpoint is None else endpoint.get("EndpointConfigName"),
            has_champion=bool(champion.get("live_config")) and not champion.get("stopped"),
            disturbed=disturbed,
        )

    def jobs(self) -> list[Job]:
        """All jobs of the loop, oldest first, with their triggers from the recorded writes."""
        self._read_triggers()
        prefix = f"{self._loop.names.job}-"
        pages = self._sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains=prefix, SortBy="CreationTime", SortOrder="Ascending"
        )
        return [self._job(item) for page in pages for item in page["TrainingJobSummaries"]]

    def _job(self, item: dict[str, Any]) -> Job:
        name = str(item["TrainingJobName"])
        running = item["TrainingJobStatus"] in {"InProgress", "Stopping"}
        ended = item.get("TrainingEndTime", item["LastModifiedTime"])
        trigger = self._triggers.get(name, {})
        return Job(
            name=name, created=item["CreationTime"].timestamp(),
            ended=None if running else ended.timestamp(),
            key=trigger.get("key", ""), kind=trigger.get("kind", ""),
            series=trigger.get("series", ""), alarm=trigger.get("alarm"),
            attempt=int(trigger.get("attempt", 1)),
        )  # fmt: skip

    def _read_triggers(self) -> None:
        """Triggers by job, from the writes that took the lock."""
        calls = self._loop.cloud.calls(action="dynamodb:UpdateItem", after=self._number)
        for call in calls:
            self._number = max(self._number, int(call["number"]))
            names = call["params"].get("ExpressionAttributeNames", {})
            values = call["params"].get("ExpressionAttributeValues", {})
            written = {
                attribute: values[f":{key[1:]}"]
                for key, attribute in names.items()
                if key.startswith("#c") and f":{key[1:]}" in values
            }
            if call["outcome"] == "OK" and {"in_flight", "trigger"} <= set(written):
                self._triggers[written["in_flight"]["S"]] = json.loads(written["trigger"]["S"])

    def packages(self) -> list[Package]:
        """All packages of the group; what cannot change is read once."""
        pages = self._sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self._loop.names.package_group
        )
        listed = [item for page in pages for item in page["ModelPackageSummaryList"]]
        return [
            self._package(str(item["ModelPackageArn"]), str(item["ModelApprovalStatus"]))
            for item in listed
        ]

    def _package(self, arn: str, approval: str) -> Package:
        known = self._packages.get(arn)
        if known is None or known.approval != approval:
            description = self._sagemaker.describe_model_package(ModelPackageName=arn)
            job = str(description.get("CustomerMetadataProperties", {}).get(_JOB_KEY, ""))
            known = Package(
                arn=arn, approval=approval, job=job,
                model=description["InferenceSpecification"]["Containers"][0]["ModelDataUrl"],
                outcome=self._loop.row_of(f"result#{job}").get("outcome"),
            )  # fmt: skip
            self._packages[arn] = known
        return known

    def served(self) -> Iterator[Served]:
        """What the endpoint serves, and the configurations to which a rollback returns."""
        champion, endpoint = self._loop.row("champion"), self._loop.endpoint()
        former = champion.get("former") or {}
        configs = {
            "served": None if endpoint is None else endpoint.get("EndpointConfigName"),
            "champion": champion.get("live_config"),
            "roll-back target": former.get("config_name"),
        }
        for role, config in configs.items():
            if config:
                model = self._model(str(config)) or (
                    former.get("model_data_url") if config == former.get("config_name") else None
                )
                yield Served(
                    config=str(config), role=role, model=model,
                    artifact_exists=model is not None and self._exists(model),
                )  # fmt: skip

    def _model(self, config: str) -> str | None:
        if config not in self._models:
            description = describe_existing(
                self._sagemaker.describe_endpoint_config, EndpointConfigName=config
            )
            name = (
                None if description is None else description["ProductionVariants"][0]["ModelName"]
            )
            model = name and describe_existing(self._sagemaker.describe_model, ModelName=name)
            self._models[config] = model["PrimaryContainer"]["ModelDataUrl"] if model else None
        return self._models[config]

    def _exists(self, uri: str) -> bool:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        head = self._loop.cloud.client("s3").head_object
        return describe_existing(head, Bucket=bucket, Key=key) is not None

    def queues(self, since: float) -> list[Queue]:
        """The dead-letter queues, and the events dropped since a virtual time."""
        alarms = self._alarms_by_queue()
        return [
            Queue(
                function=each.function,
                dropped=self._dropped(each.function, since),
                messages=self.messages(each.url),
                alarm=alarms.get(each.queue),
            )
            for each in self._loop.queues
        ]

    def messages(self, url: str) -> int:
        """The number of messages of a queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        held = self._loop.cloud.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=names
        )
        return sum(int(held["Attributes"][name]) for name in names)

    def _dropped(self, function: str, since: float) -> int:
        values = metric_values(
            self._loop.cloud.client("cloudwatch"), namespace="AWS/Lambda",
            metric="AsyncEventsDropped", dimensions={"FunctionName": function}, statistic="Sum",
            start=since, end=self._loop.cloud.time() + 60,
        )  # fmt: skip
        return int(sum(value for _, value in values))

    def _alarms_by_queue(self) -> dict[str, str]:
        pages = self._loop.cloud.client("cloudwatch").get_paginator("describe_alarms").paginate()
        return {
            dimension["Value"]: alarm["StateValue"]
            for page in pages
            for alarm in page["MetricAlarms"]
            for dimension in alarm.get("Dimensions", [])
            if dimension["Name"] == "QueueName" and alarm["ActionsEnabled"]
        }

    def alerts_between(self, first: float, last: float) -> list[str]:
        """The texts that were published to topics in a period."""
        return [
            str(message["message"])
            for message in self._loop.cloud.published()
            if first <= float(message["time"]) <= last
        ]

    def calm(self) -> Calm:
        """The loop after a time without faults."""
        loop, champion = self._loop.row("loop"), self._loop.row("champion")
        findings, endpoint = self._loop.row("findings"), self._loop.endpoint()
        status = status_of(
            self._loop.cloud.client, self._loop.promotion, now=self._loop.cloud.time()
        )
        quarantined = set(champion.get("quarantined", []))
        approved = [p.arn for p in self.packages() if p.approval == "Approved"]
        versions = [version_of(arn) for arn in approved if arn not in quarantined]
        return Calm(
            in_flight=loop.get("in_flight"), pending=bool(loop.get("pending")),
            alerts=sum(len(row.get("alerts", [])) for row in (loop, champion, findings)),
            endpoint=None if endpoint is None else str(endpoint["EndpointStatus"]),
            config=None if endpoint is None else endpoint.get("EndpointConfigName"),
            champion_config=champion.get("config_name"), state=champion.get("state"),
            champion=version_of(champion.get("package_arn")),
            newest=max(
                (v for v in versions if v > int(champion.get("superseded_version", 0))), default=0
            ),
            problems=tuple(status.problems),
        )  # fmt: skip
