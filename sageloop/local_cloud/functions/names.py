"""How callers write functions: names, partial and full ARNs, with or without a qualifier."""

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
    """A function in a region, and a version or alias of it if one was named."""

    region: str
    name: str
    qualifier: str | None


def parse_reference(text: str, *, qualifier: str | None, region: str) -> FunctionRef:
    """Read a ``FunctionName`` and ``Qualifier`` of a request made in ``region``.

    Raises ``AwsError`` (ValidationException, or InvalidParameterValueException when the
    two name different qualifiers).
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy "
            f"constraint: Member must satisfy regular expression pattern: {_SHOWN}",
        )
    derived = found["qualifier"]
    if derived and qualifier and derived != qualifier:
        raise AwsError(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
            fields={"Type": "User"},
        )
    return FunctionRef(found["region"] or region, found["name"], qualifier or derived)
