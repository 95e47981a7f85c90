"""Answers in pages: a token is the place where the next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call

_MOST = 100


def page(member: str, found: Sequence[Any], call: Call, *, size: str) -> dict[str, Any]:
    """One page of ``found`` under ``member``; ``size`` names the parameter with its length."""
    wanted = call.params.get(size, _MOST)
    if not 1 <= wanted <= _MOST:
        raise AwsError("ValidationError", f"{size} must be 1 to {_MOST}, got {wanted}")
    token = call.params.get("NextToken") or "0"
    if not token.isdigit():
        raise AwsError("InvalidNextToken", f"the token {token} was not given by this operation")
    start = int(token)
    answer: dict[str, Any] = {member: list(found[start : start + wanted])}
    if start + wanted < len(found):
        answer["NextToken"] = str(start + wanted)
    return answer
