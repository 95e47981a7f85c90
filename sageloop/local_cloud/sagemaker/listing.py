"""Filters, sorting and pagination of ``List*`` operations over the store's documents."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.sagemaker.store import Document

_DEFAULT_MAX_RESULTS = 10


def list_response(
    documents: Iterable[Document], params: Mapping[str, Any], *, result: str, name: str,
    members: tuple[str, ...], status: str = "", sort: Mapping[str, str] | None = None,
    default_order: str = "Descending", default_sort: str = "CreationTime",
    filters_pages: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return the response of a ``List*`` request.

    ``result`` is the list member of the response. ``name`` and ``status`` are the document members
    that NameContains and StatusEquals filter by. ``members`` are the members of a summary. ``sort``
    maps values of SortBy to document members. With ``filters_pages`` a page is cut first and then
    filtered by name and status, so that it may have fewer summaries, or none, and a token.
    """
    matching = [d for d in documents if _in_span(d, params)]
    if not filters_pages:
        matching = [d for d in matching if _admitted(d, params, name, status)]
    by = (sort or {}).get(params.get("SortBy", ""), "")
    by = by or {"Name": name, "CreationTime": "CreationTime", "Status": status}.get(
        params.get("SortBy", default_sort), default_sort
    )
    # Sorting is stable: documents with equal times keep the order of creation, or its reverse.
    descending = params.get("SortOrder", default_order) == "Descending"
    matching.sort(key=lambda d: d.get(by) or "")
    if descending:
        matching.reverse()
    size = int(params.get("MaxResults", _DEFAULT_MAX_RESULTS))
    shown, token = paginate(matching, _decoded(params.get("NextToken")), size, _refused)
    summaries = [d for d in shown if _admitted(d, params, name, status)]
    response: dict[str, Any] = {
        result: [{m: d[m] for m in members if d.get(m) is not None} for d in summaries]
    }
    if token is not None:
        response["NextToken"] = base64.b64encode(token.encode()).decode()
    return response


def _admitted(document: Document, params: Mapping[str, Any], name: str, status: str) -> bool:
    if params.get("NameContains", "").lower() not in str(document.get(name, "")).lower():
        return False
    filters = params.get("StatusEquals")
    return filters is None or not status or document.get(status) == filters


def _in_span(document: Document, params: Mapping[str, Any]) -> bool:
    return all(
        _in_order(document.get(member), params.get(f"{member}{suffix}"), newer)
        for member in ("CreationTime", "LastModifiedTime")
        for suffix, newer in _BOUNDS
    )


def _later(stamp: Any, bound: Any) -> bool:
    return bool(stamp > bound)


def _earlier(stamp: Any, bound: Any) -> bool:
    return bool(stamp < bound)


_BOUNDS: tuple[tuple[str, Callable[[Any, Any], bool]], ...] = (
    ("After", _later),
    ("Before", _earlier),
)


def _in_order(stamp: Any, bound: Any, holds: Callable[[Any, Any], bool]) -> bool:
    return bound is None or stamp is None or holds(stamp, bound)


def _decoded(token: str | None) -> str | None:
    if token is None:
        return None
    try:
        return base64.b64decode(token, validate=True).decode()
    except ValueError:
        raise _refused(token) from None


def _refused(_: str) -> AwsError:
    return AwsError("ValidationException", "Invalid NextToken.")
