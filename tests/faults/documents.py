"""The names and documents of the simulated stack."""

from __future__ import annotations

from typing import Any

JOB, ENDPOINT, GROUP, ALARM = "flights", "flights-endpoint", "flights-models", "flights-error"
BUCKET, TOPIC = "data", "arn:aws:sns:eu-west-1:123456789012:alerts"
ALARM_ARN = f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{ALARM}"
ROLLBACK_ALARM = "endpoint-errors"
RULES = ["flights-on-data", "flights-on-job"]
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1111"
START = 1_700_000_000.0
HOUR, DAY = 3600.0, 86400.0
COOLDOWN, BACKOFF, MAX_ATTEMPTS = 6 * 3600, 1800, 3

POLICY = {
    "PolicyName": "by-requests", "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 100.0},
}  # fmt: skip


def job_document(**changes: Any) -> dict[str, Any]:
    return {
        "job": JOB,
        "request": {
            "AlgorithmSpecification": {"TrainingImage": "image:1", "TrainingInputMode": "File"},
            "RoleArn": "arn:aws:iam::123456789012:role/training",
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out", "KmsKeyId": KEY},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
        "data": {
            "bucket": BUCKET, "prefix": "sets/", "manifest_key": "sets/manifest.json",
            "train_channel": "train", "validation_channel": "validation",
            "validation_days": 7, "window_days": 42,
        },
        "start_on_deploy": False,
        **changes,
    }  # fmt: skip


def tuning_document(**changes: Any) -> dict[str, Any]:
    """The job of :func:`job_document`, tuned."""
    document = job_document()
    definition = {
        **document["request"],
        "AlgorithmSpecification": {
            "TrainingImage": "image:1", "TrainingInputMode": "File",
        },
        "StaticHyperParameters": {"max_depth": "3"},
    }  # fmt: skip
    objective = {"Type": "Minimize", "MetricName": "validation:mae"}
    ranges = [{"Name": "eta", "MinValue": "0.1", "MaxValue": "0.5"}]
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": objective,
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"ContinuousParameterRanges": ranges},
    }
    request = {"HyperParameterTuningJobConfig": config, "TrainingJobDefinition": definition}
    return {**document, "kind": "tuning", "request": request, **changes}


def processing_document(**changes: Any) -> dict[str, Any]:
    request = {
        "AppSpecification": {"ImageUri": "image:1"},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10,
            }
        },
        "RoleArn": "arn:aws:iam::123456789012:role/processing",
    }  # fmt: skip
    return _without_data("processing", request, changes)


def transform_document(**changes: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in"}}
    request = {
        "ModelName": "model",
        "TransformInput": {"DataSource": source, "ContentType": "text/csv"},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    return _without_data("transform", request, changes)


def _without_data(kind: str, request: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {"job": JOB, "kind": kind, "request": request, "data": None,
            "start_on_deploy": False, **changes}  # fmt: skip


DOCUMENTS = {
    "training": job_document, "tuning": tuning_document,
    "processing": processing_document, "transform": transform_document,
}  # fmt: skip


def serving_document(**changes: Any) -> dict[str, Any]:
    return {
        "endpoint_name": ENDPOINT,
        "model": {
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/hosting",
            "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
            "EnableNetworkIsolation": True, "Image": None, "Environment": {},
        },
        "config": {
            "ProductionVariants": [
                {"VariantName": "AllTraffic", "InstanceType": "ml.m5.large",
                 "InitialInstanceCount": 2},
            ],
        },
        "deployment": {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {
                    "Type": "CANARY", "WaitIntervalInSeconds": 60,
                    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                }
            }
        },
        "scaling": [
            {"VariantName": "AllTraffic", "MinCapacity": 2, "MaxCapacity": 4, "Policies": [POLICY]}
        ],
        "rollback_alarms": [ROLLBACK_ALARM], "keep_configs": 1,
        **changes,
    }  # fmt: skip
