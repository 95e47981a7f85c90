"""Amazon SageMaker and its runtime."""

from __future__ import annotations

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Permission,
    Resources,
    Rule,
    arns_at,
    arns_named,
    on,
    passes,
    tag_keys,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules

_SERVICE = "sagemaker.amazonaws.com"
# The JMESPaths of the members that several kinds of requests share.
_JOB = "TrainingJobDefinition"
_VPC = (
    "VpcConfig || NetworkConfig.VpcConfig || TrainingJobDefinition.VpcConfig"
    " || TrainingJobDefinitions[0].VpcConfig"
)
_INSTANCE_TYPES = (
    "[InstanceType, ResourceConfig.InstanceType, ResourceConfig.InstanceGroups[].InstanceType,"
    " TransformResources.InstanceType, ProcessingResources.ClusterConfig.InstanceType,"
    " TrainingJobDefinition.ResourceConfig.InstanceType,"
    " TrainingJobDefinitions[].ResourceConfig.InstanceType,"
    " TrainingJobDefinition.HyperParameterTuningResourceConfig.InstanceType,"
    " ProductionVariants[].InstanceType, ShadowProductionVariants[].InstanceType]"
    "[][] | [?@]"
)
VOLUME_KEY = (
    "ResourceConfig.VolumeKmsKeyId || TransformResources.VolumeKmsKeyId"
    " || ProcessingResources.ClusterConfig.VolumeKmsKeyId"
    " || TrainingJobDefinition.ResourceConfig.VolumeKmsKeyId || KmsKeyId"
)
_OUTPUT_KEY = (
    "OutputDataConfig.KmsKeyId || TransformOutput.KmsKeyId || ProcessingOutputConfig.KmsKeyId"
    " || TrainingJobDefinition.OutputDataConfig.KmsKeyId"
)
_FILE_SYSTEM = "InputDataConfig[].DataSource.FileSystemDataSource[] | [0]"


def _flag(name: str) -> str:
    """The JMESPath of a flag in every kind of request; ``||`` would drop a false one."""
    places = f"{name}, NetworkConfig.{name}, {_JOB}.{name}"
    return f"[{places}][?type(@) == 'boolean'] | [0]"


_KEYS = {
    "sagemaker:AcceleratorTypes": "[AcceleratorTypes, ProductionVariants[].AcceleratorType][]",
    "sagemaker:DirectInternetAccess": "DirectInternetAccess",
    "sagemaker:EnableRemoteDebug": "RemoteDebugConfig.EnableRemoteDebug",
    "sagemaker:FileSystemAccessMode": f"{_FILE_SYSTEM}.FileSystemAccessMode",
    "sagemaker:FileSystemDirectoryPath": f"{_FILE_SYSTEM}.DirectoryPath",
    "sagemaker:FileSystemId": f"{_FILE_SYSTEM}.FileSystemId",
    "sagemaker:FileSystemType": f"{_FILE_SYSTEM}.FileSystemType",
    "sagemaker:InstanceTypes": _INSTANCE_TYPES,
    "sagemaker:InterContainerTrafficEncryption": _flag("EnableInterContainerTrafficEncryption"),
    "sagemaker:KeepAlivePeriod": "ResourceConfig.KeepAlivePeriodInSeconds",
    "sagemaker:MaxRuntimeInSeconds": (
        f"StoppingCondition.MaxRuntimeInSeconds || {_JOB}.StoppingCondition.MaxRuntimeInSeconds"
    ),
    "sagemaker:MinimumInstanceMetadataServiceVersion": (
        "InstanceMetadataServiceConfiguration.MinimumInstanceMetadataServiceVersion"
    ),
    "sagemaker:ModelApprovalStatus": "ModelApprovalStatus",
    "sagemaker:NetworkIsolation": _flag("EnableNetworkIsolation"),
    "sagemaker:OutputKmsKey": _OUTPUT_KEY,
    "sagemaker:RootAccess": "RootAccess",
    "sagemaker:ServerlessMaxConcurrency": "ProductionVariants[].ServerlessConfig.MaxConcurrency",
    "sagemaker:ServerlessMemorySize": "ProductionVariants[].ServerlessConfig.MemorySizeInMB",
    "sagemaker:TargetModel": "TargetModel",
    "sagemaker:VolumeKmsKey": VOLUME_KEY,
    "sagemaker:VpcSecurityGroupIds": f"({_VPC}).SecurityGroupIds || SecurityGroupIds",
    "sagemaker:VpcSubnets": f"({_VPC}).Subnets || [SubnetId] | [?@]",
}
_ROLES = (
    "[RoleArn, ExecutionRoleArn, TrainingJobDefinition.RoleArn, TrainingJobDefinitions[].RoleArn]"
    "[] | [?@]"
)
_PASSING = (
    "CreateModel", "CreateTrainingJob", "CreateProcessingJob", "CreateHyperParameterTuningJob",
    "CreateNotebookInstance", "UpdateNotebookInstance", "CreateEndpointConfig",
    "CreateAutoMLJob", "CreateAutoMLJobV2", "CreateCompilationJob", "CreateFeatureGroup",
    "CreateInferenceExperiment", "CreatePipeline", "UpdatePipeline",
)  # fmt: skip


