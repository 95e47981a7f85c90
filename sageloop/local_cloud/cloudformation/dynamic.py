"""Dynamic references: ``{{resolve:service:...}}`` in a property's text.

They are resolved just before a provider is called and never stored, so that no stack contains a
secret; two deployments compare the references, as on AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.errors import ResourceFailed

_REFERENCE = re.compile(r"\{\{resolve:([a-z-]+):([^{}]+)\}\}")

Client = Callable[[str], Any]


def resolve_dynamic(value: Any, client: Client) -> Any:
    """``value`` with every dynamic reference resolved.

    Raises:
        ResourceFailed: The referenced value does not exist or its service is not supported.

    """
    if isinstance(value, dict):
        return {key: resolve_dynamic(inner, client) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve_dynamic(inner, client) for inner in value]
    if isinstance(value, str) and "{{resolve:" in value:
        return _REFERENCE.sub(lambda match: _resolved(match[1], match[2], client), value)
    return value


def _resolved(service: str, reference: str, client: Client) -> str:
    readers = {"ssm": _ssm, "ssm-secure": _ssm, "secretsmanager": _secret}
    if service not in readers:
        raise ResourceFailed(
            f"Dynamic reference to {service} is not supported; supported are {', '.join(readers)}"
        )
    try:
        return readers[service](reference, client)
    except ClientError as error:
        raise ResourceFailed(
            f"Could not resolve {{{{resolve:{service}:{reference}}}}}: "
            f"{error.response['Error'].get('Message', error)}"
        ) from error


def _ssm(reference: str, client: Client) -> str:
    parameter = client("ssm").get_parameter(Name=reference, WithDecryption=True)
    return str(parameter["Parameter"]["Value"])


def _secret(reference: str, client: Client) -> str:
    # secret-id[:SecretString[:json-key[:stage[:version]]]]; an ARN itself has seven parts.
    parts = reference.split(":")
    size = 7 if reference.startswith("arn:") else 1
    secret_id, rest = ":".join(parts[:size]), parts[size:] + [""] * 4
    request = {"SecretId": secret_id, "VersionStage": rest[2], "VersionId": rest[3]}
    secret = client("secretsmanager").get_secret_value(**{k: v for k, v in request.items() if v})
    text = str(secret["SecretString"])
    if not rest[1]:
        return text
    values = json.loads(text)
    if rest[1] not in values:
        raise ResourceFailed(
            f"Could not find a value associated with JSONKey in SecretString: {rest[1]}"
        )
    return str(values[rest[1]])
