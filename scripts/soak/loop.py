"""The deployed loop as a client of AWS sees it: names, rows, requests, deployments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.champions.endpoints import Promotion, find_promotion, read_row
from sageloop.champions.status import Loop, find_loop
from sageloop.demo.cdk import DEPLOY_ALL, DESTROY_ALL, Cdk, CdkResult
from sageloop.demo.flights import Flight
from sageloop.demo.traffic import Route, ground_truth_line, put_ground_truth
from sageloop.demo.watch import Names, names_of
from sageloop.existing import describe_existing
from sageloop.local_cloud.client import LocalCloud
from scripts.synthesis import ROOT

RECONCILE_MINUTES, ROUNDS = 60, 20


class SoakError(RuntimeError):
    """The run cannot go on."""


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """A function with its dead-letter queue: its name, and the queue's name and URL."""

    function: str
    queue: str
    url: str


class DeployedLoop:
    """The stacks of the demo on a cloud.

    Args:
        cloud: The cloud.
        work: A folder for settings, assemblies and logs.

    """

    def __init__(self, cloud: LocalCloud, work: Path) -> None:
        self.cloud, self._work = cloud, work
        self._cdk = Cdk(ROOT, cloud, work=work, log=work / "cdk.log")
        self._settings = settings_text()
        self.deploys = 0

    # stacks

    def deploy_first(self) -> None:
        """Bootstrap and deploy; read the names of the resources."""
        for arguments in (("bootstrap",), DEPLOY_ALL):
            self._require(self._run(*arguments))
        self.names: Names = names_of(self.cloud)
        client = self.cloud.client
        self.promotion: Promotion = find_promotion(client("ssm"), self.names.endpoint)
        loop = find_loop(client("ssm"), self.names.endpoint)
        if loop is None:
            raise SoakError(f"the endpoint {self.names.endpoint} has no loop")
        self.settings: Loop = loop
        self.route = Route(
            endpoint=self.names.endpoint, bucket=self.names.bucket,
            data_prefix="datasets/flights/", ground_truth_prefix="ground-truth/",
        )  # fmt: skip
        self.queues = tuple(self._dead_letters())

    def deploy(self, **lines: str) -> CdkResult:
        """Deploy with other values of some settings (TOML text by key)."""
        self._settings = changed_settings(self._settings, **lines)
        self.deploys += 1
        return self._run(*DEPLOY_ALL)

    def destroy(self) -> CdkResult:
        """Destroy the stacks."""
        return self._run(*DESTROY_ALL)

    def _run(self, *arguments: str) -> CdkResult:
        path = self._work / "soak.toml"
        path.write_text(self._settings)
        return self._cdk.run(*arguments, settings=str(path))

    @staticmethod
    def _require(result: CdkResult) -> None:
        if result.code:
            tail = "\n".join(result.output.strip().splitlines()[-15:])
            raise SoakError(f"cdk ended with {result.code}:\n{tail}")

    def _dead_letters(self) -> Iterator[DeadLetters]:
        functions, sqs = self.cloud.client("lambda"), self.cloud.client("sqs")
        for page in functions.get_paginator("list_functions").paginate():
            for item in page["Functions"]:
                arn = item.get("DeadLetterConfig", {}).get("TargetArn")
                if arn:
                    queue = str(arn).rpartition(":")[2]
                    url = str(sqs.get_queue_url(QueueName=queue)["QueueUrl"])
                    yield DeadLetters(function=item["FunctionName"], queue=queue, url=url)

    def function(self, part: str) -> str:
        """The name of the function whose name has a part, for example ``LoopReconcile``."""
        (name,) = [each.function for each in self.queues if part in each.function]
        return name

    # reads

    def row(self, kind: str) -> dict[str, Any]:
        """A row of the state table by the part before ``#``; empty if there is none."""
        name = self.names.endpoint if kind in {"champion", "serving"} else self.names.job
        return self.row_of(f"{kind}#{name}")

    def row_of(self, row_id: str) -> dict[str, Any]:
        """A row of the state table by its id; empty if there is none."""
        return dict(read_row(self.cloud.client("dynamodb"), self.names.state_table, row_id))

    def endpoint(self) -> dict[str, Any] | None:
        """The description of the endpoint; None if there is none."""
        return describe_existing(
            self.cloud.client("sagemaker").describe_endpoint, EndpointName=self.names.endpoint
        )

    def alarm(self) -> dict[str, Any] | None:
        """The model quality alarm; None if it is deleted."""
        listed = self.cloud.client("cloudwatch").describe_alarms(AlarmNames=[self.names.alarm])
        return dict(listed["MetricAlarms"][0]) if listed["MetricAlarms"] else None

    # what clients and data suppliers do

    def request(self, flights: Sequence[Flight], name: str, *, shift: float = 0.0) -> bool:
        """Send a request, and upload its ground truth; whether it was answered.

        ``shift`` is added to the labels: minutes by which flights take longer than they did.
        """
        body = "\n".join(flight.row() for flight in flights).encode()
        try:
            self.cloud.client("sagemaker-runtime").invoke_endpoint(
                EndpointName=self.names.endpoint, ContentType="text/csv", InferenceId=name,
                Body=body,
            )["Body"].read()  # fmt: skip
        except (ClientError, BotoCoreError):
            return False
        line = ground_truth_line(name, [flight.minutes + shift for flight in flights])
        put_ground_truth(self.cloud.client("s3"), self.route, self.cloud.time(), [line])
        return True

    def invoke(self, part: str, event: dict[str, Any]) -> None:
        """Invoke a function asynchronously, as EventBridge does."""
        self.cloud.client("lambda").invoke(
            FunctionName=self.function(part), InvocationType="Event", Payload=json.dumps(event)
        )

    def iso_now(self) -> str:
        """The virtual time in ISO format."""
        return datetime.fromtimestamp(self.cloud.time(), UTC).isoformat()


def settings_text() -> str:
    """The settings ``prod`` with the soak's small job and its reconciler."""
    text = (ROOT / "settings" / "prod.toml").read_text()
    return changed_settings(text, num_round=str(ROUNDS), reconcile_minutes=str(RECONCILE_MINUTES))


def changed_settings(text: str, **lines: str) -> str:
    """Settings with other values for some keys.

    Raises:
        SoakError: If a key does not occur exactly once.

    """
    for key, value in lines.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        if count != 1:
            raise SoakError(f"the settings have {count} lines {key!r}, one is expected")
    return text
