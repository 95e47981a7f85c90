"""Test harness for endpoint updates: policies, continuous traffic and deployment status."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hosting_stage import Stage, opened, stage

__all__ = ["opened", "stage"]

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
    """Continuous requests and their responses."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.responses: Counter[str] = Counter()
        self.failures: list[Exception] = []
        self._ended = threading.Event()
        self._moved = threading.Condition()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                response = self._stage.invoke("model")
                with self._moved:
                    self.responses[response] += 1
                    self._moved.notify_all()
            except Exception as error:
                self.failures.append(error)
                time.sleep(0.01)

    def wait_for_responses(self, model: str, times: int = 5) -> None:
        expected = self.responses[model] + times
        with self._moved:
            assert self._moved.wait_for(lambda: self.responses[model] >= expected, 20), (
                self.responses
            )

    def end(self) -> None:
        self._ended.set()


@contextmanager
def traffic(stage: Stage) -> Iterator[Traffic]:
    sender = Traffic(stage)
    threads = [threading.Thread(target=sender.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield sender
    finally:
        sender.end()
        for thread in threads:
            thread.join()


def alarm(stage: Stage, state: str) -> None:
    stage.cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="n", MetricName="m", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )  # fmt: skip
    stage.cloudwatch.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="test")


def trigger_alarm(stage: Stage) -> None:
    """Set the rollback alarm of :func:`alarm` to ALARM."""
    stage.cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="t")


def serve_blue(stage: Stage, count: int, *, model: str = "winter") -> None:
    """An endpoint that serves ``blue``, a second model in ``green``, and a rollback alarm."""
    stage.model("summer")
    stage.config("blue", model, count=count)
    stage.config("green", "summer", count=count)
    alarm(stage, "OK")
    stage.endpoint("blue")


def update(stage: Stage, deployment: dict[str, Any] | None = None, **more: Any) -> None:
    if deployment is not None:
        more["DeploymentConfig"] = deployment
    stage.sagemaker.update_endpoint(
        **{"EndpointName": stage.name, "EndpointConfigName": "green", **more}
    )


def reporting(text: str) -> Any:
    """A condition: the deployment status contains ``text``."""

    def holds(described: dict[str, Any]) -> bool:
        variants = described.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        messages = [s["StatusMessage"] for v in variants for s in v.get("VariantStatus", [])]
        return any(text in message for message in messages)

    return holds
