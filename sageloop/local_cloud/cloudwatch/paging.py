"""Pagination of CloudWatch's list operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.core.service import Call

_MOST = 100


def page(member: str, items: Sequence[Any], call: Call, *, size: str) -> dict[str, Any]:
    """One page of ``items`` under ``member``; ``size`` names the parameter with its length."""
    limit = call.params.get(size, _MOST)
    if not 1 <= limit <= _MOST:
        raise AwsError("ValidationError", f"{size} must be 1 to {_MOST}, got {limit}")
    shown, token = paginate(items, call.params.get("NextToken"), limit, _refused)
    answer: dict[str, Any] = {member: shown}
    return answer if token is None else answer | {"NextToken": token}


def _refused(token: str) -> AwsError:
    return AwsError("InvalidNextToken", f"the token {token} was not returned by this operation")
