"""References to functions: names, partial and full ARNs, with or without a qualifier."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sageloop.local_cloud.core.errors import AwsError

LATEST = "$LATEST"

_SHOWN = (
    r"(arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:function:)?[a-zA-Z0-9-_]{1,64}(:[$a-zA-Z0-9-_]+)?"
)
_REFERENCE = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):\d{12}:function:"
    r"|(?:\d{12}:)?function:)?"
    r"(?P<name>[a-zA-Z0-9-_]{1,64})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]{1,128}))?"
)


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function in a region, with an optional version or alias."""

    region: str
    name: str
    qualifier: str | None


def parse_reference(text: str, *, qualifier: str | None, region: str) -> FunctionRef:
    """Parse the ``FunctionName`` and ``Qualifier`` of a request in ``region``.

    Raises ``AwsError`` (ValidationException, or InvalidParameterValueException when the two
    contain different qualifiers).
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy "
            f"constraint: Member must satisfy regular expression pattern: {_SHOWN}",
        )
    derived = match["qualifier"]
    if derived and qualifier and derived != qualifier:
        raise AwsError(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
            fields={"Type": "User"},
        )
    return FunctionRef(match["region"] or region, match["name"], qualifier or derived)


def queue_url(arn: str) -> str:
    """The URL of the queue with an ARN, for which a role needs no permission.

    On AWS, Lambda reads queues and sends to them without sqs:GetQueueUrl.
    """
    _, _, _, region, account, name = arn.split(":")
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"
