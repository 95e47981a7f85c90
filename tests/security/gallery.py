"""A stack with every construct of the library, and every grant to a separate role.

The stacks of the settings use part of the library; this stack covers all policies.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns

from constructs_lib import (
    Asynchronous,
    ChampionEndpoint,
    Dashboard,
    DataCapture,
    Endpoint,
    EndpointAlarms,
    EndpointSchedule,
    Gate,
    InferenceHttpApi,
    InferenceRestApi,
    JobTriggers,
    ModelQualityAlarms,
    Notebook,
    NotebookRole,
    RetrainingLoop,
    Scaling,
    ScheduledScaling,
    Step,
    StepScaling,
    StopStartSchedule,
    TrainingJob,
    Variant,
)
from scripts.synthesis import context
from tests.unit.constructs import jobs, serving
from tests.unit.constructs.conftest import Ground, ground_of

NAME = "Gallery"
_GRANTS = {"prefix": "datasets/"}
_TIMES = StopStartSchedule(stop="cron(0 20 ? * MON-FRI *)", start="cron(0 7 ? * MON-FRI *)")


@dataclass(frozen=True)
class Gallery:
    """The template as text, for a new copy each time, and its contents.

    Attributes:
        text: The template as JSON.
        constructs: Names of the constructs' classes, with their base classes.
        grants: Qualified names of the methods that were called.

    """

    text: str
    constructs: frozenset[str]
    grants: frozenset[str]

    def template(self) -> dict[str, Any]:
        """A copy of the template."""
        template: dict[str, Any] = json.loads(self.text)
        return template


def make() -> Gallery:
    """Synthesize the stack."""
    app = App(context=context())
    stack = Stack(app, NAME)
    build(ground_of(stack))
    held = frozenset(kind.__name__ for each in stack.node.find_all() for kind in type(each).__mro__)
    grants = frozenset(grant_everything(stack))
    return Gallery(json.dumps(app.synth().get_stack_by_name(NAME).template), held, grants)


def build(ground: Ground) -> None:
    """Define one of each construct."""
    trained = ground.job()
    champion = ground.champion(capture=DataCapture())
    _loop(ground, trained, champion)
    _jobs(ground)
    own = _endpoints(ground)
    EndpointSchedule(
        ground.stack, "Switch", endpoint=own, state=ground.state, network=ground.network,
        alert_topic=ground.alerts.topic, schedule=_TIMES, idle_timeout=Duration.hours(2),
    )  # fmt: skip
    role = NotebookRole(
        ground.stack, "NotebookRole", key=ground.store.key, jobs="demo-", endpoints=["demo"],
        training_role=trained.specification.role,
    )  # fmt: skip
    Notebook(
        ground.stack, "Notebook", network=ground.network, role=role,
        key=ground.store.encryption_key,
    )  # fmt: skip


def _loop(ground: Ground, trained: TrainingJob, champion: ChampionEndpoint) -> None:
    stack, topic = ground.stack, ground.alerts.topic
    alarms = ModelQualityAlarms(
        stack, "Alarms", endpoint=champion, alert_topic=topic, model_quality_threshold=1
    )
    EndpointAlarms(stack, "EndpointAlarms", endpoint=champion, alert_topic=topic)
    loop = RetrainingLoop(
        stack, "Loop", job=trained, endpoint=champion, network=ground.network,
        model_quality_alarm=alarms.model_quality, gate=Gate(threshold=20),
    )  # fmt: skip
    Dashboard(stack, "Dashboard", endpoints=[champion], jobs=[trained], loops=[loop])
    EndpointSchedule(
        stack, "ChampionSwitch", endpoint=champion, state=ground.state, network=ground.network,
        alert_topic=topic, idle_timeout=Duration.hours(2),
    )  # fmt: skip


def _jobs(ground: Ground) -> None:
    made = {
        "Preparing": jobs.processing(ground),
        "Scoring": jobs.transform(ground),
        "Searching": jobs.tuning(ground, job="demo-s"),
    }
    for name, job in made.items():
        JobTriggers(
            ground.stack, name, job=job, network=ground.network, alert_topic=ground.alerts.topic,
            on_data=["raw/"], schedule=Duration.days(1), alarms=[ground.alarm()]
            if name == "Preparing" else [],
        )  # fmt: skip


def _endpoints(ground: Ground) -> Endpoint:
    """Define endpoints of each kind with its own permissions; returns the scaled one."""
    stack, topic = ground.stack, sns.Topic(ground.stack, "Answers", master_key=ground.store.key)
    model = serving.model(ground)
    step = StepScaling(metric="CPUUtilization", threshold=70, steps=[Step(lower=0, change=1)])
    scaling = Scaling(
        minimum=1, maximum=4, invocations_per_instance=9, steps=[step],
        schedules=[ScheduledScaling(schedule="cron(0 7 * * ? *)", minimum=2)],
    )  # fmt: skip
    own = serving.endpoint(
        ground, "Own", endpoint_name="own", model=model, network=ground.network,
        alert_topic=ground.alerts.topic, variants=[Variant(scaling=scaling)],
        capture=DataCapture(prefix="captured/"),
    )  # fmt: skip
    kind = Asynchronous(output_prefix="scored/", success_topic=topic, error_topic=topic)
    serving.endpoint(ground, "Slow", endpoint_name="slow", model=model, kind=kind)
    serving.component(ground, serving.shared(ground, endpoint_name="shared"), model=model)
    InferenceRestApi(stack, "Https", endpoint=own, key=ground.store.key)
    InferenceHttpApi(
        stack, "Jwt", endpoint=own, network=ground.network, key=ground.store.key,
        issuer="https://login.example.com/realms/own", audience=["scores"],
    )  # fmt: skip
    return own


def grant_everything(stack: Stack) -> Iterator[str]:
    """Call every ``grant_*`` method of every construct, each with a separate role."""
    for number, (method, options) in enumerate(list(_grants(stack))):
        account = iam.AccountRootPrincipal()
        method(iam.Role(stack, f"Grantee{number}", assumed_by=account), **options)
        yield method.__qualname__


def _grants(stack: Stack) -> Iterator[tuple[Any, dict[str, str]]]:
    for construct in stack.node.find_all():
        if not type(construct).__module__.startswith("constructs_lib."):
            continue
        for name, method in inspect.getmembers(type(construct), inspect.isfunction):
            if name.startswith("grant_"):
                expected = inspect.signature(method).parameters
                yield (
                    getattr(construct, name),
                    {key: text for key, text in _GRANTS.items() if key in expected},
                )
