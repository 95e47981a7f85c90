"""The function that registers scaled variants, against endpoints that change their type."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from scaling_stage import ADD_ONE, TRACKING, Scaled, cloud_stage, scaled, stage  # noqa: F401

_ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_ROOT / "lambda" / "layer" / "python"))

from sageloop_runtime import functions  # noqa: E402
from sageloop_runtime.aws.custom_resource import Outcome, Request  # noqa: E402
from sageloop_runtime.functions import Clients  # noqa: E402

ALLOWED = set(json.loads((_ROOT / "lambda" / "permissions.json").read_text())["scaling_resource"])
STEPS = {"PolicyName": "Step0", "PolicyType": "StepScaling",
         "StepScalingPolicyConfiguration": ADD_ONE}  # fmt: skip
BY_REQUESTS = {"PolicyName": "Requests", "PolicyType": "TargetTrackingScaling",
               "TargetTrackingScalingPolicyConfiguration": TRACKING}  # fmt: skip
MORNING = {"ScheduledActionName": "Schedule0", "Schedule": "cron(0 7 * * ? *)",
           "Timezone": "UTC", "ScalableTargetAction": {"MinCapacity": 1}}  # fmt: skip


class Watched:
    """A client that first checks whether the function's policy allows the call."""

    def __init__(self, service: str, client: Any, used: set[str]) -> None:
        self._service, self._client, self._used = service, client, used

    def __getattr__(self, name: str) -> Any:
        action = f"{self._service}:{self._client.meta.method_to_api_mapping[name]}"
        assert action in ALLOWED, action
        self._used.add(action)
        return getattr(self._client, name)


class Deployed:
    """An endpoint between the two custom resources, as CloudFormation calls them."""

    def __init__(self, scaled: Scaled) -> None:
        self.scaled, self.stage = scaled, scaled.stage
        self.used: set[str] = set()
        self.clients = Clients(
            lambda s: Watched(s, scaled.cloud.client(s, principal="scaler"), self.used)
        )
        self.document_of_stack = ""
        self.register("Create", self.document())

    def document(self, instance_type: str = "ml.m5.large", **changes: Any) -> str:
        variant = {
            "VariantName": "AllTraffic", "InstanceTypes": [instance_type], "MinCapacity": 1,
            "MaxCapacity": 3, "ScheduledActions": [MORNING],
            "Policies": [BY_REQUESTS, {**STEPS, "Alarm": self.alarm}], **changes,
        }  # fmt: skip
        return json.dumps({"endpoint_name": self.stage.name, "scaling": [variant]})

    @property
    def alarm(self) -> str:
        return f"{self.stage.name}-scaling-0-0"

    def nothing(self) -> str:
        return json.dumps({"endpoint_name": self.stage.name, "scaling": []})

    def request_step(self, kind: str, place: str, document: str) -> Outcome:
        old = {} if kind == "Create" else {"Document": self.document_of_stack}
        request = Request.of({
            "RequestType": kind, "ResourceProperties": {"Place": place, "Document": document},
            "OldResourceProperties": old,
        })  # fmt: skip
        return functions.scaling_actions(self.clients)[kind](request)

    def register(self, kind: str, document: str) -> Outcome:
        outcome = self.request_step(kind, "AfterEndpoint", document)
        self.document_of_stack = document
        self.scaled.settle()
        return outcome

    def deregister(self, document: str) -> None:
        self.request_step("Update", "BeforeEndpoint", document)

    def register_missing(self, document: str) -> list[str]:
        registered_names = functions.scaled_variants(self.clients).register_missing(document)[
            "registered"
        ]
        self.scaled.settle()
        return list(registered_names)

    def update(self, instance_type: str) -> None:
        """Change the endpoint's instance type and keep the scaled capacity."""
        name = instance_type.replace(".", "-")
        variant = {"VariantName": "AllTraffic", "ModelName": "winter", "InitialInstanceCount": 1,
                   "InstanceType": instance_type}  # fmt: skip
        self.stage.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant]
        )
        self.stage.sagemaker.update_endpoint(
            EndpointName=self.stage.name, EndpointConfigName=name, RetainAllVariantProperties=True,
            ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
        )  # fmt: skip
        self.scaled.settle()

    def actions(self) -> list[str]:
        """The actions of its alarm."""
        (alarm,) = self.stage.cloudwatch.describe_alarms(AlarmNames=[self.alarm])["MetricAlarms"]
        return list(alarm["AlarmActions"])

    def registered(self) -> dict[str, Any]:
        """Limits, policies and actions of the variant; empty if it is not a target."""
        on, client = self.scaled.key, self.scaled.client
        service, resource = on["ServiceNamespace"], on["ResourceId"]
        targets = client.describe_scalable_targets(
            ServiceNamespace=service, ResourceIds=[resource]
        )["ScalableTargets"]  # fmt: skip
        if not targets:
            return {}
        target = {"ServiceNamespace": service, "ResourceId": resource}
        policies = client.describe_scaling_policies(**target)["ScalingPolicies"]
        actions = client.describe_scheduled_actions(**target)["ScheduledActions"]
        return {
            "bounds": (targets[0]["MinCapacity"], targets[0]["MaxCapacity"]),
            "policies": sorted(each["PolicyName"] for each in policies),
            "actions": sorted(each["ScheduledActionName"] for each in actions),
        }


