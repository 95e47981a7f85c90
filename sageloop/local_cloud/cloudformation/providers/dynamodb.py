"""Amazon DynamoDB: tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    refuse_unknown,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import (
    Coverage,
    CoveredProvider,
    names,
)
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.cloudformation.scalars import is_true
from sageloop.local_cloud.core.errors import AwsError

_TABLE = {"TableName": "{id}"}
_IN_PLACE = (
    "BillingMode DeletionProtectionEnabled OnDemandThroughput ProvisionedThroughput "
    "SSESpecification StreamSpecification TableClass"
)
_RESET = {
    "BillingMode": "PROVISIONED", "DeletionProtectionEnabled": False, "TableClass": "STANDARD",
    "SSESpecification": {"Enabled": False}, "StreamSpecification": {"StreamEnabled": False},
}  # fmt: skip


def _encryption(value: Mapping[str, Any]) -> dict[str, Any]:
    rest = {k: v for k, v in value.items() if k != "SSEEnabled"}
    return {"Enabled": value.get("SSEEnabled", True), **rest}


def _stream(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"StreamEnabled": True, **value}


_CONVERT = {"SSESpecification": _encryption, "StreamSpecification": _stream}


def _as_default(context: ProviderContext, params: dict[str, Any]) -> None:
    params.setdefault("BillingMode", "PROVISIONED")


def _change(context: ProviderContext) -> None:
    params: dict[str, Any] = {}
    for name in _IN_PLACE.split():
        desired = context.properties.get(name)
        if desired != context.previous.get(name):
            convert = _CONVERT.get(name)
            params[name] = convert(desired) if convert and desired else desired
            if desired is None:
                params[name] = _RESET.get(name)
    context.call("UpdateTable", TableName=context.id, **params)


def _change_indexes(context: ProviderContext) -> None:
    before = {i["IndexName"]: i for i in context.previous.get("GlobalSecondaryIndexes") or ()}
    after = {i["IndexName"]: i for i in context.properties.get("GlobalSecondaryIndexes") or ()}
    changes: list[dict[str, Any]] = []
    for name, old in before.items():
        new = after.get(name)
        if new is not None and _shape(new) == _shape(old) and new != old:
            throughput = {k: v for k, v in new.items() if k.endswith("Throughput")}
            changes.append({"Update": {"IndexName": name, **throughput}})
        elif new != old:
            changes.append({"Delete": {"IndexName": name}})
    changes += [
        {"Create": new}
        for name, new in after.items()
        if name not in before or _shape(new) != _shape(before[name])
    ]
    attributes = context.properties.get("AttributeDefinitions")
    for change in changes:
        context.call("UpdateTable", TableName=context.id, AttributeDefinitions=attributes,
                   GlobalSecondaryIndexUpdates=[change])  # fmt: skip


def _shape(index: Mapping[str, Any]) -> tuple[Any, Any]:
    return index.get("KeySchema"), index.get("Projection")


def _back_up(context: ProviderContext) -> None:
    desired = context.properties.get("PointInTimeRecoverySpecification")
    context.call(
        "UpdateContinuousBackups",
        TableName=context.id,
        PointInTimeRecoverySpecification=desired or {"PointInTimeRecoveryEnabled": False},
    )


def _expire(context: ProviderContext) -> None:
    desired = context.properties.get("TimeToLiveSpecification")
    before = context.previous.get("TimeToLiveSpecification")
    if before and is_true(before.get("Enabled")) and before != desired:
        context.call("UpdateTimeToLive", TableName=context.id,
                   TimeToLiveSpecification={**before, "Enabled": False})  # fmt: skip
    if desired and is_true(desired.get("Enabled")):
        context.call("UpdateTimeToLive", TableName=context.id, TimeToLiveSpecification=desired)


def _described(context: ProviderContext) -> dict[str, Any]:
    table = context.call("DescribeTable", TableName=context.id)["Table"]
    attributes = {"Arn": table["TableArn"], "TableId": table.get("TableId")}
    if table.get("LatestStreamArn"):
        attributes["StreamArn"] = table["LatestStreamArn"]
    return attributes


TABLE = ApiResource(
    service="dynamodb",
    create_call="CreateTable",
    name=Name(property="TableName", param="TableName", max_length=255),
    takes=takes(f"AttributeDefinitions GlobalSecondaryIndexes KeySchema LocalSecondaryIndexes "
                f"{_IN_PLACE}"),
    convert=_CONVERT,
    prepare=_as_default,
    more_attributes=_described,
    steps=(
        Step(properties=_IN_PLACE, apply=_change, on_create=False),
        Step(properties="GlobalSecondaryIndexes", apply=_change_indexes, on_create=False),
        Step(properties="PointInTimeRecoverySpecification", apply=_back_up),
        Step(properties="TimeToLiveSpecification", apply=_expire),
    ),
    at_next_change=names("AttributeDefinitions"),
    tagging=Tagging(on={"ResourceArn": "{att[Arn]}"}),
    delete_call="DeleteTable",
    delete_on=_TABLE,
    gone=names("ResourceNotFoundException"),
    stored=names("ContributorInsightsSpecification ResourcePolicy WarmThroughput"),
)  # fmt: skip


class GlobalTable:
    """``AWS::DynamoDB::GlobalTable`` with one replica, implemented as a table."""

    coverage = Coverage(
        executed=names(
            "AttributeDefinitions BillingMode GlobalSecondaryIndexes KeySchema "
            "LocalSecondaryIndexes Replicas SSESpecification StreamSpecification TableName "
            "TimeToLiveSpecification"
        ),
        stored=names("WarmThroughput"),
        note="one replica, in the cloud's own region; on-demand billing",
    )

    def create(self, request: ResourceRequest) -> Resource:
        """Create the table."""
        refuse_unknown(request, self.coverage)
        return TABLE.create(self._as_table(request))

    def update(self, request: ResourceRequest) -> Resource:
        """Update the table."""
        refuse_unknown(request, self.coverage)
        return TABLE.update(self._as_table(request))

    def delete(self, request: ResourceRequest) -> None:
        """Delete the table."""
        TABLE.delete(self._as_table(request))

    def _as_table(self, request: ResourceRequest) -> ResourceRequest:
        return replace(
            request,
            properties=_one_table(request.properties, request.region),
            previous=_one_table(request.previous, request.region),
        )


_OF_REPLICA = names(
    "ContributorInsightsSpecification DeletionProtectionEnabled PointInTimeRecoverySpecification "
    "ResourcePolicy TableClass Tags"
)


def _one_table(properties: Mapping[str, Any], region: str) -> dict[str, Any]:
    if not properties:
        return {}
    replicas = properties.get("Replicas") or []
    if len(replicas) != 1 or replicas[0].get("Region") != region:
        regions = ", ".join(str(r.get("Region")) for r in replicas)
        raise AwsError(
            "ValidationException",
            f"the local cloud has one region, {region}; Replicas name: {regions or 'none'}",
        )
    table = {k: v for k, v in properties.items() if k not in ("Replicas", "SSESpecification")}
    replica = dict(replicas[0])
    encryption = properties.get("SSESpecification")
    if encryption is not None:
        table["SSESpecification"] = {**encryption, **replica.pop("SSESpecification", {})}
    del replica["Region"]
    strange = sorted(replica.keys() - _OF_REPLICA)
    if strange:
        raise AwsError(
            "ValidationException",
            f"a replica's {', '.join(strange)} is not supported; "
            f"supported are {', '.join(sorted(_OF_REPLICA))}",
        )
    return {**table, **replica}


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::DynamoDB::Table": TABLE,
    "AWS::DynamoDB::GlobalTable": GlobalTable(),
}
