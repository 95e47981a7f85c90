"""A loop in one stack, whose rare paths a test takes step by step: events are lost on request."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aws_cdk import App, CfnOutput, Stack
from hosting_stage import IMAGE

from constructs_lib import (
    AlertTopic,
    AllAtOnce,
    ChampionEndpoint,
    DataCapture,
    DataStore,
    DatePartitionedDataset,
    Gate,
    HostingRole,
    JobSpecification,
    ModelQualityAlarms,
    ModelRegistry,
    Notebook,
    NotebookRole,
    PrivateNetwork,
    RetrainingLoop,
    Scaling,
    StateTable,
    TrainingJob,
    TrainingRole,
    Variant,
    XGBoost,
)
from sageloop.examples.archives import packed
from sageloop.local_cloud.assembly import deploy_app
from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.sagemaker.hosting.timing import Timing
from sageloop.local_cloud.sagemaker.service import SageMakerService
from sageloop.waiting import until
from scripts.rare_permissions import without_name

STACK, ENDPOINT, JOB, DATA = "rare", "greets", "rare-job", "datasets/"
TARGET = {"ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{ENDPOINT}/variant/AllTraffic"}
_REPOSITORY = "arn:aws:ecr:us-east-1:000000000000:repository/hosting-test"
_DAYS, _WINDOW = 4, 2
_TIME_LIMIT = 300  # wall seconds


@dataclass(frozen=True, kw_only=True)
class Version:
    """What differs between the deployments of the stack."""

    instance_type: str = "ml.m5.large"
    requests: float = 600.0
    environment: tuple[tuple[str, str], ...] = ()
    start_on_deploy: bool = False
    rounds: int = 2


def app(version: Version) -> App:
    """The loop, with the construct ids of the project's stacks."""
    cdk_app = App()
    stack = Stack(cdk_app, STACK)
    store = DataStore(stack, "Store")
    key = store.encryption_key
    state = StateTable(stack, "State", key=store.key)
    network = PrivateNetwork(stack, "Network", key=store.key)
    alerts = AlertTopic(stack, "AlertTopic", key=store.key)
    algorithm = XGBoost(version="3.0-5", hyperparameters={
        "num_round": version.rounds, "objective": "reg:squarederror", "eval_metric": "mae",
    })  # fmt: skip
    training = TrainingRole(
        stack, "TrainingRole", key=key, repository_arns=[algorithm.image(stack).repository_arn]
    )
    group = network.security_group(stack, "Group", description="Training")
    job = TrainingJob(
        stack, "Job", job=JOB, state=state, network=network, alert_topic=alerts.topic,
        start_on_deploy=version.start_on_deploy,
        specification=JobSpecification(
            algorithm=algorithm, store=store, role=training, subnet_ids=network.subnet_ids,
            data=DatePartitionedDataset(prefix=DATA, validation_days=1, window_days=_WINDOW),
            security_group_ids=[group.security_group_id],
        ),
    )  # fmt: skip
    endpoint = _endpoint(stack, version, store=store, state=state, network=network, alerts=alerts)
    alarms = ModelQualityAlarms(
        stack, "Alarms", endpoint=endpoint, alert_topic=alerts.topic, model_quality_threshold=1e6
    )
    RetrainingLoop(
        stack, "Loop", job=job, endpoint=endpoint, network=network,
        model_quality_alarm=alarms.model_quality, gate=Gate(threshold=1e6, approval="Manual"),
    )  # fmt: skip
    role = NotebookRole(
        stack, "WorkbenchRole", jobs=f"{JOB}-", training_role=training, endpoints=[ENDPOINT],
        key=key,
    )  # fmt: skip
    store.grant_read(role, prefix=DATA)
    Notebook(stack, "Notebook", network=network, role=role, key=key)
    CfnOutput(stack, "Bucket", value=store.bucket.bucket_name)
    CfnOutput(stack, "PackageGroup", value=endpoint.registry.group_name)
    return cdk_app


def _endpoint(
    stack: Stack, version: Version, *, store: DataStore, state: StateTable,
    network: PrivateNetwork, alerts: AlertTopic,
) -> ChampionEndpoint:  # fmt: skip
    scaling = Scaling(minimum=1, maximum=3, invocations_per_instance=version.requests)
    return ChampionEndpoint(
        stack, "Endpoint", endpoint_name=ENDPOINT, store=store, state=state, network=network,
        registry=ModelRegistry(stack, "Registry", name="winter"), alert_topic=alerts.topic,
        role=HostingRole(stack, "ServingRole", key=store.key, repository_arns=[_REPOSITORY]),
        variants=[
            Variant(instance_type=version.instance_type, instance_count=1, scaling=scaling)
        ],
        rollout=AllAtOnce(termination_wait_seconds=600), environment=dict(version.environment),
        capture=DataCapture(),
    )  # fmt: skip


