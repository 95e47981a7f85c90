"""Models: the containers that an endpoint or a transform job serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.execution_role import PRINCIPAL, any_source, check_role
from sageloop.local_cloud.sagemaker.listing import list_response
from sageloop.local_cloud.sagemaker.store import Document

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account

_STORED_MEMBERS = (
    "ModelName", "PrimaryContainer", "Containers", "InferenceExecutionConfig",
    "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation",
)  # fmt: skip
_SUMMARY = ("ModelName", "ModelArn", "CreationTime")


def is_multi_model(container: Mapping[str, Any]) -> bool:
    """Whether a container serves many models from an S3 prefix (Mode MultiModel)."""
    return container.get("Mode") == "MultiModel"


class Models:
    """CreateModel, DescribeModel, DeleteModel and ListModels."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = account.store
        self._cloud = account.cloud

    @operation("CreateModel")
    def create_model(self, call: Call) -> dict[str, Any]:
        """Store a model after checking its containers and artifacts."""
        params = call.params
        containers = _containers(params)
        role = params.get("ExecutionRoleArn")
        if role is not None:
            own = self._store.arn("model", params["ModelName"])
            check_role(self._cloud, role, any_source(self._cloud), own)
        for container in containers:
            self._check(container, role)
        name = params["ModelName"]
        document = {member: params[member] for member in _STORED_MEMBERS if member in params}
        document["EnableNetworkIsolation"] = params.get("EnableNetworkIsolation", False)
        document["ModelArn"] = self._store.arn("model", name)
        document["CreationTime"] = self._cloud.clock.now()
        arn = self._store.create("model", name, document, tags=params.get("Tags"))
        return {"ModelArn": arn}

    @operation("DescribeModel")
    def describe_model(self, call: Call) -> dict[str, Any]:
        """Return the model as it was created."""
        return self._store.get("model", call.params["ModelName"])

    @operation("DeleteModel")
    def delete_model(self, call: Call) -> None:
        """Delete a model; endpoints that serve it are not affected, as on AWS."""
        self._store.delete("model", call.params["ModelName"])

    @operation("ListModels")
    def list_models(self, call: Call) -> dict[str, Any]:
        """List models filtered by name and creation time."""
        return list_response(
            self._store.list("model"), call.params, result="Models", name="ModelName",
            members=_SUMMARY,
        )  # fmt: skip

    def containers_of(self, model_name: str) -> list[dict[str, Any]]:
        """The resolved containers of a model.

        A container that names a model package gets ``Image``, ``ModelDataUrl`` and ``Environment``
        of that package; members of the model itself take precedence. Raises ``AwsError`` if the
        model or its package does not exist.
        """
        return [self._resolved(c) for c in _containers(self._store.get("model", model_name))]

    def _resolved(self, container: dict[str, Any]) -> dict[str, Any]:
        package_arn = container.get("ModelPackageName")
        if package_arn is None:
            return container
        package = self._package(package_arn)
        specification = package.get("InferenceSpecification", {}).get("Containers", [{}])[0]
        environment = specification.get("Environment", {}) | container.get("Environment", {})
        package_members = {m: specification[m] for m in ("Image", "ModelDataUrl", "ModelDataSource")
                 if m in specification}  # fmt: skip
        overrides = {m: v for m, v in container.items() if m != "ModelPackageName"}
        return package_members | overrides | {"Environment": environment}

    def _package(self, arn: str) -> Document:
        return self._store.get("model-package", arn.split("model-package/", 1)[-1])

    def _check(self, container: dict[str, Any], role: str | None) -> None:
        if "AdditionalModelDataSources" in container:
            raise _unsupported("a container's AdditionalModelDataSources")
        if is_multi_model(container) and "ModelDataUrl" not in container:
            raise AwsError(
                "ValidationException",
                "ModelDataUrl must be specified for a container whose Mode is MultiModel: the S3 "
                "prefix of its models.",
            )
        if "ModelPackageName" in container:
            self._package(container["ModelPackageName"])
        elif "Image" not in container:
            raise AwsError(
                "ValidationException",
                "Either Image or ModelPackageName must be specified for a container.",
            )
        if "ModelDataUrl" in container and "ModelDataSource" in container:
            raise AwsError(
                "ValidationException",
                "ModelDataUrl and ModelDataSource cannot both be specified for a container.",
            )
        if "ModelDataUrl" in container and not is_multi_model(container):
            self._check_artifact(container["ModelDataUrl"], role)
        source = container.get("ModelDataSource", {}).get("S3DataSource")
        if source is not None:
            _check_source(source)

    def _check_artifact(self, url: str, role: str | None) -> None:
        parts = urlparse(url)
        client = self._cloud.client("s3", principal=role or PRINCIPAL)
        try:
            client.head_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status not in (403, 404):
                raise
            refusal = f"Could not find model data at {url}."
            if status == 403:
                refusal = _no_access(url, role, self._cloud.region)
            raise AwsError("ValidationException", refusal) from None


def _containers(params: dict[str, Any]) -> list[dict[str, Any]]:
    primary, several = params.get("PrimaryContainer"), params.get("Containers")
    if (primary is None) == (several is None):
        raise AwsError(
            "ValidationException",
            "Exactly one of PrimaryContainer and Containers must be specified.",
        )
    containers = [primary] if primary is not None else list(several or ())
    if several is not None:
        _check_pipeline(containers, params.get("InferenceExecutionConfig", {}))
    return containers


def _check_pipeline(containers: list[dict[str, Any]], execution: dict[str, Any]) -> None:
    names = [c["ContainerHostname"] for c in containers if "ContainerHostname" in c]
    if len(set(names)) != len(names):
        raise AwsError(
            "ValidationException",
            f"ContainerHostname must be unique in a model, got {', '.join(names)}.",
        )
    if execution.get("Mode") == "Direct" and len(names) < len(containers):
        raise AwsError(
            "ValidationException",
            "Every container needs a ContainerHostname when the InferenceExecutionConfig mode is "
            f"Direct; {len(containers) - len(names)} of {len(containers)} have none.",
        )


def _check_source(source: dict[str, Any]) -> None:
    for member in ("HubAccessConfig", "ManifestS3Uri"):
        if member in source:
            raise _unsupported(f"a model data source's {member}")
    archive = source["CompressionType"] == "Gzip"
    if archive and source["S3DataType"] != "S3Object":
        raise AwsError(
            "ValidationException",
            "S3DataType must be S3Object for a model data source with CompressionType Gzip, got "
            f"{source['S3DataType']}.",
        )
    if not archive and source["S3DataType"] == "S3Prefix" and not source["S3Uri"].endswith("/"):
        raise AwsError(
            "ValidationException",
            f"S3Uri must end with a slash for S3DataType S3Prefix, got {source['S3Uri']}.",
        )


def _no_access(url: str, role: str | None, region: str) -> str:
    return (
        f'Could not access model data at {url}. Please ensure that the role "{role}" exists and '
        'that its trust relationship policy allows the action "sts:AssumeRole" for the service '
        f'principal "{PRINCIPAL}". Also ensure that the role has "s3:GetObject" permissions and '
        f"that the object is located in {region}."
    )


def _unsupported(feature: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"the local cloud does not support {feature}; nothing was created",
    )
