"""Amazon SageMaker: models, endpoints, notebooks, model registry."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    Update,
    setting,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.core.errors import AwsError

_GONE = names("ResourceNotFound")
_GONE_WORDS = ("could not find", "does not exist", "recordnotfound")


def _tags(arn: str) -> Tagging:
    return Tagging(tag="AddTags", untag="DeleteTags", on={"ResourceArn": f"{{att[{arn}]}}"})


class _SageMaker(ApiResource):
    """A SageMaker resource: a missing one is a validation error, identified by its message."""

    def _delete(self, context: ProviderContext) -> None:
        try:
            super()._delete(context)
        except context.request.client("sagemaker").exceptions.ClientError as error:
            message = str(error.response.get("Error", {}).get("Message", ""))
            if not any(words in message.lower() for words in _GONE_WORDS):
                raise


class _Endpoint(_SageMaker):
    """An endpoint, complete when it is in service; otherwise it is deleted again."""

    def _complete(self, context: ProviderContext) -> None:
        super()._complete(context)
        _await(context)


def _named(
    kind: str, *, taken: str, steps: tuple[Step, ...] = (), updates: tuple[Update, ...] = (),
    make: type[_SageMaker] = _SageMaker, **more: Any,
) -> ApiResource:  # fmt: skip
    arn, name = f"{kind}Arn", f"{kind}Name"
    return make(
        service="sagemaker",
        create_call=f"Create{kind}",
        name=Name(property=name, param=name, max_length=63),
        takes=takes(taken),
        ref=arn,
        attributes={arn: arn},
        steps=steps,
        updates=updates,
        tagging=_tags(arn),
        delete_call=f"Delete{kind}",
        delete_on={name: "{name}"},
        gone=_GONE,
        **more,
    )


def _await(context: ProviderContext) -> dict[str, Any]:
    description = context.request.cloud.services.sagemaker.wait_endpoint(context.name)
    status = description.get("EndpointStatus")
    if status != "InService":
        raise AwsError(
            "NotStabilized",
            f"endpoint {context.name} is {status}: "
            f"{description.get('FailureReason', 'no reason given')}",
        )
    return description


def _roll_out(context: ProviderContext) -> None:
    desired = context.properties["EndpointConfigName"]
    params = {
        name: context.properties[name]
        for name in _ROLL_OUT.split()
        if context.properties.get(name) is not None
    }
    context.call("UpdateEndpoint", EndpointName=context.name, EndpointConfigName=desired, **params)
    description = _await(context)
    if description.get("EndpointConfigName") != desired:
        raise AwsError(
            "NotStabilized",
            f"endpoint {context.name} rolled back: it serves "
            f"{description.get('EndpointConfigName')} instead of {desired}: "
            f"{_rollback_reason(context, description)}",
        )


def _rollback_reason(context: ProviderContext, description: dict[str, Any]) -> str:
    # As on AWS, the description does not name the alarm of a rollback; the deployment does.
    alarm = context.request.cloud.services.sagemaker.hosting.rolled_back_by(context.name)
    if alarm is not None:
        return f"its rollback alarm {alarm} was in ALARM"
    return str(description.get("FailureReason", "no reason given"))


_ROLL_OUT = (
    "DeploymentConfig ExcludeRetainedVariantProperties RetainAllVariantProperties "
    "RetainDeploymentConfig"
)
_NOTEBOOK = (
    "AcceleratorTypes AdditionalCodeRepositories DefaultCodeRepository "
    "InstanceMetadataServiceConfiguration InstanceType LifecycleConfigName RoleArn RootAccess "
    "VolumeSizeInGB"
)


def _stop_notebook(context: ProviderContext) -> None:
    on = {"NotebookInstanceName": context.name}
    status = context.call("DescribeNotebookInstance", **on)["NotebookInstanceStatus"]
    if status == "InService":
        context.call("StopNotebookInstance", **on)


_PACKAGE = (
    "AdditionalInferenceSpecifications CertifyForMarketplace CustomerMetadataProperties Domain "
    "DriftCheckBaselines InferenceSpecification MetadataProperties ModelApprovalStatus ModelCard "
    "ModelMetrics ModelPackageDescription ModelPackageGroupName ModelPackageName SamplePayloadUrl "
    "SecurityConfig SkipModelValidation SourceAlgorithmSpecification SourceUri Task "
    "ValidationSpecification"
)

PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::SageMaker::Model": _named(
        "Model",
        taken="Containers EnableNetworkIsolation ExecutionRoleArn InferenceExecutionConfig "
        "PrimaryContainer VpcConfig",
    ),
    "AWS::SageMaker::EndpointConfig": _named(
        "EndpointConfig",
        taken="AsyncInferenceConfig DataCaptureConfig EnableNetworkIsolation ExecutionRoleArn "
        "ExplainerConfig KmsKeyId MetricsConfig ProductionVariants ShadowProductionVariants "
        "VpcConfig",
    ),
    "AWS::SageMaker::Endpoint": _named(
        "Endpoint",
        make=_Endpoint,
        taken="DeploymentConfig EndpointConfigName",
        steps=(
            Step(properties="EndpointConfigName", apply=_roll_out, on_create=False),
        ),
        at_next_change=names(_ROLL_OUT),
    ),
    "AWS::SageMaker::NotebookInstance": _named(
        "NotebookInstance",
        taken=f"DirectInternetAccess KmsKeyId PlatformIdentifier SecurityGroupIds SubnetId "
        f"{_NOTEBOOK}",
        updates=(
            Update(call="UpdateNotebookInstance", on={"NotebookInstanceName": "{name}"},
                   takes=takes(_NOTEBOOK),
                   reset={"AcceleratorTypes": [], "AdditionalCodeRepositories": [],
                          "RootAccess": "Enabled", "VolumeSizeInGB": 5}),
        ),
        before_delete=_stop_notebook,
    ),
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": _named(
        "NotebookInstanceLifecycleConfig",
        taken="OnCreate OnStart",
        updates=(
            Update(call="UpdateNotebookInstanceLifecycleConfig", takes=takes("OnCreate OnStart"),
                   on={"NotebookInstanceLifecycleConfigName": "{name}"},
                   reset={"OnCreate": [], "OnStart": []}),
        ),
    ),
    "AWS::SageMaker::ModelPackageGroup": _named(
        "ModelPackageGroup",
        taken="ModelPackageGroupDescription",
        steps=(
            setting("ModelPackageGroupPolicy", "PutModelPackageGroupPolicy", to="ResourcePolicy",
                    on={"ModelPackageGroupName": "{name}"}, remove="DeleteModelPackageGroupPolicy"),
        ),
    ),
    "AWS::SageMaker::ModelPackage": _SageMaker(
        service="sagemaker",
        create_call="CreateModelPackage",
        takes=takes(_PACKAGE),
        ref="ModelPackageArn",
        attributes={"ModelPackageArn": "{id}"},
        updates=(
            Update(call="UpdateModelPackage", on={"ModelPackageArn": "{id}"},
                   takes=takes("ApprovalDescription CustomerMetadataProperties "
                               "ModelApprovalStatus")),
        ),
        tagging=_tags("ModelPackageArn"),
        delete_call="DeleteModelPackage",
        delete_on={"ModelPackageName": "{id}"},
        gone=_GONE,
    ),
}  # fmt: skip
