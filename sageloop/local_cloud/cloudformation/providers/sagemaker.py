"""Amazon SageMaker: models, endpoints, notebooks, registry."""

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
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.scene import Scene
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.core.errors import AwsError

_GONE = names("ResourceNotFound")
_GONE_WORDS = ("could not find", "does not exist", "recordnotfound")


def _tags(arn: str) -> Tagging:
    return Tagging(tag="AddTags", untag="DeleteTags", on={"ResourceArn": f"{{att[{arn}]}}"})


class _SageMaker(ApiResource):
    """SageMaker reports what is gone as a validation error; its message tells."""

    def _delete(self, scene: Scene) -> None:
        try:
            super()._delete(scene)
        except scene.request.client("sagemaker").exceptions.ClientError as error:
            message = str(error.response.get("Error", {}).get("Message", ""))
            if not any(words in message.lower() for words in _GONE_WORDS):
                raise


class _Endpoint(_SageMaker):
    """An endpoint is made when it serves; one that does not is removed again."""

    def _complete(self, scene: Scene) -> None:
        super()._complete(scene)
        _await(scene)


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


def _await(scene: Scene) -> dict[str, Any]:
    found = scene.request.cloud.services.sagemaker.wait_endpoint(scene.name)
    status = found.get("EndpointStatus")
    if status != "InService":
        raise AwsError(
            "NotStabilized",
            f"endpoint {scene.name} is {status}: {found.get('FailureReason', 'no reason given')}",
        )
    return found


def _roll_out(scene: Scene) -> None:
    wanted = scene.properties["EndpointConfigName"]
    params = {
        name: scene.properties[name]
        for name in _ROLL_OUT.split()
        if scene.properties.get(name) is not None
    }
    scene.call("UpdateEndpoint", EndpointName=scene.name, EndpointConfigName=wanted, **params)
    found = _await(scene)
    if found.get("EndpointConfigName") != wanted:
        raise AwsError(
            "NotStabilized",
            f"endpoint {scene.name} rolled back: it serves {found.get('EndpointConfigName')} "
            f"instead of {wanted}: {_why(scene, found)}",
        )


def _why(scene: Scene, found: dict[str, Any]) -> str:
    # Of a rollback by an alarm the description says nothing, as on AWS; a deployment should.
    alarm = scene.request.cloud.services.sagemaker.hosting.rolled_back_by(scene.name)
    if alarm is not None:
        return f"its rollback alarm {alarm} was in ALARM"
    return str(found.get("FailureReason", "no reason given"))


_ROLL_OUT = (
    "DeploymentConfig ExcludeRetainedVariantProperties RetainAllVariantProperties "
    "RetainDeploymentConfig"
)
_NOTEBOOK = (
    "AcceleratorTypes AdditionalCodeRepositories DefaultCodeRepository "
    "InstanceMetadataServiceConfiguration InstanceType LifecycleConfigName RoleArn RootAccess "
    "VolumeSizeInGB"
)


def _stop_notebook(scene: Scene) -> None:
    on = {"NotebookInstanceName": scene.name}
    status = scene.call("DescribeNotebookInstance", **on)["NotebookInstanceStatus"]
    if status == "InService":
        scene.call("StopNotebookInstance", **on)


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
