"""Amazon CloudWatch Logs."""

from __future__ import annotations

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Update,
    setting,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.stored_only import StoredResource
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging

_GONE = names("ResourceNotFoundException")
_GROUP = {"logGroupName": "{id}"}
_FILTER = "FilterName FilterPattern LogGroupName MetricTransformations"
_ARN = "arn:{partition}:logs:{region}:{account}:log-group:{name}"


def _metric(value: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        {**t, "Dimensions": {d["Key"]: d["Value"] for d in t["Dimensions"]}}  # type: ignore[attr-defined]
        if "Dimensions" in t
        else t
        for t in value
    ]


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::Logs::LogGroup": ApiResource(
        service="logs",
        create_call="CreateLogGroup",
        name=Name(property="LogGroupName", param="logGroupName", max_length=512),
        takes=takes("KmsKeyId LogGroupClass"),
        attributes={"Arn": f"{_ARN}:*"},
        steps=(
            setting("RetentionInDays", "PutRetentionPolicy", to="retentionInDays", on=_GROUP,
                    remove="DeleteRetentionPolicy"),
            setting("KmsKeyId", "AssociateKmsKey", to="kmsKeyId", on=_GROUP,
                    remove="DisassociateKmsKey", on_create=False),
        ),
        tagging=Tagging(param="tags", as_map=True, on={"resourceArn": _ARN}),
        delete_call="DeleteLogGroup",
        delete_on=_GROUP,
        gone=_GONE,
        stored=names("BearerTokenAuthenticationEnabled DataProtectionPolicy "
                     "DeletionProtectionEnabled FieldIndexPolicies ResourcePolicyDocument"),
    ),
    "AWS::Logs::ResourcePolicy": ApiResource(
        service="logs",
        create_call="PutResourcePolicy",
        takes=takes("PolicyDocument PolicyName"),
        ref="{prop[PolicyName]}",
        updates=(Update(call="PutResourcePolicy", on={"policyName": "{id}"},
                        takes=takes("PolicyDocument")),),
        delete_call="DeleteResourcePolicy",
        delete_on={"policyName": "{id}"},
        gone=_GONE,
    ),
    "AWS::Logs::MetricFilter": ApiResource(
        service="logs",
        create_call="PutMetricFilter",
        name=Name(property="FilterName", param="filterName", max_length=512),
        takes=takes("FilterPattern LogGroupName MetricTransformations"),
        convert={"MetricTransformations": _metric},
        updates=(Update(call="PutMetricFilter", on={"filterName": "{id}"}, whole=True,
                        takes=takes("FilterPattern LogGroupName MetricTransformations")),),
        delete_call="DeleteMetricFilter",
        delete_on={"logGroupName": "{prop[LogGroupName]}", "filterName": "{id}"},
        gone=_GONE,
        note="the filter is stored; it creates no metrics from log events",
    ),
    "AWS::Logs::SubscriptionFilter": StoredResource(
        name="FilterName",
        stored=names("DestinationArn Distribution FilterName FilterPattern LogGroupName RoleArn"),
        note="stored without effect; log events are not delivered",
    ),
}  # fmt: skip
