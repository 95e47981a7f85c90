"""The names and documents of the simulated stack."""

from __future__ import annotations

from typing import Any

JOB, ENDPOINT, GROUP, ALARM = "flights", "flights-endpoint", "flights-models", "flights-error"
BUCKET, TOPIC = "data", "arn:aws:sns:eu-west-1:123456789012:pages"
ALARM_ARN = f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{ALARM}"
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
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
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
        "rollback_alarms": ["endpoint-errors"], "keep_configs": 1,
        **changes,
    }  # fmt: skip
