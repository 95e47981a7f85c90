"""Security Hub's SageMaker controls over templates and over what is built at run time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.acknowledgments import Acknowledgment
from tests.security.checks import jobs, security_hub
from tests.security.checks.acknowledged import acknowledged
from tests.security.checks.flatten import properties, resources
from tests.security.conftest import documents, of_settings

PASSING: dict[str, dict[str, Any]] = {
    "AWS::SageMaker::NotebookInstance": {
        "DirectInternetAccess": "Disabled", "SubnetId": "s", "RootAccess": "Disabled",
        "PlatformIdentifier": "notebook-al2023-v1", "KmsKeyId": "k",
    },
    "AWS::SageMaker::EndpointConfig": {"ProductionVariants": [{"InitialInstanceCount": 2}]},
    "AWS::SageMaker::Model": {
        "EnableNetworkIsolation": True,
        "PrimaryContainer": {"ImageConfig": {"RepositoryAccessMode": "Vpc"}},
        "Containers": [{"ImageConfig": {"RepositoryAccessMode": "Vpc"}}],
    },
    "AWS::SageMaker::AppImageConfig": {"Tags": [{"Key": "a", "Value": "b"}]},
    "AWS::SageMaker::Image": {"Tags": [{"Key": "a", "Value": "b"}]},
    **{
        f"AWS::SageMaker::{kind}JobDefinition": {
            "NetworkConfig": {
                "EnableInterContainerTrafficEncryption": True, "EnableNetworkIsolation": True,
            },
            "JobResources": {"ClusterConfig": {"InstanceCount": 2}},
        }
        for kind in ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
    },
    "AWS::SageMaker::MonitoringSchedule": {
        "MonitoringScheduleConfig": {"MonitoringJobDefinition": {"NetworkConfig": {
            "EnableInterContainerTrafficEncryption": True, "EnableNetworkIsolation": True}}}
    },
    "AWS::SageMaker::FeatureGroup": {
        "OfflineStoreConfig": {"S3StorageConfig": {"KmsKeyId": "k"}},
        "OnlineStoreConfig": {"SecurityConfig": {"KmsKeyId": "k"}},
    },
    "AWS::SageMaker::InferenceExperiment": {
        "KmsKey": "k", "DataStorageConfig": {"KmsKey": "k"},
    },
}  # fmt: skip

FAILING: dict[str, dict[str, Any]] = {
    "AWS::SageMaker::EndpointConfig": {"ProductionVariants": [{"InitialInstanceCount": 1}]},
    "AWS::SageMaker::Model": {"PrimaryContainer": {"Image": "i"}, "Containers": [{"Image": "i"}]},
    "AWS::SageMaker::FeatureGroup": {
        "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://b"}},
        "OnlineStoreConfig": {"EnableOnlineStore": True},
    },
    "AWS::SageMaker::ModelBiasJobDefinition": {
        "JobResources": {"ClusterConfig": {"InstanceCount": 2}}
    },
}


def one(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": {"Thing": {"Type": kind, "Properties": properties}}}


def test_every_control_from_1_to_25_is_checked() -> None:
    assert [c.id for c in security_hub.CONTROLS] == [f"SageMaker.{n}" for n in range(1, 26)]


@pytest.mark.parametrize("control", security_hub.CONTROLS, ids=lambda c: c.id)
def test_each_control_passes_and_fails(
    control: security_hub.Control,
) -> None:
    right = security_hub.findings(one(control.type, PASSING[control.type]))
    wrong = security_hub.findings(one(control.type, FAILING.get(control.type, {})))

    assert control.id not in [f.control for f in right]
    assert control.id in [f.control for f in wrong]


def test_templates_pass_or_acknowledge_every_control(
    templates: dict[str, dict[str, Any]], accepted: list[Acknowledgment]
) -> None:
    for name, template in templates.items():
        for finding in security_hub.findings(template):
            reason = acknowledged(accepted, name, finding.resource, finding.control)
            assert reason, f"{name}/{finding.resource} fails {finding.control}"


@of_settings
def test_serving_document_passes_or_acknowledges_every_control(
    templates: dict[str, dict[str, Any]], accepted: list[Acknowledgment]
) -> None:
    endpoints = [
        (stack, name, json.loads(str(properties(resource)["Document"])))
        for stack, template in templates.items()
        for name, resource in resources(template, "Custom::ChampionEndpoint").items()
    ]

    assert endpoints, "no serving document in the templates"
    for stack, name, document in endpoints:
        failed = {f.control for f in security_hub.findings(jobs.as_resources(document))}
        value = {a.rule for a in accepted if a.stack == stack and name in a.resources}
        assert failed == {rule for rule in value if rule.startswith("SageMaker.")}
        assert jobs.check_serving(document) == []


# The job of `tune` is a tuning job, which has no such document.
of_training = pytest.mark.parametrize("settings", ["dev", "prod"])


@of_training
def test_training_document_passes_job_controls(templates: dict[str, dict[str, Any]]) -> None:
    result = documents(templates, "Custom::TrainingJob")

    assert result, "no training document in the templates"
    assert [jobs.check_training(d["request"]) for d in result] == [[] for _ in result]


@of_training
@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("EnableNetworkIsolation", "no network isolation"),
        ("EnableInterContainerTrafficEncryption", "not encrypted"),
        ("VpcConfig", "not in a VPC"),
        ("OutputDataConfig", "output is not encrypted"),
        ("ResourceConfig", "volume is not encrypted"),
        ("StoppingCondition", "no limit"),
    ],
)
def test_each_rule_for_jobs_can_fail(
    templates: dict[str, dict[str, Any]], member: str, message: str
) -> None:
    (document,) = documents(templates, "Custom::TrainingJob")
    request = {k: v for k, v in document["request"].items() if k != member}

    assert any(message in text for text in jobs.check_training(request))


@of_settings
@pytest.mark.parametrize(
    ("part", "member", "message"),
    [
        ("model", "EnableNetworkIsolation", "no network isolation"),
        ("model", "VpcConfig", "not in a VPC"),
        ("config", "KmsKeyId", "volume is not encrypted"),
        ("deployment", "AutoRollbackConfiguration", "no alarm rolls"),
    ],
)
def test_each_rule_for_serving_can_fail(
    templates: dict[str, dict[str, Any]], part: str, member: str, message: str
) -> None:
    (document,) = documents(templates, "Custom::ChampionEndpoint")
    document[part] = {k: v for k, v in document[part].items() if k != member}

    assert any(message in text for text in jobs.check_serving(document))
