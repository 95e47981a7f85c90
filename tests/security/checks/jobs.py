"""Rules for requests of jobs and endpoints that are built at run time.

The rules are Prowler's for jobs and models, with additional ones for endpoints. A document is
checked as the request that SageMaker receives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Types with local NVMe reject VolumeKmsKeyId (CreateTrainingJob, ResourceConfig).
_LOCAL_DISK = ("ml.g4dn.", "ml.g5.", "ml.g6.", "ml.p4d.", "ml.p5.", "ml.c5d.", "ml.m5d.")


KINDS = ("Training", "Tuning", "Processing", "Transform")
"""The kinds of jobs, as the types of their custom resources name them."""


def check(kind: str, request: Mapping[str, Any]) -> list[str]:
    """The violations of the request of a job of a kind."""
    if kind == "Training":
        return check_training(request)
    if kind == "Tuning":
        trials = _trials(request)
        faults = dict.fromkeys(fault for each in trials for fault in check_training(each))
        return [fault.replace("training:", "tuning:") for fault in faults]
    result = []
    name = kind.lower()
    if not compute_of(kind, request).get("VolumeKmsKeyId"):
        result.append(f"{name}: volume is not encrypted with a customer managed key")
    output = "ProcessingOutputConfig" if kind == "Processing" else "TransformOutput"
    if not request.get(output, {}).get("KmsKeyId"):
        result.append(f"{name}: output is not encrypted with a customer managed key")
    network = request.get("NetworkConfig", {})
    if kind == "Processing" and not network.get("EnableNetworkIsolation"):
        result.append(f"{name}: no network isolation")
    if kind == "Processing" and not network.get("EnableInterContainerTrafficEncryption"):
        result.append(f"{name}: traffic between containers is not encrypted")
    if kind == "Processing" and not network.get("VpcConfig", {}).get("Subnets"):
        result.append(f"{name}: not in a VPC")
    return result


def compute_of(kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The resources of a job: instances and volume."""
    compute: dict[str, Any] = {
        "Training": lambda: request["ResourceConfig"],
        "Tuning": lambda: _trials(request)[0]["ResourceConfig"],
        "Processing": lambda: request["ProcessingResources"]["ClusterConfig"],
        "Transform": lambda: request["TransformResources"],
    }[kind]()
    return compute


def _trials(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    one = request.get("TrainingJobDefinition")
    return list(request.get("TrainingJobDefinitions", [])) if one is None else [one]


def check_training(request: Mapping[str, Any]) -> list[str]:
    """The violations of a CreateTrainingJob request."""
    result = []
    vpc = request.get("VpcConfig", {})
    compute = request.get("ResourceConfig", {})
    if not request.get("EnableNetworkIsolation"):
        result.append("training: no network isolation")
    if not request.get("EnableInterContainerTrafficEncryption"):
        result.append("training: traffic between containers is not encrypted")
    if not (vpc.get("Subnets") and vpc.get("SecurityGroupIds")):
        result.append("training: not in a VPC")
    if not request.get("OutputDataConfig", {}).get("KmsKeyId"):
        result.append("training: output is not encrypted with a customer managed key")
    local = str(compute.get("InstanceType", "")).startswith(_LOCAL_DISK)
    if not local and not compute.get("VolumeKmsKeyId"):
        result.append("training: volume is not encrypted with a customer managed key")
    if local and compute.get("VolumeKmsKeyId"):
        result.append("training: a volume key on a type that rejects it")
    if not request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"):
        result.append("training: no limit on its run time")
    return result


def check_serving(document: Mapping[str, Any]) -> list[str]:
    """The violations of a serving document."""
    result = []
    model, config = document.get("model", {}), document.get("config", {})
    deployment = document.get("deployment", {})
    if not model.get("EnableNetworkIsolation"):
        result.append("serving: no network isolation")
    if not model.get("VpcConfig", {}).get("Subnets"):
        result.append("serving: not in a VPC")
    if not config.get("KmsKeyId"):
        result.append("serving: volume is not encrypted with a customer managed key")
    capture = config.get("DataCaptureConfig")
    if capture and not capture.get("KmsKeyId"):
        result.append("serving: captured data are not encrypted with a customer managed key")
    if not deployment.get("AutoRollbackConfiguration", {}).get("Alarms"):
        result.append("serving: no alarm rolls a bad deployment back")
    return result


def as_resources(document: Mapping[str, Any]) -> dict[str, Any]:
    """A serving document as a template with its resources, for rule packs."""
    model, config = document["model"], dict(document["config"])
    variants = [{**v, "ModelName": {"Ref": "Model"}} for v in config["ProductionVariants"]]
    return {
        "Resources": {
            "Model": {
                "Type": "AWS::SageMaker::Model",
                "Properties": {
                    "ExecutionRoleArn": model["ExecutionRoleArn"],
                    "EnableNetworkIsolation": model.get("EnableNetworkIsolation", False),
                    "VpcConfig": model.get("VpcConfig"),
                    "PrimaryContainer": {
                        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1",
                        "ModelDataUrl": "s3://bucket/model.tar.gz",
                    },
                },
            },
            "Config": {
                "Type": "AWS::SageMaker::EndpointConfig",
                "Properties": {**config, "ProductionVariants": variants},
            },
        }
    }
