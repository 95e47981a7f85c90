"""Every entry of the provider tables matches AWS's API models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest

from sageloop.local_cloud.cloudformation.providers.api import ApiResource
from sageloop.local_cloud.cloudformation.providers.registry import provider_of, supported
from sageloop.local_cloud.cloudformation.schemas import schema_of
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.services import own_services

SESSION = botocore.session.Session()
TABLE = {
    name: provider for name in supported() if isinstance(provider := provider_of(name), ApiResource)
}


def members_of(service: str, operation: str) -> set[str]:
    shape = SESSION.get_service_model(service).operation_model(operation).input_shape
    return set() if shape is None else {name.lower() for name in shape.members}


def fits(service: str, operation: str, params: Mapping[str, Any]) -> None:
    strange = {name.lower() for name in params} - members_of(service, operation)
    assert not strange, f"{operation} takes no {strange}"


def own_operations() -> dict[str, list[str]]:
    cloud = Cloud(CloudConfig())
    served = {service.model: service.operations for service in own_services(cloud)}
    cloud.stop()
    return served


def test_supported_types_use_supported_operations() -> None:
    served = own_operations()
    missing = {
        name: entry.create_call
        for name, entry in TABLE.items()
        if entry.service in served and entry.create_call not in served[entry.service]
    }
    assert missing == {}


GATHERED = {"AWS::SNS::Topic", "AWS::SNS::Subscription", "AWS::SQS::Queue"}
PREPARED = {
    "AWS::Lambda::LayerVersionPermission": {"LayerVersionArn"},
    "AWS::EC2::SubnetNetworkAclAssociation": {"SubnetId"},
    "AWS::ApplicationAutoScaling::ScalingPolicy": {"ScalingTargetId"},
    "AWS::SecretsManager::Secret": {"GenerateSecretString"},
    "AWS::Events::EventBusPolicy": {"Statement"},
}


@pytest.mark.parametrize("type_name", sorted(TABLE))
def test_calls_have_the_tables_parameters(type_name: str) -> None:
    entry = TABLE[type_name]
    if type_name not in GATHERED:
        taken = {
            param: None
            for name, param in entry.takes.items()
            if name not in PREPARED.get(type_name, ())
        }
        fits(entry.service, entry.create_call, {**taken, **entry.on_create})
    if entry.name is not None:
        fits(entry.service, entry.create_call, {entry.name.param: None})
    for update in entry.updates:
        names = dict.fromkeys(update.takes.values())
        fits(entry.service, update.call, {**names, **update.on})
        assert set(update.reset) <= set(update.takes)
    if entry.delete_call:
        fits(entry.service, entry.delete_call, entry.delete_on)
    if entry.describe is not None:
        fits(entry.service, entry.describe[0], entry.describe[1])


@pytest.mark.parametrize("type_name", sorted(n for n, e in TABLE.items() if e.tagging))
def test_tags_have_their_calls(type_name: str) -> None:
    entry = TABLE[type_name]
    assert entry.tagging is not None
    tagging = entry.tagging
    if tagging.param:
        param = "TagSpecifications" if tagging.ec2_type else tagging.param
        fits(entry.service, entry.create_call, {param: None})
    fits(entry.service, tagging.tag, {**tagging.on, tagging.tags_param: None})
    fits(entry.service, tagging.untag, {**tagging.on, tagging.keys_param: None})


@pytest.mark.parametrize("type_name", sorted(TABLE))
def test_property_that_is_not_create_only_can_be_updated(type_name: str) -> None:
    entry, schema = TABLE[type_name], schema_of(type_name)
    assert schema is not None
    changeable = set(entry.at_next_change) | {
        name for update in entry.updates for name in update.takes
    }
    changeable |= {name for step in entry.steps for name in step.properties.split()}
    changeable |= {entry.tagging.property} if entry.tagging else set()
    fixed = entry.coverage.executed - changeable - schema.create_only
    assert fixed <= NOT_IN_PLACE.get(type_name, set())


# AWS changes these in place or refuses; the local cloud refuses with the property's name.
NOT_IN_PLACE: dict[str, set[str]] = {
    "AWS::Backup::BackupPlan": {"BackupPlan"},
    "AWS::EC2::EIP": {"Domain", "PublicIpv4Pool"},
    "AWS::KMS::Key": {"KeySpec", "KeyUsage", "MultiRegion", "Origin"},
    "AWS::Logs::LogGroup": {"LogGroupClass"},
    "AWS::S3::Bucket": {"ObjectLockEnabled"},
    "AWS::SageMaker::InferenceComponent": {
        "EndpointName", "InferenceComponentName", "VariantName",
    },
    "AWS::SageMaker::ModelPackage": {
        "AdditionalInferenceSpecifications", "CertifyForMarketplace", "ModelPackageName",
        "SkipModelValidation",
    },
}  # fmt: skip