def _models(call: ApiCall) -> list[str]:
    """ARNs of the models that a request names: values of ``sagemaker:ModelArn``."""
    names = call.get("[ModelName, ProductionVariants[].ModelName][] | [?@]") or []
    return [call.arn("sagemaker", f"model/{name}") for name in names]


def _of(kind: str, path: str) -> Resources:
    """Resources of a kind by name.

    Until 2022 public reports of denials have such names in lower case; since April 2023 as they
    are (awslabs/service-workbench-on-aws issue 1176, boto3 issue 4606). Not verified on AWS.
    """
    return arns_named("sagemaker", f"{kind}/", path)


def _with_models(operation: str, resources: Resources) -> Rule:
    """An operation that has ``sagemaker:ModelArn`` in its context."""

    def rule(call: ApiCall) -> list[Permission]:
        models = _models(call)
        context = tag_keys(call) | ({"sagemaker:ModelArn": models} if models else {})
        return [Permission(f"sagemaker:{operation}", arn, context) for arn in resources(call)]

    return rule


def _package(operation: str, path: str = "ModelPackageName || ModelPackageArn") -> Rule:
    return on(_of("model-package", path), f"sagemaker:{operation}")


def _new_package(call: ApiCall) -> list[str]:
    """A version in a group is authorized as a package under the group's name."""
    group = call.text("ModelPackageGroupName")
    if not group:
        return _of("model-package", "ModelPackageName")(call)
    name = group.rpartition("/")[2]
    return [call.arn("sagemaker", f"model-package/{name}/*")]


def _listed_packages(call: ApiCall) -> list[str]:
    """The packages of a group, or all: the reference has no group for this action.

    Not verified on AWS.
    """
    name = call.text("ModelPackageGroupName").rpartition("/")[2]
    return [call.arn("sagemaker", f"model-package/{name}/*" if name else "model-package/*")]


SAGEMAKER = ServiceRules(
    model="sagemaker",
    prefix="sagemaker",
    rules={
        operation: on(arns_at("ResourceArn"), f"sagemaker:{operation}")
        for operation in ("AddTags", "DeleteTags", "ListTags")
    }
    | {
        "CreateEndpointConfig": _with_models(
            "CreateEndpointConfig", _of("endpoint-config", "EndpointConfigName")
        ),
        "CreateTransformJob": _with_models(
            "CreateTransformJob", _of("transform-job", "TransformJobName")
        ),
        "CreateModelPackage": on(_new_package, "sagemaker:CreateModelPackage"),
        "DescribeModelPackage": _package("DescribeModelPackage"),
        "DeleteModelPackage": _package("DeleteModelPackage"),
        "UpdateModelPackage": _package("UpdateModelPackage"),
        "ListModelPackages": on(_listed_packages, "sagemaker:ListModelPackages"),
        "BatchDescribeModelPackage": _package(
            "BatchDescribeModelPackage", "ModelPackageArnList"
        ),
        # Not in the tables of the reference.
        "DeleteTrainingJob": on(_of("training-job", "TrainingJobName"),
                                "sagemaker:DeleteTrainingJob"),
        "DeleteProcessingJob": on(_of("processing-job", "ProcessingJobName"),
                                  "sagemaker:DeleteProcessingJob"),
    },
    also={operation: passes(_ROLES, _SERVICE) for operation in _PASSING},
    placeholders={
        "HyperParameterTuningJobName": "HyperParameterTuningJobName",
        "NotebookInstanceLifecycleConfigName": "NotebookInstanceLifecycleConfigName",
    },
    keys=_KEYS,
    state_keys=frozenset({"sagemaker:ModelArn", "sagemaker:ResourceTag/${TagKey}"}),
    tagging="sagemaker:AddTags",
)  # fmt: skip

RUNTIME = ServiceRules(
    model="sagemaker-runtime",
    prefix="sagemaker",
    rules={
        "InvokeEndpointWithResponseStream": on(
            _of("endpoint", "EndpointName"), "sagemaker:InvokeEndpointWithResponseStream"
        ),
    },
    keys={"sagemaker:TargetModel": "TargetModel"},
)
