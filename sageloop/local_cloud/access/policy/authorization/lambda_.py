"""AWS Lambda."""

from __future__ import annotations

import re

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Permission,
    Rule,
    all_of,
    arns_at,
    fixed,
    on,
    passes,
    when_set,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules

_PARTIAL = re.compile(r"(\d{12}):function:(.+)")


def function_arn(call: ApiCall, *, qualified: bool = True) -> str:
    """ARN of the function that a request names: by name, partial ARN or ARN, and qualifier."""
    name = call.text("FunctionName")
    qualifier = call.text("Qualifier")
    account = call.account
    partial = _PARTIAL.fullmatch(name)
    if name.startswith("arn:"):
        account, name = name.split(":")[4], name.split(":", 6)[6]
    elif partial:
        account, name = partial[1], partial[2]
    name, _, inner = name.partition(":")
    qualifier = (qualifier or inner) if qualified else ""
    suffix = f":{qualifier}" if qualifier else ""
    return f"arn:{call.partition}:lambda:{call.region}:{account}:function:{name or '*'}{suffix}"


def _function(call: ApiCall) -> list[str]:
    return [function_arn(call, qualified=False)]


def _qualified(call: ApiCall) -> list[str]:
    return [function_arn(call)]


def _layer(call: ApiCall) -> str:
    name = call.text("LayerName")
    return name if name.startswith("arn:") else call.arn("lambda", f"layer:{name}")


def _layer_version(call: ApiCall) -> list[str]:
    return [f"{_layer(call)}:{call.text('VersionNumber') or '*'}"]


def _mapping(call: ApiCall) -> list[str]:
    return [call.arn("lambda", f"event-source-mapping:{call.text('UUID') or '*'}")]


def _mapped_function(call: ApiCall) -> dict[str, str]:
    if call.get("FunctionName"):
        return {"lambda:FunctionArn": function_arn(call)}
    arn = call.resolve("lambda:event-source-mapping", call.text("UUID"))
    return {"lambda:FunctionArn": arn} if arn else {}


def _on_mapping(action: str) -> Rule:
    def rule(call: ApiCall) -> list[Permission]:
        return [
            Permission(f"lambda:{action}", arn, _mapped_function(call)) for arn in _mapping(call)
        ]

    return rule


_SERVICE = "lambda.amazonaws.com"
# The caller must be allowed to describe the network of a function.
_NETWORK = when_set(
    "VpcConfig.SubnetIds",
    all_of(
        on(fixed("*"), "ec2:DescribeSecurityGroups"),
        on(fixed("*"), "ec2:DescribeSubnets"),
        on(fixed("*"), "ec2:DescribeVpcs"),
    ),
)
_LAYERS = on(arns_at("Layers"), "lambda:GetLayerVersion")
_QUALIFIED = (
    "DeleteFunction", "DeleteFunctionEventInvokeConfig", "GetFunction", "GetFunctionConfiguration",
    "GetFunctionEventInvokeConfig", "GetPolicy", "AddPermission", "RemovePermission",
    "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "CreateFunctionUrlConfig",
    "DeleteFunctionUrlConfig", "GetFunctionUrlConfig", "UpdateFunctionUrlConfig",
    "PutProvisionedConcurrencyConfig", "GetProvisionedConcurrencyConfig",
    "DeleteProvisionedConcurrencyConfig", "GetRuntimeManagementConfig",
    "PutRuntimeManagementConfig",
)  # fmt: skip
_FUNCTIONS = (
    "CreateAlias", "CreateFunction", "DeleteAlias", "DeleteFunctionCodeSigningConfig",
    "DeleteFunctionConcurrency", "GetAlias", "GetFunctionCodeSigningConfig",
    "GetFunctionConcurrency", "GetFunctionRecursionConfig", "ListAliases",
    "ListFunctionEventInvokeConfigs", "ListFunctionUrlConfigs",
    "ListProvisionedConcurrencyConfigs", "ListVersionsByFunction", "PublishVersion",
    "PutFunctionCodeSigningConfig", "PutFunctionConcurrency", "PutFunctionRecursionConfig",
    "UpdateAlias", "UpdateFunctionCode", "UpdateFunctionConfiguration",
)  # fmt: skip

LAMBDA = ServiceRules(
    model="lambda",
    prefix="lambda",
    rules={operation: on(_qualified, f"lambda:{operation}") for operation in _QUALIFIED}
    | {operation: on(_function, f"lambda:{operation}") for operation in _FUNCTIONS}
    | {
        operation: on(arns_at("Resource"), f"lambda:{operation}")
        for operation in ("ListTags", "TagResource", "UntagResource")
    }
    | {
        operation: on(_layer_version, f"lambda:{operation}")
        for operation in ("AddLayerVersionPermission", "DeleteLayerVersion", "GetLayerVersion",
                          "GetLayerVersionPolicy", "RemoveLayerVersionPermission")
    }
    | {
        "Invoke": on(_qualified, "lambda:InvokeFunction"),
        "InvokeAsync": on(_qualified, "lambda:InvokeFunction"),
        "InvokeWithResponseStream": on(_qualified, "lambda:InvokeFunction"),
        "GetLayerVersionByArn": on(arns_at("Arn"), "lambda:GetLayerVersion"),
        "PublishLayerVersion": on(lambda call: [_layer(call)], "lambda:PublishLayerVersion"),
        "CreateEventSourceMapping": lambda call: [
            Permission("lambda:CreateEventSourceMapping", "*", _mapped_function(call))
        ],
        "GetEventSourceMapping": _on_mapping("GetEventSourceMapping"),
        "UpdateEventSourceMapping": _on_mapping("UpdateEventSourceMapping"),
        "DeleteEventSourceMapping": _on_mapping("DeleteEventSourceMapping"),
    },
    also={
        "CreateFunction": all_of(passes("Role", _SERVICE), _LAYERS, _NETWORK),
        "UpdateFunctionConfiguration": all_of(passes("Role", _SERVICE), _LAYERS, _NETWORK),
    },
    keys={
        "lambda:CodeSigningConfigArn": "CodeSigningConfigArn",
        "lambda:FunctionUrlAuthType": "FunctionUrlAuthType || AuthType",
        "lambda:Layer": "Layers",
        "lambda:Principal": "Principal",
        "lambda:SecurityGroupIds": "VpcConfig.SecurityGroupIds",
        "lambda:SubnetIds": "VpcConfig.SubnetIds",
    },
    state_keys=frozenset({"lambda:FunctionArn"}),
)  # fmt: skip
