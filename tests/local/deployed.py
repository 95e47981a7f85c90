"""The project's app on a cloud, and helpers to drive its loop as a client of AWS."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from roles import FUNCTION, LAMBDA, role_properties

from sageloop.demo.watch import Watcher, names_of
from sageloop.local_cloud.assembly import deploy_assembly
from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.server import LocalCloudServer
from scripts.synthesis import ROOT
from tests.assemblies import assembly

ROWS_A_DAY = 150
ROOM = 20  # values of a feature


def settings_variant(folder: Path, **lines: str) -> str:
    """A settings file like prod's, with other values for some keys (TOML text each)."""
    text = (ROOT / "settings" / "prod.toml").read_text()
    for key, value in lines.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
        assert count == 1, key
    path = folder / "other.toml"
    path.write_text(text)
    return str(path)


def rows(day: date, shift: float = 0.0) -> list[tuple[float, str]]:
    """Label and features of a day's rows; ``shift`` is the drift of the label."""
    dice = random.Random(day.toordinal())
    made = []
    for _ in range(ROWS_A_DAY):
        one, two = dice.randrange(ROOM), dice.randrange(ROOM)
        made.append((3.0 * one + 2.0 * two + dice.uniform(-1, 1) + shift, f"{one},{two}"))
    return made


class Loop:
    """The deployed loop as a client sees it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.names = names_of(cloud)
        self.watch = Watcher(cloud, self.names)
        self.began = cloud.time()
        self._requests = 0

    def deliver(self, first: date, days: int, *, shift: float = 0.0, manifest: bool = True) -> None:
        """Upload days of labelled rows, then the manifest that completes the delivery."""
        s3 = self.cloud.client("s3")
        dates = [first + timedelta(days=n) for n in range(days)]
        for day in dates:
            lines = "".join(f"{label:.3f},{features}\n" for label, features in rows(day, shift))
            key = f"datasets/flights/dt={day}/rows.csv"
            s3.put_object(Bucket=self.names.bucket, Key=key, Body=lines.encode())
        if manifest:
            body = json.dumps({"from": str(dates[0]), "through": str(dates[-1])})
            s3.put_object(
                Bucket=self.names.bucket, Key="datasets/flights/manifest.json", Body=body.encode()
            )

    def invoke(self, day: date, *, shift: float = 0.0, requests: int = 10) -> list[float]:
        """Send a day's rows to the endpoint and upload their ground truth; return responses."""
        runtime, chosen = self.cloud.client("sagemaker-runtime"), rows(day, shift)
        answers, labelled = [], []
        for number in range(requests):
            part = chosen[number::requests][:5]
            self._requests += 1
            answer = runtime.invoke_endpoint(
                EndpointName=self.names.endpoint, ContentType="text/csv",
                InferenceId=f"request-{self._requests}",
                Body="\n".join(features for _, features in part).encode(),
            )  # fmt: skip
            answers += [float(v) for v in answer["Body"].read().decode().replace("\n", ",").split(",") if v]  # fmt: skip # noqa: E501
            labelled.append(
                _ground_truth(f"request-{self._requests}", [label for label, _ in part])
            )
        moment = datetime.fromtimestamp(self.cloud.time(), UTC)
        self.cloud.client("s3").put_object(
            Bucket=self.names.bucket,
            Key=f"ground-truth/{moment:%Y/%m/%d/%H}/{self._requests}.jsonl",
            Body="\n".join(labelled).encode(),
        )  # fmt: skip
        return answers

    def champion(self) -> dict[str, Any]:
        """The champion's row of the state table, as plain values."""
        row = self.cloud.client("dynamodb").get_item(
            TableName=self.names.state_table, Key={"id": {"S": f"champion#{self.names.endpoint}"}}
        )
        return {k: next(iter(v.values())) for k, v in row.get("Item", {}).items()}

    def finished(self, count: int) -> list[dict[str, Any]] | None:
        """The loop's jobs, once there are ``count`` and all have ended."""
        jobs = self.watch.jobs()
        ended = all(j["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") for j in jobs)
        return jobs if len(jobs) >= count and ended else None

    def packages(self) -> list[dict[str, Any]]:
        """The registered packages, oldest first."""
        listed = self.cloud.client("sagemaker").list_model_packages(
            ModelPackageGroupName=self.names.package_group, SortOrder="Ascending"
        )
        return list(listed["ModelPackageSummaryList"])


def _ground_truth(name: str, labels: Sequence[float]) -> str:
    data = {"data": "\n".join(map(str, labels)), "encoding": "CSV"}
    return json.dumps(
        {"groundTruthData": data, "eventMetadata": {"eventId": name}, "eventVersion": "0"}
    )


@contextmanager
def in_process() -> Iterator[tuple[Cloud, LocalCloud]]:
    """A cloud inside this process, which a test can access, and a client's handle on it."""
    server = LocalCloudServer(CloudConfig(operation_wait=4.0))
    server.start()
    try:
        yield server.cloud, LocalCloud.from_access(server.cloud.access)
    finally:
        server.stop()


def deploy_project(cloud: LocalCloud, settings: str = "prod") -> Loop:
    """The project's app deployed, without the CDK CLI."""
    deploy_assembly(cloud, assembly(settings))
    return Loop(cloud)


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def survivors(processes: Sequence[psutil.Process], seconds: float = 10.0) -> list[str]:
    """Descriptions of the processes that still run a moment later."""
    _, alive = psutil.wait_procs(list(processes), timeout=seconds)
    messages = []
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                messages.append(f"{process.pid}: {' '.join(process.cmdline())}")
    return messages


def reasons(cloud: LocalCloud, stack: str, status: str) -> list[str]:
    """The reasons of a stack's events with a status."""
    events = cloud.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return [
        f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}"
        for e in events
        if e["ResourceStatus"] == status
    ]


def function_template(code: str, **resources: Any) -> dict[str, Any]:
    """A template with one Python function ``Function`` and its role."""
    function = {
        "Runtime": "python3.11", "Handler": "index.handler", "Timeout": 20,
        "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Code": {"ZipFile": code},
    }  # fmt: skip
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role_properties(LAMBDA, *FUNCTION)},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            **resources,
        },
        "Outputs": {"Function": {"Value": {"Ref": "Function"}}},
    }
