"""Ids of constructs: free of values, so that a changed value replaces nothing; never in the way."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib import (
    AlertTopic,
    ChampionEndpoint,
    DataCapture,
    DataStore,
    DatePartitionedDataset,
    Endpoint,
    Evaluation,
    Gate,
    HostingRole,
    IntegerRange,
    JobSpecification,
    JobTriggers,
    ModelQualityAlarms,
    ModelRegistry,
    Notebook,
    NotebookRole,
    PrivateNetwork,
    ProcessingInput,
    ProcessingJob,
    ProcessingRole,
    ProcessingSpecification,
    RetrainingLoop,
    Scaling,
    StateTable,
    TrainingJob,
    TrainingRole,
    TransformJob,
    TransformSpecification,
    TuningJob,
    Variant,
    XGBoost,
)


class _Everything(Construct):
    """One of each construct; ``name`` goes wherever a text may be chosen."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str) -> None:
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        key = store.encryption_key
        ground: dict[str, Any] = {
            "network": PrivateNetwork(self, "Network", key=key, interfaces=["Sts"]),
        }
        alerts = AlertTopic(self, "AlertTopic", key=key)
        stateful = {**ground, "state": StateTable(self, "State", key=key)}
        job = TrainingJob(
            self, "Job", job=name, specification=_specification(self, name, store, **ground),
            **stateful,
        )  # fmt: skip
        scaling = Scaling(minimum=1, maximum=2, invocations_per_instance=10)
        serving: dict[str, Any] = {
            "endpoint_name": name, "store": store, "alert_topic": alerts.topic,
            "role": HostingRole(self, "Hosting", key=key),
            "variants": [Variant(name=name, scaling=scaling), Variant(name=f"{name}-b")],
            "capture": DataCapture(prefix=f"{name}/"),
        }  # fmt: skip
        Endpoint(self, "Endpoint", image=name, model_data=f"{name}/1/m.tar.gz", **ground, **serving)
        champion = ChampionEndpoint(
            self, "Champion", registry=ModelRegistry(self, "Registry", name=name), **serving,
            **stateful,
        )  # fmt: skip
        alarms = ModelQualityAlarms(
            self, "Alarms", endpoint=champion, alert_topic=alerts.topic, variant=name,
            model_quality_threshold=1,
            expected_traffic=Duration.hours(1),
        )  # fmt: skip
        RetrainingLoop(
            self, "Loop", job=job, endpoint=champion, model_quality_alarm=alarms.model_quality,
            gate=Gate(threshold=1), evaluation=Evaluation(ground_truth_prefix=f"{name}/"),
            retrain_every=Duration.days(7), **ground,
        )  # fmt: skip
        self._jobs(name, store, state=stateful["state"], **ground)
        role = NotebookRole(self, "NotebookRole", key=key, jobs=f"{name}-", endpoints=[name])
        Notebook(self, "Notebook", role=role, key=key, **ground)

    def _jobs(self, name: str, store: DataStore, **stateful: Any) -> None:
        network = stateful["network"]
        search = TuningJob(
            self, "Search", job=f"{name}-s", max_jobs=2, ranges=[IntegerRange("max_depth", 3, 9)],
            specification=replace(
                _specification(Construct(self, "Tuned"), name, store, network=network),
                role=TrainingRole(self, "Tuning", tunes=True),
            ), **stateful,
        )  # fmt: skip
        ProcessingJob(self, "Prepare", job=name, specification=ProcessingSpecification(
            image=name, store=store, role=ProcessingRole(self, "Processing"),
            subnet_ids=network.subnet_ids, security_group_ids=["sg-1"],
            inputs=[ProcessingInput(name=name, prefix=f"{name}/")],
        ), **stateful)  # fmt: skip
        TransformJob(self, "Score", job=name, specification=TransformSpecification(
            model_name=name, store=store, input_prefix=f"{name}/in/", output_prefix=f"{name}/out/",
        ), **stateful)  # fmt: skip
        JobTriggers(
            self, "Searching", job=search, network=network, on_data=True, schedule=Duration.days(1)
        )


def _specification(
    scope: Construct, name: str, store: DataStore, *, network: PrivateNetwork
) -> JobSpecification:
    group = network.security_group(scope, "Group", description=name)
    return JobSpecification(
        algorithm=XGBoost(hyperparameters={"num_round": 10, "eval_metric": "mae"}), store=store,
        data=DatePartitionedDataset(prefix=f"{name}/"),
        role=TrainingRole(scope, "Training", key=store.key),
        subnet_ids=network.subnet_ids, security_group_ids=[group.security_group_id],
        environment={"NAME": name}, output_prefix=f"{name}/",
    )  # fmt: skip


@pytest.fixture(scope="module")
def twice() -> Stack:
    """Two of each construct in one stack, with other values, for comparison."""
    app = App()
    stack = Stack(app, "Test")
    _Everything(stack, "One", name="abcd")
    _Everything(stack, "Two", name="wxyz")
    return stack


def _paths(scope: Construct, below: str) -> set[str]:
    root = scope.node.find_child(below)
    result = {child.node.path.removeprefix(root.node.path) for child in root.node.find_all()}
    # The function of a custom resource is another one for another name, on purpose.
    result = {re.sub(r"/(Job|Endpoint)-(abcd|wxyz)[^/]*", r"/\1", path) for path in result}
    # CDK names the permission of a rule after its function's place in the tree.
    return {re.sub(r"/AllowEventRule\w+$", "/AllowEventRule", path) for path in result}


def test_construct_ids_have_no_argument_values(twice: Stack) -> None:
    one, two = _paths(twice, "One"), _paths(twice, "Two")

    assert one == two
    assert [path for path in one if "abcd" in path] == []


def test_two_of_each_construct_fit_in_one_stack(twice: Stack) -> None:
    resources = twice.node.root.synth().get_stack_by_name("Test").template["Resources"]  # type: ignore[attr-defined]

    kinds = [resource["Type"] for resource in resources.values()]
    for kind in ("Custom::TrainingJob", "Custom::TuningJob", "Custom::ProcessingJob",
                 "Custom::TransformJob", "Custom::ChampionEndpoint", "AWS::SageMaker::Endpoint",
                 "AWS::SageMaker::NotebookInstance", "AWS::EC2::VPC", "AWS::KMS::Key",
                 "AWS::DynamoDB::Table", "AWS::SNS::Topic"):  # fmt: skip
        assert kinds.count(kind) == 2, kind
    assert kinds.count("AWS::Lambda::LayerVersion") == 1


def test_imported_roles_have_distinct_policies(stack: Stack) -> None:
    roles = [TrainingRole(stack, "One"), TrainingRole(stack, "Two")]

    assert all(isinstance(role.role, iam.Role) for role in roles)
    assert len({role.role_arn for role in roles}) == 2
