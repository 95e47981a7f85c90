"""What no scanner sees: the requests for training jobs and endpoints built at run time.

The list is Prowler's for training jobs and models, plus the field's rules for endpoints. A
document is judged as the request that SageMaker will get.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Types with local NVMe reject VolumeKmsKeyId (CreateTrainingJob, ResourceConfig).
_LOCAL_DISK = ("ml.g4dn.", "ml.g5.", "ml.g6.", "ml.p4d.", "ml.p5.", "ml.c5d.", "ml.m5d.")


def check_training(request: Mapping[str, Any]) -> list[str]:
    """What is wrong with a CreateTrainingJob request; empty if nothing is."""
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
        result.append("training: output is not encrypted with a key of one's own")
    local = str(compute.get("InstanceType", "")).startswith(_LOCAL_DISK)
    if not local and not compute.get("VolumeKmsKeyId"):
        result.append("training: volume is not encrypted with a key of one's own")
    if local and compute.get("VolumeKmsKeyId"):
        result.append("training: a volume key on a type that rejects it")
    if not request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"):
        result.append("training: no limit on its run time")
    return result


def check_serving(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with a serving document; empty if nothing is."""
    result = []
    model, config = document.get("model", {}), document.get("config", {})
    deployment = document.get("deployment", {})
    if not model.get("EnableNetworkIsolation"):
        result.append("serving: no network isolation")
    if not model.get("VpcConfig", {}).get("Subnets"):
        result.append("serving: not in a VPC")
    if not config.get("KmsKeyId"):
        result.append("serving: volume is not encrypted with a key of one's own")
    capture = config.get("DataCaptureConfig")
    if capture and not capture.get("KmsKeyId"):
        result.append("serving: captured data are not encrypted with a key of one's own")
    if not deployment.get("AutoRollbackConfiguration", {}).get("Alarms"):
        result.append("serving: no alarm rolls a bad deployment back")
    return result


def as_resources(document: Mapping[str, Any]) -> dict[str, Any]:
    """A serving document as the template its requests amount to, for judges of templates."""
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
