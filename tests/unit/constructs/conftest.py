from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk.assertions import Template

from constructs_lib import (
    AlertTopic,
    AlgorithmImage,
    ChampionEndpoint,
    DataStore,
    DatePartitionedDataset,
    Gate,
    HostingRole,
    JobSpecification,
    ModelRegistry,
    PrivateNetwork,
    RetrainingLoop,
    StateTable,
    TrainingJob,
    TrainingRole,
    XGBoost,
)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What most constructs stand on, in one stack."""

    stack: Stack
    store: DataStore
    state: StateTable
    alerts: AlertTopic
    network: PrivateNetwork

    def template(self) -> Template:
        return Template.from_stack(self.stack)

    def job(self, **changes: Any) -> TrainingJob:
        role = TrainingRole(self.stack, "TrainingRole", key=self.store.key)
        value = {name: changes.pop(name) for name in list(changes) if name in _SPECIFIED}
        values: dict[str, Any] = {
            "algorithm": XGBoost(hyperparameters={"num_round": 10, "eval_metric": "mae"}),
            "store": self.store,
            "data": DatePartitionedDataset(prefix="datasets/demo/"),
            "role": role,
            "subnet_ids": self.network.subnet_ids,
            "security_group_ids": ["sg-1"],
            **value,
        }
        specification = JobSpecification(**values)
        arguments: dict[str, Any] = {"job": "demo", **changes}
        return TrainingJob(
            self.stack, "Job", specification=specification, state=self.state,
            network=self.network, **arguments,
        )  # fmt: skip

    def champion(self, **changes: Any) -> ChampionEndpoint:
        values: dict[str, Any] = {
            "endpoint_name": "demo",
            "registry": ModelRegistry(self.stack, "Registry", name="demo"),
            "store": self.store,
            "state": self.state,
            "network": self.network,
            "role": HostingRole(self.stack, "HostingRole", key=self.store.key),
            "alert_topic": self.alerts.topic,
            **changes,
        }
        return ChampionEndpoint(self.stack, "Champion", **values)

    def alarm(self) -> cloudwatch.Alarm:
        metric = cloudwatch.Metric(namespace="sageloop", metric_name="MeanAbsoluteError")
        return metric.create_alarm(self.stack, "Alarm", threshold=1, evaluation_periods=1)

    def image(self) -> AlgorithmImage:
        return AlgorithmImage.xgboost(self.stack, "3.0-5")


_SPECIFIED = {each.name for each in fields(JobSpecification)}


@pytest.fixture
def stack() -> Stack:
    return Stack(App(), "Test")


def ground_of(stack: Stack) -> Ground:
    store = DataStore(stack, "Store")
    return Ground(
        stack=stack,
        store=store,
        state=StateTable(stack, "State", key=store.key),
        alerts=AlertTopic(stack, "AlertTopic", key=store.key),
        network=PrivateNetwork(stack, "Network", key=store.key, interfaces=["Sts"]),
    )


@pytest.fixture
def ground(stack: Stack) -> Ground:
    return ground_of(stack)


@pytest.fixture(scope="session")
def _foundations() -> Ground:
    return ground_of(Stack(App(), "Foundations"))


@pytest.fixture
def anew(_foundations: Ground) -> Ground:
    """An empty stack with shared resources of other stacks; it must not be synthesised."""
    app = _foundations.stack.node.root
    assert isinstance(app, App)
    return replace(_foundations, stack=Stack(app, f"Case{len(app.node.children)}"))


@pytest.fixture(scope="session")
def _served(_foundations: Ground) -> dict[str, Any]:
    app = _foundations.stack.node.root
    assert isinstance(app, App)
    ground = replace(_foundations, stack=Stack(app, "Served"))
    return {"job": ground.job(), "endpoint": ground.champion()}


@pytest.fixture
def loop(anew: Ground, _served: dict[str, Any]) -> Callable[..., RetrainingLoop]:
    """Makes a loop in an empty stack, round a job and an endpoint that many tests share."""

    def make(**changes: Any) -> RetrainingLoop:
        values: dict[str, Any] = {**_served, "gate": Gate(threshold=20), **changes}
        if "model_quality_alarm" not in values:
            values["model_quality_alarm"] = anew.alarm()
        return RetrainingLoop(anew.stack, "Loop", network=anew.network, **values)

    return make


@pytest.fixture
def document() -> Callable[[Template, str], str]:
    """The document of a custom resource, its tokens as ``<...>``."""

    def read(template: Template, resource_type: str) -> str:
        (resource,) = template.find_resources(resource_type).values()
        parts = resource["Properties"]["Document"]["Fn::Join"][1]
        return "".join(part if isinstance(part, str) else "<token>" for part in parts)

    return read
