"""Pagination of list operations: a token is the position of the next page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sageloop.local_cloud.core.errors import AwsError

_Item = TypeVar("_Item")


def paginate(
    items: Sequence[_Item], token: str | None, size: int, refuse: Callable[[str], AwsError]
) -> tuple[list[_Item], str | None]:
    """One page of a list, and the token of the next; ``None`` if it is the last.

    Args:
        items: The whole list.
        token: Token of the request; ``None`` for the first page.
        size: Items of a page.
        refuse: Creates the service's error for an invalid token.

    Raises:
        AwsError: What ``refuse`` creates.

    """
    position = token or "0"
    if not (position.isascii() and position.isdecimal()):
        raise refuse(position)
    start = int(position)
    end = start + size
    return list(items[start:end]), str(end) if end < len(items) else None
