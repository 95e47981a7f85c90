"""Updates of endpoints under load: canary, linear, rolling, rollback."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hosting_stage import CAPTURE, Stage, fresh, open_stage, refusal

from sageloop.local_cloud.sagemaker.hosting.timing import Timing

CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            "WaitIntervalInSeconds": 600,
        },
        "TerminationWaitInSeconds": 300,
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}
ROLLING = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 600,
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}


class Traffic:
    """Requests without a pause, and what came of them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.answers: Counter[str] = Counter()
        self.failures: list[Exception] = []
        self._ended = threading.Event()
        self._moved = threading.Condition()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                answer = self._stage.invoke("model")
                with self._moved:
                    self.answers[answer] += 1
                    self._moved.notify_all()
            except Exception as error:
                self.failures.append(error)
                time.sleep(0.01)

    def see(self, model: str, times: int = 5) -> None:
        wanted = self.answers[model] + times
        with self._moved:
            assert self._moved.wait_for(lambda: self.answers[model] >= wanted, 20), self.answers

    def end(self) -> None:
        self._ended.set()


@contextmanager
def traffic(stage: Stage) -> Iterator[Traffic]:
    made = Traffic(stage)
    threads = [threading.Thread(target=made.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.end()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def opened() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    with fresh(opened) as stage:
        yield stage


@pytest.fixture
def two(stage: Stage) -> Stage:
    """An endpoint of two instances, a second model, and a rollback alarm."""
    stage.model("summer")
    stage.config("blue", "winter", count=2)
    stage.config("green", "summer", count=2)
    alarm(stage, "OK")
    stage.endpoint("blue")
    return stage


def alarm(stage: Stage, state: str) -> None:
    stage.cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="n", MetricName="m", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )  # fmt: skip
    stage.cloudwatch.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="test")


def update(stage: Stage, deployment: dict[str, Any] | None = None, **more: Any) -> None:
    if deployment is not None:
        more["DeploymentConfig"] = deployment
    stage.sagemaker.update_endpoint(
        **{"EndpointName": stage.name, "EndpointConfigName": "green", **more}
    )


def saying(text: str) -> Any:
    """A description whose deployment says ``text``."""

    def holds(described: dict[str, Any]) -> bool:
        variants = described.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        said = [s["StatusMessage"] for v in variants for s in v.get("VariantStatus", [])]
        return any(text in message for message in said)

    return holds


def test_update_without_policy_goes_blue_green_all_at_once(two: Stage) -> None:
    with traffic(two) as sent:
        update(two)
        described = two.rest()
        sent.see("summer")

    assert described["EndpointConfigName"] == "green"
    assert sent.failures == []
    assert two.invoke("model") == "summer"
    assert len(two.cloud.processes.running()) == 2


def test_canary_bakes_then_takes_all_traffic_and_no_request_fails(two: Stage) -> None:
    with traffic(two) as sent:
        update(two, CANARY)
        described = two.until(saying("Baking for 600 seconds (WaitIntervalInSeconds)"))
        sent.see("summer")
        sent.see("winter")
        assert described["EndpointStatus"] == "Updating"
        assert described["EndpointConfigName"] == "blue"
        pending = described["PendingDeploymentSummary"]
        assert pending["EndpointConfigName"] == "green"
        assert "canary capacity of 1 instance(s)" in str(pending)
        two.cloud.clock.advance(600)
        two.until(saying("Baking for 300 seconds (TerminationWaitInSeconds)"))
        sent.answers.clear()
        sent.see("summer", 20)
        assert sent.answers["winter"] <= 2
        two.cloud.clock.advance(300)
        described = two.rest()

    assert sent.failures == []
    assert described["EndpointConfigName"] == "green"
    assert "PendingDeploymentSummary" not in described
    assert len(two.cloud.processes.running()) == 2
    assert two.events.statuses() == ["CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE"]
    kinds = {kind for kind, _ in two.events.emitted}
    assert "SageMaker Endpoint Deployment State Change" in kinds
    assert two.total("Invocations", EndpointConfigName="green") > 5


def test_alarm_during_the_bake_rolls_back_to_the_old_configuration(two: Stage) -> None:
    with traffic(two) as sent:
        update(two, CANARY)
        two.until(saying("Baking for 600 seconds"))
        sent.see("summer")
        two.cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="t")
        described = two.rest()
        sent.see("winter")

    assert sent.failures == []
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == "blue"
    assert "FailureReason" not in described
    assert len(two.cloud.processes.running()) == 2
    assert two.events.statuses()[-3:] == ["UPDATING", "ROLLING_BACK", "IN_SERVICE"]
    assert two.cloud.settle(10) == []


