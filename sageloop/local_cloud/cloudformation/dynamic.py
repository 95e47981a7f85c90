"""Dynamic references: ``{{resolve:service:...}}`` in the text of a property.

They are resolved in properties of resources only, not in outputs, conditions or metadata
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html):

- ``ssm`` when a property is evaluated, in change sets too: each stack operation reads it again, and
  a changed value is a change of the property. The stack stores the value.
- ``secretsmanager`` just before a provider is called: no stack stores a secret, two deployments
  compare the references, and a custom resource receives the reference itself.
- ``ssm-secure`` as a secret, in the properties that AWS lists; elsewhere it is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.errors import ResourceFailed, invalid
from sageloop.local_cloud.cloudformation.scalars import document_text

MAX_REFERENCES = 60
_OPENING = "{{resolve:"
_REFERENCE = re.compile(r"\{\{resolve:([a-z-]+):([^{}]*)\}\}")
_SERVICES = ("ssm", "ssm-secure", "secretsmanager")
# Neither labels nor ARNs: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-ssm.html
_PARAMETER = re.compile(r"[a-zA-Z0-9_.\-/]+(?::\d+)?")
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-ssm-secure-strings.html
_TAKES_SECURE = frozenset(
    (
        "AWS::DirectoryService::MicrosoftAD/Properties/Password",
        "AWS::DirectoryService::SimpleAD/Properties/Password",
        "AWS::ElastiCache::ReplicationGroup/Properties/AuthToken",
        "AWS::IAM::User/Properties/LoginProfile/Password",
        "AWS::KinesisFirehose::DeliveryStream/Properties/RedshiftDestinationConfiguration/Password",
        "AWS::OpsWorks::App/Properties/AppSource/Password",
        "AWS::OpsWorks::Stack/Properties/CustomCookbooksSource/Password",
        "AWS::OpsWorks::Stack/Properties/RdsDbInstances/DbPassword",
        "AWS::RDS::DBCluster/Properties/MasterUserPassword",
        "AWS::RDS::DBInstance/Properties/MasterUserPassword",
        "AWS::Redshift::Cluster/Properties/MasterUserPassword",
    )
)

Client = Callable[[str], Any]
ReadParameter = Callable[[str], str]


def check_number(body: Mapping[str, Any]) -> None:
    """Refuse a template with more dynamic references than AWS resolves."""
    count = sum(text.count(_OPENING) for _, text in _texts(body, ""))
    if count > MAX_REFERENCES:
        raise invalid(
            f"Template format error: the template has {count} dynamic references, of at most "
            f"{MAX_REFERENCES}"
        )


def check_dynamic(type_name: str, properties: Mapping[str, Any]) -> None:
    """Check the dynamic references in evaluated properties of a resource.

    Raises:
        AwsError: ``ValidationError`` for an unknown service, a malformed reference to a parameter,
            or a secure string in a property that does not support it.

    """
    unsupported = []
    for path, text in _texts(properties, f"{type_name}/Properties"):
        for match in _REFERENCE.finditer(text):
            _check_form(match)
            if match[1] == "ssm-secure" and path not in _TAKES_SECURE:
                unsupported.append(path)
    if unsupported:
        raise invalid(f"SSM Secure reference is not supported in: [{','.join(unsupported)}]")


def _check_form(match: re.Match[str]) -> None:
    service, reference = match[1], match[2]
    if service not in _SERVICES:
        raise invalid(
            f"Dynamic reference to {service} is not supported; supported are {', '.join(_SERVICES)}"
        )
    if service != "secretsmanager" and not _PARAMETER.fullmatch(reference):
        raise invalid(f"Incorrect format is used in the following SSM reference: [{match[0]}]")


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each text with its path, in which elements of a list have that of the list."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, path)


def resolve_plain(value: Any, read: ReadParameter) -> Any:
    """``value`` with every ``ssm`` reference resolved by ``read``, and the secret ones as text."""
    return _replaced(value, {"ssm": read})


def resolve_secrets(value: Any, client: Client) -> Any:
    """``value`` with every reference to a secret resolved.

    Raises:
        ResourceFailed: The secret, its version or its key does not exist or cannot be read.

    """
    readers = {"ssm-secure": _secure_string, "secretsmanager": _secret}

    def reading(service: str) -> ReadParameter:
        return lambda reference: _read(readers[service], service, reference, client)

    return _replaced(value, {service: reading(service) for service in readers})


def resolve_available(value: Any, client: Client) -> Any:
    """As :func:`resolve_secrets`, but what cannot be read stays as it is.

    For the properties that a resource had before: its secrets may be gone, which must not prevent
    its update or deletion.
    """
    if isinstance(value, Mapping):
        return {key: resolve_available(inner, client) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve_available(inner, client) for inner in value]
    try:
        return resolve_secrets(value, client)
    except ResourceFailed:
        return value


def _replaced(value: Any, readers: Mapping[str, ReadParameter]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(inner, readers) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, readers) for inner in value]
    if isinstance(value, str) and _OPENING in value:
        return _REFERENCE.sub(
            lambda match: readers[match[1]](match[2]) if match[1] in readers else match[0], value
        )
    return value


def _read(
    reader: Callable[[str, Client], str], service: str, reference: str, client: Client
) -> str:
    try:
        if reference.endswith("\\"):
            raise ResourceFailed("a dynamic reference must not end with a backslash")
        return reader(reference, client)
    except (ClientError, ResourceFailed) as error:
        reason = (
            error.response["Error"].get("Message", str(error))
            if isinstance(error, ClientError)
            else error.reason
        )
        raise ResourceFailed(
            f"Could not resolve {{{{resolve:{service}:{reference}}}}}: {reason}"
        ) from error


def _secure_string(reference: str, client: Client) -> str:
    parameter = client("ssm").get_parameter(Name=reference, WithDecryption=True)["Parameter"]
    if parameter["Type"] != "SecureString":
        raise ResourceFailed(
            f"the parameter is a {parameter['Type']}; ssm-secure is for a SecureString"
        )
    return str(parameter["Value"])


def _secret(reference: str, client: Client) -> str:
    # secret-id[:SecretString[:json-key[:stage[:version]]]]; an ARN itself has seven parts.
    parts = reference.split(":")
    size = 7 if reference.startswith("arn:") else 1
    secret_id, rest = ":".join(parts[:size]), parts[size:] + [""] * 4
    if rest[0] not in ("", "SecretString") or any(rest[4:]):
        raise ResourceFailed(
            "after the secret's id come SecretString, a JSON key, a stage and a version at most"
        )
    request = {"SecretId": secret_id, "VersionStage": rest[2], "VersionId": rest[3]}
    secret = client("secretsmanager").get_secret_value(**{k: v for k, v in request.items() if v})
    if "SecretString" not in secret:
        raise ResourceFailed("the secret has no SecretString")
    text = str(secret["SecretString"])
    return _json_value(text, rest[1]) if rest[1] else text


def _json_value(text: str, key: str) -> str:
    try:
        values = json.loads(text)
    except ValueError:
        raise ResourceFailed("Could not parse SecretString JSON") from None
    if not isinstance(values, dict) or key not in values:
        raise ResourceFailed(
            f"Could not find a value associated with JSONKey in SecretString: {key}"
        )
    return document_text(values[key])
