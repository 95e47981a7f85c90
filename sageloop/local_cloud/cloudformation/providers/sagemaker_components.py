"""Amazon SageMaker: inference components of a stack's endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    Update,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.scene import Scene
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.core.contracts import InferenceComponents
from sageloop.local_cloud.core.errors import AwsError

_GONE = "could not find"
_TOLD = (
    "CreationTime FailureReason InferenceComponentArn InferenceComponentStatus LastModifiedTime "
    "RuntimeConfig.CurrentCopyCount RuntimeConfig.DesiredCopyCount"
)


class _InferenceComponent(ApiResource):
    """A component is made when its copies serve, and gone when they have ended.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sagemaker-inferencecomponent.html
    """

    def _complete(self, scene: Scene) -> None:
        _settled(scene)
        super()._complete(scene)

    def _delete(self, scene: Scene) -> None:
        try:
            super()._delete(scene)
        except ClientError as error:
            if _GONE not in str(error).lower():
                raise
        _components(scene).wait(scene.name)


def _components(scene: Scene) -> InferenceComponents:
    return scene.request.cloud.services.sagemaker.hosting.components


def _settled(scene: Scene) -> None:
    found = _components(scene).wait(scene.name)
    status = "gone" if found is None else found["InferenceComponentStatus"]
    reason = None if found is None else found.get("FailureReason")
    # After an update that was rolled back the status alone says nothing.
    if status != "InService" or reason is not None:
        raise AwsError("NotStabilized", f"inference component {scene.name} is {status}: {reason}")


def _described(scene: Scene) -> dict[str, Any]:
    told = scene.call("DescribeInferenceComponent", InferenceComponentName=scene.name)
    flat = told | {f"RuntimeConfig.{k}": v for k, v in told.get("RuntimeConfig", {}).items()}
    return {name: _text(flat[name]) for name in sorted(names(_TOLD)) if flat.get(name) is not None}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::SageMaker::InferenceComponent": _InferenceComponent(
        service="sagemaker",
        create_call="CreateInferenceComponent",
        name=Name(property="InferenceComponentName", param="InferenceComponentName", max_length=63),
        takes=takes("EndpointName RuntimeConfig Specification Specifications VariantName"),
        ref="InferenceComponentArn",
        more_attributes=_described,
        updates=(
            Update(
                call="UpdateInferenceComponent",
                on={"InferenceComponentName": "{name}"},
                takes=takes("DeploymentConfig RuntimeConfig Specification Specifications"),
                always="DeploymentConfig",
            ),
        ),
        steps=(
            Step(
                properties="RuntimeConfig Specification Specifications",
                apply=_settled, on_create=False,
            ),
        ),
        at_next_change=names("DeploymentConfig"),
        stored=names("EndpointArn"),
        tagging=Tagging(
            tag="AddTags", untag="DeleteTags",
            on={"ResourceArn": "{att[InferenceComponentArn]}"},
        ),
        delete_call="DeleteInferenceComponent",
        delete_on={"InferenceComponentName": "{name}"},
        note="complete when its copies serve",
    ),
}  # fmt: skip
