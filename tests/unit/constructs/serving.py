"""Models and endpoints of each kind, as the tests of constructs need them."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from aws_cdk.assertions import Template

from constructs_lib import (
    Endpoint,
    HostingRole,
    InferenceComponent,
    InferenceComponents,
    ManagedInstanceScaling,
    Model,
    ModelArtifact,
    ModelContainer,
    PrivateNetwork,
    Variant,
)
from constructs_lib._private.api_model import violations
from sageloop.local_cloud.sagemaker.validation import check

from .conftest import Ground

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:1"
KEY = "models/1/m.tar.gz"
_REFERENCES = {
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/demo",
    "ModelDataUrl": "s3://bucket/models/1/m.tar.gz",
    "S3Uri": "s3://bucket/models/",
    "DestinationS3Uri": "s3://bucket/capture",
    "S3OutputPath": "s3://bucket/out",
    "S3FailurePath": "s3://bucket/failed",
    "ArtifactUrl": "s3://bucket/adapter.tar.gz",
    "SuccessTopic": "arn:aws:sns:eu-west-1:123456789012:done",
    "ErrorTopic": "arn:aws:sns:eu-west-1:123456789012:failed",
    "KmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/demo",
}


def role(ground: Ground, construct_id: str = "HostingRole") -> HostingRole:
    """The models' role, made once."""
    result = ground.stack.node.try_find_child(construct_id)
    if isinstance(result, HostingRole):
        return result
    return HostingRole(ground.stack, construct_id, key=ground.store.key)


def container(ground: Ground, **changes: Any) -> ModelContainer:
    """A container with a custom image and an archive of the store."""
    values = {"image": IMAGE, "artifact": ModelArtifact.from_store(ground.store, KEY), **changes}
    return ModelContainer(**values)


def model(ground: Ground, construct_id: str = "Model", **changes: Any) -> Model:
    """A model; what a container knows goes to its one container."""
    of_container = ("image", "artifact", "code", "environment", "hostname", "multi_model", "cache")
    provided = {name: changes.pop(name) for name in list(changes) if name in of_container}
    values: dict[str, Any] = {"role": role(ground), "network": ground.network, **changes}
    if "containers" not in values:
        values["containers"] = [container(ground, **provided)]
    return Model(ground.stack, construct_id, **values)


def open_model(ground: Ground, **changes: Any) -> Model:
    """A model that a serverless endpoint can have."""
    return model(ground, **{"network": None, "network_isolation": False, **changes})


def many(ground: Ground) -> Model:
    """A model of many models."""
    artifact = ModelArtifact.from_store(ground.store, "digits/")
    return model(ground, artifact=artifact, multi_model=True)


def endpoint(ground: Ground, construct_id: str = "Endpoint", **changes: Any) -> Endpoint:
    """A real-time endpoint of one model."""
    values: dict[str, Any] = {"endpoint_name": "demo", "store": ground.store, **changes}
    if "model" not in values:
        values["model"] = model(ground)
    return Endpoint(ground.stack, construct_id, **values)


def shared(ground: Ground, **changes: Any) -> Endpoint:
    """An endpoint of inference components."""
    variant = Variant(managed_scaling=ManagedInstanceScaling(minimum=0, maximum=4))
    values: dict[str, Any] = {
        "kind": InferenceComponents(), "model": None, "role": role(ground),
        "network": ground.network, "variants": [variant], **changes,
    }  # fmt: skip
    return endpoint(ground, "Shared", **values)


def component(ground: Ground, on: Endpoint, **changes: Any) -> InferenceComponent:
    """A component of one model."""
    values: dict[str, Any] = {"endpoint": on, "name": "digits", **changes}
    if "base" not in values and "model" not in values:
        values["model"] = model(ground)
    return InferenceComponent(ground.stack, "Component", **values)


def checked(scope: Any, operation: str, request: dict[str, Any], **names: str) -> dict[str, Any]:
    """A request with its references filled in, held against SageMaker's model twice."""
    filled: dict[str, Any] = {**names, **_literal(Stack.of(scope).resolve(request))}
    assert violations(operation, filled) == []
    check(operation, filled)
    return filled


def config_of(made: Endpoint) -> dict[str, Any]:
    """The rendered endpoint configuration after validation."""
    return checked(made, "CreateEndpointConfig", made.request, EndpointConfigName="demo-1")


def properties(template: Template, kind: str) -> dict[str, Any]:
    """Properties of the one resource of a type."""
    (resource,) = template.find_resources(kind).values()
    result: dict[str, Any] = resource["Properties"]
    return result


def network(ground: Ground) -> PrivateNetwork:
    """The network."""
    return ground.network


def _literal(value: Any, key: str = "") -> Any:
    if isinstance(value, list):
        return [_literal(each, key) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
        return _REFERENCES.get(key, "value-1")
    return {name: _literal(each, name) for name, each in value.items()}
