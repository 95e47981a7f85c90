"""A small AWS in memory: conditional writes, SageMaker's states, lost and doubled events, crashes.

Every request is checked against botocore's model before it is answered, and every call recorded.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from sageloop_runtime import functions
from sageloop_runtime.capture import Files
from sageloop_runtime.clients import Clients
from sageloop_runtime.custom_resource import run
from sageloop_runtime.times import event_time, iso

JOB, ENDPOINT, GROUP, ALARM = "flights", "flights-endpoint", "flights-models", "flights-error"
BUCKET, TOPIC = "data", "arn:aws:sns:eu-west-1:123456789012:pages"
ALARM_ARN = f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{ALARM}"
START = 1_700_000_000.0
HOUR, DAY = 3600.0, 86400.0
COOLDOWN, BACKOFF, MAX_ATTEMPTS = 6 * 3600, 1800, 3


PERMISSIONS: dict[str, list[str]] = json.loads(
    (Path(__file__).parents[2] / "lambda" / "permissions.json").read_text()
)


class Killed(BaseException):
    """The function's process died."""


def client_error(code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "Operation",
    )


@cache
def _model(service: str) -> tuple[ServiceModel, dict[str, str]]:
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    return model, {xform_name(name): name for name in model.operation_names}


_PREFIX = {"application-autoscaling": "application-autoscaling", "sagemaker-runtime": "sagemaker"}
_RENAMED = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "lambda:Invoke": "lambda:InvokeFunction",
    "cloudwatch:PutMetricData": "cloudwatch:PutMetricData",
}


class FakeClient:
    """Looks like a boto3 client; the world answers."""

    def __init__(self, world: World, service: str) -> None:
        self._world = world
        self._service = service

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **request: self._world.call(self._service, name, request)


