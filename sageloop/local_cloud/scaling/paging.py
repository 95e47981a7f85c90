"""Application Auto Scaling's way of listing by pages."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.core.service import Call

_LARGEST = 50


def page(member: str, found: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """The page of ``found`` that ``NextToken`` and ``MaxResults`` ask for."""
    asked = call.params.get("MaxResults")
    size = _LARGEST if asked is None else min(int(asked), _LARGEST)
    shown, token = paginate(found, call.params.get("NextToken"), size, _refused)
    return {member: shown, "NextToken": token}


def _refused(token: str) -> AwsError:
    return AwsError("InvalidNextTokenException", f"Invalid token: {token}")
