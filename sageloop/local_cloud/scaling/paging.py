"""Pagination of Application Auto Scaling's list operations."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.core.service import Call

_LARGEST = 50


def page(member: str, items: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """The page of ``items`` for ``NextToken`` and ``MaxResults``."""
    limit = call.params.get("MaxResults")
    size = _LARGEST if limit is None else min(int(limit), _LARGEST)
    shown, token = paginate(items, call.params.get("NextToken"), size, _refused)
    return {member: shown, "NextToken": token}


def _refused(token: str) -> AwsError:
    return AwsError("InvalidNextTokenException", f"Invalid token: {token}")
