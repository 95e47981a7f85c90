"""AWS Lambda: functions, layers, versions, aliases, permissions."""

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
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.inline_code import zip_of_inline_code
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.cloudformation.scalars import scalar_text

_FUNCTION = {"FunctionName": "{id}"}
_GONE = names("ResourceNotFoundException")
_SETTINGS = (
    "DeadLetterConfig Description Environment EphemeralStorage FileSystemConfigs Handler "
    "KmsKeyArn Layers LoggingConfig MemorySize Role Runtime SnapStart Timeout TracingConfig "
    "VpcConfig"
)
_RESET = {
    "DeadLetterConfig": {"TargetArn": ""}, "Description": "", "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512}, "FileSystemConfigs": [], "KmsKeyArn": "", "Layers": [],
    "LoggingConfig": {"LogFormat": "Text"}, "MemorySize": 128, "Timeout": 3,
    "SnapStart": {"ApplyOn": "None"}, "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}  # fmt: skip


def _code(context: ProviderContext) -> dict[str, Any]:
    code = dict(context.properties["Code"])
    if "ZipFile" in code:
        code["ZipFile"] = zip_of_inline_code(
            scalar_text(code["ZipFile"]), str(context.properties.get("Runtime", ""))
        )
    return code


def _with_code(context: ProviderContext, params: dict[str, Any]) -> None:
    params["Code"] = _code(context)
    params["Publish"] = False


def _update_code(context: ProviderContext) -> None:
    architectures = context.properties.get("Architectures")
    context.call("UpdateFunctionCode", FunctionName=context.id, Architectures=architectures,
               **_code(context))  # fmt: skip


def _layer_and_version(context: ProviderContext) -> dict[str, str]:
    arn = {**context.previous, **context.properties}.get("LayerVersionArn", context.id)
    layer, _, version = str(arn).rpartition(":")
    return {"LayerName": layer, "VersionNumber": version}


def _delete_layer(context: ProviderContext) -> None:
    context.call("DeleteLayerVersion", **_layer_and_version(context))


def _permission_of_layer(context: ProviderContext, params: dict[str, Any]) -> None:
    del params["LayerVersionArn"]
    params |= {**_layer_and_version(context), "StatementId": context.name}


def _revoke_layer(context: ProviderContext) -> None:
    context.call(
        "RemoveLayerVersionPermission",
        StatementId=context.id.rpartition("#")[2], **_layer_and_version(context),
    )  # fmt: skip


def _delete_version(context: ProviderContext) -> None:
    function, _, version = context.id.rpartition(":")
    context.call("DeleteFunction", FunctionName=function, Qualifier=version)


def _weights(value: Any) -> dict[str, Any]:
    listed = value.get("AdditionalVersionWeights") or ()
    return {"AdditionalVersionWeights": {w["FunctionVersion"]: w["FunctionWeight"] for w in listed}}


_ALIAS = {"FunctionName": "{prop[FunctionName]}", "Name": "{prop[Name]}"}
_QUALIFIED = {"FunctionName": "{prop[FunctionName]}", "Qualifier": "{prop[Qualifier]}"}
_MAPPING = (
    "BatchSize Enabled FilterCriteria FunctionName FunctionResponseTypes "
    "MaximumBatchingWindowInSeconds MetricsConfig ScalingConfig"
)
_MAPPING_RESET = {
    "BatchSize": 10, "Enabled": True, "FilterCriteria": {"Filters": []},
    "FunctionResponseTypes": [], "MaximumBatchingWindowInSeconds": 0,
    "MetricsConfig": {"Metrics": []}, "ScalingConfig": {},
}  # fmt: skip


class _StatementIn(ApiResource):
    """A statement in a resource policy, with a generated statement id."""

    def _create_params(self, context: ProviderContext) -> dict[str, Any]:
        context.name = str(context.request.unique_name(max_length=100))
        return super()._create_params(context)


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::Lambda::Function": ApiResource(
        service="lambda",
        create_call="CreateFunction",
        name=Name(property="FunctionName", param="FunctionName", max_length=64),
        takes=takes(f"Architectures Code PackageType {_SETTINGS}"),
        prepare=_with_code,
        attributes={"Arn": "FunctionArn"},
        steps=(
            Step(properties="Code Architectures", apply=_update_code, on_create=False),
            setting("ReservedConcurrentExecutions", "PutFunctionConcurrency", on=_FUNCTION,
                    to="ReservedConcurrentExecutions", remove="DeleteFunctionConcurrency"),
            setting("RecursiveLoop", "PutFunctionRecursionConfig", on=_FUNCTION,
                    to="RecursiveLoop"),
        ),
        updates=(
            Update(call="UpdateFunctionConfiguration", on=_FUNCTION, takes=takes(_SETTINGS),
                   reset=_RESET),
        ),
        tagging=Tagging(as_map=True, on={"Resource": "{att[Arn]}"}),
        delete_call="DeleteFunction",
        delete_on=_FUNCTION,
        gone=_GONE,
    ),
    "AWS::Lambda::LayerVersion": ApiResource(
        service="lambda",
        create_call="PublishLayerVersion",
        name=Name(property="LayerName", param="LayerName", max_length=64),
        takes=takes("CompatibleArchitectures CompatibleRuntimes Content Description LicenseInfo"),
        ref="LayerVersionArn",
        attributes={"LayerVersionArn": "{id}"},
        before_delete=_delete_layer,
        gone=_GONE,
    ),
    "AWS::Lambda::LayerVersionPermission": _StatementIn(
        service="lambda",
        create_call="AddLayerVersionPermission",
        takes=takes("Action LayerVersionArn OrganizationId Principal"),
        prepare=_permission_of_layer,
        ref="{prop[LayerVersionArn]}#{name}",
        attributes={"Id": "{id}"},
        before_delete=_revoke_layer,
        gone=_GONE,
    ),
    "AWS::Lambda::Permission": _StatementIn(
        service="lambda",
        create_call="AddPermission",
        on_create={"StatementId": "{name}"},
        takes=takes("Action EventSourceToken FunctionName FunctionUrlAuthType Principal "
                    "PrincipalOrgID SourceAccount SourceArn"),
        attributes={"Id": "{id}"},
        delete_call="RemovePermission",
        delete_on={"FunctionName": "{prop[FunctionName]}", "StatementId": "{id}"},
        gone=_GONE,
    ),
    "AWS::Lambda::Version": ApiResource(
        service="lambda",
        create_call="PublishVersion",
        takes=takes("CodeSha256 Description FunctionName"),
        ref="FunctionArn",
        attributes={"FunctionArn": "FunctionArn", "Version": "Version"},
        before_delete=_delete_version,
        gone=_GONE,
    ),
    "AWS::Lambda::Alias": ApiResource(
        service="lambda",
        create_call="CreateAlias",
        takes=takes("Description FunctionName FunctionVersion Name RoutingConfig"),
        convert={"RoutingConfig": _weights},
        ref="AliasArn",
        attributes={"AliasArn": "{id}"},
        updates=(
            Update(call="UpdateAlias", on=_ALIAS, always="FunctionVersion",
                   takes=takes("Description FunctionVersion RoutingConfig"),
                   reset={"Description": "", "RoutingConfig": {"AdditionalVersionWeights": {}}}),
        ),
        delete_call="DeleteAlias",
        delete_on=_ALIAS,
        gone=_GONE,
    ),
    "AWS::Lambda::EventInvokeConfig": ApiResource(
        service="lambda",
        create_call="PutFunctionEventInvokeConfig",
        takes=takes("DestinationConfig FunctionName MaximumEventAgeInSeconds "
                    "MaximumRetryAttempts Qualifier"),
        ref="{prop[FunctionName]}|{prop[Qualifier]}",
        updates=(
            Update(call="PutFunctionEventInvokeConfig", on=_QUALIFIED, whole=True,
                   takes=takes("DestinationConfig MaximumEventAgeInSeconds MaximumRetryAttempts")),
        ),
        delete_call="DeleteFunctionEventInvokeConfig",
        delete_on=_QUALIFIED,
        gone=_GONE,
    ),
    "AWS::Lambda::EventSourceMapping": ApiResource(
        service="lambda",
        create_call="CreateEventSourceMapping",
        takes=takes(f"EventSourceArn {_MAPPING}"),
        ref="UUID",
        attributes={"Id": "{id}", "EventSourceMappingArn": "EventSourceMappingArn"},
        updates=(
            Update(call="UpdateEventSourceMapping", on={"UUID": "{id}"}, takes=takes(_MAPPING),
                   reset=_MAPPING_RESET),
        ),
        tagging=Tagging(as_map=True, on={"Resource": "{att[EventSourceMappingArn]}"}),
        delete_call="DeleteEventSourceMapping",
        delete_on={"UUID": "{id}"},
        gone=_GONE,
    ),
}  # fmt: skip
