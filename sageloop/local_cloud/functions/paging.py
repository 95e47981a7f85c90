"""Lambda's way of listing by pages."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.core.service import Call
from sageloop.local_cloud.functions.errors import invalid

_DEFAULT = 50


def page(member: str, found: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """The page of ``found`` that a call's ``Marker`` and ``MaxItems`` ask for."""
    asked = call.params.get("MaxItems")
    size = _DEFAULT if asked is None else min(int(asked), 10_000)
    shown, marker = paginate(found, call.params.get("Marker"), size, _refused)
    return {member: shown, "NextMarker": marker}


def _refused(marker: str) -> AwsError:
    return invalid(f"The marker {marker} is not one that this operation returned.")