def test_alarm_that_evaluates_at_the_end_of_the_bake_rolls_back(two: Stage) -> None:
    update(two, CANARY)
    two.until(saying("Baking for 600 seconds"))
    two.cloud.clock.advance(599)
    two.cloud.service("cloudwatch").put("n", "m", 5.0, dimensions={})

    two.cloud.clock.advance(1)

    assert two.rest()["EndpointConfigName"] == "blue"


def test_alarm_that_is_red_already_aborts_the_update(two: Stage) -> None:
    alarm(two, "ALARM")

    update(two, CANARY)

    assert two.rest()["EndpointConfigName"] == "blue"
    assert len(two.cloud.processes.running()) == 2


def test_rollback_alarm_that_does_not_exist_is_refused(two: Stage) -> None:
    unknown = {**CANARY, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "no"}]}}

    code, message = refusal(lambda: update(two, unknown))

    assert code == "ValidationException"
    assert "do not exist: no" in message


def test_new_model_that_fails_its_ping_leaves_the_old_one_serving(two: Stage) -> None:
    two.hosting.timing = Timing(startup_cap=0.5, flush=0.05, terminate=2)
    two.model("mute", PING="broken")
    two.config("mute", "mute", count=2)

    with traffic(two) as sent:
        update(two, EndpointConfigName="mute")
        described = two.rest()

    assert sent.failures == []
    assert described["EndpointConfigName"] == "blue"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert two.invoke("model") == "winter"


def test_rolling_update_replaces_batch_by_batch(two: Stage) -> None:
    with traffic(two) as sent:
        update(two, ROLLING)
        described = two.until(saying("Baking for 600 seconds"))
        assert (
            described["PendingDeploymentSummary"]["ProductionVariants"][0]["CurrentInstanceCount"]
            == 1
        )
        sent.see("summer")
        sent.see("winter")
        two.cloud.clock.advance(600)
        two.until(saying("capacity of 2 instance(s)"))
        two.cloud.clock.advance(600)
        described = two.rest()

    assert sent.failures == []
    assert described["EndpointConfigName"] == "green"
    assert two.invoke("model") == "summer"
    assert len(two.cloud.processes.running()) == 2


def test_rolling_update_that_alarms_restores_the_old_fleet(two: Stage) -> None:
    with traffic(two) as sent:
        update(two, ROLLING)
        two.until(saying("Baking for 600 seconds"))
        two.cloud.clock.advance(600)
        two.until(saying("capacity of 2 instance(s)"))
        two.cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="t")
        described = two.rest()

    assert sent.failures == []
    assert described["EndpointConfigName"] == "blue"
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert two.invoke("model") == "winter"


def test_retained_properties_keep_scaled_instances_and_weights(two: Stage) -> None:
    two.hosting.set_instance_count(two.name, "AllTraffic", 3)
    two.rest()
    two.config("captured", "winter", count=1, DataCaptureConfig=CAPTURE)

    update(two, EndpointConfigName="captured", RetainAllVariantProperties=True)
    described = two.rest()

    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    # The retention of the capture settings is "not currently supported" by AWS.
    assert described["DataCaptureConfig"]["CurrentSamplingPercentage"] == 100
    update(
        two, EndpointConfigName="one", RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
    )  # fmt: skip
    assert two.rest()["ProductionVariants"][0]["CurrentInstanceCount"] == 1


def test_canary_of_one_instance_is_refused(two: Stage) -> None:
    two.config("single", "summer", count=1)

    code, message = refusal(lambda: update(two, CANARY, EndpointConfigName="single"))

    assert code == "ValidationException"
    assert "at least 2 instances" in message
    assert two.rest()["EndpointStatus"] == "InService"


def test_last_deployment_config_is_reused_only_when_asked(two: Stage) -> None:
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    quick = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 60,
        }
    }  # fmt: skip
    update(two, quick)
    two.until(saying("Baking for 60 seconds"))
    two.cloud.clock.advance(60)
    assert two.rest()["LastDeploymentConfig"] == quick

    update(two, EndpointConfigName="blue", RetainDeploymentConfig=True)
    two.until(saying("Baking for 60 seconds"))
    two.cloud.clock.advance(60)

    assert two.rest()["EndpointConfigName"] == "blue"


def test_bake_counts_as_work_in_flight(two: Stage) -> None:
    update(two, CANARY)
    two.until(saying("Baking for 600 seconds"))

    assert any("bake of endpoint" in label for label in two.cloud.settle(0.1))
    two.cloud.clock.advance(600)
    two.until(saying("Baking for 300 seconds"))
    two.cloud.clock.advance(300)
    assert two.cloud.settle(20) == []
