"""Application Auto Scaling's way of listing by pages."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call

_LARGEST = 50


def page(member: str, found: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """The page of ``found`` that ``NextToken`` and ``MaxResults`` ask for."""
    token = call.params.get("NextToken") or "0"
    if not token.isdecimal():
        raise AwsError("InvalidNextTokenException", f"Invalid token: {token}")
    asked = call.params.get("MaxResults")
    start = int(token)
    end = start + (_LARGEST if asked is None else min(int(asked), _LARGEST))
    return {member: found[start:end], "NextToken": str(end) if end < len(found) else None}
