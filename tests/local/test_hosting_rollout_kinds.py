"""Each kind of rollout under load: completed, rolled back, timed out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hosting_stage import Stage
from rollout_stage import (  # noqa: F401 - fixtures are found by name
    CANARY,
    ROLLING,
    alarm,
    opened,
    reporting,
    serve_blue,
    stage,
    traffic,
    trigger_alarm,
    update,
)

from sageloop.local_cloud.sagemaker.hosting.timing import Timing

ALARMS = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}


def blue_green(kind: str, wait: int, termination: int, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **more}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": termination,
        },
        **ALARMS,
    }  # fmt: skip


LINEAR = blue_green(
    "LINEAR", 300, 120, LinearStepSize={"Type": "CAPACITY_PERCENT", "Value": 33}
)  # fmt: skip
ALL_AT_ONCE = blue_green("ALL_AT_ONCE", 0, 300)


@pytest.fixture
def three(stage: Stage) -> Stage:
    """An endpoint with three instances, a second model, and a rollback alarm."""
    serve_blue(stage, 3)
    return stage


def restored(stage: Stage, described: dict[str, Any], count: int = 3) -> None:
    """Assert that the endpoint is rolled back as on AWS: InService without FailureReason."""
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == "blue"
    assert "FailureReason" not in described
    assert "PendingDeploymentSummary" not in described
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == count
    assert len(stage.cloud.processes.running()) == count
    assert stage.events.statuses()[-3:] == ["UPDATING", "ROLLING_BACK", "IN_SERVICE"]
    assert stage.invoke("model") == "winter"


@pytest.mark.feature("rollout: linear")
def test_linear_rollout_shifts_in_steps_without_failures(three: Stage) -> None:
    with traffic(three) as sent:
        update(three, LINEAR)
        described = three.until(reporting("linear capacity of 1 instance(s)"))
        sent.wait_for_responses("summer")
        sent.wait_for_responses("winter")
        pending = described["PendingDeploymentSummary"]
        shown = pending["ProductionVariants"][0]
        assert (pending["EndpointConfigName"], shown["DesiredInstanceCount"]) == ("green", 3)
        assert shown["VariantStatus"][0]["Status"] in ("ActivatingTraffic", "Baking")
        assert pending["StartTime"] <= shown["VariantStatus"][0]["StartTime"]
        three.until(reporting("Baking for 300 seconds (WaitIntervalInSeconds)"))
        three.cloud.clock.advance(300)
        baking = "Baking for 300 seconds (WaitIntervalInSeconds) with traffic enabled on "
        three.until(reporting(f"{baking}linear capacity of 2 instance(s)."))
        sent.responses.clear()
        sent.wait_for_responses("summer", 60)
        shifted = sent.responses["summer"] / (sent.responses["summer"] + sent.responses["winter"])
        three.cloud.clock.advance(300)
        three.until(reporting("Baking for 120 seconds (TerminationWaitInSeconds)"))
        three.cloud.clock.advance(120)
        described = three.wait_until_stable()

    assert sent.failures == []
    assert 0.45 < shifted < 0.9
    assert described["EndpointConfigName"] == "green"
    assert described["LastDeploymentConfig"] == LINEAR
    assert len(three.cloud.processes.running()) == 3


@pytest.mark.feature("load: a rollback fails no request")
def test_alarm_in_second_linear_step_rolls_back(three: Stage) -> None:
    with traffic(three) as sent:
        update(three, LINEAR)
        three.until(reporting("Baking for 300 seconds"))
        three.cloud.clock.advance(300)
        three.until(reporting("linear capacity of 2 instance(s)"))
        sent.wait_for_responses("summer")
        trigger_alarm(three)
        described = three.wait_until_stable()
        sent.wait_for_responses("winter")

    assert sent.failures == []
    restored(three, described)


def test_alarm_in_all_at_once_baking_rolls_back(three: Stage) -> None:
    with traffic(three) as sent:
        update(three, ALL_AT_ONCE)
        three.until(reporting("Baking for 300 seconds (TerminationWaitInSeconds)"))
        sent.wait_for_responses("summer")
        trigger_alarm(three)
        described = three.wait_until_stable()
        sent.wait_for_responses("winter")

    assert sent.failures == []
    restored(three, described)


def test_alarm_in_first_rolling_batch_rolls_back(three: Stage) -> None:
    with traffic(three) as sent:
        update(three, ROLLING)
        three.until(reporting("Baking for 600 seconds"))
        trigger_alarm(three)
        described = three.wait_until_stable()
        sent.wait_for_responses("winter")

    assert sent.failures == []
    restored(three, described)


@pytest.mark.parametrize("policy", [LINEAR, ALL_AT_ONCE, ROLLING], ids=["linear", "all", "rolling"])
def test_alarm_state_at_the_start_aborts_the_deployment(
    three: Stage, policy: dict[str, Any]
) -> None:
    trigger_alarm(three)

    with traffic(three) as sent:
        update(three, policy)
        described = three.wait_until_stable()

    assert sent.failures == []
    assert set(sent.responses) <= {"winter"}
    restored(three, described)


@pytest.mark.feature("rollout: rollback that fails")
def test_failed_rollback_ends_in_update_rollback_failed(stage: Stage, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    stage.model("frail", EXITS_IF=str(gone))
    stage.model("summer")
    stage.config("blue", "frail", count=2)
    stage.config("green", "summer", count=2)
    alarm(stage, "OK")
    stage.endpoint("blue")

    with traffic(stage) as sent:
        update(stage, ROLLING)
        stage.until(reporting("Baking for 600 seconds"))
        stage.cloud.clock.advance(600)
        stage.until(reporting("capacity of 2 instance(s)"))
        gone.touch()  # the old container cannot be started again
        trigger_alarm(stage)
        described = stage.wait_until_stable()
        sent.wait_for_responses("summer")

    assert described["EndpointStatus"] == "UpdateRollbackFailed"
    assert described["EndpointConfigName"] == "blue"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert sent.failures == []
    assert stage.events.statuses()[-1] == "UPDATE_ROLLBACK_FAILED"
    alarm(stage, "OK")
    update(stage)
    assert stage.wait_until_stable()["EndpointConfigName"] == "green"
    assert stage.wait_until_stable()["EndpointStatus"] == "InService"
    assert len(stage.cloud.processes.running()) == 2


@pytest.mark.feature("rollout: maximum execution time")
def test_rollout_over_its_execution_time_rolls_back(stage: Stage) -> None:
    stage.hosting.timing = Timing(startup_cap=120, flush=0.05, terminate=2)
    stage.model("late", LATE="1.2")
    stage.config("blue", "winter", count=2)
    stage.config("green", "late", count=2)
    stage.endpoint("blue")
    policy = blue_green(
        "CANARY", 400, 200, CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}
    )["BlueGreenUpdatePolicy"] | {"MaximumExecutionTimeoutInSeconds": 601}  # fmt: skip

    update(stage, {"BlueGreenUpdatePolicy": policy})
    stage.until(reporting("Baking for 400 seconds"))
    stage.cloud.clock.advance(400)
    stage.until(reporting("Baking for 200 seconds"))
    stage.cloud.clock.advance(200)
    described = stage.wait_until_stable()

    assert described["EndpointConfigName"] == "blue"
    assert "MaximumExecutionTimeoutInSeconds (601)" in described["FailureReason"]
    assert stage.invoke("model") == "winter"


@pytest.mark.feature("load: scaling in and out fails no request")
def test_scaling_in_and_out_under_load_fails_no_request(stage: Stage) -> None:
    stage.config("three", "winter", count=3)
    stage.endpoint("three")

    with traffic(stage) as sent:
        for count in (1, 3, 2, 4, 1):
            stage.hosting.set_instance_count(stage.name, "AllTraffic", count)
            assert (
                stage.wait_until_stable()["ProductionVariants"][0]["CurrentInstanceCount"] == count
            )
            sent.wait_for_responses("winter")

    assert sent.failures == []
    assert len(stage.cloud.processes.running()) == 1


@pytest.mark.feature("rollout: share of a canary")
def test_canary_traffic_is_the_share_of_its_instances(three: Stage) -> None:
    update(three, CANARY | {"BlueGreenUpdatePolicy": CANARY["BlueGreenUpdatePolicy"] | {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY", "WaitIntervalInSeconds": 600,
            "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
        }
    }})  # fmt: skip
    three.until(reporting("Baking for 600 seconds"))

    summer = sum(three.invoke("model") == "summer" for _ in range(300))

    assert 65 <= summer <= 135  # one instance of three: 100 of 300
    assert three.total("Invocations", EndpointConfigName="green") == summer
    assert three.total("Invocations", EndpointConfigName="blue") == 300 - summer
    assert three.total("Invocations") == 300
    trigger_alarm(three)
    three.wait_until_stable()
