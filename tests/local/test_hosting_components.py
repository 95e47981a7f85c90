"""Inference components through boto3: copies of several models on shared instances."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from component_stage import Components, components, stage  # noqa: F401 - fixtures by name
from hosting_stage import IMAGE, refusal
from provider_bench import Bench

COMPONENTS = "serving: inference components"
ROLLING = "rollout: rolling update of an inference component"
NO_ROOM = "There is not enough hardware resources on the instances for this endpoint"
ENABLED = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 3}


def _policy(kind: str, value: int, wait: int = 0) -> dict[str, Any]:
    size = {"Type": kind, "Value": value}
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait}}


@pytest.mark.feature(COMPONENTS)
def test_components_share_instances_and_are_invoked_by_name(components: Components) -> None:
    described = components.endpoint()
    assert described["EndpointStatus"] == "InService"
    assert components.processes() == 0
    components.stage.model("summer", GREETING="phew")
    assert components.create("cold")["InferenceComponentStatus"] == "InService"
    assert components.create("warm", model="summer")["InferenceComponentStatus"] == "InService"
    assert components.invoke("model", "cold") == "winter"
    assert components.invoke("model", "warm") == "summer"
    assert components.hosts() == 1


@pytest.mark.feature("serving: copies of inference components")
def test_each_copy_is_a_process(components: Components) -> None:
    components.endpoint()
    described = components.create(copies=2)
    runtime = described["RuntimeConfig"]
    assert (runtime["DesiredCopyCount"], runtime["CurrentCopyCount"]) == (2, 2)
    placed = {"InstanceType": "ml.m5.xlarge", "CurrentCopyCount": 2}
    assert runtime["PlacementStatus"] == [placed]
    assert components.processes() == 2
    assert len({components.invoke("pid") for _ in range(30)}) == 2


def test_component_may_have_a_container_without_model(components: Components) -> None:
    components.endpoint()
    specification = components.specification()
    del specification["ModelName"]
    specification["Container"] = {
        "Image": IMAGE, "ArtifactUrl": "s3://data/winter.tar.gz", "Environment": {"GREETING": "hi"},
    }  # fmt: skip
    described = components.create(specification=specification)
    assert components.invoke("model") == "winter"
    assert components.invoke("env") == "hi"
    shown = described["Specification"]["Container"]
    assert shown["DeployedImage"]["SpecifiedImage"] == IMAGE


def test_components_are_listed_by_endpoint_and_status(components: Components) -> None:
    components.endpoint()
    components.create("one")
    components.create("two")
    summaries = components.sagemaker.list_inference_components(
        EndpointNameEquals=components.stage.name, StatusEquals="InService", SortBy="Name",
        SortOrder="Ascending",
    )["InferenceComponents"]  # fmt: skip
    assert [item["InferenceComponentName"] for item in summaries] == ["one", "two"]


@pytest.mark.feature("serving: scale to zero copies")
def test_request_without_copies_fails_with_aws_message(
    components: Components,
) -> None:
    components.endpoint()
    components.create()
    described = components.resize(0)
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 0
    assert components.processes() == 0
    with pytest.raises(ClientError) as caught:
        components.invoke()
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationError"
    assert error["Message"].startswith("Inference Component has no capacity to process this")
    assert components.total("NoCapacityInvocationFailures") == 1
    components.hosting.set_copy_count(components.first, 1)
    components.wait_until_stable()
    assert components.invoke() == "echo hello"


@pytest.mark.feature("bad input: an inference component without resources")
def test_component_without_resources_fails_with_aws_message(components: Components) -> None:
    components.endpoint()
    described = components.create(memory=20_000)
    assert described["InferenceComponentStatus"] == "Failed"
    assert described["FailureReason"].startswith(NO_ROOM)
    assert components.processes() == 0


def test_copies_beyond_the_resources_fail_with_a_reason(components: Components) -> None:
    components.endpoint()
    components.create(cores=2)
    described = components.resize(3)
    assert described["InferenceComponentStatus"] == "InService"
    assert described["FailureReason"].startswith(NO_ROOM)
    runtime = described["RuntimeConfig"]
    assert (runtime["DesiredCopyCount"], runtime["CurrentCopyCount"]) == (3, 2)


def test_copies_are_spread_over_instances_or_packed(components: Components) -> None:
    components.endpoint(2)
    components.create("spread", 2)
    components.create("packed", 2, SchedulingConfig={"PlacementStrategy": "BINPACK"})
    fleet = components.hosting.components._deployer.fleet(
        {"EndpointName": components.stage.name, "VariantName": "AllTraffic"}
    )
    assert len({copy.host.id for copy in fleet.copies("spread")}) == 2
    assert len({copy.host.id for copy in fleet.copies("packed")}) == 1


@pytest.mark.feature("serving: managed instance scaling")
def test_managed_instances_scale_with_copies(components: Components) -> None:
    components.endpoint(1, ManagedInstanceScaling=ENABLED)
    components.create(cores=4)
    assert components.hosts() == 1
    components.resize(3)
    assert components.hosts() == 3
    described = components.resize(4)
    assert described["FailureReason"].startswith(NO_ROOM)
    components.resize(1)
    assert components.hosts() == 1


@pytest.mark.feature("serving: managed instance scaling")
def test_managed_instances_scale_to_zero_and_back(components: Components) -> None:
    scaling = ENABLED | {"MinInstanceCount": 0}
    components.endpoint(1, ManagedInstanceScaling=scaling)
    components.create()
    components.resize(0)
    assert components.hosts() == 0
    components.resize(1)
    assert components.hosts() == 1
    assert components.invoke() == "echo hello"


def test_copies_move_when_their_instance_is_removed(components: Components) -> None:
    components.endpoint(2)
    components.create(copies=2)
    components.hosting.set_instance_count(components.stage.name, "AllTraffic", 1)
    assert components.stage.wait_until_stable()["EndpointStatus"] == "InService"
    assert components.hosts() == 1
    assert components.wait_until_stable()["RuntimeConfig"]["CurrentCopyCount"] == 2


@pytest.mark.feature(ROLLING)
def test_update_replaces_copies_in_batches(components: Components) -> None:
    components.endpoint()
    components.create(copies=2)
    components.stage.model("summer")
    described = components.update(
        Specification=components.specification("summer"), DeploymentConfig=_policy("COPY_COUNT", 1)
    )
    assert described["InferenceComponentStatus"] == "InService"
    assert described["Specification"]["ModelName"] == "summer"
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 2
    assert {components.invoke("model") for _ in range(20)} == {"summer"}
    assert components.processes() == 2


@pytest.mark.feature(ROLLING)
def test_failed_update_keeps_the_old_copies(components: Components) -> None:
    components.endpoint()
    components.create(copies=2)
    components.stage.model("broken", START="exit")
    described = components.update(Specification=components.specification("broken"))
    assert described["InferenceComponentStatus"] == "InService"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert described["Specification"]["ModelName"] == "winter"
    assert components.invoke("model") == "winter"
    assert components.processes() == 2


@pytest.mark.feature("rollout: an alarm rolls an inference component back")
def test_alarm_rolls_back_an_update(components: Components) -> None:
    components.endpoint()
    components.create(copies=2)
    components.stage.model("summer")
    components.stage.cloudwatch.put_metric_alarm(
        AlarmName="bad", Namespace="Test", MetricName="Bad", Period=60, EvaluationPeriods=1,
        Threshold=0, ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
    )  # fmt: skip
    policy = _policy("CAPACITY_PERCENT", 50, wait=600)
    alarms = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "bad"}]}}
    components.sagemaker.update_inference_component(
        InferenceComponentName=components.first, Specification=components.specification("summer"),
        DeploymentConfig=policy | alarms,
    )  # fmt: skip
    put = components.stage.cloudwatch.set_alarm_state
    put(AlarmName="bad", StateValue="ALARM", StateReason="test")
    described = components.wait_until_stable()
    assert described["Specification"]["ModelName"] == "winter"
    assert "the alarm bad is in ALARM" in described["FailureReason"]
    assert {components.invoke("model") for _ in range(20)} == {"winter"}


@pytest.mark.feature("serving: metrics of inference components")
def test_requests_are_measured_by_component_and_copy(components: Components) -> None:
    components.endpoint()
    components.create(copies=2)
    for _ in range(4):
        components.invoke()
    with pytest.raises(ClientError, match="ModelError"):
        components.invoke("status 500")
    assert components.total("Invocations") == 5
    assert components.total("InvocationsPerCopy") == 2.5
    assert components.total("Invocation5XXErrors") == 1
    assert components.total("ModelLatency") > 0
    assert components.total("ConcurrentRequestsPerCopy", statistic="Maximum") == 0.5


def test_exited_copy_is_restarted(components: Components) -> None:
    components.endpoint()
    components.create()
    with pytest.raises(ClientError, match="ModelError"):
        components.invoke("die")
    assert components.stage.cloud.settle(180) == []
    assert components.invoke() == "echo hello"


def test_request_without_component_name_is_refused(components: Components) -> None:
    components.endpoint()
    components.create()
    code, message = refusal(
        components.stage.runtime.invoke_endpoint, EndpointName=components.stage.name, Body="x"
    )
    assert code == "ValidationError"
    assert message.startswith("Inference Component Name header is required for endpoints")
    with pytest.raises(ClientError, match="Inference Component other not found"):
        components.invoke(name="other")


def test_endpoint_with_models_refuses_components(components: Components) -> None:
    components.stage.endpoint("one")
    with pytest.raises(ClientError, match="has models in its endpoint configuration"):
        components.create()
    with pytest.raises(ClientError, match="does not support inference component name header"):
        components.invoke()


def test_endpoint_update_keeps_its_components(components: Components) -> None:
    components.endpoint()
    components.create(copies=2)
    components.config("bigger", components.variant(InstanceType="ml.m5.2xlarge"))
    components.sagemaker.update_endpoint(
        EndpointName=components.stage.name, EndpointConfigName="bigger"
    )
    assert components.stage.wait_until_stable()["EndpointConfigName"] == "bigger"
    runtime = components.wait_until_stable()["RuntimeConfig"]
    assert runtime["PlacementStatus"] == [{"InstanceType": "ml.m5.2xlarge", "CurrentCopyCount": 2}]
    assert components.invoke() == "echo hello"


def test_endpoint_with_components_cannot_be_deleted(components: Components) -> None:
    components.endpoint()
    components.create()
    delete = components.sagemaker.delete_endpoint
    code, message = refusal(delete, EndpointName=components.stage.name)
    assert code == "ValidationException"
    assert f"it has inference components ({components.first})" in message


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("BaseInferenceComponentName", "base", "BaseInferenceComponentName"),
        ("ModelName", None, "exactly one of them"),
        ("ComputeResourceRequirements", None, "needs ComputeResourceRequirements"),
    ],
)
def test_invalid_specifications_are_refused(
    components: Components, member: str, value: Any, message: str
) -> None:
    components.endpoint()
    specification = components.specification() | {member: value}
    specification = {k: v for k, v in specification.items() if v is not None}
    with pytest.raises(ClientError, match=message):
        components.create(specification=specification)


def test_component_without_copies_is_refused_at_creation(components: Components) -> None:
    components.endpoint()
    with pytest.raises(ClientError, match="copy count must be an integer of at least 1"):
        components.create(copies=0)


def test_configuration_for_components_without_role_is_refused(components: Components) -> None:
    create = components.sagemaker.create_endpoint_config
    variants = [components.variant()]
    code, message = refusal(create, EndpointConfigName="odd", ProductionVariants=variants)
    assert code == "ValidationException"
    assert message.startswith("ExecutionRoleArn must be specified")


@pytest.mark.feature("serving: inference components in CloudFormation")
def test_stack_creates_updates_and_deletes_a_component(components: Components) -> None:
    components.endpoint()
    bench = Bench(components.stage.cloud)
    properties = {
        "InferenceComponentName": "stacked", "EndpointName": components.stage.name,
        "VariantName": "AllTraffic", "Specification": components.specification(),
        "RuntimeConfig": {"CopyCount": 1},
    }  # fmt: skip
    resource = bench.create("AWS::SageMaker::InferenceComponent", properties)
    assert resource["InferenceComponentStatus"] == "InService"
    assert resource.id == resource["InferenceComponentArn"]
    assert components.invoke(name="stacked") == "echo hello"
    resource = bench.update(resource, RuntimeConfig={"CopyCount": 2})
    assert components.wait_until_stable("stacked")["RuntimeConfig"]["CurrentCopyCount"] == 2
    components.stage.model("summer")
    resource = bench.update(resource, Specification=components.specification("summer"))
    assert components.invoke("model", "stacked") == "summer"
    bench.delete_twice(resource)
    assert components.sagemaker.list_inference_components()["InferenceComponents"] == []
