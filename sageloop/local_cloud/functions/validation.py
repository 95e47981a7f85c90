"""Validation and defaults of CreateFunction and related requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.functions.code import UNPACKED_LIMIT
from sageloop.local_cloud.functions.errors import invalid

if TYPE_CHECKING:
    from sageloop.local_cloud.functions.code import Package
    from sageloop.local_cloud.functions.model import LayerVersion

_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_ROLE = re.compile(r"arn:aws[a-zA-Z-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
_PYTHON = re.compile(r"python3\.\d+")
_ENVIRONMENT_LIMIT = 4096
_RESERVED_VARIABLES = frozenset(
    ("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
     "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
     "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
     "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
     "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR")
)  # fmt: skip
_REFUSED = (
    "FileSystemConfigs", "ImageConfig", "CodeSigningConfigArn", "TenancyConfig", "PublishTo",
    "CapacityProviderConfig", "DurableConfig", "RuntimeConfig", "AcceleratorConfig", "ImageUri",
)  # fmt: skip
_DESTINATIONS = re.compile(
    r"arn:aws[a-zA-Z-]*:(?:"
    r"(?:sqs|sns):[a-z0-9-]+:\d{12}:[^:]+"
    r"|lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9-_]{1,64}(?::[$a-zA-Z0-9-_]+)?"
    r"|events:[a-z0-9-]+:\d{12}:event-bus/[/.\-_A-Za-z0-9]+"
    r"|s3:::[a-z0-9.\-]{3,63})"
)
_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


def refuse_unsupported(members: Mapping[str, Any], operation: str) -> None:
    """Refuse by name what the local cloud does not support."""
    for member in _REFUSED:
        if members.get(member):
            raise not_supported("lambda", f"{operation} with {member}")
    if members.get("PackageType", "Zip") != "Zip":
        raise not_supported("lambda", f"{operation} with PackageType {members['PackageType']}")
    if members.get("SnapStart", {}).get("ApplyOn", "None") != "None":
        raise not_supported("lambda", f"{operation} with SnapStart")
    runtime = members.get("Runtime")
    if runtime is not None and not _PYTHON.fullmatch(runtime):
        raise not_supported("lambda", f"{operation} with Runtime {runtime} (only python3.x runs)")


def check_name(name: str) -> None:
    """Raise ValidationException unless ``name`` is a valid function name."""
    if not _NAME.fullmatch(name):
        raise _constraint("functionName", name, f"satisfy regular expression {_NAME.pattern}")


def settings_of(members: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """A function's whole configuration from a request's members, validated.

    Raises ValidationException or InvalidParameterValueException.
    """
    for required in ("Runtime", "Handler", "Role"):
        if members.get(required) is None:
            raise invalid(
                f"{required} is mandatory for functions created with deployment packages."
            )
    settings = {
        "Runtime": members["Runtime"],
        "Role": _role(members["Role"]),
        "Handler": _handler(members["Handler"]),
        "Description": members.get("Description", ""),
        "Timeout": _within("timeout", members.get("Timeout", 3), 1, 900),
        "MemorySize": _within("memorySize", members.get("MemorySize", 128), 128, 10_240),
        "Architectures": members.get("Architectures", ["x86_64"]),
        "EphemeralStorage": members.get("EphemeralStorage", {"Size": 512}),
        "TracingConfig": members.get("TracingConfig", {"Mode": "PassThrough"}),
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": _logging(members.get("LoggingConfig", {}), name),
    }
    _within("ephemeralStorage.size", settings["EphemeralStorage"]["Size"], 512, 10_240)
    if members.get("KMSKeyArn"):
        settings["KMSKeyArn"] = members["KMSKeyArn"]
    if members.get("Environment", {}).get("Variables"):
        settings["Environment"] = {"Variables": _variables(members["Environment"]["Variables"])}
    if members.get("DeadLetterConfig", {}).get("TargetArn"):
        settings["DeadLetterConfig"] = {"TargetArn": _target(members["DeadLetterConfig"])}
    if members.get("VpcConfig", {}).get("SubnetIds"):
        settings["VpcConfig"] = dict(members["VpcConfig"])
    return settings


def check_layers(arns: list[str]) -> None:
    """Raise ``AwsError`` for more layers than AWS allows."""
    if len(arns) > 5:
        raise invalid(f"A function can reference at most 5 layers, got {len(arns)}")


def check_unpacked(code: Package, layers: Sequence[LayerVersion]) -> None:
    """Raise ``AwsError`` if code and layers together, extracted, exceed AWS's limit."""
    in_layers = sum(layer.package.unpacked for layer in layers)
    if in_layers > UNPACKED_LIMIT:
        raise invalid(f"Layers consume more than the available size of {UNPACKED_LIMIT} bytes")
    if code.unpacked + in_layers > UNPACKED_LIMIT:
        raise invalid(
            "Function code combined with layers exceeds the maximum allowed size of "
            f"{UNPACKED_LIMIT} bytes. The actual size is {code.unpacked + in_layers} bytes."
        )


