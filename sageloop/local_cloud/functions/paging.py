"""Pagination of Lambda's list operations."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.core.service import Call
from sageloop.local_cloud.functions.errors import invalid

_DEFAULT = 50


def page(member: str, items: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """The page of ``items`` by a call's ``Marker`` and ``MaxItems``."""
    limit = call.params.get("MaxItems")
    size = _DEFAULT if limit is None else min(int(limit), 10_000)
    shown, marker = paginate(items, call.params.get("Marker"), size, _refused)
    return {member: shown, "NextMarker": marker}


def _refused(marker: str) -> AwsError:
    return invalid(f"The marker {marker} was not returned by this operation.")