WHOLE = {"bounds": (1, 3), "policies": ["Requests", "Step0"], "actions": ["Schedule0"]}


@pytest.fixture
def deployed(scaled: Scaled) -> Deployed:
    return Deployed(scaled)


@pytest.mark.feature("scaling: another instance type in one deploy")
def test_instance_type_of_a_scaled_variant_changes_with_equal_capacity(deployed: Deployed) -> None:
    assert deployed.registered() == WHOLE
    deployed.scaled.resize(2)
    with pytest.raises(ClientError, match="must be deregistered as scalable targets"):
        deployed.update("ml.c5.xlarge")
    new = deployed.document("ml.c5.large")

    deployed.deregister(new)
    assert deployed.registered() == {}
    deployed.update("ml.c5.large")
    deployed.register("Update", new)

    assert deployed.registered() == WHOLE
    assert deployed.scaled.count == 2


def test_deregistration_keeps_unchanged_variants(deployed: Deployed) -> None:
    deployed.deregister(deployed.document(MaxCapacity=4))

    assert deployed.registered() == WHOLE


def test_variant_without_scaling_is_deregistered(deployed: Deployed) -> None:
    deployed.deregister(deployed.nothing())

    assert deployed.registered() == {}


def test_removed_policies_and_schedules_are_deleted(deployed: Deployed) -> None:
    slim = deployed.document(Policies=[BY_REQUESTS], ScheduledActions=[], MaxCapacity=5)

    deployed.register("Update", slim)

    assert deployed.registered() == {
        "bounds": (1, 5), "policies": ["Requests"], "actions": []
    }  # fmt: skip


def test_repeated_delete_has_no_effect(deployed: Deployed) -> None:
    for _ in range(2):
        deployed.request_step("Delete", "AfterEndpoint", deployed.document_of_stack)

    assert deployed.registered() == {}


@pytest.mark.feature("scaling: a failed deploy leaves scaling as it was")
def test_targets_deregistered_by_a_failed_update_are_restored(deployed: Deployed) -> None:
    deployed.deregister(deployed.document("ml.c5.large"))  # the endpoint keeps its type

    assert deployed.register_missing(deployed.document("ml.c5.large")) == []
    assert deployed.registered() == {}

    assert deployed.register_missing(deployed.document()) == ["AllTraffic"]
    assert deployed.registered() == WHOLE
    assert deployed.register_missing(deployed.document()) == []


def test_no_target_is_registered_without_an_endpoint(deployed: Deployed) -> None:
    deployed.stage.sagemaker.delete_endpoint(EndpointName=deployed.stage.name)
    deployed.stage.wait_until_stable()

    assert deployed.register_missing(deployed.document()) == []


def test_alarms_run_the_recreated_step_policy(deployed: Deployed) -> None:
    before = deployed.register("Update", deployed.document()).data["Policy0x0"]
    topic = "arn:aws:sns:us-east-1:123456789012:alerts"
    deployed.scaled.alarm(
        before, AlarmName=deployed.alarm, AlarmActions=[topic, before], TreatMissingData="ignore"
    )
    deployed.deregister(deployed.document("ml.c5.large"))
    assert deployed.actions() == [topic]

    deployed.register_missing(deployed.document())

    after = deployed.register("Update", deployed.document()).data["Policy0x0"]
    assert after != before
    assert deployed.actions() == [topic, after]
    deployed.scaled.load(60)
    deployed.scaled.next_minute()
    deployed.scaled.next_minute()
    assert deployed.scaled.count == 2
    deployed.stage.cloudwatch.delete_alarms(AlarmNames=[deployed.alarm])


@pytest.mark.feature("faults: killed while an instance type changes")
@pytest.mark.parametrize("call", range(1, 9))
def test_function_killed_at_any_call_completes_when_retried(deployed: Deployed, call: int) -> None:
    new = deployed.document("ml.c5.large")
    _killed_at(deployed, call, lambda: deployed.deregister(new))
    deployed.deregister(new)
    deployed.update("ml.c5.large")
    _killed_at(deployed, call, lambda: deployed.register("Update", new))
    deployed.register("Update", new)

    assert deployed.registered() == WHOLE


def test_every_permission_is_used(deployed: Deployed) -> None:
    deployed.register("Update", deployed.document(Policies=[], ScheduledActions=[]))
    deployed.register("Update", deployed.document())
    policy = deployed.register("Update", deployed.document()).data["Policy0x0"]
    deployed.scaled.alarm(policy, AlarmName=deployed.alarm)
    deployed.deregister(deployed.document("ml.c5.large"))
    deployed.register_missing(deployed.document())

    assert deployed.used == ALLOWED
    deployed.stage.cloudwatch.delete_alarms(AlarmNames=[deployed.alarm])


class _Killed(BaseException):
    """The function's process was killed."""


def _killed_at(deployed: Deployed, call: int, act: Callable[[], object]) -> None:
    """Kill the function after a number of AWS calls; it may need fewer."""
    made = 0
    whole = deployed.clients

    class Mortal:
        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            def called(*args: Any, **request: Any) -> Any:
                nonlocal made
                answer = getattr(self._client, name)(*args, **request)
                made += 1
                if made == call:
                    raise _Killed
                return answer

            return called

    deployed.clients = Clients(lambda service: Mortal(whole(service)))
    try:
        act()
    except _Killed:
        pass
    finally:
        deployed.clients = whole