def service_of_target(arn: str) -> str | None:
    """``sqs`` or ``sns`` for an ARN of one of them, else ``None``."""
    match = re.fullmatch(r"arn:aws[a-zA-Z-]*:(sqs|sns):[a-z0-9-]+:\d{12}:[^:]+", arn)
    return match[1] if match else None


def destination_of(config: Mapping[str, str], *, failures: bool) -> str | None:
    """The ARN of a destination, or ``None`` without one.

    Standard queues and topics, functions and event buses accept records; buckets accept failures.
    Raises InvalidParameterValueException for other targets.
    """
    arn = config.get("Destination")
    if not arn:
        return None
    service = arn.split(":")[2] if _DESTINATIONS.fullmatch(arn) else None
    if service is None or arn.endswith(".fifo") or (service == "s3" and not failures):
        raise invalid(
            f"The provided destination config DestinationConfig is invalid: {arn} is not a "
            "standard queue or topic, function or event bus"
            + (" and not a bucket" if failures else "")
        )
    return arn


def _role(arn: str) -> str:
    if not _ROLE.fullmatch(arn):
        raise _constraint("role", arn, f"satisfy regular expression pattern: {_ROLE.pattern}")
    return arn


def _handler(handler: str) -> str:
    if not re.fullmatch(r"[^\s]{1,128}", handler):
        raise _constraint("handler", handler, "have length 1 to 128 and no spaces")
    return handler


def _within(member: str, value: int, low: int, high: int) -> int:
    if value < low:
        raise _constraint(member, value, f"have value greater than or equal to {low}")
    if value > high:
        raise _constraint(member, value, f"have value less than or equal to {high}")
    return value


def _variables(variables: Mapping[str, str]) -> dict[str, str]:
    reserved = sorted(_RESERVED_VARIABLES & variables.keys())
    unable = "Lambda was unable to configure your environment variables because the environment"
    if reserved:
        raise invalid(
            f"{unable} variables you have provided contains reserved keys that are currently not "
            f"supported for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    for key in variables:
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]+", key):
            raise _constraint("environment.variables", key, "match [a-zA-Z]([a-zA-Z0-9_])+")
    if sum(len(k.encode()) + len(v.encode()) for k, v in variables.items()) > _ENVIRONMENT_LIMIT:
        raise invalid(f"{unable} variables you have provided exceeded the 4KB limit.")
    return dict(variables)


def _target(config: Mapping[str, str]) -> str:
    arn = config["TargetArn"]
    if service_of_target(arn) is None or arn.endswith(".fifo"):
        raise invalid(
            f"The provided dead letter target is not a standard SQS queue or SNS topic: {arn}"
        )
    return arn


def _logging(config: Mapping[str, str], name: str) -> dict[str, str]:
    form = config.get("LogFormat", "Text")
    if form not in ("Text", "JSON"):
        raise _constraint("loggingConfig.logFormat", form, "satisfy enum value set: [JSON, Text]")
    made = {"LogFormat": form, "LogGroup": config.get("LogGroup", f"/aws/lambda/{name}")}
    for member in ("ApplicationLogLevel", "SystemLogLevel"):
        level = config.get(member)
        if level is not None and form == "Text":
            raise invalid(f"{member} can be set only when LogFormat is JSON.")
        if level is not None and level not in _LEVELS:
            raise _constraint(member, level, f"satisfy enum value set: [{', '.join(_LEVELS)}]")
        if form == "JSON":
            made[member] = "INFO" if level is None else level
    return made


def _constraint(member: str, value: object, requirement: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy "
        f"constraint: Member must {requirement}",
    )