class World:
    def __init__(self, *, gate: dict[str, Any] | None = None) -> None:
        self.now = START
        self.rows: dict[str, dict[str, Any]] = {}
        self.objects: dict[tuple[str, str], bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.packages: list[dict[str, Any]] = []
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.endpoint: dict[str, Any] | None = None
        self.alarms: dict[str, dict[str, Any]] = {}
        self.metrics: list[dict[str, Any]] = []
        self.pages: list[str] = []
        self.targets: dict[str, dict[str, Any]] = {}
        self.queue: list[tuple[str, dict[str, Any]]] = []
        self.dead: list[tuple[str, dict[str, Any], BaseException]] = []
        self.answers: list[dict[str, Any]] = []
        self.served_artifacts: list[str] = []
        self.interfaces: list[dict[str, Any]] = []
        self.groups: dict[str, dict[str, Any]] = {}
        self.champion_answer: Callable[[str], str] = lambda row: "120"
        self.invisible_config_calls = 0
        self.in_progress_calls = 0
        self.calls: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        self.failures: dict[str, list[Exception]] = {}
        self.kill_at: tuple[int, bool] | None = None
        self.killed: set[str] = set()
        self.lose_events = False
        self.running = ""
        self._calls_of_invocation = 0
        self.files = Files(FakeClient(self, "s3"))
        self.gate = gate or {
            "metric": "validation:mae", "objective": "Minimize", "threshold": 12.0,
            "improvement": 0.0,
        }  # fmt: skip
        self.set_alarm("OK")

    # requests

    def call(self, service: str, name: str, request: dict[str, Any]) -> Any:
        model, operations = _model(service)
        operation = model.operation_model(operations[name])
        if operation.input_shape is not None:
            report = ParamValidator().validate(request, operation.input_shape)
            assert not report.has_errors(), report.generate_report()
        action = f"{_PREFIX.get(service, service)}:{operation.name}"
        action = _RENAMED.get(action, action)
        if self.running:
            assert action in PERMISSIONS[self.running], f"{self.running} may not {action}"
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
        answer = getattr(self, f"_{name}")(**request)
        if fatal:
            raise Killed
        return answer

    # dynamodb

    def _get_item(self, Key: Any, **_: Any) -> Any:
        row = self.rows.get(Key["id"]["S"])
        return {} if row is None else {"Item": {**row, **Key}}

    def _put_item(self, Item: Any, ConditionExpression: str | None = None, **_: Any) -> Any:
        row_id = Item["id"]["S"]
        if ConditionExpression is not None and row_id in self.rows:
            raise client_error("ConditionalCheckFailedException", "The conditional request failed")
        self.rows[row_id] = dict(Item)

    def _update_item(
        self, Key: Any, UpdateExpression: str, ExpressionAttributeNames: Any,
        ConditionExpression: str = "", ExpressionAttributeValues: Any = None, **_: Any,
    ) -> Any:  # fmt: skip
        names, values = ExpressionAttributeNames, ExpressionAttributeValues or {}
        row = dict(self.rows.get(Key["id"]["S"], Key))
        for part in ConditionExpression.split(" AND ") if ConditionExpression else []:
            absent = re.fullmatch(r"attribute_not_exists\((#\w+)\)", part)
            if absent:
                good = names[absent[1]] not in row
            else:
                left, right = part.split(" = ")
                good = row.get(names[left]) == values[right]
            if not good:
                raise client_error("ConditionalCheckFailedException", "The condition failed")
        match = re.fullmatch(r"(?:SET (.*?))?\s?(?:REMOVE (.*))?", UpdateExpression)
        assert match is not None
        for item in match[1].split(", ") if match[1] else []:
            left, right = item.split(" = ")
            row[names[left]] = values[right]
        for item in match[2].split(", ") if match[2] else []:
            row.pop(names[item], None)
        self.rows[Key["id"]["S"]] = row

    def _delete_item(self, Key: Any, **_: Any) -> Any:
        self.rows.pop(Key["id"]["S"], None)

    def row(self, row_id: str) -> dict[str, Any]:
        from sageloop_runtime.state import StateTable

        return StateTable(FakeClient(self, "dynamodb"), "state").get(row_id) or {}

    # s3

    def _list_objects_v2(self, Bucket: str, Prefix: str, **_: Any) -> Any:
        found = sorted(k for b, k in self.objects if b == Bucket and k.startswith(Prefix))
        contents = [
            {"Key": key, "Size": len(self.objects[Bucket, key]), "ETag": str(hash(key))}
            for key in found
        ]
        return {"Contents": contents, "IsTruncated": False}

    def _get_object(self, Bucket: str, Key: str, Range: str | None = None) -> Any:
        body = self.objects.get((Bucket, Key))
        if body is None:
            raise client_error("NoSuchKey", "The specified key does not exist.", 404)
        if Range is not None:
            if not body:
                raise client_error("InvalidRange", "The requested range is not satisfiable", 416)
            body = body[:2]
        return {"Body": io.BytesIO(body)}

    def _put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> Any:
        self.objects[Bucket, Key] = Body

    def deliver_days(self, first: str, last: str, *, label: int = 100) -> None:
        start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
        for ordinal in range(start.toordinal(), end.toordinal() + 1):
            day = datetime.fromordinal(ordinal).date().isoformat()
            self.objects[BUCKET, f"sets/dt={day}/part.csv"] = f"{label},1,2\n".encode() * 3

    # training jobs

    def _create_training_job(self, TrainingJobName: str, **request: Any) -> Any:
        if TrainingJobName in self.jobs:
            raise client_error("ResourceInUse", "Training job names must be unique")
        self.jobs[TrainingJobName] = {
            **request, "TrainingJobName": TrainingJobName, "TrainingJobStatus": "InProgress",
            "CreationTime": datetime.fromtimestamp(self.now, UTC), "FinalMetricDataList": [],
        }  # fmt: skip
        return {"TrainingJobArn": f"arn:aws:sagemaker:::training-job/{TrainingJobName}"}

    def _describe_training_job(self, TrainingJobName: str) -> Any:
        if TrainingJobName not in self.jobs:
            raise client_error("ValidationException", "Requested resource not found.")
        return self.jobs[TrainingJobName]

    def _list_training_jobs(self, NameContains: str, StatusEquals: str, **_: Any) -> Any:
        names = [
            n for n, job in self.jobs.items()
            if NameContains in n and job["TrainingJobStatus"] == StatusEquals
        ]  # fmt: skip
        return {"TrainingJobSummaries": [{"TrainingJobName": name} for name in names]}

    def _stop_training_job(self, TrainingJobName: str) -> Any:
        job = self.jobs.get(TrainingJobName)
        if job is None:
            raise client_error("ValidationException", "Requested resource not found.")
        if job["TrainingJobStatus"] == "InProgress":
            self.finish(TrainingJobName, status="Stopped", secondary="Stopped")

    def finish(
        self, name: str, *, metric: float | None = 8.0, status: str = "Completed",
        reason: str | None = None, secondary: str | None = None, artifact: bytes = b"\x1f\x8b..",
    ) -> None:  # fmt: skip
        job, key = self.jobs[name], f"out/{name}/output/model.tar.gz"
        job["TrainingJobStatus"] = status
        job["SecondaryStatus"] = secondary or status
        if reason is not None:
            job["FailureReason"] = reason
        if status != "Failed":
            job["ModelArtifacts"] = {"S3ModelArtifacts": f"s3://{BUCKET}/{key}"}
            self.objects[BUCKET, key] = artifact
        if metric is not None:
            job["FinalMetricDataList"] = [{"MetricName": "validation:mae", "Value": metric}]
        detail = {"TrainingJobName": name, "TrainingJobStatus": status}
        self.emit("on_job_change", "aws.sagemaker", "SageMaker Training Job State Change", detail)

    # the registry

    def _create_model_package(self, **request: Any) -> Any:
        for package in self.packages:
            if package["ClientToken"] == request["ClientToken"]:
                return {"ModelPackageArn": package["ModelPackageArn"]}
        arn = f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/{GROUP}/"
        arn += str(len(self.packages) + 1)
        self.packages.append({**request, "ModelPackageArn": arn})
        detail = {"ModelPackageGroupName": GROUP, "ModelPackageArn": arn}
        if request["ModelApprovalStatus"] == "Approved":
            self.emit("promote", "aws.sagemaker", "SageMaker Model Package State Change", detail)
        return {"ModelPackageArn": arn}

    def _list_model_packages(self, ModelApprovalStatus: str | None = None, **_: Any) -> Any:
        return {
            "ModelPackageSummaryList": [
                package for package in reversed(self.packages)
                if ModelApprovalStatus in {None, package["ModelApprovalStatus"]}
            ]
        }  # fmt: skip

    def _describe_model_package(self, ModelPackageName: str) -> Any:
        return next(p for p in self.packages if p["ModelPackageArn"] == ModelPackageName)

    # the endpoint

    def _create_model(self, ModelName: str, **request: Any) -> Any:
        if ModelName in self.models:
            raise client_error(
                "ValidationException", f'Cannot create already existing model "{ModelName}".'
            )
        self.models[ModelName] = request

    def _create_endpoint_config(self, EndpointConfigName: str, **request: Any) -> Any:
        if EndpointConfigName in self.configs:
            text = f'Cannot create already existing endpoint configuration "{EndpointConfigName}".'
            raise client_error("ValidationException", text)
        self.configs[EndpointConfigName] = request

    def _describe_endpoint_config(self, EndpointConfigName: str) -> Any:
        if EndpointConfigName not in self.configs:
            raise client_error("ValidationException", "Could not find endpoint configuration")
        return self.configs[EndpointConfigName]

    def _list_endpoint_configs(self, NameContains: str, **_: Any) -> Any:
        names = [name for name in reversed(self.configs) if NameContains in name]
        return {"EndpointConfigs": [{"EndpointConfigName": name} for name in names]}

    def _list_models(self, NameContains: str, **_: Any) -> Any:
        names = [name for name in self.models if NameContains in name]
        return {"Models": [{"ModelName": name} for name in names]}

    def _delete_model(self, ModelName: str) -> Any:
        if self.models.pop(ModelName, None) is None:
            raise client_error("ValidationException", "Could not find model")

    def _delete_endpoint_config(self, EndpointConfigName: str) -> Any:
        if self.endpoint is not None:
            assert EndpointConfigName != self.endpoint["EndpointConfigName"], "deleted what serves"
        if self.configs.pop(EndpointConfigName, None) is None:
            raise client_error("ValidationException", "Could not find endpoint configuration")

    def _describe_endpoint(self, EndpointName: str) -> Any:
        if self.endpoint is None:
            raise client_error("ValidationException", f'Could not find endpoint "{EndpointName}".')
        return dict(self.endpoint)

    def _need_config(self, name: str) -> None:
        if self.invisible_config_calls:
            self.invisible_config_calls -= 1
            raise client_error("ValidationException", "Could not find endpoint configuration")
        assert name in self.configs
        for variant in self.configs[name]["ProductionVariants"]:
            assert variant["ModelName"] in self.models

    def _create_endpoint(self, EndpointName: str, EndpointConfigName: str, **_: Any) -> Any:
        if self.endpoint is not None:
            raise client_error("ValidationException", "Cannot create already existing endpoint")
        self._need_config(EndpointConfigName)
        self.endpoint = {"EndpointStatus": "Creating", "EndpointConfigName": EndpointConfigName,
                         "instances": 2}  # fmt: skip
        self._endpoint_event()

    def _update_endpoint(self, EndpointName: str, EndpointConfigName: str, **request: Any) -> Any:
        assert self.endpoint is not None
        assert request["RetainAllVariantProperties"] is True
        if self.in_progress_calls:
            self.in_progress_calls -= 1
            raise client_error("ValidationException", "Cannot update in-progress endpoint")
        if self.endpoint["EndpointStatus"] != "InService":
            raise client_error("ValidationException", "Cannot update in-progress endpoint")
        self._need_config(EndpointConfigName)
        self.endpoint |= {
            "EndpointStatus": "Updating",
            "PendingDeploymentSummary": {"EndpointConfigName": EndpointConfigName},
        }
        self._endpoint_event()

    def _delete_endpoint(self, EndpointName: str) -> Any:
        if self.endpoint is None:
            raise client_error("ValidationException", "Could not find endpoint")
        if self.endpoint["EndpointStatus"] in {"Creating", "Updating", "RollingBack"}:
            raise client_error("ValidationException", "Cannot delete in-progress endpoint")
        self.endpoint["EndpointStatus"] = "Deleting"
        self._endpoint_event()

    def move_endpoint(self, outcome: str = "ok", *, reason: str = "") -> None:
        """Let what is under way end: ``ok``, ``rollback``, ``failed`` or ``stuck``."""
        if self.endpoint is None:
            return
        status = self.endpoint["EndpointStatus"]
        pending = self.endpoint.pop("PendingDeploymentSummary", None)
        if status == "Deleting":
            self.endpoint = None
            self.emit("promote", "aws.sagemaker", "SageMaker Endpoint State Change", {})
            return
        if status == "Creating":
            self.endpoint["EndpointStatus"] = "InService" if outcome == "ok" else "Failed"
        elif status == "Updating":
            ends = {"ok": "InService", "rollback": "InService", "stuck": "UpdateRollbackFailed"}
            self.endpoint["EndpointStatus"] = ends.get(outcome, "InService")
            if outcome == "ok":
                self.endpoint["EndpointConfigName"] = pending["EndpointConfigName"]
        else:
            return
        self.endpoint["FailureReason"] = reason
        self.endpoint["LastModifiedTime"] = datetime.fromtimestamp(self.now, UTC)
        if self.endpoint["EndpointStatus"] == "InService":
            self.served_artifacts.append(self.served_artifact())
        self._endpoint_event()

    def served_artifact(self) -> str:
        config = self.configs[self.endpoint["EndpointConfigName"]]
        model = self.models[config["ProductionVariants"][0]["ModelName"]]
        return str(model["PrimaryContainer"]["ModelDataUrl"])

    def _endpoint_event(self) -> None:
        status = self.endpoint["EndpointStatus"] if self.endpoint else "DELETED"
        detail = {"EndpointName": ENDPOINT, "EndpointStatus": status.upper()}
        self.emit("promote", "aws.sagemaker", "SageMaker Endpoint State Change", detail)

    def _invoke_endpoint(self, Body: bytes, InferenceId: str, **_: Any) -> Any:
        assert InferenceId.startswith("gate-")
        answers = [self.champion_answer(row) for row in Body.decode().splitlines()]
        return {"Body": io.BytesIO("\n".join(answers).encode())}

    # the rest

    def _describe_alarms(self, AlarmNames: list[str], **_: Any) -> Any:
        return {"MetricAlarms": [self.alarms[n] for n in AlarmNames if n in self.alarms]}

    def _put_metric_data(self, Namespace: str, MetricData: list[Any]) -> Any:
        self.metrics.extend(MetricData)

    def metric(self, name: str, **dimensions: str) -> list[float]:
        wanted = dimensions.items()
        return [
            d["Value"] for d in self.metrics
            if d["MetricName"] == name
            and wanted <= {p["Name"]: p["Value"] for p in d["Dimensions"]}.items()
        ]  # fmt: skip

    def _publish(self, Message: str, **_: Any) -> Any:
        self.pages.append(Message)

    def _register_scalable_target(self, ResourceId: str, **request: Any) -> Any:
        self.targets[ResourceId] = request

    def _deregister_scalable_target(self, ResourceId: str, **_: Any) -> Any:
        if self.targets.pop(ResourceId, None) is None:
            raise client_error("ObjectNotFoundException", "No scalable target found")

    def _put_scaling_policy(self, **_: Any) -> Any:
        return {}

    def _invoke(self, FunctionName: str, Payload: bytes, **_: Any) -> Any:
        self.queue.append((FunctionName, json.loads(Payload)))

    def _describe_network_interfaces(self, **_: Any) -> Any:
        return {"NetworkInterfaces": self.interfaces}

    def _describe_security_groups(self, GroupIds: list[str]) -> Any:
        return {"SecurityGroups": [self.groups[group] for group in GroupIds]}

    def _revoke_security_group_ingress(self, GroupId: str, **_: Any) -> Any:
        self.groups[GroupId]["IpPermissions"] = []

    def _revoke_security_group_egress(self, GroupId: str, **_: Any) -> Any:
        self.groups[GroupId]["IpPermissionsEgress"] = []

    # alarms and events

    def set_alarm(self, state: str, *, notify: bool = False) -> dict[str, Any]:
        self.alarms[ALARM] = {
            "AlarmName": ALARM, "AlarmArn": ALARM_ARN, "StateValue": state,
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

    def emit(self, function: str, source: str, kind: str, detail: dict[str, Any]) -> None:
        event = {"source": source, "detail-type": kind, "time": iso(self.now), "detail": detail}
        if not self.lose_events:
            self.queue.append((function, event))

    def data_event(self, version: str = "v1") -> dict[str, Any]:
        detail = {
            "bucket": {"name": BUCKET},
            "object": {"key": "sets/manifest.json", "etag": "e", "version-id": version},
        }
        return {"source": "aws.s3", "detail-type": "Object Created", "time": iso(self.now),
                "detail": detail}  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {
            "STATE_TABLE": "state", "JOB": JOB, "COOLDOWN_SECONDS": str(COOLDOWN),
            "MAX_ATTEMPTS": str(MAX_ATTEMPTS), "METRIC_NAMESPACE": "sageloop",
            "ALARM_NAME": ALARM, "ENDPOINT_NAME": ENDPOINT, "MODEL_PACKAGE_GROUP": GROUP,
            "GATE": json.dumps(self.gate), "CONTENT_TYPE": "text/csv", "PAGE_TOPIC_ARN": TOPIC,
            "CAPTURE_URI": f"s3://{BUCKET}/capture", "TRUTH_URI": f"s3://{BUCKET}/truth",
            "WINDOW_MINUTES": "1440", "TRUTH_DELAY_MINUTES": "60",
            "METRIC_NAME": "MeanAbsoluteError", "BACKOFF_SECONDS": str(BACKOFF),
            "ON_JOB_CHANGE_FUNCTION": "on_job_change", "START_FUNCTION": "start_training",
        }  # fmt: skip

    # functions

    def run(self, function: str, event: dict[str, Any]) -> Any:
        """One invocation; a Killed passes through."""
        clients = Clients(lambda service: FakeClient(self, service))
        env = self.environment()
        self.running, self._calls_of_invocation = function, 0
        try:
            if function == "start_training":
                return functions.starter(env, clients).handle(event)
            if function == "on_job_change":
                return functions.job_change(env, clients).handle(event)
            if function == "promote":
                return functions.promoter(env, clients).converge(event_time(event))
            if function == "evaluate":
                return functions.evaluator(env, clients, self.files).handle(event)
            if function == "reconcile":
                return functions.reconciler(env, clients).handle(event)
            return self._custom_resource(function, event, clients)
        finally:
            self.running = ""

    def _custom_resource(self, function: str, event: dict[str, Any], clients: Clients) -> Any:
        env, before = self.environment(), len(self.answers)

        def actions() -> Any:
            if function == "training_job_resource":
                return functions.training_job_actions(env, clients)
            if function == "default_security_group_resource":
                return functions.default_security_group_actions(clients)
            return functions.champion_endpoint_actions(
                env, clients, function, pause=lambda _: self.move_endpoint()
            )

        send = lambda _url, body: self.answers.append(json.loads(body))  # noqa: E731
        run(event, Context(), actions, send=send, pause=lambda _: None)
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

    def deploy(self, *, serving: dict[str, Any] | None = None, **job: Any) -> None:
        """Both custom resources, as the first deployment creates them."""
        properties = {"Job": JOB, "Document": json.dumps(job_document(**job)), "StateTable": "s"}
        answer = self.resource("training_job_resource", "Create", properties)
        assert answer["Status"] == "SUCCESS", answer
        text = json.dumps(serving_document(**(serving or {})))
        properties = {"EndpointName": ENDPOINT, "Document": text}
        answer = self.resource("champion_endpoint_resource", "Create", properties)
        assert answer["Status"] == "SUCCESS", answer

    def with_data(self) -> World:
        self.deliver_days("2013-01-01", "2013-02-28")
        body = json.dumps({"from": "2013-01-01", "through": "2013-02-28"})
        self.objects[BUCKET, "sets/manifest.json"] = body.encode()
        self.deploy()
        return self

    def with_champion(self) -> World:
        """A world where one model is live already, a week after it was trained."""
        self.with_data()
        self.deliver("start_training", self.data_event())
        self.finish(self.only_job())
        self.drain()
        self.move_endpoint()
        self.drain()
        assert self.row(f"champion#{ENDPOINT}")["state"] == "live"
        self.now += 7 * DAY
        return self

    def running_jobs(self) -> list[str]:
        return [n for n, job in self.jobs.items() if job["TrainingJobStatus"] == "InProgress"]

    def only_job(self) -> str:
        (name,) = self.running_jobs()
        return name

    def challenge(self, *, metric: float = 5.0) -> str:
        """Train a challenger by hand up to its registration and the start of its rollout."""
        event = {"source": "hand", "id": f"{self.now}", "time": iso(self.now)}
        self.deliver("start_training", event)
        name = self.only_job()
        self.finish(name, metric=metric)
        self.drain()
        return name


class Context:
    invoked_function_arn = "champion_endpoint_resource"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def job_document(**changes: Any) -> dict[str, Any]:
    return {
        "job": JOB,
        "request": {
            "AlgorithmSpecification": {"TrainingImage": "image:1", "TrainingInputMode": "File"},
            "RoleArn": "arn:aws:iam::123456789012:role/training",
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
        "data": {
            "bucket": BUCKET, "prefix": "sets/", "manifest_key": "sets/manifest.json",
            "train_channel": "train", "validation_channel": "validation",
            "validation_days": 7, "window_days": 42,
        },
        "start_on_deploy": False,
        **changes,
    }  # fmt: skip


def serving_document(**changes: Any) -> dict[str, Any]:
    return {
        "endpoint_name": ENDPOINT,
        "model": {
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/hosting",
            "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
            "EnableNetworkIsolation": True, "Image": None, "Environment": {},
        },
        "config": {
            "ProductionVariants": [
                {"VariantName": "AllTraffic", "InstanceType": "ml.m5.large",
                 "InitialInstanceCount": 2},
            ],
        },
        "deployment": {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {
                    "Type": "CANARY", "WaitIntervalInSeconds": 60,
                    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                }
            }
        },
        "scaling": [
            {"VariantName": "AllTraffic", "MinCapacity": 2, "MaxCapacity": 4, "Policies": []}
        ],
        "rollback_alarms": ["endpoint-errors"], "keep_configs": 1,
        **changes,
    }  # fmt: skip
