"""Kinds of endpoints: what each renders, and which combinations refuse each other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_sns as sns
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks

from constructs_lib import (
    Asynchronous,
    Canary,
    ConfigurationError,
    DataCapture,
    EnhancedMetrics,
    InferenceComponents,
    MultiModel,
    Rolling,
    Scaling,
    Serverless,
    Variant,
)

from .conftest import Ground, ground_of
from .serving import (
    IMAGE,
    checked,
    component,
    config_of,
    container,
    endpoint,
    many,
    model,
    open_model,
    properties,
    role,
    shared,
)

QUEUED = Asynchronous(output_prefix="out/")
SERVERLESS = Serverless()


@pytest.mark.feature("serving constructs: real-time endpoint")
def test_default_kind_is_real_time(anew: Ground) -> None:
    made = endpoint(anew, capture=DataCapture(json_content_types=["application/json"]))

    config = config_of(made)

    (variant,) = config["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.large", 2)
    header = config["DataCaptureConfig"]["CaptureContentTypeHeader"]
    assert header["JsonContentTypes"] == ["application/json"]
    assert "KmsKeyId" in config


@pytest.mark.feature("serving constructs: serverless endpoint")
def test_serverless_has_memory_and_concurrency(anew: Ground) -> None:
    kind = Serverless(memory_mb=3072, max_concurrency=50, provisioned_concurrency=5)

    made = endpoint(anew, model=open_model(anew), kind=kind)

    (variant,) = config_of(made)["ProductionVariants"]
    assert variant["ServerlessConfig"] == {
        "MemorySizeInMB": 3072, "MaxConcurrency": 50, "ProvisionedConcurrency": 5,
    }  # fmt: skip
    assert "InstanceType" not in variant
    assert made.alarms == []


def test_serverless_by_image_is_neither_isolated_nor_in_a_network() -> None:
    ground = ground_of(Stack(App(), "Test"))

    endpoint(
        ground, model=None, image=IMAGE, model_data="models/1/m.tar.gz", role=role(ground),
        kind=SERVERLESS,
    )  # fmt: skip

    template = ground.template()
    assert "VpcConfig" not in properties(template, "AWS::SageMaker::Model")
    assert "EnableNetworkIsolation" not in properties(template, "AWS::SageMaker::Model")
    assert "DeploymentConfig" not in properties(template, "AWS::SageMaker::Endpoint")


@pytest.mark.feature("serving constructs: asynchronous endpoint")
def test_asynchronous_has_output_and_topics(anew: Ground) -> None:
    completed, failed = sns.Topic(anew.stack, "Done"), sns.Topic(anew.stack, "Failed")
    kind = Asynchronous(
        output_prefix="out/", failure_prefix="failed/", input_prefix="in/", success_topic=completed,
        error_topic=failed, include_response_in=["success"], max_concurrent_per_instance=4,
    )  # fmt: skip

    made = endpoint(anew, kind=kind)

    config = config_of(made)["AsyncInferenceConfig"]
    assert config["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 4}
    reported = config["OutputConfig"]["NotificationConfig"]
    assert reported["IncludeInferenceResponseIn"] == ["SUCCESS_NOTIFICATION_TOPIC"]
    address = made.request["AsyncInferenceConfig"]["OutputConfig"]["S3FailurePath"]
    assert address.endswith("/failed")


@pytest.mark.feature("serving constructs: the role writes and notifies what asynchronous needs")
def test_asynchronous_role_has_payload_and_topic_permissions(anew: Ground) -> None:
    topic = sns.Topic(anew.stack, "Done")
    made = endpoint(
        anew, kind=Asynchronous(output_prefix="out/", input_prefix="in/", success_topic=topic)
    )

    (own,) = made.roles
    assert own.policy is not None
    policy = json.dumps(anew.stack.resolve(own.policy.document))

    assert "/out/*" in policy
    assert "/in/*" in policy
    assert "sns:Publish" in policy


def test_asynchronous_rollback_alarm_uses_failures() -> None:
    ground = ground_of(Stack(App(), "Test"))

    endpoint(ground, kind=QUEUED)

    alarms = ground.template().find_resources("AWS::CloudWatch::Alarm").values()
    names = [a["Properties"]["MetricName"] for a in alarms
             if a["Properties"]["Namespace"] == "AWS/SageMaker"]  # fmt: skip
    assert names == ["InvocationFailures"]


@pytest.mark.feature("serving constructs: multi-model endpoint")
def test_a_multi_model_model_makes_a_multi_model_endpoint(anew: Ground) -> None:
    made = endpoint(anew, model=many(anew))

    assert isinstance(made.kind, MultiModel)
    assert config_of(made)["ProductionVariants"][0]["VariantName"] == "AllTraffic"


def test_a_prefix_in_place_of_an_archive_makes_a_multi_model_endpoint(anew: Ground) -> None:
    made = endpoint(
        anew, model=None, image=IMAGE, model_data="digits/", role=role(anew), network=anew.network
    )

    assert isinstance(made.kind, MultiModel)
    assert made.model is not None
    assert made.model.is_multi_model


@pytest.mark.feature("serving constructs: inference components")
def test_components_share_instances_that_name_no_model(anew: Ground) -> None:
    config = config_of(shared(anew))

    (variant,) = config["ProductionVariants"]
    assert "ModelName" not in variant
    assert variant["ManagedInstanceScaling"] == {
        "Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 4,
    }  # fmt: skip
    assert {"ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation"} <= set(config)


def test_component_has_resources_of_copy(anew: Ground) -> None:
    made = component(anew, shared(anew), copies=2, startup_seconds=120)

    request = checked(made, "CreateInferenceComponent", made.request)

    needed = request["Specification"]["ComputeResourceRequirements"]
    assert needed == {"MinMemoryRequiredInMb": 1024, "NumberOfCpuCoresRequired": 1}
    assert request["RuntimeConfig"] == {"CopyCount": 2}


@pytest.mark.feature("serving constructs: adapter on an inference component")
def test_adapter_has_base_component(anew: Ground) -> None:
    base = component(anew, shared(anew))
    uri = anew.store.uri("adapters/one.tar.gz")

    from constructs_lib import InferenceComponent

    made = InferenceComponent(
        anew.stack, "Adapter", endpoint=base.endpoint, name="one", base=base, artifact_uri=uri
    )

    specification = made.request["Specification"]
    assert specification["BaseInferenceComponentName"] == "digits"
    assert "ComputeResourceRequirements" not in specification
    assert "RuntimeConfig" not in made.request


@pytest.mark.feature("rollout constructs: inference component, copy by copy")
def test_a_component_rolls_out_copy_by_copy() -> None:
    ground = ground_of(Stack(App(), "Test"))
    alarm = ground.alarm()

    component(
        ground, shared(ground), copies=4, rollout=Rolling(instances=2, rollback_percent=50),
        rollback_alarms=[alarm],
    )  # fmt: skip

    result = properties(ground.template(), "AWS::SageMaker::InferenceComponent")["DeploymentConfig"]
    assert result["RollingUpdatePolicy"]["MaximumBatchSize"] == {"Type": "COPY_COUNT", "Value": 2}
    assert len(result["AutoRollbackConfiguration"]["Alarms"]) == 1


def test_components_roll_out_only_themselves(anew: Ground) -> None:
    with pytest.raises(
        ConfigurationError, match="rollout and rollback_alarms are not allowed with"
    ):
        shared(anew, rollout=Canary())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": None}, "needs either a model or the base of an adapter"),
        ({"copies": 0}, "copies must be at least 1, got 0"),
        ({"variant": "Other"}, "variant must be one of AllTraffic, got 'Other'"),
        ({"artifact_uri": "s3://b/k"}, "artifact_uri is allowed only for an adapter"),
        ({"startup_seconds": 30}, "startup_seconds must be between 60 and 3600"),
        (
            {"scaling": Scaling(minimum=0, maximum=1, invocations_per_instance=1)},
            "scaling.invocations_per_instance does not exist for an inference component",
        ),
    ],
)
def test_component_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    on = shared(anew)

    with pytest.raises(ConfigurationError, match=message):
        component(anew, on, **changes)


@pytest.mark.feature("bad input: inference component on an endpoint of another kind")
def test_a_component_needs_an_endpoint_of_its_kind(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="needs an endpoint of the kind InferenceComp"):
        component(anew, endpoint(anew), model=model(anew, "Other"))


@pytest.mark.feature("bad input: serverless with capture")
def test_serverless_refuses_capture(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="serverless endpoint cannot have data capture"):
        endpoint(anew, model=open_model(anew), kind=SERVERLESS, capture=DataCapture())


@pytest.mark.feature("serving constructs: kinds that cannot be combined refuse each other")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shadow": Variant(name="S")}, "cannot have a shadow variant"),
        ({"rollout": Canary()}, "cannot have a rollout"),
        ({"metrics": EnhancedMetrics()}, "cannot have enhanced metrics"),
        ({"variants": [Variant(name="A"), Variant(name="B")]}, "has one variant, got 2"),
        ({"variants": [Variant(instance_type="ml.g5.xlarge")]}, "runs on CPUs only"),
        ({"variants": [Variant(name="A")]}, "variants are not allowed for a serverless endpoint"),
        ({"kind": Serverless(memory_mb=1500)}, "must be a multiple of 1024, got 1500"),
        ({"kind": Serverless(memory_mb=7168)}, "memory_mb must be between 1024 and 6144"),
        ({"kind": Serverless(max_concurrency=201)}, "max_concurrency must be between 1 and 200"),
        (
            {"kind": Serverless(max_concurrency=2, provisioned_concurrency=3)},
            "provisioned_concurrency must be between 1 and 2, got 3",
        ),
    ],
)
def test_serverless_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        endpoint(anew, **{"model": open_model(anew), "kind": SERVERLESS, **changes})


@pytest.mark.feature("bad input: serverless with network, isolation, pipeline, many models or GPUs")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network_isolation": True}, "cannot have network isolation"),
        ({"network": "own"}, "cannot have a network"),
        ({"containers": 2}, "cannot have several containers"),
        ({"prefix": "digits/", "multi_model": True}, "cannot have a multi-model container"),
        ({"prefix": "models/plain/1/"}, "cannot have an artifact that is a prefix"),
        ({"image": f"{IMAGE}-gpu"}, "cannot have an image for GPUs"),
    ],
)
def test_serverless_refuses_models(anew: Ground, changes: dict[str, Any], message: str) -> None:
    from constructs_lib import ModelArtifact

    value = dict(changes)
    if value.get("network"):
        value["network"] = anew.network
    if "containers" in value:
        value["containers"] = [container(anew)] * 2
    if "prefix" in value:
        value["artifact"] = ModelArtifact.from_store(anew.store, value.pop("prefix"))
    made = open_model(anew, **value)

    with pytest.raises(ConfigurationError, match=f"a serverless endpoint {message}"):
        endpoint(anew, model=made, kind=SERVERLESS)


@pytest.mark.feature("bad input: asynchronous with shadow or many models")
def test_asynchronous_refuses_what_its_requests_cannot_name(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="an asynchronous endpoint cannot have a shadow"):
        endpoint(anew, kind=QUEUED, shadow=Variant(name="S"))
    with pytest.raises(ConfigurationError, match="its requests name no target model"):
        endpoint(anew, "Many", kind=QUEUED, model=many(anew.__class__(**_fresh(anew))))


def _fresh(ground: Ground) -> dict[str, Any]:
    stack = Stack(ground.stack.node.root, f"{ground.stack.stack_name}More")  # type: ignore[arg-type]
    return {"stack": stack, "store": ground.store, "state": ground.state, "alerts": ground.alerts,
            "network": ground.network}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Asynchronous(output_prefix="/out"), "output_prefix must be a relative S3 prefix"),
        (
            Asynchronous(output_prefix="o/", include_response_in=["error"]),
            "names 'error', but there is no error_topic",
        ),
        (
            Asynchronous(output_prefix="o/", max_concurrent_per_instance=1001),
            "max_concurrent_per_instance must be between 1 and 1000",
        ),
    ],
)
def test_asynchronous_refuses(anew: Ground, kind: Asynchronous, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        endpoint(anew, kind=kind)


@pytest.mark.feature("bad input: an endpoint without a model, or with two")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": MultiModel()}, "needs a model whose container with multi_model=True"),
        ({"model": None}, "variant AllTraffic has no model"),
        ({"image": IMAGE}, "model and image are mutually exclusive"),
        ({"image": IMAGE, "model": None}, "image needs model_data and role too"),
        ({"kind": InferenceComponents()}, "model and image are not allowed for an endpoint of"),
        ({"kind": InferenceComponents(), "model": None}, "needs role and network too"),
        ({"store": None, "capture": DataCapture()}, "'capture/' needs a store"),
    ],
)
def test_endpoint_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        endpoint(anew, **changes)


def test_rule_packs_have_no_findings_for_any_kind() -> None:
    app = App()
    ground = ground_of(Stack(app, "Test"))
    topic = ground.alerts.topic
    endpoint(ground, capture=DataCapture(), variants=[Variant(instance_type="ml.g5.xlarge")])
    endpoint(
        ground, "Queued", endpoint_name="queued", model=model(ground, "QueuedModel"),
        kind=Asynchronous(output_prefix="out/", input_prefix="in/", success_topic=topic),
        variants=[Variant(scaling=Scaling(minimum=0, maximum=2, backlog_per_instance=5))],
    )  # fmt: skip
    serverless = open_model(ground, construct_id="OpenModel")
    endpoint(ground, "Light", endpoint_name="light", model=serverless, kind=SERVERLESS)
    component(ground, shared(ground, endpoint_name="shared"), model=model(ground, "Shares"))

    result = [
        (violation.rule_name, resource.construct_path)
        for pack in (AwsSolutionsChecks, NIST80053R5Checks, HIPAASecurityChecks, PCIDSS321Checks)
        for violation in pack(app).validate_scope(app).violations
        for resource in violation.violating_resources
    ]

    assert result == []
