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
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.core.contracts import InferenceComponents
from sageloop.local_cloud.core.errors import AwsError

_GONE = "could not find"
_ATTRIBUTES = (
    "CreationTime FailureReason InferenceComponentArn InferenceComponentStatus LastModifiedTime "
    "RuntimeConfig.CurrentCopyCount RuntimeConfig.DesiredCopyCount"
)


class _InferenceComponent(ApiResource):
    """A component, complete when its copies are in service, and deleted when they have ended.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sagemaker-inferencecomponent.html
    """

    def _complete(self, context: ProviderContext) -> None:
        _settled(context)
        super()._complete(context)

    def _delete(self, context: ProviderContext) -> None:
        try:
            super()._delete(context)
        except ClientError as error:
            if _GONE not in str(error).lower():
                raise
        _components(context).wait(context.name)


def _components(context: ProviderContext) -> InferenceComponents:
    return context.request.cloud.services.sagemaker.hosting.components


def _settled(context: ProviderContext) -> None:
    description = _components(context).wait(context.name)
    status = "gone" if description is None else description["InferenceComponentStatus"]
    reason = None if description is None else description.get("FailureReason")
    # The status does not show that an update was rolled back.
    if status != "InService" or reason is not None:
        raise AwsError("NotStabilized", f"inference component {context.name} is {status}: {reason}")


def _described(context: ProviderContext) -> dict[str, Any]:
    description = context.call("DescribeInferenceComponent", InferenceComponentName=context.name)
    flat = description | {
        f"RuntimeConfig.{k}": v for k, v in description.get("RuntimeConfig", {}).items()
    }
    return {
        name: _text(flat[name]) for name in sorted(names(_ATTRIBUTES)) if flat.get(name) is not None
    }


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
        note="complete when its copies are in service",
    ),
}  # fmt: skip
