"""Lambda's way of listing by pages."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.service import Call
from sageloop.local_cloud.functions.errors import invalid

_DEFAULT = 50


def page(member: str, found: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """The page of ``found`` that a call's ``Marker`` and ``MaxItems`` ask for."""
    marker = call.params.get("Marker") or "0"
    if not marker.isdecimal():
        raise invalid(f"The marker {marker} is not one that this operation returned.")
    asked = call.params.get("MaxItems")
    size = _DEFAULT if asked is None else min(int(asked), 10_000)
    start = int(marker)
    end = start + size
    return {member: found[start:end], "NextMarker": str(end) if end < len(found) else None}