class RareStage:
    """The deployed stack, and the steps of a user and of lost events."""

    def __init__(self, inside: Cloud, cloud: LocalCloud) -> None:
        self.inside, self.cloud = inside, cloud
        self.hosting = inside.services.instance(SageMakerService).hosting
        self.version = Version()
        self.outputs: dict[str, str] = {}
        self._packages = self._requests = 0

    def deploy(self, **changes: Any) -> None:
        """Deploy the stack with other values of its version."""
        self.version = replace(self.version, **changes)
        self.outputs = deploy_app(self.cloud, app(self.version))[STACK]

    def physical(self, construct: str, kind: str) -> str:
        """The physical id of a resource, by type and its logical id without hash and name."""
        pages = self.cloud.client("cloudformation").get_paginator("list_stack_resources")
        (physical,) = [
            each["PhysicalResourceId"]
            for page in pages.paginate(StackName=STACK)
            for each in page["StackResourceSummaries"]
            if each["ResourceType"] == kind
            and without_name(each["LogicalResourceId"][: -len("01234567")]) == construct
        ]
        return str(physical)

    def invoke(
        self, construct: str, *, event: Any = None, wait: bool = True, **members: Any
    ) -> Any:
        """Invoke a function of the stack with an event of now."""
        now = datetime.fromtimestamp(self.cloud.time(), UTC).isoformat()
        payload = {"time": now, **members} if event is None else event
        response = self.cloud.client("lambda").invoke(
            FunctionName=self.physical(construct, "AWS::Lambda::Function"),
            InvocationType="RequestResponse" if wait else "Event", Payload=json.dumps(payload),
        )  # fmt: skip
        return json.loads(response["Payload"].read()) if wait else None

    def reconcile(self) -> Any:
        """Run the reconciler once."""
        return self.invoke("LoopReconcile")["promotion"]

    def lose_events(self, *, lost: bool) -> None:
        """Disable or enable the rules of the promoter, and disable the reconciler's schedule."""
        client = self.cloud.client("events")
        for rule in client.list_rules()["Rules"]:
            name = rule["Name"]
            if "LoopReconcileEvery" in name or (lost and "EndpointPromoter" in name):
                client.disable_rule(Name=name)
            elif "EndpointPromoter" in name:
                client.enable_rule(Name=name)

    def approve(self) -> None:
        """Register an approved package with an artifact of its own."""
        self._packages += 1
        key = f"models/{self._packages}/model.tar.gz"
        bucket = self.outputs["Bucket"]
        body = packed({"name.txt": str(self._packages).encode()})
        self.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/{key}"}
        self.cloud.client("sagemaker").create_model_package(
            ModelPackageGroupName=self.outputs["PackageGroup"], ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [container], "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )  # fmt: skip

    def status(self) -> str:
        """The status of the endpoint; ``none`` if there is none."""
        client = self.cloud.client("sagemaker")
        listed = client.list_endpoints(NameContains=ENDPOINT)["Endpoints"]
        return str(listed[0]["EndpointStatus"]) if listed else "none"

    def dead_letters(self, construct: str) -> int:
        """The number of messages in the dead-letter queue of a function."""
        url = self.physical(f"{construct}DeadLetters", "AWS::SQS::Queue")
        names = ["ApproximateNumberOfMessages"]
        held = self.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return int(held["Attributes"][names[0]])

    def fail(self, *constructs: str) -> None:
        """Send functions an event that they refuse, and wait for the last attempt's dead letter."""
        for construct in constructs:
            self.invoke(construct, event="no event", wait=False)

        def reached() -> bool:
            self.cloud.advance(seconds=60)
            return all(self.dead_letters(construct) for construct in constructs)

        until("the dead letters", reached, seconds=_TIME_LIMIT)
        self.cloud.settle()

    def finish(self, status: str = "InService") -> None:
        """Advance the clock until the endpoint has a status, and wait for what follows."""

        def reached() -> bool:
            self.cloud.advance(seconds=60)
            return self.status() == status

        until(f"the endpoint {status}", reached, seconds=_TIME_LIMIT)
        self.cloud.settle()

    def deploy_broken(self, **changes: Any) -> None:
        """Deploy a version whose models fail at their start, without two minutes of waiting."""
        self.hosting.timing = Timing(startup_cap=5)
        self.deploy(environment=(("PING", "broken"),), **changes)

    def deploy_mended(self, **changes: Any) -> None:
        """Deploy a version whose models start again."""
        self.hosting.timing = Timing(startup_cap=120)
        self.deploy(environment=(), **changes)

    def add_scheduled_action(self) -> None:
        """Add a scheduled action to the scalable target, which no document has."""
        self.cloud.client("application-autoscaling").put_scheduled_action(
            **TARGET, ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            ScheduledActionName="night", Schedule="cron(0 22 * * ? *)",
            ScalableTargetAction={"MinCapacity": 1},
        )  # fmt: skip

    def scheduled_actions(self) -> list[str]:
        """The names of the scheduled actions of the scalable target."""
        client = self.cloud.client("application-autoscaling")
        listed = client.describe_scheduled_actions(**TARGET)["ScheduledActions"]
        return [each["ScheduledActionName"] for each in listed]

    def calls(self, action: str) -> int:
        """The number of calls of an action."""
        return len(self.cloud.calls(action=action))

    def request(self, action: str) -> str:
        """Send the promoter a manual request."""
        self._requests += 1
        answer = self.invoke(
            "EndpointPromoter", source="manual", action=action, id=f"{action}-{self._requests}",
            by="ann",
        )  # fmt: skip
        return str(answer["status"])

    def deliver(self) -> None:
        """Upload days of labelled rows."""
        for day in range(_DAYS):
            rows = "".join(f"{3 * number},{number}\n" for number in range(20))
            key = f"{DATA}dt={date(2026, 1, 1) + timedelta(days=day)}/rows.csv"
            self.cloud.client("s3").put_object(
                Bucket=self.outputs["Bucket"], Key=key, Body=rows.encode()
            )

    def jobs(self) -> list[dict[str, Any]]:
        """The training jobs, oldest first."""
        client = self.cloud.client("sagemaker")
        return list(client.list_training_jobs(SortOrder="Ascending")["TrainingJobSummaries"])

    def as_role(self, role: str, service: str) -> Any:
        """A client with a role of the stack, as a program in a container or notebook has it."""
        arn = f"arn:aws:iam::{self.inside.account_id}:role/{self.physical(role, 'AWS::IAM::Role')}"
        return self.inside.client(service, principal=arn)
